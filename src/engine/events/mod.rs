//! The feed of events: pages of it, and following it as it grows.
//!
//! Every event has an id, its place in its tenant's feed (`store/sql/feed.rs` says how it is assigned). The same id is
//! the cursor of every way to read: pages, long polls, SSE and WebSocket, of a tenant or of an asset, on any node.
//!
//! * A cursor that is older than the retained events is [`Error::Gone`]: the reader has missed events, and must read
//!   the assets themselves. 0 is never too old: it means all retained events.
//! * A cursor that was never given out is [`Error::Invalid`] (`after`).
//! * Followers pull: nothing is prepared for a reader that does not ask for more, and no event waits for a reader.

use std::sync::Arc;
use std::time::Duration;

use hub::{HubSubscription, NextEvents};

use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::event::{FeedEnds, FeedEvent};
use crate::domain::ids::{AssetId, TenantId};
use crate::engine::limits::{MAX_STATE_WAIT, check_page_limit};
use crate::engine::rows::{RowAccess, tenant_of};
use crate::engine::settings::EngineSettings;
use crate::engine::{EnginePorts, Error, Result};
use crate::store::Store;

mod hub;

pub(in crate::engine) use hub::FeedHub;

/// Most events per batch for a follower, which then asks for more.
const MAX_PAGE_EVENTS: u32 = 100;
/// Time after which a client may try again that found no free subscription.
const CROWDED_RETRY_AFTER: Duration = Duration::from_secs(10);

const FORGOTTEN_EVENT_ERROR: Error = Error::Gone { what: "event", state: "forgotten" };

/// Settings of the feed.
#[derive(Clone, Copy, Debug)]
pub struct FeedSettings {
    /// Retention of events; the newest event of each asset is kept longer.
    pub keep: Duration,
    /// Most followers at a time on this node.
    pub followers: usize,
    /// Most followers at a time of a tenant on this node.
    pub followers_per_tenant: usize,
}

/// Selection of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOf {
    /// All events of the caller's tenant.
    Tenant,
    /// Events of this asset.
    Asset(AssetId),
    /// Events of the asset that the caller has a grant to upload.
    Granted,
}

/// Position at which to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedPosition {
    /// With the oldest retained event.
    Beginning,
    /// With the next event.
    Now,
    /// Behind the event with this id; 0: with the oldest retained event.
    Event(i64),
}

/// A page of the feed.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// Events in order; fewer than the limit at the end of the feed.
    pub events: Vec<Arc<FeedEvent>>,
    /// Id behind which the next page begins.
    pub next: i64,
}

/// A follower of the feed.
pub struct FeedFollower {
    engine: EventEngine,
    tenant: TenantId,
    asset: Option<AssetId>,
    at: i64,
    seat: HubSubscription,
}

/// The room of events.
#[derive(Clone)]
pub struct EventEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) feed_hub: Arc<FeedHub>,
}

impl EventEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts) -> Self {
        Self {
            store: ports.store.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            feed_hub: Arc::new(FeedHub::new(ports.settings.feed.followers)),
        }
    }

    /// A page of the feed. An empty page is returned only after `patience` has passed without an event.
    #[tracing::instrument(skip_all)]
    pub async fn read_events(
        &self,
        actor: &Actor,
        of: FeedOf,
        since: FeedPosition,
        limit: u32,
        patience: Duration,
    ) -> Result<FeedPage> {
        check_page_limit(limit)?;
        let (tenant, asset) = self.readable(actor, of).await?;
        let at = self.place(tenant, asset, since).await?;
        let events = self.behind(tenant, asset, at, limit).await?;
        if !events.is_empty() || patience.is_zero() {
            let next = events.last().map_or(at, |event| event.id);
            return Ok(FeedPage { events, next });
        }
        let mut follower = self.seated(tenant, asset, at)?;
        let came = tokio::time::timeout(patience.min(MAX_STATE_WAIT), follower.next(limit)).await;
        Ok(FeedPage { events: came.unwrap_or(Ok(Vec::new()))?, next: follower.at })
    }

    /// Follows the feed from a position on.
    #[tracing::instrument(skip_all)]
    pub async fn follow(&self, actor: &Actor, of: FeedOf, since: FeedPosition) -> Result<FeedFollower> {
        let (tenant, asset) = self.readable(actor, of).await?;
        let at = self.place(tenant, asset, since).await?;
        self.seated(tenant, asset, at)
    }

    async fn readable(&self, actor: &Actor, of: FeedOf) -> Result<(TenantId, Option<AssetId>)> {
        match of {
            FeedOf::Tenant => {
                may_ask(actor, Action::ReadEvents)?;
                Ok((tenant_of(actor)?, None))
            }
            FeedOf::Asset(id) => {
                let asset = self.rows.load_asset_for(actor, Action::ReadAsset, id).await?;
                Ok((asset.tenant, Some(id)))
            }
            FeedOf::Granted => {
                let Actor::Uploader { upload } = actor else { return Err(Error::Forbidden) };
                let upload = self.rows.load_upload_for(actor, Action::ReadUpload, *upload).await?;
                Ok((upload.tenant, Some(upload.asset)))
            }
        }
    }

    /// Assigns every committed event its id, so that this read includes all events that were committed before.
    pub(in crate::engine) async fn number_events(&self) -> Result<()> {
        while self.store.number_events().await? > 0 {}
        Ok(())
    }

    pub(in crate::engine) async fn read_feed_ends(&self, tenant: TenantId) -> Result<FeedEnds> {
        let ends = self.store.read_feed_ends(&[tenant]).await?;
        Ok(ends.first().map(|(_, ends)| *ends).unwrap_or_default())
    }

    /// Id behind which a reader begins.
    async fn place(&self, tenant: TenantId, asset: Option<AssetId>, since: FeedPosition) -> Result<i64> {
        self.number_events().await?;
        let ends = self.read_feed_ends(tenant).await?;
        match since {
            FeedPosition::Now => Ok(ends.last),
            // The newest event of an asset is never forgotten.
            FeedPosition::Beginning | FeedPosition::Event(0) => Ok(if asset.is_some() { 0 } else { ends.forgotten }),
            FeedPosition::Event(id) if (1..ends.forgotten).contains(&id) => Err(FORGOTTEN_EVENT_ERROR),
            FeedPosition::Event(id) if (1..=ends.last).contains(&id) => Ok(id),
            FeedPosition::Event(_) => Err(Error::invalid("after", "no event has this id")),
        }
    }

    /// Events behind an id. [`Error::Gone`] if events behind the id are forgotten.
    async fn behind(
        &self,
        tenant: TenantId,
        asset: Option<AssetId>,
        at: i64,
        limit: u32,
    ) -> Result<Vec<Arc<FeedEvent>>> {
        let events = self.store.read_feed(tenant, asset, at, limit).await?;
        // Read after the page, so that events forgotten in between are noticed.
        if at != 0 && at < self.read_feed_ends(tenant).await?.forgotten {
            return Err(FORGOTTEN_EVENT_ERROR);
        }
        Ok(events.into_iter().map(Arc::new).collect())
    }

    fn seated(&self, tenant: TenantId, asset: Option<AssetId>, at: i64) -> Result<FeedFollower> {
        let settings = &self.settings.feed;
        let seat = self.feed_hub.seat(self, tenant, at, settings.followers_per_tenant);
        let full = || Error::Busy { why: "too many callers follow the events".into(), after: CROWDED_RETRY_AFTER };
        Ok(FeedFollower { engine: self.clone(), tenant, asset, at, seat: seat.ok_or_else(full)? })
    }
}

impl FeedFollower {
    /// Position of the follower: the id behind which it reads on.
    #[must_use]
    pub fn at(&self) -> i64 {
        self.at
    }

    /// Waits for the next events, at least 1. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Gone`] for a follower so slow that the next events are forgotten.
    #[tracing::instrument(skip_all)]
    pub async fn next_events(&mut self) -> Result<Vec<Arc<FeedEvent>>> {
        self.next(MAX_PAGE_EVENTS).await
    }

    async fn next(&mut self, limit: u32) -> Result<Vec<Arc<FeedEvent>>> {
        loop {
            let last = self.seat.last();
            if self.at >= last {
                self.seat.wait_for_events().await;
                continue;
            }
            let (events, at) = match self.seat.take(self.at, self.asset, limit as usize) {
                NextEvents::Here { events, upto } => (events, upto),
                NextEvents::Elsewhere => {
                    let events = self.engine.behind(self.tenant, self.asset, self.at, limit).await?;
                    let end = if events.len() < limit as usize { last } else { 0 };
                    let upto = events.last().map_or(last, |event| event.id.max(end));
                    (events, upto)
                }
            };
            self.at = at;
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}
