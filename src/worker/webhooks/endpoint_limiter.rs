//! A share of the places for each endpoint: a slow one must not keep the others waiting.
//!
//! A job whose endpoint has its share goes back for as long as the endpoint is likely to take for those before it. So
//! each of a thousand waiting jobs comes back about once, and not all of them every second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::WebhookId;

/// What an exchange is taken to last until one was seen.
const INITIAL_EXCHANGE_DURATION: Duration = Duration::from_millis(200);
/// Nothing is put off for longer.
const MAX_DEFERRAL: Duration = Duration::from_secs(600);

/// Who is at whose door, on this node.
#[derive(Clone)]
pub(in super::super) struct EndpointLimiter {
    max_per_endpoint: usize,
    endpoints: Arc<Mutex<HashMap<WebhookId, EndpointLoad>>>,
}

struct EndpointLoad {
    in_flight: usize,
    /// How long an exchange lasts, lately.
    exchange_duration: Duration,
    /// When somebody who comes now would find a place.
    next_free_at: Timestamp,
}

/// A place at an endpoint's door; given back when dropped.
pub(super) struct EndpointPermit {
    limiter: EndpointLimiter,
    id: WebhookId,
    started_at: Instant,
}

impl EndpointLimiter {
    /// A quarter of these places for each endpoint, at least one.
    pub(in super::super) fn new(places: usize) -> Self {
        Self { max_per_endpoint: (places / 4).max(1), endpoints: Arc::default() }
    }

    fn lock_endpoints(&self) -> MutexGuard<'_, HashMap<WebhookId, EndpointLoad>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, or when to come again.
    pub(super) fn try_acquire(&self, id: WebhookId, now: Timestamp) -> Result<EndpointPermit, Timestamp> {
        let mut doors = self.lock_endpoints();
        let door = doors.entry(id).or_insert_with(|| EndpointLoad {
            in_flight: 0,
            exchange_duration: INITIAL_EXCHANGE_DURATION,
            next_free_at: now,
        });
        if door.in_flight < self.max_per_endpoint {
            door.in_flight += 1;
            return Ok(EndpointPermit { limiter: self.clone(), id, started_at: Instant::now() });
        }
        let share = u32::try_from(self.max_per_endpoint).unwrap_or(u32::MAX);
        door.next_free_at =
            after(door.next_free_at.max(now), door.exchange_duration / share).min(after(now, MAX_DEFERRAL));
        Err(door.next_free_at)
    }
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
