//! The command line's client side as a child process, against the real service, killed, cut off and lied to.

mod archive;
mod commands;
mod damage;
mod errors;
mod folders;
mod listing;
mod profiles;
mod proxy;
mod resume;
mod round_trips;
mod service;
mod several;
mod streams;
mod sync;
mod trouble;
