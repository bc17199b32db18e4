//! Webhooks: administration of endpoints, dispatch of events, and the log of deliveries.
//!
//! * `dispatch`: reads the feed on behalf of every endpoint, and makes deliveries with their jobs
//! * `calls`: the request of a delivery, and the consequences of its response; the worker sends it
//! * `log`: the deliveries of an endpoint, and their replay
//!
//! Deliveries of an endpoint are made in the order of the feed and arrive in any order; `seq` and `id` say the order.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::{Entropy, after, before};
use crate::domain::egress::EgressPolicy;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{EventFilter, Webhook, WebhookSecret, WebhookState, WhyDisabled};
use crate::engine::audit::{AuditTrail, AuditedAct};
use crate::engine::events::EventEngine;
use crate::engine::rows::update::retry_with_row;
use crate::engine::rows::{RowAccess, tenant_of};
use crate::engine::settings::EngineSettings;
use crate::engine::{EnginePorts, Error, Result};
use crate::store::{Store, Tx, WebhookWrite};

mod calls;
mod dispatch;
mod log;

pub use calls::{DeliveryOutcome, WebhookCall};
pub use log::{ListDeliveries, ReplayRange, ReplayedDeliveries};

/// Settings of webhooks.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Addresses that endpoints may have.
    pub egress: EgressPolicy,
    /// Timeout of an exchange.
    pub timeout: Duration,
    /// Time without a success after which an endpoint is disabled.
    pub disable_after: Duration,
    /// Retention of ended deliveries.
    pub keep: Duration,
    /// Most endpoints of a tenant.
    pub endpoints: u32,
}

/// Longest description in bytes.
const MAX_DESCRIPTION_BYTES: usize = 500;
/// Default and longest overlap, during which the old secret signs too.
const DEFAULT_SECRET_OVERLAP: Duration = Duration::from_secs(24 * 3600);
const MAX_SECRET_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// A new endpoint, or a change of an endpoint; fields that are `None` stay unchanged.
#[derive(Clone, Debug, Default)]
pub struct WebhookWish {
    /// URL of the endpoint; required for a new endpoint.
    pub url: Option<String>,
    /// Kinds of events to which the endpoint subscribes; a new endpoint subscribes to all by default.
    pub events: Option<Vec<String>>,
    /// Description for people.
    pub description: Option<String>,
    /// True if the endpoint receives events; a new endpoint does by default.
    pub enabled: Option<bool>,
}

/// The room of webhooks.
#[derive(Clone)]
pub struct WebhookEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) events: Arc<EventEngine>,
}

impl WebhookEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts, events: Arc<EventEngine>) -> Self {
        Self {
            store: ports.store.clone(),
            entropy: ports.entropy.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            events,
        }
    }

    /// Settings of webhooks.
    #[must_use]
    pub fn webhook_settings(&self) -> &WebhookSettings {
        &self.settings.webhooks
    }

    /// Creates an endpoint that receives events from now on. The secret is returned only here.
    ///
    /// # Errors
    /// [`Error::Invalid`] for invalid parameters; [`Error::Taken`] when the tenant has its most endpoints.
    #[tracing::instrument(skip_all)]
    pub async fn create_webhook(&self, actor: &Actor, wish: WebhookWish) -> Result<Webhook> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        if wish.url.is_none() {
            return Err(Error::invalid("url", "required"));
        }
        let (most, now) = (self.webhook_settings().endpoints, self.store.now());
        if self.store.list_webhooks(tenant, None, most).await?.len() >= most as usize {
            return Err(Error::Taken("the tenant has the highest number of webhooks: delete a webhook first"));
        }
        self.events.number_events().await?;
        let blank = Webhook {
            id: WebhookId(self.rows.new_id()),
            tenant,
            revision: 1,
            url: String::new(),
            description: String::new(),
            events: EventFilter::all(),
            secret: WebhookSecret::fresh(&*self.entropy),
            old_secret: None,
            state: WebhookState::Active,
            cursor: self.events.read_feed_ends(tenant).await?.last,
            failing_since: None,
            created_at: now,
        };
        let webhook = self.wished(blank, &wish)?;
        let told = self.audit.audited(deed(actor, &webhook, "webhook.create").after(shown(&webhook)));
        let insert = WebhookWrite::Insert(Box::new(webhook.clone()));
        self.rows.commit(Tx::new().with(insert).with(told)).await?;
        Ok(webhook)
    }

    /// The tenant's endpoints, oldest first.
    #[tracing::instrument(skip_all)]
    pub async fn list_webhooks(&self, actor: &Actor) -> Result<Vec<Webhook>> {
        may_ask(actor, Action::Administer)?;
        // A larger limit, because concurrent creations may exceed the most endpoints slightly.
        Ok(self.store.list_webhooks(tenant_of(actor)?, None, self.webhook_settings().endpoints * 2).await?)
    }

    /// Reads an endpoint of the tenant.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn webhook(&self, actor: &Actor, id: WebhookId) -> Result<Webhook> {
        may_ask(actor, Action::Administer)?;
        let tenant = tenant_of(actor)?;
        let found = self.store.find_webhook(id).await?;
        let own = |webhook: &Webhook| webhook.tenant == tenant && webhook.state != WebhookState::Deleted;
        found.filter(own).ok_or(Error::NotFound)
    }

    /// Changes an endpoint. An endpoint that becomes enabled receives events from then on; earlier events need a
    /// replay.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn change_webhook(&self, actor: &Actor, id: WebhookId, wish: &WebhookWish) -> Result<Webhook> {
        self.events.number_events().await?;
        self.update_webhook(actor, id, |webhook, last| {
            let moved = wish.url.as_ref().is_some_and(|url| *url != webhook.url);
            let changed = self.wished(webhook, wish)?;
            let enables = wish.enabled == Some(true) && changed.state != WebhookState::Active;
            let changed = match wish.enabled {
                Some(true) if enables => changed.enable(last)?,
                Some(false) => changed.disable(WhyDisabled::Asked, self.store.now())?,
                Some(true) | None => changed,
            };
            let mut writes = vec![WebhookWrite::Update(Box::new(changed.clone()), enables)];
            if moved {
                // A new URL has not failed yet.
                writes.push(WebhookWrite::Note(id, None));
            }
            Ok((changed, writes))
        })
        .await
    }

    /// Deletes an endpoint with its log. Deliveries under way may still arrive.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn delete_webhook(&self, actor: &Actor, id: WebhookId) -> Result<()> {
        let deleted = self.update_webhook(actor, id, |webhook, _| {
            let deleted = Webhook { state: WebhookState::Deleted, ..webhook };
            Ok((deleted.clone(), vec![WebhookWrite::Update(Box::new(deleted), false)]))
        });
        deleted.await.map(|_| ())
    }

    /// Gives an endpoint a new secret, which is returned only here. The old secret signs too for `overlap`: a day by
    /// default, at most a week. Older secrets no longer sign.
    #[tracing::instrument(skip_all, fields(webhook = %id))]
    pub async fn rotate_webhook(&self, actor: &Actor, id: WebhookId, overlap: Option<Duration>) -> Result<Webhook> {
        let overlap = overlap.unwrap_or(DEFAULT_SECRET_OVERLAP);
        if overlap > MAX_SECRET_OVERLAP {
            return Err(Error::invalid("expires_in", "must be at most 7 days"));
        }
        self.update_webhook(actor, id, |webhook, _| {
            let until = after(self.store.now(), overlap);
            let rotated = webhook.rotate(WebhookSecret::fresh(&*self.entropy), until);
            Ok((rotated.clone(), vec![WebhookWrite::Update(Box::new(rotated), false)]))
        })
        .await
    }

    /// The endpoint with the changes applied, except `enabled`.
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
                return Err(Error::invalid("description", format!("must be at most {MAX_DESCRIPTION_BYTES} bytes")));
            }
            webhook.description.clone_from(description);
        }
        Ok(webhook)
    }

    /// Changes an endpoint by compare-and-set. `change` gets the endpoint and the id of the feed's last event.
    async fn update_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        change: impl Fn(Webhook, i64) -> Result<(Webhook, Vec<WebhookWrite>)>,
    ) -> Result<Webhook> {
        let change = &change;
        let attempt = |webhook: Webhook| async move {
            let last = self.events.read_feed_ends(webhook.tenant).await?.last;
            let before = shown(&webhook);
            let (changed, writes) = change(webhook, last)?;
            let deed = deed(actor, &changed, "webhook.change").before(before).after(shown(&changed));
            let tx = Tx::new().with(self.audit.audited(deed));
            self.rows.commit(writes.into_iter().fold(tx, Tx::with)).await?;
            Ok(changed)
        };
        retry_with_row(&*self.entropy, None, || self.webhook(actor, id), attempt).await
    }

    async fn write_webhook(&self, write: WebhookWrite) -> Result<()> {
        Ok(self.rows.commit(Tx::new().with(write)).await?)
    }

    /// Deletes deliveries that ended long ago, and deleted endpoints. Returns the number of deliveries.
    pub(super) async fn forget_deliveries(&self) -> Result<u64> {
        const CLEANUP_BATCH_ROWS: u32 = 1000;
        const MAX_CLEANUP_BATCHES: u32 = 100;
        let oldest = before(self.store.now(), self.webhook_settings().keep);
        let mut forgotten = 0;
        for _ in 0..MAX_CLEANUP_BATCHES {
            match self.store.forget_deliveries(oldest, CLEANUP_BATCH_ROWS).await? {
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

/// An endpoint for the audit trail: all fields, but of the secret only a digest.
fn shown(webhook: &Webhook) -> Value {
    let secret: [u8; 32] = Sha256::digest(webhook.secret.reveal()).into();
    json!({
        "url": webhook.url,
        "events": webhook.events.patterns(),
        "state": webhook.state.name(),
        "secret": hex::encode(&secret[..4]),
    })
}
