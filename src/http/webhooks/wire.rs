//! Shapes of webhooks, and their way to and from domain values. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::query::{DurationInput, USUAL_PAGE, limit, pairs, parsed, time, unknown};
use crate::domain::clock::Timestamp;
use crate::domain::webhook::{Attempt, Delivery, Problem, Webhook, WebhookState};
use crate::engine::{Error, ListDeliveries, ReplayRange, WebhookWish};

/// `POST /v1/webhooks`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Where events are sent: https, or what the operator allows.
    #[schemars(length(max = 2048))]
    url: String,
    /// Which events: `*`, `asset.*` or whole names; left out, all.
    events: Option<Vec<String>>,
    /// What it is for, in your words.
    description: Option<String>,
}

impl NewWebhook {
    pub(super) fn wish(self) -> WebhookWish {
        WebhookWish { url: Some(self.url), events: self.events, description: self.description, enabled: None }
    }
}

/// `PATCH /v1/webhooks/{id}`: what is not named stays.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChangeWebhook {
    /// Where events are sent.
    #[schemars(length(max = 2048))]
    url: Option<String>,
    /// Which events: `*`, `asset.*` or whole names.
    events: Option<Vec<String>>,
    /// What it is for, in your words.
    description: Option<String>,
    /// Whether events are sent.
    enabled: Option<bool>,
}

impl ChangeWebhook {
    pub(super) fn wish(self) -> WebhookWish {
        let Self { url, events, description, enabled } = self;
        WebhookWish { url, events, description, enabled }
    }
}

/// `POST /v1/webhooks/{id}/rotate`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RotateWebhook")]
pub(super) struct Rotate {
    /// For how long the old secret signs as well, in seconds or like `24h`; left out, not at all.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<Value>,
}

impl Rotate {
    /// For how long the old secret signs as well.
    pub(super) fn overlap(&self) -> Result<Option<Duration>, Error> {
        time("expires_in", self.expires_in.as_ref())
    }
}

/// `POST /v1/webhooks/{id}/replay`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayRange")]
pub(super) struct Range {
    /// The beginning of the time.
    from: Timestamp,
    /// Its end; left out, now.
    to: Option<Timestamp>,
    /// Which events; left out, those that the endpoint is told of.
    events: Option<Vec<String>>,
    /// `next_after` of the answer before, to go on.
    #[schemars(regex(pattern = "^[0-9]{1,19}$"))]
    after: Option<String>,
}

impl Range {
    pub(super) fn range(self, now: Timestamp) -> Result<ReplayRange, Error> {
        let place = |text: String| text.parse::<i64>().ok().filter(|id| *id >= 0);
        let bad = || Error::invalid("after", "next_after of an answer before");
        let after = self.after.map(|text| place(text).ok_or_else(bad)).transpose()?;
        Ok(ReplayRange { from: self.from, to: self.to.unwrap_or(now), events: self.events, after })
    }
}

/// `GET /v1/webhooks/{id}/deliveries`.
pub(super) fn list(query: Option<&str>) -> Result<ListDeliveries, Error> {
    let mut list = ListDeliveries { state: None, after: None, limit: USUAL_PAGE };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(parsed("state", &value, "pending, delivered or dead")?),
            "after" => list.after = Some(parsed("after", &value, "the id of a delivery")?),
            "limit" => list.limit = limit(&value)?,
            other => return Err(unknown(other)),
        }
    }
    Ok(list)
}

pub(super) fn webhook(of: &Webhook) -> Value {
    let disabled = match of.state {
        WebhookState::Disabled { why, at } => Some((why.name(), at.to_string())),
        WebhookState::Active | WebhookState::Deleted => None,
    };
    json!({
        "id": of.id,
        "url": of.url,
        "description": of.description,
        "events": of.events.patterns(),
        "state": of.state.name(),
        "reason": disabled.as_ref().map(|(why, _)| why),
        "disabled_at": disabled.as_ref().map(|(_, at)| at),
        "failing_since": of.failing_since.map(|since| since.to_string()),
        "old_secret_until": of.old_secret.as_ref().map(|(_, until)| until.to_string()),
        "created_at": of.created_at.to_string(),
    })
}

/// With what is shown only once.
pub(super) fn with_secret(of: &Webhook) -> Value {
    let mut view = webhook(of);
    if let Some(view) = view.as_object_mut() {
        view.insert("secret".to_owned(), of.secret.reveal().into());
    }
    view
}

fn attempt(of: &Attempt) -> Value {
    json!({
        "at": of.at.to_string(),
        "status": of.status,
        "millis": of.millis,
        "problem": of.problem.map(Problem::name),
    })
}

pub(super) fn delivery(of: &Delivery) -> Value {
    let event = &of.event.event;
    json!({
        "id": of.id,
        "state": of.state.name(),
        "message_id": of.message_id(),
        "type": event.kind,
        "event_id": (!of.is_test()).then(|| of.event.id.to_string()),
        "asset_id": (!of.is_test()).then_some(event.asset),
        "seq": (!of.is_test()).then_some(event.seq),
        "replay": of.replay,
        "tries": of.tries,
        "last_status": of.attempts.last().and_then(|last| last.status),
        "problem": of.problem.map(Problem::name),
        "next_try_at": of.next_try.map(|at| at.to_string()),
        "created_at": of.created_at.to_string(),
        "finished_at": of.finished_at.map(|at| at.to_string()),
        "attempts": of.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}
