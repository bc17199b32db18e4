//! The command line's client side as a child process, against the real service, killed, cut off and lied to.

mod archive;
mod damage;
mod errors;
mod listing;
mod proxy;
mod resume;
mod round_trips;
mod service;
mod trouble;
