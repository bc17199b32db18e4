//! Client side of the command line: `put`, `get`, `ls`, `stat`, `rm`, `link`, `watch`, `sync`, `admin`, `demo`.
//!
//! ```text
//! api      the service's HTTP API: typed requests, each retried while a retry can help
//! calls    API calls as functions; admin_calls: those of operators
//! wire     their JSON
//! retry    when to retry, when to give up               error  failures by meaning; exit codes
//! profiles addresses and keys that `login` keeps        trace  lines about requests
//! tree     files of folders, by patterns                throttle  a limit of bytes per second
//! upload   put: journal ▶ begin ▶ parallel parts beside the hash ▶ complete ▶ wait
//! download get: head ▶ .part ▶ ranges until whole ▶ verify ▶ rename
//! journal  state by which a `put` resumes after a crash
//! progress bars, lines, JSON                            format numbers and names for people
//! watch    events of an asset until it is settled
//! demo     data to look at, and how it goes away again
//! doctor   what is wrong on the way to the service
//! ```
//!
//! The client uses HTTP only, and of this crate nothing but `domain`. The API key is sent to the service's own origin
//! only; signed URLs are never shown or logged.

pub mod admin_calls;
pub mod api;
pub mod calls;
pub mod demo;
pub mod doctor;
pub mod download;
pub mod error;
pub mod format;
pub mod journal;
pub mod profiles;
pub mod progress;
pub mod retry;
pub mod throttle;
pub mod trace;
pub mod tree;
pub mod upload;
pub mod watch;
pub mod wire;
