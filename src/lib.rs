//! Gantry: large-file uploads and downloads. Crate docs follow with the first working path.
#![forbid(unsafe_code)]

pub mod app;
pub mod blob;
pub mod cli;
pub mod client;
pub mod config;
pub mod crash;
pub mod domain;
pub mod engine;
pub mod http;
pub mod store;
pub mod worker;
