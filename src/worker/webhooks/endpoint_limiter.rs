//! Limits the concurrent deliveries per endpoint: a slow endpoint must not use up all delivery slots.
//!
//! A job whose endpoint is at its limit is put back for as long as the endpoint is expected to need for the jobs ahead.
//! So each of a thousand waiting jobs comes back about once, instead of all of them every second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::WebhookId;

/// Assumed duration of an exchange until a first exchange was measured.
const INITIAL_EXCHANGE_DURATION: Duration = Duration::from_millis(200);
/// Maximum time for which a job is put back.
const MAX_DEFERRAL: Duration = Duration::from_secs(600);

/// Running deliveries per endpoint, on this node.
#[derive(Clone)]
pub(in super::super) struct EndpointLimiter {
    max_per_endpoint: Arc<AtomicUsize>,
    endpoints: Arc<Mutex<HashMap<WebhookId, EndpointLoad>>>,
}

struct EndpointLoad {
    in_flight: usize,
    /// Moving average of the duration of an exchange.
    exchange_duration: Duration,
    /// Time at which the next job that asks is expected to find a free slot.
    next_free_at: Timestamp,
}

/// A permit for a delivery to an endpoint; released when dropped.
pub(super) struct EndpointPermit {
    limiter: EndpointLimiter,
    id: WebhookId,
    started_at: Instant,
}

impl EndpointLimiter {
    /// Allows each endpoint a quarter of `places`, at least 1.
    pub(in super::super) fn new(places: usize) -> Self {
        Self { max_per_endpoint: Arc::new(AtomicUsize::new(share_of(places))), endpoints: Arc::default() }
    }

    /// Allows each endpoint a quarter of another number of places from now on.
    pub(in super::super) fn resize(&self, places: usize) {
        self.max_per_endpoint.store(share_of(places), Ordering::Release);
    }

    fn lock_endpoints(&self) -> MutexGuard<'_, HashMap<WebhookId, EndpointLoad>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit, or the time at which to try again.
    pub(super) fn try_acquire(&self, id: WebhookId, now: Timestamp) -> Result<EndpointPermit, Timestamp> {
        let mut doors = self.lock_endpoints();
        let door = doors.entry(id).or_insert_with(|| EndpointLoad {
            in_flight: 0,
            exchange_duration: INITIAL_EXCHANGE_DURATION,
            next_free_at: now,
        });
        let most = self.max_per_endpoint.load(Ordering::Acquire);
        if door.in_flight < most {
            door.in_flight += 1;
            return Ok(EndpointPermit { limiter: self.clone(), id, started_at: Instant::now() });
        }
        let share = u32::try_from(most).unwrap_or(u32::MAX);
        door.next_free_at =
            after(door.next_free_at.max(now), door.exchange_duration / share).min(after(now, MAX_DEFERRAL));
        Err(door.next_free_at)
    }
}

/// Deliveries at once to an endpoint, of so many in all.
fn share_of(places: usize) -> usize {
    (places / 4).max(1)
}

impl Drop for EndpointPermit {
    fn drop(&mut self) {
        let mut doors = self.limiter.lock_endpoints();
        if let Some(door) = doors.get_mut(&self.id) {
            door.in_flight -= 1;
            door.exchange_duration = (door.exchange_duration * 3 + self.started_at.elapsed()) / 4;
            if door.in_flight == 0 {
                doors.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use uuid::Uuid;

    #[test]
    fn each_endpoint_has_its_share_and_the_others_are_spread() {
        let (gate, now) = (EndpointLimiter::new(8), micros(0));
        let [slow, other] = [1, 2].map(|n| WebhookId(Uuid::from_u128(n)));
        let first = gate.try_acquire(slow, now).unwrap();
        let _second = gate.try_acquire(slow, now).unwrap();
        let later: Vec<_> = (0..3).map(|_| gate.try_acquire(slow, now).err().unwrap()).collect();
        assert_eq!(later, [micros(100_000), micros(200_000), micros(300_000)]);
        let _welcome = gate.try_acquire(other, now).unwrap();
        drop(first);
        let third = gate.try_acquire(slow, now);
        assert!(third.is_ok() && gate.try_acquire(slow, now).is_err());
        gate.resize(12);
        assert!(gate.try_acquire(slow, now).is_ok());
    }

    #[test]
    fn nothing_is_put_off_for_ever_or_kept_of_those_who_left() {
        let gate = EndpointLimiter::new(1);
        let id = WebhookId(Uuid::from_u128(1));
        let pass = gate.try_acquire(id, micros(0)).unwrap();
        for _ in 0..10_000 {
            assert!(gate.try_acquire(id, micros(0)).err().unwrap() <= after(micros(0), MAX_DEFERRAL));
        }
        drop(pass);
        assert!(gate.lock_endpoints().is_empty());
    }
}
