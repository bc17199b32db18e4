//! The feed, as seen from outside: pages of it, and following it as it grows.
//!
//! Every event has one id, its place in its tenant's feed (`store/sql/feed.rs` says how it gets it). The same id is the
//! cursor of every way to read: pages, long polls, SSE and WebSocket, of a tenant or of one asset, on any node.
//!
//! * A cursor that is older than what is kept is [`Error::Gone`]: the reader has missed something, and must look at the
//!   assets themselves. 0 is never too old: it means all that is kept.
//! * A cursor that was never given out is [`Error::Invalid`] (`after`).
//! * Who follows pulls: nothing is made for a reader who does not ask for more, and nothing waits for him.

use std::sync::Arc;
use std::time::Duration;

use super::limits::check_page_limit;
use super::{Engine, Error, Result, tenant_of};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::event::{FeedEnds, FeedEvent};
use crate::domain::ids::{AssetId, TenantId};

mod hub;

pub(super) use hub::FeedHub;
use hub::{HubSubscription, NextEvents};

/// Most events that are taken for a follower at once, who then asks for more.
const MAX_PAGE_EVENTS: u32 = 100;
/// When somebody may try again who found no place.
const CROWDED_RETRY_AFTER: Duration = Duration::from_secs(10);

const FORGOTTEN_EVENT_ERROR: Error = Error::Gone { what: "event", state: "forgotten" };

/// How events are kept and handed out.
#[derive(Clone, Copy, Debug)]
pub struct FeedSettings {
    /// How long events are kept; each asset's newest is kept longer.
    pub keep: Duration,
    /// Followers at once on this node.
    pub followers: usize,
    /// Of these, of one tenant.
    pub followers_per_tenant: usize,
}

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOf {
    /// All of the caller's tenant.
    Tenant,
    /// One asset's.
    Asset(AssetId),
    /// Those of the asset that the caller has a grant to upload.
    Granted,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedPosition {
    /// With the oldest that is kept.
    Beginning,
    /// With the next that happens.
    Now,
    /// Behind the event with this id; 0: with the oldest that is kept.
    Event(i64),
}

/// A page of the feed.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// In order; fewer than asked for at the end.
    pub events: Vec<Arc<FeedEvent>>,
    /// Behind which id the next page begins.
    pub next: i64,
}

/// Somebody who follows the feed.
pub struct FeedFollower {
    engine: Engine,
    tenant: TenantId,
    asset: Option<AssetId>,
    at: i64,
    seat: HubSubscription,
}

impl Engine {
    /// A page of the feed. With `patience`, an empty one is only answered after it has passed without an event.
    #[tracing::instrument(skip_all)]
    pub async fn events(
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
        let came = tokio::time::timeout(patience.min(super::assets::MAX_STATE_WAIT), follower.next(limit)).await;
        Ok(FeedPage { events: came.unwrap_or(Ok(Vec::new()))?, next: follower.at })
    }

    /// Follows the feed from somewhere on.
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
                let asset = self.load_asset_for(actor, Action::ReadAsset, id).await?;
                Ok((asset.tenant, Some(id)))
            }
            FeedOf::Granted => {
                let Actor::Uploader { upload } = actor else { return Err(Error::Unauthenticated) };
                let upload = self.load_upload_for(actor, Action::ReadUpload, *upload).await?;
                Ok((upload.tenant, Some(upload.asset)))
            }
        }
    }

    /// Gives every committed event its place, so that whoever reads now sees what was answered before.
    pub(super) async fn number_events(&self) -> Result<()> {
        while self.0.store.number_events().await? > 0 {}
        Ok(())
    }

    pub(super) async fn read_feed_ends(&self, tenant: TenantId) -> Result<FeedEnds> {
        let ends = self.0.store.read_feed_ends(&[tenant]).await?;
        Ok(ends.first().map(|(_, ends)| *ends).unwrap_or_default())
    }

    /// The place behind which a reader begins.
    async fn place(&self, tenant: TenantId, asset: Option<AssetId>, since: FeedPosition) -> Result<i64> {
        self.number_events().await?;
        let ends = self.read_feed_ends(tenant).await?;
        match since {
            FeedPosition::Now => Ok(ends.last),
            // Of an asset, the newest event is never forgotten.
            FeedPosition::Beginning | FeedPosition::Event(0) => Ok(if asset.is_some() { 0 } else { ends.forgotten }),
            FeedPosition::Event(id) if (1..ends.forgotten).contains(&id) => Err(FORGOTTEN_EVENT_ERROR),
            FeedPosition::Event(id) if (1..=ends.last).contains(&id) => Ok(id),
            FeedPosition::Event(_) => Err(Error::invalid("after", "no event has this id")),
        }
    }

    /// Events behind a place, unless something there is forgotten.
    async fn behind(
        &self,
        tenant: TenantId,
        asset: Option<AssetId>,
        at: i64,
        limit: u32,
    ) -> Result<Vec<Arc<FeedEvent>>> {
        let events = self.0.store.read_feed(tenant, asset, at, limit).await?;
        // Asked afterwards: what was forgotten before the page was read is known by now.
        if at != 0 && at < self.read_feed_ends(tenant).await?.forgotten {
            return Err(FORGOTTEN_EVENT_ERROR);
        }
        Ok(events.into_iter().map(Arc::new).collect())
    }

    fn seated(&self, tenant: TenantId, asset: Option<AssetId>, at: i64) -> Result<FeedFollower> {
        let settings = &self.0.settings.feed;
        let seat = self.0.feed_hub.seat(self, tenant, at, settings.followers_per_tenant);
        let full = || Error::Busy { why: "too many follow the events".to_owned(), after: CROWDED_RETRY_AFTER };
        Ok(FeedFollower { engine: self.clone(), tenant, asset, at, seat: seat.ok_or_else(full)? })
    }
}

impl FeedFollower {
    /// Behind which event it stands.
    #[must_use]
    pub fn at(&self) -> i64 {
        self.at
    }

    /// The next events, at least one, as soon as there are any. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Gone`] for a follower who is so slow that the next events are forgotten.
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
