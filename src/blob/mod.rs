//! Bytes: where objects live.

pub mod embedded;
