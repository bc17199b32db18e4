//! Readiness as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::StoreCapabilities;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Readiness")]
pub(super) struct ReadinessView {
    /// True if this process can serve.
    pub(super) ready: bool,
    /// True if this process is about to end.
    #[schemars(example = false)]
    pub(super) draining: bool,
    /// True if the database answers.
    pub(super) database: bool,
    /// True if the object store answers.
    pub(super) store: bool,
    /// State of the disk of the data directory: `enough`, `low`, or `full`, when new uploads are refused; null if neither
    /// the database nor the store is embedded. A full disk does not make the process unready: downloads go on.
    #[schemars(example = &"enough")]
    pub(super) disk: Option<&'static str>,
    /// True while new uploads of every tenant are refused for maintenance; null if the database does not answer.
    #[schemars(example = false)]
    pub(super) maintenance: Option<bool>,
    /// Capabilities of the object store, as they were detected.
    pub(super) capabilities: StoreCapabilitiesView,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Capabilities")]
pub(super) struct StoreCapabilitiesView {
    /// True if the store honours `If-None-Match: *` on a PUT.
    conditional_put: bool,
    /// True if the store refuses parts that do not fit their checksum.
    part_checksums: bool,
    /// True if parts may carry checksums that were not announced.
    undeclared_checksums: bool,
    /// True if parts of different sizes make an object.
    unequal_parts: bool,
    /// True if a repeated completion gets the first answer.
    repeated_complete: bool,
    /// True if the store gives metadata back.
    metadata: bool,
    /// True if the store refuses bytes beyond the limit that a signed URL names.
    enforces_limits: bool,
    /// True if browsers on this origin may PUT; null if that is not known.
    cors: Option<bool>,
}

pub(super) fn capabilities_view(capabilities: &StoreCapabilities) -> StoreCapabilitiesView {
    let StoreCapabilities {
        conditional_put,
        part_checksums,
        undeclared_checksums,
        unequal_parts,
        repeated_complete,
        metadata,
        enforces_limits,
        cors,
    } = *capabilities;
    StoreCapabilitiesView {
        conditional_put,
        part_checksums,
        undeclared_checksums,
        unequal_parts,
        repeated_complete,
        metadata,
        enforces_limits,
        cors,
    }
}
