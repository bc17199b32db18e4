//! The client side of the command line: `put`, `get`, `ls`, `stat`, `rm`, `link`.
//!
//! ```text
//! api      the service's HTTP API: one client, every request tried again while that can help
//! calls    the calls that are made, as functions        wire   their JSON
//! retry    when to try again, when to give up           error  what failed, by meaning; exit codes
//! upload   put: journal ▶ begin ▶ parallel parts beside the hash ▶ complete ▶ wait
//! download get: head ▶ .part ▶ ranges until whole ▶ verify ▶ rename
//! journal  what a crashed `put` leaves for the next one
//! progress bars, lines, JSON                            text   numbers and names for people
//! ```
//!
//! Talks HTTP as any client would, and must not use anything of ours but `domain`. The API key goes to the service's
//! own origin only; signed addresses go nowhere at all.

pub mod api;
pub mod calls;
pub mod download;
pub mod error;
pub mod format;
pub mod journal;
pub mod progress;
pub mod retry;
pub mod upload;
pub mod wire;
