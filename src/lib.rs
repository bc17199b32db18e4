//! Gantry: large-file uploads and downloads. Crate docs follow with the first working path.
#![forbid(unsafe_code)]

pub mod blob;
pub mod domain;
