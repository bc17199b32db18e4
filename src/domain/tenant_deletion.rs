//! Deletion of a tenant: what is counted before, and how far it is.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::TenantId;

/// Numbers of what a tenant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantContents {
    /// Bytes of all files and of uploads under way, as quotas count them.
    pub bytes: u64,
    /// Assets in every state.
    pub assets: u64,
    /// Uploads in every state.
    pub uploads: u64,
    /// Links.
    pub links: u64,
    /// API keys.
    pub keys: u64,
    /// Webhook endpoints.
    pub webhooks: u64,
    /// Rows of all tables, these included.
    pub rows: u64,
}

/// Phase of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionPhase {
    /// Uploads under way are aborted.
    Uploads,
    /// Objects and unfinished uploads are removed from the store.
    Objects,
    /// Rows are deleted.
    Rows,
    /// All is deleted, but signed URLs may still bring bytes: they are removed when the URLs have expired.
    Urls,
}

impl DeletionPhase {
    /// Every phase, in their order.
    pub const ALL: [Self; 4] = [Self::Uploads, Self::Objects, Self::Rows, Self::Urls];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uploads => "uploads",
            Self::Objects => "objects",
            Self::Rows => "rows",
            Self::Urls => "urls",
        }
    }
}

/// A deletion under way. Counts are of what was deleted so far; after a crash they may be a batch too low.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantDeletion {
    /// The tenant.
    pub tenant: TenantId,
    /// When it began.
    pub started_at: Timestamp,
    /// Actor of the audit entry that stays.
    pub actor: String,
    /// Id of the request that began it.
    pub request: Option<String>,
    /// The phase.
    pub phase: DeletionPhase,
    /// Numbers at the start.
    pub found: TenantContents,
    /// Deleted objects and aborted multipart uploads.
    pub objects: u64,
    /// Bytes of the deleted objects.
    pub bytes: u64,
    /// Deleted rows.
    pub rows: u64,
}
