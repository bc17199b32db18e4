//! The nouns: assets, uploads, parts, jobs, events, grants, tenants, and the rules by which they change.
//!
//! A state is an enum that carries its data; a transition is a method that takes the value and can refuse.
//! Nothing here is async, does I/O, reads a clock or rolls dice: time and chance come in as arguments
//! ([`clock`]), so every rule of expiry, backoff and leases is a unit test.
//!
//! Must not use anything else of ours.

pub mod access;
pub mod append;
pub mod archive;
pub mod asset;
pub mod audit;
pub mod backoff;
pub mod checksum;
pub mod clock;
pub mod collection;
pub mod egress;
pub mod event;
pub mod file_type;
pub mod findings;
pub mod grant;
pub mod ids;
pub mod issuer;
pub mod job;
pub mod key;
pub mod media_alias;
pub mod name;
pub mod plan;
pub mod policy;
pub mod quota;
pub mod reason;
pub mod tenant;
pub mod upload;
pub mod webhook;

/// A transition that the state machine does not have.
///
/// Terminal states absorb: every transition out of them is refused with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {from} and cannot become {to}")]
pub struct InvalidTransition {
    /// The noun: `asset`, `upload` or `webhook`.
    pub what: &'static str,
    /// The state it is in.
    pub from: &'static str,
    /// The state that was asked for.
    pub to: &'static str,
}
