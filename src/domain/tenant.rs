//! Tenants: the isolation boundary. A tenant sees nothing of another, not even that something exists.

use std::num::NonZeroU32;

use serde::Serialize;

use super::clock::Timestamp;
use super::ids::TenantId;

/// The tenant that the first start makes.
pub const DEFAULT_TENANT: &str = "default";

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Identity.
    pub id: TenantId,
    /// Unique name, for people and the command line.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its credentials and links open nothing.
    pub suspended_at: Option<Timestamp>,
    /// How many requests it may make; `None`: any number.
    pub rate: Option<RateLimit>,
}

/// Requests that a tenant may make of each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RateLimit {
    /// On average.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// Whether a text can name a tenant: 1 to 63 of `a-z 0-9 - _ .`, so that it survives any shell, path or URL.
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
