//! Rates of tenants' requests, counted for all nodes that share a database.
//!
//! A node takes requests from the tenant's rate in blocks and admits from its block: a busy tenant costs a statement per
//! block. A block grows while the tenant uses it up, up to a quarter of a second's requests, and what is not used
//! within [`BLOCK_TTL`] is void. All nodes together admit at most what the rate allows. A process that is alone with its
//! database counts in memory, and so does every node for itself while the database does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Cells, RateLimiter};
use moka::future::Cache;
use tokio::sync::Mutex;

use crate::domain::ids::TenantId;
use crate::domain::tenant::RateLimit;
use crate::engine::request_context::RateLimitStatus;
use crate::store::{RequestLease, Store};

/// Time within which a node uses a block, or loses it.
const BLOCK_TTL: Duration = Duration::from_secs(1);
/// Time for which a request waits for a block. After that the node counts by itself.
const LEASE_TIMEOUT: Duration = Duration::from_millis(500);
/// Time for which a node counts by itself before it asks the database again.
const AWAY_INTERVAL: Duration = Duration::from_secs(1);
/// A block is at most this part of a second's requests, and of a burst.
const BLOCK_PART: u32 = 4;
/// Time without requests after which a tenant's counts are dropped.
const IDLE_TTL: Duration = Duration::from_secs(3600);

type TenantLimiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;
type SpendOutcome = Result<RateLimitStatus, RateLimitStatus>;
type RateKey = (TenantId, RateLimit);

/// Counts the requests of tenants with a rate.
pub(super) struct RequestRates {
    store: Arc<dyn Store>,
    /// No other process serves the database.
    is_alone: AtomicBool,
    blocks: Cache<RateKey, Arc<Mutex<RequestBlock>>>,
    limiters: Cache<RateKey, Arc<TenantLimiter>>,
}

/// Requests of a tenant that this node has taken.
#[derive(Default)]
struct RequestBlock {
    left: u32,
    /// Requests that the database had left for other blocks.
    available: u32,
    /// Size of the last block.
    size: u32,
    leased_at: Option<Instant>,
    /// No request is available before this.
    refused_until: Option<Instant>,
    /// The database did not answer: not asked before this.
    away_until: Option<Instant>,
}

impl RequestBlock {
    /// Admits a request from the block, or refuses it. `None`: the database must be asked.
    fn decide(&mut self, rate: RateLimit, now: Instant) -> Option<SpendOutcome> {
        if self.left > 0 && self.leased_at.is_some_and(|leased| now < leased + BLOCK_TTL) {
            self.left -= 1;
            let remaining = self.left.saturating_add(self.available);
            return Some(Ok(status(rate, remaining, Duration::ZERO)));
        }
        let until = self.refused_until.filter(|until| now < *until)?;
        Some(Err(status(rate, 0, until - now)))
    }

    /// Number of requests to ask for: more while blocks are used up in time.
    fn next_size(&self, rate: RateLimit, now: Instant) -> u32 {
        let most = (rate.per_second.get().min(rate.burst.get()) / BLOCK_PART).max(1);
        let is_busy = self.left == 0 && self.leased_at.is_some_and(|leased| now < leased + BLOCK_TTL);
        if is_busy { self.size.saturating_mul(2).clamp(1, most) } else { 1 }
    }

    fn renew(&mut self, lease: RequestLease, now: Instant) {
        self.left = lease.granted;
        self.available = lease.available;
        self.size = lease.granted;
        self.leased_at = Some(now);
        self.refused_until = (lease.granted == 0).then(|| now + lease.wait);
    }
}

fn window(rate: RateLimit) -> Duration {
    Cells::per_second(rate.per_second).allow_burst(rate.burst).burst_size_replenished_in()
}

fn status(rate: RateLimit, remaining: u32, reset: Duration) -> RateLimitStatus {
    RateLimitStatus { burst: rate.burst.get(), window: window(rate), remaining, reset }
}

impl RequestRates {
    /// Counts for at most `capacity` tenants at once.
    pub(super) fn new(store: Arc<dyn Store>, capacity: u64) -> Self {
        Self {
            store,
            is_alone: AtomicBool::new(false),
            blocks: Cache::builder().max_capacity(capacity).time_to_idle(IDLE_TTL).build(),
            limiters: Cache::builder().max_capacity(capacity).time_to_idle(IDLE_TTL).build(),
        }
    }

    /// Counts a request. The error is the state of a rate that is used up.
    pub(super) async fn spend(&self, tenant: TenantId, rate: RateLimit) -> SpendOutcome {
        if !self.is_alone.load(Ordering::Relaxed)
            && let Some(outcome) = self.spend_shared(tenant, rate).await
        {
            return outcome;
        }
        self.spend_here(tenant, rate).await
    }

    /// Counts a request for all nodes. `None`: there are no other nodes, or the database does not answer.
    async fn spend_shared(&self, tenant: TenantId, rate: RateLimit) -> Option<SpendOutcome> {
        let block = self.blocks.get_with((tenant, rate), async { Arc::default() }).await;
        // Held while the database is asked: the tenant's other requests here share the answer.
        let mut block = block.lock().await;
        let now = Instant::now();
        if let Some(outcome) = block.decide(rate, now) {
            return Some(outcome);
        }
        if block.away_until.is_some_and(|until| now < until) {
            return None;
        }
        let asked = self.store.lease_requests(tenant, rate, block.next_size(rate, now));
        match tokio::time::timeout(LEASE_TIMEOUT, asked).await {
            Ok(Ok(Some(lease))) => {
                block.away_until = None;
                let now = Instant::now();
                block.renew(lease, now);
                block.decide(rate, now)
            }
            Ok(Ok(None)) => {
                self.is_alone.store(true, Ordering::Relaxed);
                None
            }
            Ok(Err(_)) | Err(_) => {
                block.away_until = Some(Instant::now() + AWAY_INTERVAL);
                None
            }
        }
    }

    /// Counts a request for this node alone.
    async fn spend_here(&self, tenant: TenantId, rate: RateLimit) -> SpendOutcome {
        let cells = Cells::per_second(rate.per_second).allow_burst(rate.burst);
        let limiter = async { Arc::new(RateLimiter::direct(cells).with_middleware::<StateInformationMiddleware>()) };
        let limiter = self.limiters.get_with((tenant, rate), limiter).await;
        match limiter.check() {
            Ok(state) => Ok(status(rate, state.remaining_burst_capacity(), Duration::ZERO)),
            Err(not_yet) => Err(status(rate, 0, not_yet.wait_time_from(DefaultClock::default().now()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_block_grows_while_it_is_used_up() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let rate = RateLimit { per_second: number(100), burst: number(40) };
        let (mut block, now) = (RequestBlock::default(), Instant::now());
        let mut sizes = Vec::new();
        for _ in 0..6 {
            let size = block.next_size(rate, now);
            sizes.push(size);
            block.renew(RequestLease { granted: size, available: 5, wait: Duration::ZERO }, now);
            while block.decide(rate, now).is_some() {}
        }
        assert_eq!(sizes, [1, 2, 4, 8, 10, 10]);
        block.renew(RequestLease { granted: 10, available: 5, wait: Duration::ZERO }, now);
        assert_eq!(block.decide(rate, now), Some(Ok(status(rate, 14, Duration::ZERO))));
        assert_eq!(block.decide(rate, now + BLOCK_TTL), None, "what is left of an old block is void");
        assert_eq!(block.next_size(rate, now + BLOCK_TTL), 1);
        block.renew(RequestLease { granted: 0, available: 0, wait: Duration::from_millis(10) }, now);
        assert_eq!(block.decide(rate, now), Some(Err(status(rate, 0, Duration::from_millis(10)))));
        assert_eq!(block.decide(rate, now + Duration::from_millis(10)), None);
    }
}
