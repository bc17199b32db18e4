//! Hub of this node's followers: a single task reads new events, and all followers of a tenant take the events from
//! there.
//!
//! The task runs while there are followers. The store's notifications wake the task; it also polls every
//! [`FEED_POLL_INTERVAL`] in case a notification was lost. The newest events are kept for each followed tenant, at most
//! [`MAX_KEPT_EVENTS`]. A follower further behind reads from the store until it has caught up. Followers have no
//! queues.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::EventEngine;
use crate::domain::event::FeedEvent;
use crate::domain::ids::{AssetId, TenantId};
use crate::domain::reason::chain;
use crate::engine::Result;

/// Interval of reads without a notification.
const FEED_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Shortest time between reads, so that events that come together are read together.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(10);
/// Most events in memory per followed tenant.
const MAX_KEPT_EVENTS: usize = 1000;
const READ_PAGE_EVENTS: u32 = 500;

/// The followers of this node.
pub(in crate::engine) struct FeedHub {
    seats: Arc<Semaphore>,
    state: Mutex<HubState>,
}

#[derive(Default)]
struct HubState {
    tenants: HashMap<TenantId, Arc<TenantChannel>>,
    pump: Option<JoinHandle<()>>,
}

/// Newest events of a tenant.
struct TenantChannel {
    recent: Mutex<RecentEvents>,
    /// Id of the newest event.
    last: watch::Sender<i64>,
}

/// Every event behind the id `from`.
struct RecentEvents {
    from: i64,
    events: VecDeque<Arc<FeedEvent>>,
}

/// A follower's subscription.
pub(super) struct HubSubscription {
    channel: Arc<TenantChannel>,
    last: watch::Receiver<i64>,
    _permit: OwnedSemaphorePermit,
}

/// Source of the next events.
pub(super) enum NextEvents {
    /// The events in memory; there are no further events up to the id `upto`.
    Here { events: Vec<Arc<FeedEvent>>, upto: i64 },
    /// Only the store has them.
    Elsewhere,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FeedHub {
    pub(in crate::engine) fn new(followers: usize) -> Self {
        Self { seats: Arc::new(Semaphore::new(followers)), state: Mutex::default() }
    }

    /// Subscribes a follower at the id `at`. `None` if all subscriptions are in use, or the tenant has used its share.
    pub(super) fn seat(
        &self,
        engine: &EventEngine,
        tenant: TenantId,
        at: i64,
        share: usize,
    ) -> Option<HubSubscription> {
        let permit = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let mut state = lock(&self.state);
        let channel = Arc::clone(state.tenants.entry(tenant).or_insert_with(|| Arc::new(TenantChannel::behind(at))));
        if channel.last.receiver_count() >= share {
            return None;
        }
        let last = channel.last.subscribe();
        if state.pump.as_ref().is_none_or(JoinHandle::is_finished) {
            state.pump = Some(tokio::spawn(pump(engine.clone())));
        }
        Some(HubSubscription { channel, last, _permit: permit })
    }

    /// The tenants that are followed. When there are none, the task ends.
    fn followed(&self) -> Vec<(TenantId, Arc<TenantChannel>)> {
        let mut state = lock(&self.state);
        state.tenants.retain(|_, channel| channel.last.receiver_count() > 0);
        if state.tenants.is_empty() {
            state.pump = None;
        }
        state.tenants.iter().map(|(tenant, channel)| (*tenant, Arc::clone(channel))).collect()
    }
}

impl TenantChannel {
    fn behind(at: i64) -> Self {
        Self { recent: Mutex::new(RecentEvents { from: at, events: VecDeque::new() }), last: watch::Sender::new(at) }
    }

    fn add(&self, events: Vec<FeedEvent>) {
        let Some(last) = events.last().map(|event| event.id) else { return };
        let mut recent = lock(&self.recent);
        recent.events.extend(events.into_iter().map(Arc::new));
        while recent.events.len() > MAX_KEPT_EVENTS {
            recent.from = recent.events.pop_front().map_or(last, |event| event.id);
        }
        drop(recent);
        self.last.send_replace(last);
    }

    /// Drops the events before this id; no follower on this node needs them.
    fn skip_to(&self, place: i64) {
        let mut recent = lock(&self.recent);
        recent.events.clear();
        recent.from = place;
        drop(recent);
        self.last.send_replace(place);
    }
}

impl HubSubscription {
    /// Id of the newest event in memory.
    pub(super) fn last(&mut self) -> i64 {
        *self.last.borrow_and_update()
    }

    /// Completes when there is a newer event than [`Self::last`] returned.
    pub(super) async fn wait_for_events(&mut self) {
        // The channel lives as long as this seat.
        let _ = self.last.changed().await;
    }

    /// At most `limit` events behind the id `at`.
    pub(super) fn take(&self, at: i64, asset: Option<AssetId>, limit: usize) -> NextEvents {
        let recent = lock(&self.channel.recent);
        if at < recent.from {
            return NextEvents::Elsewhere;
        }
        let (mut events, mut upto) = (Vec::new(), at);
        for event in recent.events.range(recent.events.partition_point(|event| event.id <= at)..) {
            if events.len() == limit {
                break;
            }
            upto = event.id;
            if asset.is_none_or(|asset| asset == event.event.asset) {
                events.push(Arc::clone(event));
            }
        }
        NextEvents::Here { events, upto }
    }
}

/// Reads new events for all followers, until there are none.
async fn pump(engine: EventEngine) {
    loop {
        let followed = engine.feed_hub.followed();
        if followed.is_empty() {
            return;
        }
        if let Err(error) = read_on(&engine, &followed).await {
            tracing::warn!(error = %chain(&error), "events cannot be read; trying again");
            tokio::time::sleep(FEED_POLL_INTERVAL).await;
        }
        drop(followed);
        let _ = tokio::time::timeout(FEED_POLL_INTERVAL, engine.store.wait_for_events()).await;
        tokio::time::sleep(MIN_READ_INTERVAL).await;
    }
}

async fn read_on(engine: &EventEngine, followed: &[(TenantId, Arc<TenantChannel>)]) -> Result<()> {
    engine.number_events().await?;
    let tenants: Vec<TenantId> = followed.iter().map(|(tenant, _)| *tenant).collect();
    let ends: HashMap<_, _> = engine.store.read_feed_ends(&tenants).await?.into_iter().collect();
    for (tenant, channel) in followed {
        let Some(ends) = ends.get(tenant) else { continue };
        let known = *channel.last.borrow();
        if ends.last - known > MAX_KEPT_EVENTS as i64 {
            // Followers before this id read from the store.
            channel.skip_to(ends.last);
            continue;
        }
        let mut at = known;
        while at < ends.last {
            let events = engine.store.read_feed(*tenant, None, at, READ_PAGE_EVENTS).await?;
            let Some(last) = events.last() else { break };
            at = last.id;
            channel.add(events);
        }
    }
    Ok(())
}
