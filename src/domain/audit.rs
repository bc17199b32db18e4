//! The audit trail: who did what to which thing, from where, with before and after. Entries are only ever added.

use serde_json::Value;
use uuid::Uuid;

use super::clock::Timestamp;
use super::ids::TenantId;

/// One deed.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Identity; sorts by time.
    pub id: Uuid,
    /// Whose thing it was done to.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// By whom: `key:…`, `upload-grant:…`, `link:…`, `anybody`, `operator`, `system`.
    pub actor: String,
    /// What: `asset.delete` and the like.
    pub action: String,
    /// To what: `asset:…`, `tenant:…`.
    pub subject: String,
    /// What of it was otherwise before.
    pub before: Option<Value>,
    /// And is now.
    pub after: Option<Value>,
    /// The address that it came from.
    pub peer: Option<String>,
    /// The request that did it, as logs name it.
    pub request: Option<String>,
}
