//! Names to addresses, once, with every address judged: the connection goes to an address that was judged, so a name
//! that means something else a moment later gains nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::egress::{AddressRefused, EgressPolicy};

/// The system's resolver, and a judgement of what it says.
pub(super) struct EgressResolver(pub(super) Arc<EgressPolicy>);

impl Resolve for EgressResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One inner address among others is a trick or a mistake; neither is worth a try.
            if found.is_empty() || found.iter().any(|address| !egress.allows(address.ip())) {
                return Err(AddressRefused::Address.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
