//! The conformance suite of the store port, run on every adapter.

mod aborts;
mod appends;
mod feed;
mod jobs;
mod lists;
mod operations;
mod rows;
mod samples;
mod transactions;
mod upgrade;
mod webhooks;
