//! Counter of openings of links without a limit on uses: counted in memory, and written together a second later.
//! Requests never wait for it.
//!
//! The counts decide nothing: where uses are limited, the database counts each of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::DeliveryEngine;
use crate::domain::clock::Timestamp;
use crate::domain::ids::GrantId;
use crate::domain::reason::chain;
use crate::store::{RowChange, Tx};

/// Delay between the first use and the write.
const WRITE_DELAY: Duration = Duration::from_secs(1);
/// Most links with pending counts; beyond that, counts are written at once.
const MAX_PENDING_LINKS: usize = 10_000;

/// Counts that are not written yet, with the time of the last use.
#[derive(Default)]
pub(in crate::engine) struct UsageCounter(Mutex<HashMap<GrantId, (u32, Timestamp)>>);

impl UsageCounter {
    fn take(&self) -> Vec<(GrantId, u32, Timestamp)> {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        noted.into_iter().map(|(id, (count, last))| (id, count, last)).collect()
    }

    /// Counts a use of a link. Returns the number of links with pending counts.
    fn add(&self, id: GrantId, now: Timestamp) -> usize {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = noted.entry(id).or_insert((0, now));
        *count = count.saturating_add(1);
        *last = now;
        noted.len()
    }
}

impl DeliveryEngine {
    /// Counts the opening of a link, and schedules the write.
    pub(in crate::engine) fn count_link_use(&self, id: GrantId) {
        let pause = match self.link_uses.add(id, self.store.now()) {
            1 => WRITE_DELAY,
            MAX_PENDING_LINKS.. => Duration::ZERO,
            _ => return,
        };
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            engine.flush_link_uses().await;
        });
    }

    async fn flush_link_uses(&self) {
        let uses = self.link_uses.take();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = self.rows.commit(Tx::new().with(RowChange::CountUses(uses))).await {
            tracing::warn!(error = %chain(&error), "uses of links are not counted");
        }
    }
}
