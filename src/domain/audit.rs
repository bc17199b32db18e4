//! The audit trail: actor, action, subject, address, and the values before and after. Entries are only ever added.

use serde_json::Value;
use uuid::Uuid;

use super::clock::Timestamp;
use super::ids::TenantId;

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Identity; sorts by time.
    pub id: Uuid,
    /// The tenant of the subject.
    pub tenant: TenantId,
    /// Time of the action.
    pub at: Timestamp,
    /// Caller: `key:…`, `upload-grant:…`, `link:…`, `anybody`, `operator`, `system`.
    pub actor: String,
    /// Name of the action, such as `asset.delete`.
    pub action: String,
    /// Object of the action: `asset:…`, `tenant:…`.
    pub subject: String,
    /// Changed fields with their values before.
    pub before: Option<Value>,
    /// Changed fields with their values after.
    pub after: Option<Value>,
    /// IP address of the caller.
    pub peer: Option<String>,
    /// Id of the request, as in the logs.
    pub request: Option<String>,
}
