//! Limits on concurrent connections: in total, and per client address.
//!
//! Addresses of reverse proxies are exempt from the limit per address, because all of their clients share them. An IPv6
//! client counts as its /64, the usual size of a household's or phone's network. This module must not know about
//! requests.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of open connections per address.
type AddressCounts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The connection limits of a listener.
pub(super) struct ConnectionLimit {
    permits: Arc<Semaphore>,
    per_address: usize,
    exempt_networks: Vec<IpNet>,
    counts: AddressCounts,
}

/// The slot of an open connection; freed on drop.
pub(super) struct ConnectionSlot {
    _permit: OwnedSemaphorePermit,
    counted_address: Option<(IpAddr, AddressCounts)>,
}

impl ConnectionLimit {
    pub(super) fn new(all: usize, per_address: usize, exempt: &[IpNet]) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(all)),
            per_address,
            exempt_networks: exempt.to_vec(),
            counts: Arc::default(),
        }
    }

    /// Waits until the total number of connections is below its limit.
    pub(super) async fn wait_for_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Takes a slot for a connection from `address`. `None`: the address has as many as it may have.
    pub(super) fn try_acquire_slot(&self, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<ConnectionSlot> {
        if self.per_address == 0 || self.exempt_networks.iter().any(|net| net.contains(&address.to_canonical())) {
            return Some(ConnectionSlot { _permit: permit, counted_address: None });
        }
        let household = address_group(address);
        let mut taken = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(household).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(ConnectionSlot { _permit: permit, counted_address: Some((household, Arc::clone(&self.counts))) })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let Some((address, taken)) = &self.counted_address else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(address);
            }
        }
    }
}

/// The group in which an address counts: an IPv6 address as its /64.
pub(super) fn address_group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken(places: &ConnectionLimit, address: &str) -> Option<ConnectionSlot> {
        places.try_acquire_slot(places.wait_for_permit().await.unwrap(), address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_gets_it_back() {
        let places = ConnectionLimit::new(10, 2, &[]);
        let first = taken(&places, "192.0.2.1").await.unwrap();
        let _second = taken(&places, "::ffff:192.0.2.1").await.unwrap();
        assert!(taken(&places, "192.0.2.1").await.is_none());
        let _other = taken(&places, "192.0.2.2").await.unwrap();
        drop(first);
        assert!(taken(&places, "192.0.2.1").await.is_some());
    }

    #[tokio::test]
    async fn a_household_counts_as_one_and_a_proxy_as_many() {
        let places = ConnectionLimit::new(10, 1, &["127.0.0.0/8".parse().unwrap()]);
        let _one = taken(&places, "2001:db8::1").await.unwrap();
        assert!(taken(&places, "2001:db8::2").await.is_none());
        let _neighbour = taken(&places, "2001:db8:0:1::1").await.unwrap();
        let _proxied = [taken(&places, "127.0.0.1").await.unwrap(), taken(&places, "127.0.0.1").await.unwrap()];
    }

    #[tokio::test]
    async fn nothing_is_kept_of_those_who_left() {
        let places = ConnectionLimit::new(1, 1, &[]);
        for n in 0..100 {
            drop(taken(&places, &format!("192.0.2.{n}")).await.unwrap());
        }
        assert!(places.counts.lock().unwrap().is_empty());
    }
}
