//! Webhooks: keeping endpoints, telling them of events, and looking at what became of it.
//!
//! * `dispatch`: reads the feed on behalf of every endpoint, and makes deliveries with their jobs
//! * `calls`: what is sent for a delivery, and what follows from the answer; sending itself is the worker's
//! * `log`: the deliveries of an endpoint, and having them sent again
//!
//! Deliveries of one endpoint are made in the order of the feed and arrive in any; `seq` and `id` say the order.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::audit::AuditedAct;
use super::{Engine, Error, Result, tenant_of};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::{after, before};
use crate::domain::egress::EgressPolicy;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{EventFilter, Webhook, WebhookSecret, WebhookState, WhyDisabled};
use crate::store::{StoreError, Tx, WebhookWrite, Write};

mod calls;
mod dispatch;
mod log;

pub use calls::{DeliveryOutcome, WebhookCall};
pub use log::{ListDeliveries, ReplayRange, ReplayedDeliveries};

/// How endpoints are told of events.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where they may be.
    pub egress: EgressPolicy,
    /// How long one exchange may take.
    pub timeout: Duration,
    /// After how long a time without one success an endpoint is disabled.
    pub disable_after: Duration,
    /// How long deliveries that are over are kept.
    pub keep: Duration,
    /// Endpoints of one tenant at most.
    pub endpoints: u32,
}

/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 500;
/// How long the old secret goes on signing unless said otherwise, and at most.
const DEFAULT_SECRET_OVERLAP: Duration = Duration::from_secs(24 * 3600);
const MAX_SECRET_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
/// Tries of a change that others get in the way of.
const MAX_ENDPOINT_ATTEMPTS: u32 = 5;

/// A new endpoint, or a change of one: what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct WebhookWish {
    /// Where it is; a new one needs it.
    pub url: Option<String>,
    /// What it wants; all, unless a new one says otherwise.
    pub events: Option<Vec<String>>,
    /// For people.
    pub description: Option<String>,
    /// Whether it is told anything; a new one is.
    pub enabled: Option<bool>,
}

impl Engine {
    /// How endpoints are told of events.
    #[must_use]
    pub fn webhook_settings(&self) -> &WebhookSettings {
        &self.0.settings.webhooks
    }

    /// A new endpoint, told of what happens from now on. The one time that its secret is handed out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wish that makes no sense; [`Error::Taken`] when the tenant has its share.
    #[tracing::instrument(skip_all)]
    pub async fn create_webhook(&self, actor: &Actor, wish: WebhookWish) -> Result<Webhook> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        if wish.url.is_none() {
            return Err(Error::invalid("url", "where the endpoint is"));
        }
        let (most, now) = (self.webhook_settings().endpoints, self.0.store.now());
        if self.0.store.list_webhooks(tenant, None, most).await?.len() >= most as usize {
            return Err(Error::Taken("the tenant has as many webhooks as it may have"));
        }
        self.number_events().await?;
        let blank = Webhook {
            id: WebhookId(self.new_id()),
            tenant,
            revision: 1,
            url: String::new(),
            description: String::new(),
            events: EventFilter::all(),
            secret: WebhookSecret::fresh(&*self.0.entropy),
            old_secret: None,
            state: WebhookState::Active,
            cursor: self.read_feed_ends(tenant).await?.last,
            failing_since: None,
            created_at: now,
        };
        let webhook = self.wished(blank, &wish)?;
        let told = self.audited(deed(actor, &webhook, "webhook.create").after(shown(&webhook)));
        let insert = Write::Webhook(WebhookWrite::Insert(Box::new(webhook.clone())));
        self.0.store.commit(Tx::new().with(insert).with(told)).await?;
        Ok(webhook)
    }

    /// The tenant's endpoints, oldest first.
    #[tracing::instrument(skip_all)]
    pub async fn list_webhooks(&self, actor: &Actor) -> Result<Vec<Webhook>> {
        may_ask(actor, Action::Administer)?;
        // A few more than may be made: two that are made at once may both be the last one.
        Ok(self.0.store.list_webhooks(tenant_of(actor)?, None, self.webhook_settings().endpoints * 2).await?)
    }

    /// One of the tenant's endpoints.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn webhook(&self, actor: &Actor, id: WebhookId) -> Result<Webhook> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let found = self.0.store.find_webhook(id).await?;
        let own = |webhook: &Webhook| webhook.tenant == tenant && webhook.state != WebhookState::Deleted;
        found.filter(own).ok_or(Error::NotFound)
    }

    /// Changes an endpoint. One that is enabled is told of what happens from then on: the rest is for a replay.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn change_webhook(&self, actor: &Actor, id: WebhookId, wish: &WebhookWish) -> Result<Webhook> {
        self.number_events().await?;
        self.update_webhook(actor, id, |webhook, last| {
            let moved = wish.url.as_ref().is_some_and(|url| *url != webhook.url);
            let changed = self.wished(webhook, wish)?;
            let enables = wish.enabled == Some(true) && changed.state != WebhookState::Active;
            let changed = match wish.enabled {
                Some(true) if enables => changed.enable(last)?,
                Some(false) => changed.disable(WhyDisabled::Asked, self.0.store.now())?,
                Some(true) | None => changed,
            };
            let mut writes = vec![WebhookWrite::Update(Box::new(changed.clone()), enables)];
            if moved {
                // Another address has not failed yet.
                writes.push(WebhookWrite::Note(id, None));
            }
            Ok((changed, writes))
        })
        .await
    }

    /// Deletes an endpoint with its log. What is under way may still arrive.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn delete_webhook(&self, actor: &Actor, id: WebhookId) -> Result<()> {
        let deleted = self.update_webhook(actor, id, |webhook, _| {
            let deleted = Webhook { state: WebhookState::Deleted, ..webhook };
            Ok((deleted.clone(), vec![WebhookWrite::Update(Box::new(deleted), false)]))
        });
        deleted.await.map(|_| ())
    }

    /// Gives an endpoint a new secret, and hands it out this one time. The old one signs as well for `overlap`, by default
    /// a day, at most a week; the one before that does not.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn rotate_webhook(&self, actor: &Actor, id: WebhookId, overlap: Option<Duration>) -> Result<Webhook> {
        let overlap = overlap.unwrap_or(DEFAULT_SECRET_OVERLAP);
        if overlap > MAX_SECRET_OVERLAP {
            return Err(Error::invalid("expires_in", "7 days at most"));
        }
        self.update_webhook(actor, id, |webhook, _| {
            let until = after(self.0.store.now(), overlap);
            let rotated = webhook.rotate(WebhookSecret::fresh(&*self.0.entropy), until);
            Ok((rotated.clone(), vec![WebhookWrite::Update(Box::new(rotated), false)]))
        })
        .await
    }

    /// The endpoint as wished, `enabled` aside.
    fn wished(&self, mut webhook: Webhook, wish: &WebhookWish) -> Result<Webhook> {
        if let Some(url) = &wish.url {
            let url = self.webhook_settings().egress.endpoint(url).map_err(|why| Error::invalid("url", why))?;
            webhook.url = url.into();
        }
        if let Some(events) = &wish.events {
            webhook.events = EventFilter::new(events.clone()).map_err(|why| Error::invalid("events", why))?;
        }
        if let Some(description) = &wish.description {
            if description.len() > MAX_DESCRIPTION_BYTES {
                return Err(Error::invalid("description", format!("at most {MAX_DESCRIPTION_BYTES} bytes")));
            }
            webhook.description.clone_from(description);
        }
        Ok(webhook)
    }

    /// Reads, changes and writes, once more if somebody else did meanwhile. `change` is told where the feed ends.
    async fn update_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        change: impl Fn(Webhook, i64) -> Result<(Webhook, Vec<WebhookWrite>)>,
    ) -> Result<Webhook> {
        for _ in 0..MAX_ENDPOINT_ATTEMPTS {
            let webhook = self.webhook(actor, id).await?;
            let last = self.read_feed_ends(webhook.tenant).await?.last;
            let before = shown(&webhook);
            let (changed, writes) = change(webhook, last)?;
            let deed = deed(actor, &changed, "webhook.change").before(before).after(shown(&changed));
            let tx = Tx::new().with(self.audited(deed));
            let tx = writes.into_iter().fold(tx, |tx, write| tx.with(Write::Webhook(write)));
            match self.0.store.commit(tx).await {
                Ok(()) => return Ok(changed),
                Err(StoreError::Conflict) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(Error::busy("others change the webhook all the time"))
    }

    async fn write_webhook(&self, write: WebhookWrite) -> Result<()> {
        Ok(self.0.store.commit(Tx::new().with(Write::Webhook(write))).await?)
    }

    /// Forgets deliveries that are over for long, and deleted endpoints; how many deliveries.
    pub(super) async fn forget_deliveries(&self) -> Result<u64> {
        const CLEANUP_BATCH_ROWS: u32 = 1000;
        const MAX_CLEANUP_BATCHES: u32 = 100;
        let oldest = before(self.0.store.now(), self.webhook_settings().keep);
        let mut forgotten = 0;
        for _ in 0..MAX_CLEANUP_BATCHES {
            match self.0.store.forget_deliveries(oldest, CLEANUP_BATCH_ROWS).await? {
                0 => break,
                some => forgotten += some,
            }
        }
        Ok(forgotten)
    }
}

fn deed(actor: &Actor, webhook: &Webhook, action: &'static str) -> AuditedAct {
    AuditedAct::new(webhook.tenant, actor, action, format!("webhook:{}", webhook.id))
}

/// An endpoint for the audit trail: everything but its secret, of which it says whether it changed.
fn shown(webhook: &Webhook) -> Value {
    let secret: [u8; 32] = Sha256::digest(webhook.secret.reveal()).into();
    json!({
        "url": webhook.url,
        "events": webhook.events.patterns(),
        "state": webhook.state.name(),
        "secret": hex::encode(&secret[..4]),
    })
}
