//! Requests of webhooks and their conversion to commands. Pure. Answers are in `view`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::clock::Timestamp;
use crate::engine::{Error, ListDeliveries, ReplayRange, WebhookWish};
use crate::http::query::{
    DEFAULT_PAGE_LIMIT, DurationInput, parse_duration_member, parse_limit, parse_parameter, query_pairs,
    unknown_parameter,
};

/// `POST /v1/webhooks`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
pub(super) struct CreateWebhookBody {
    /// URL of the endpoint: https, or what the operator allows.
    #[schemars(length(max = 2048))]
    url: String,
    /// Kinds of events: `*`, `asset.*` or whole names; all by default.
    events: Option<Vec<String>>,
    /// Purpose of the endpoint, in your words.
    description: Option<String>,
}

impl CreateWebhookBody {
    pub(super) fn into_command(self) -> WebhookWish {
        WebhookWish { url: Some(self.url), events: self.events, description: self.description, enabled: None }
    }
}

/// `PATCH /v1/webhooks/{id}`: members that are left out stay.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ChangeWebhook")]
pub(super) struct UpdateWebhookBody {
    /// URL of the endpoint.
    #[schemars(length(max = 2048))]
    url: Option<String>,
    /// Kinds of events: `*`, `asset.*` or whole names.
    events: Option<Vec<String>>,
    /// Purpose of the endpoint, in your words.
    description: Option<String>,
    /// True if events are sent.
    enabled: Option<bool>,
}

impl UpdateWebhookBody {
    pub(super) fn into_command(self) -> WebhookWish {
        let Self { url, events, description, enabled } = self;
        WebhookWish { url, events, description, enabled }
    }
}

/// `POST /v1/webhooks/{id}/rotate`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RotateWebhook")]
pub(super) struct RotateWebhookSecretBody {
    /// Time for which the old secret signs as well, in seconds or like `24h`; not at all by default.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<Value>,
}

impl RotateWebhookSecretBody {
    /// Time for which the old secret signs as well.
    pub(super) fn parse_overlap(&self) -> Result<Option<Duration>, Error> {
        parse_duration_member("expires_in", self.expires_in.as_ref())
    }
}

/// `POST /v1/webhooks/{id}/replay`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplayRange")]
pub(super) struct ReplayRangeBody {
    /// Start of the period.
    from: Timestamp,
    /// End of the period; now by default.
    to: Option<Timestamp>,
    /// Kinds of events; by default those to which the endpoint subscribes.
    events: Option<Vec<String>>,
    /// `next_after` of the previous answer, to continue.
    #[schemars(regex(pattern = "^[0-9]{1,19}$"))]
    after: Option<String>,
}

impl ReplayRangeBody {
    pub(super) fn into_command(self, now: Timestamp) -> Result<ReplayRange, Error> {
        let place = |text: String| text.parse::<i64>().ok().filter(|id| *id >= 0);
        let bad = || Error::invalid("after", "must be next_after of a previous answer");
        let after = self.after.map(|text| place(text).ok_or_else(bad)).transpose()?;
        Ok(ReplayRange { from: self.from, to: self.to.unwrap_or(now), events: self.events, after })
    }
}

/// `GET /v1/webhooks/{id}/deliveries`.
pub(super) fn parse_deliveries_query(query: Option<&str>) -> Result<ListDeliveries, Error> {
    let mut list = ListDeliveries { state: None, after: None, limit: DEFAULT_PAGE_LIMIT };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(parse_parameter("state", &value, "must be pending, delivered or dead")?),
            "after" => list.after = Some(parse_parameter("after", &value, "must be the id of a delivery")?),
            "limit" => list.limit = parse_limit(&value)?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(list)
}
