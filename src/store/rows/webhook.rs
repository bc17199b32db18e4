//! The rows of `webhook` and `delivery`.

use sqlx::types::Json;
use uuid::Uuid;

use super::{CellDecode, EventRow, InvalidCell, bad, decodes, parse, parse_opt, required};
use crate::domain::clock::micros;
use crate::domain::event::FeedEvent;
use crate::domain::ids::{DeliveryId, TenantId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryAttempt, EventFilter, Webhook, WebhookSecret, WebhookState};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(in crate::store) struct WebhookRow {
    id: Uuid,
    tenant_id: Uuid,
    revision: i64,
    url: String,
    description: String,
    events: Json<Vec<String>>,
    secret: String,
    old_secret: Option<String>,
    old_until: Option<i64>,
    state: String,
    reason: Option<String>,
    disabled_at: Option<i64>,
    cursor: i64,
    failing_since: Option<i64>,
    created_at: i64,
}

fn secret(column: &str, text: &str) -> CellDecode<WebhookSecret> {
    text.parse().map_err(|_| bad(column, "no secret"))
}

impl WebhookRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn state(&self) -> CellDecode<WebhookState> {
        Ok(match self.state.as_str() {
            "active" => WebhookState::Active,
            "deleted" => WebhookState::Deleted,
            "disabled" => WebhookState::Disabled {
                why: parse("reason", &required("reason", self.reason.clone())?)?,
                at: micros(required("disabled_at", self.disabled_at)?),
            },
            other => return Err(bad("state", other)),
        })
    }

    fn decode(self) -> CellDecode<Webhook> {
        let old = self.old_secret.as_deref().map(|text| secret("old_secret", text)).transpose()?;
        Ok(Webhook {
            id: WebhookId(self.id),
            tenant: TenantId(self.tenant_id),
            revision: self.revision,
            state: self.state()?,
            url: self.url,
            description: self.description,
            events: EventFilter::known(self.events.0),
            secret: secret("secret", &self.secret)?,
            old_secret: old.zip(self.old_until.map(micros)),
            cursor: self.cursor,
            failing_since: self.failing_since.map(micros),
            created_at: micros(self.created_at),
        })
    }
}

decodes!(WebhookRow in "webhook" as Webhook);

#[derive(sqlx::FromRow)]
pub(in crate::store) struct DeliveryRow {
    id: Uuid,
    webhook_id: Uuid,
    tenant_id: Uuid,
    place: i64,
    #[sqlx(flatten)]
    event: EventRow,
    replay: i64,
    state: String,
    tries: i64,
    attempts: Json<Vec<DeliveryAttempt>>,
    problem: Option<String>,
    next_try: Option<i64>,
    created_at: i64,
    finished_at: Option<i64>,
}

impl DeliveryRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn decode(self) -> CellDecode<Delivery> {
        Ok(Delivery {
            id: DeliveryId(self.id),
            webhook: WebhookId(self.webhook_id),
            tenant: TenantId(self.tenant_id),
            event: FeedEvent { id: self.place, event: self.event.into(), traceparent: None },
            replay: self.replay != 0,
            state: parse("state", &self.state)?,
            tries: u32::try_from(self.tries).map_err(|_| bad("tries", self.tries))?,
            attempts: self.attempts.0,
            problem: parse_opt("problem", self.problem.as_deref())?,
            next_try: self.next_try.map(micros),
            created_at: micros(self.created_at),
            finished_at: self.finished_at.map(micros),
        })
    }
}

decodes!(DeliveryRow in "delivery" as Delivery);
