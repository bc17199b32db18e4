//! DNS resolution with a check of every address. The connection goes to a checked address, so a later change of the DNS
//! record (rebinding) has no effect.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::egress::{AddressRefused, EgressPolicy};

/// The system's resolver; addresses that the egress policy forbids are refused.
pub(super) struct EgressResolver(pub(super) Arc<EgressPolicy>);

impl Resolve for EgressResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // A private address among public ones is an attack or a mistake: refuse them all.
            if found.is_empty() || found.iter().any(|address| !egress.allows(address.ip())) {
                return Err(AddressRefused::Address.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
