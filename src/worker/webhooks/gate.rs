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
const USUAL: Duration = Duration::from_millis(200);
/// Nothing is put off for longer.
const LONGEST: Duration = Duration::from_secs(600);

/// Who is at whose door, on this node.
#[derive(Clone)]
pub(in super::super) struct Gate {
    share: usize,
    doors: Arc<Mutex<HashMap<WebhookId, Door>>>,
}

struct Door {
    busy: usize,
    /// How long an exchange lasts, lately.
    pace: Duration,
    /// When somebody who comes now would find a place.
    free_at: Timestamp,
}

/// A place at an endpoint's door; given back when dropped.
pub(super) struct Pass {
    gate: Gate,
    id: WebhookId,
    since: Instant,
}

impl Gate {
    /// A quarter of these places for each endpoint, at least one.
    pub(in super::super) fn new(places: usize) -> Self {
        Self { share: (places / 4).max(1), doors: Arc::default() }
    }

    fn doors(&self) -> MutexGuard<'_, HashMap<WebhookId, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, or when to come again.
    pub(super) fn enter(&self, id: WebhookId, now: Timestamp) -> Result<Pass, Timestamp> {
        let mut doors = self.doors();
        let door = doors.entry(id).or_insert_with(|| Door { busy: 0, pace: USUAL, free_at: now });
        if door.busy < self.share {
            door.busy += 1;
            return Ok(Pass { gate: self.clone(), id, since: Instant::now() });
        }
        let share = u32::try_from(self.share).unwrap_or(u32::MAX);
        door.free_at = after(door.free_at.max(now), door.pace / share).min(after(now, LONGEST));
        Err(door.free_at)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut doors = self.gate.doors();
        if let Some(door) = doors.get_mut(&self.id) {
            door.busy -= 1;
            door.pace = (door.pace * 3 + self.since.elapsed()) / 4;
            if door.busy == 0 {
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
        let (gate, now) = (Gate::new(8), micros(0));
        let [slow, other] = [1, 2].map(|n| WebhookId(Uuid::from_u128(n)));
        let first = gate.enter(slow, now).unwrap();
        let _second = gate.enter(slow, now).unwrap();
        let later: Vec<_> = (0..3).map(|_| gate.enter(slow, now).err().unwrap()).collect();
        assert_eq!(later, [micros(100_000), micros(200_000), micros(300_000)]);
        let _welcome = gate.enter(other, now).unwrap();
        drop(first);
        assert!(gate.enter(slow, now).is_ok());
    }

    #[test]
    fn nothing_is_put_off_for_ever_or_kept_of_those_who_left() {
        let gate = Gate::new(1);
        let id = WebhookId(Uuid::from_u128(1));
        let pass = gate.enter(id, micros(0)).unwrap();
        for _ in 0..10_000 {
            assert!(gate.enter(id, micros(0)).err().unwrap() <= after(micros(0), LONGEST));
        }
        drop(pass);
        assert!(gate.doors().is_empty());
    }
}
