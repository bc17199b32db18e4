//! Places for connections: how many at once in all, and how many of them for one address.
//!
//! Addresses of reverse proxies are exempt from the second bound, for everybody comes from there. An IPv6 client counts as
//! its /64, which is what a household or a phone has. Must not know about requests.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections each address has.
type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The places of one door.
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_address: usize,
    exempt: Vec<IpNet>,
    taken: Counts,
}

/// A connection's place; free again when dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    counted: Option<(IpAddr, Counts)>,
}

impl Places {
    pub(super) fn new(all: usize, per_address: usize, exempt: &[IpNet]) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_address, exempt: exempt.to_vec(), taken: Arc::default() }
    }

    /// Waits until there is a place.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives a place to a connection from `address`, unless that has its share.
    pub(super) fn take(&self, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        if self.per_address == 0 || self.exempt.iter().any(|net| net.contains(&address.to_canonical())) {
            return Some(Place { _permit: permit, counted: None });
        }
        let household = household(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(household).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Place { _permit: permit, counted: Some((household, Arc::clone(&self.taken))) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, taken)) = &self.counted else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(address);
            }
        }
    }
}

/// An address as those count that share it: an IPv6 client as its /64.
pub(super) fn household(address: IpAddr) -> IpAddr {
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

    async fn taken(places: &Places, address: &str) -> Option<Place> {
        places.take(places.free().await.unwrap(), address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_gets_it_back() {
        let places = Places::new(10, 2, &[]);
        let first = taken(&places, "192.0.2.1").await.unwrap();
        let _second = taken(&places, "::ffff:192.0.2.1").await.unwrap();
        assert!(taken(&places, "192.0.2.1").await.is_none());
        let _other = taken(&places, "192.0.2.2").await.unwrap();
        drop(first);
        assert!(taken(&places, "192.0.2.1").await.is_some());
    }

    #[tokio::test]
    async fn a_household_counts_as_one_and_a_proxy_as_many() {
        let places = Places::new(10, 1, &["127.0.0.0/8".parse().unwrap()]);
        let _one = taken(&places, "2001:db8::1").await.unwrap();
        assert!(taken(&places, "2001:db8::2").await.is_none());
        let _neighbour = taken(&places, "2001:db8:0:1::1").await.unwrap();
        let _proxied = [taken(&places, "127.0.0.1").await.unwrap(), taken(&places, "127.0.0.1").await.unwrap()];
    }

    #[tokio::test]
    async fn nothing_is_kept_of_those_who_left() {
        let places = Places::new(1, 1, &[]);
        for n in 0..100 {
            drop(taken(&places, &format!("192.0.2.{n}")).await.unwrap());
        }
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
