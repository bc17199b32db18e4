//! Domain types: assets, uploads, parts, jobs, events, grants, tenants, and the rules for their changes.
//!
//! A state is an enum that carries its data. A transition is a method that consumes the value and may refuse. Nothing
//! here is async, does I/O, reads a clock or uses randomness: time and random bytes are parameters ([`clock`]), so that
//! every rule of expiry, backoff and leases is covered by unit tests.
//!
//! This module uses no other module of the crate.

pub mod access;
pub mod append;
pub mod archive;
pub mod asset;
pub mod asset_order;
pub mod audit;
pub mod audit_report;
pub mod backoff;
pub mod checksum;
pub mod client_program;
pub mod clock;
pub mod collection;
pub mod csv;
pub mod diagnosis;
pub mod drop_box;
pub mod egress;
pub mod event;
pub mod file_type;
pub mod findings;
pub mod grant;
pub mod ids;
pub mod issuer;
pub mod job;
pub mod job_attempt;
pub mod json_text;
pub mod key;
pub mod maintenance;
pub mod media_alias;
pub mod name;
pub mod node;
pub mod plan;
pub mod policy;
pub mod quota;
pub mod reason;
pub mod storage;
pub mod tenant;
pub mod tenant_deletion;
pub mod upload;
pub mod webhook;

/// A transition that the state machine does not have.
///
/// Terminal states refuse every transition with this error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {from} and cannot become {to}")]
pub struct InvalidTransition {
    /// The kind of entity: `asset`, `upload` or `webhook`.
    pub what: &'static str,
    /// The current state.
    pub from: &'static str,
    /// The requested state.
    pub to: &'static str,
}
