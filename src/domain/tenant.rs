//! Tenants: the isolation boundary. A tenant cannot see other tenants' objects, not even that they exist.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::TenantId;

/// The tenant that the first start creates.
pub const DEFAULT_TENANT: &str = "default";

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Identity.
    pub id: TenantId,
    /// Unique name, for people and the command line.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was suspended; since then its credentials and links are refused.
    pub suspended_at: Option<Timestamp>,
    /// Limit of requests; `None`: unlimited.
    pub rate: Option<RateLimit>,
}

/// Limit of a tenant's requests, to all nodes together where they share a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests per second on average.
    pub per_second: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

/// True if the text is a valid tenant name: 1 to 63 of `a-z 0-9 - _ .`, which are safe in shells, paths and URLs.
#[must_use]
pub fn is_tenant_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_names() {
        assert!(is_tenant_name("default") && is_tenant_name("acme-2.eu"));
        assert!(
            !is_tenant_name("") && !is_tenant_name("A") && !is_tenant_name("a b") && !is_tenant_name(&"a".repeat(64))
        );
    }
}
