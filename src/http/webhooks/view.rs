//! Answers of webhooks, from domain values. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{AssetId, DeliveryId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryAttempt, DeliveryProblem, DeliveryState, Webhook, WebhookState};
use crate::engine::ReplayedDeliveries;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(super) struct WebhookView<'a> {
    /// Id of the endpoint.
    id: WebhookId,
    /// URL to which events are sent.
    #[schemars(url, example = &"https://app.example/hooks/files")]
    url: &'a str,
    /// Purpose of the endpoint, in the caller's words.
    description: &'a str,
    /// Events that are sent: `*`, `asset.*` or whole names.
    #[schemars(example = ["asset.ready"])]
    events: &'a [String],
    /// `active` if events are sent.
    #[schemars(extend("enum" = ["active", "disabled"]))]
    state: &'static str,
    /// Reason why the endpoint was disabled; null while it is active.
    reason: Option<&'static str>,
    /// Time at which the endpoint was disabled; null while it is active.
    disabled_at: Option<SortableTime>,
    /// Time since which every delivery has failed; null if the last succeeded.
    failing_since: Option<SortableTime>,
    /// Time until which the secret before the last rotation signs as well; null if there is none.
    old_secret_until: Option<SortableTime>,
    /// Time of creation.
    created_at: SortableTime,
}

pub(super) fn webhook_view(of: &Webhook) -> WebhookView<'_> {
    let disabled = match of.state {
        WebhookState::Disabled { why, at } => Some((why.name(), at)),
        WebhookState::Active | WebhookState::Deleted => None,
    };
    WebhookView {
        id: of.id,
        url: &of.url,
        description: &of.description,
        events: of.events.patterns(),
        state: of.state.name(),
        reason: disabled.map(|(why, _)| why),
        disabled_at: disabled.map(|(_, at)| at.into()),
        failing_since: of.failing_since.map(Into::into),
        old_secret_until: of.old_secret.as_ref().map(|(_, until)| (*until).into()),
        created_at: of.created_at.into(),
    }
}

/// The webhook with its secret, which is shown only once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookWithSecret")]
pub(super) struct WebhookWithSecretView<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    /// Secret with which deliveries are signed; shown only this once.
    #[schemars(example = &"whsec_AZqjwXxA")]
    secret: String,
}

pub(super) fn webhook_with_secret_view(of: &Webhook) -> WebhookWithSecretView<'_> {
    WebhookWithSecretView { webhook: webhook_view(of), secret: of.secret.reveal() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookList")]
pub(super) struct WebhookListView<'a> {
    /// Every endpoint of the tenant.
    webhooks: Vec<WebhookView<'a>>,
}

pub(super) fn webhook_list_view(webhooks: &[Webhook]) -> WebhookListView<'_> {
    WebhookListView { webhooks: webhooks.iter().map(webhook_view).collect() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(super) struct DeliveryView<'a> {
    /// Id of the delivery.
    id: DeliveryId,
    /// State: `pending` is tried again, `delivered` has arrived, `dead` was given up.
    #[schemars(extend("enum" = DeliveryState::ALL.map(DeliveryState::name)), example = &"delivered")]
    state: &'static str,
    /// Id that the endpoint sees, the same for every try.
    #[schemars(example = &"msg_01a1fec813f3732fa7aff32f0e28ea07_6")]
    message_id: String,
    /// Type of the event.
    #[schemars(example = &"asset.ready")]
    r#type: &'a str,
    /// The event; null for a test.
    #[schemars(example = &"6")]
    event_id: Option<String>,
    /// Asset of the event; null for a test.
    asset_id: Option<AssetId>,
    /// Number of the event among those of its asset; null for a test.
    #[schemars(example = 6)]
    seq: Option<i64>,
    /// True if the delivery was requested once more.
    #[schemars(example = false)]
    replay: bool,
    /// Number of tries.
    #[schemars(example = 1)]
    tries: u32,
    /// Status of the endpoint's last answer; null if it did not answer.
    #[schemars(example = 204)]
    last_status: Option<u16>,
    /// Reason why the last try failed; null if it did not.
    problem: Option<&'static str>,
    /// Time of the next try; null if there is none.
    next_try_at: Option<SortableTime>,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the delivery arrived or was given up.
    finished_at: Option<SortableTime>,
    /// Last tries, oldest first.
    attempts: Vec<DeliveryAttemptView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryAttempt")]
struct DeliveryAttemptView {
    /// Time at which the try ended.
    at: SortableTime,
    /// Status of the answer; null if there was none.
    #[schemars(example = 204)]
    status: Option<u16>,
    /// Duration in milliseconds.
    #[schemars(example = 31)]
    millis: u64,
    /// Reason why the try failed; null if it did not.
    problem: Option<&'static str>,
}

fn attempt_view(of: &DeliveryAttempt) -> DeliveryAttemptView {
    let DeliveryAttempt { at, status, millis, problem } = *of;
    DeliveryAttemptView { at: at.into(), status, millis, problem: problem.map(DeliveryProblem::name) }
}

pub(super) fn delivery_view(of: &Delivery) -> DeliveryView<'_> {
    let event = &of.event.event;
    DeliveryView {
        id: of.id,
        state: of.state.name(),
        message_id: of.message_id(),
        r#type: &event.kind,
        event_id: (!of.is_test()).then(|| of.event.id.to_string()),
        asset_id: (!of.is_test()).then_some(event.asset),
        seq: (!of.is_test()).then_some(event.seq),
        replay: of.replay,
        tries: of.tries,
        last_status: of.attempts.last().and_then(|last| last.status),
        problem: of.problem.map(DeliveryProblem::name),
        next_try_at: of.next_try.map(Into::into),
        created_at: of.created_at.into(),
        finished_at: of.finished_at.map(Into::into),
        attempts: of.attempts.iter().map(attempt_view).collect(),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryPage")]
pub(super) struct DeliveryPageView<'a> {
    /// Deliveries, newest first.
    deliveries: Vec<DeliveryView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next_after: Option<DeliveryId>,
}

pub(super) fn delivery_page_view(page: &[Delivery], next_after: Option<DeliveryId>) -> DeliveryPageView<'_> {
    DeliveryPageView { deliveries: page.iter().map(delivery_view).collect(), next_after }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReplayedDeliveries")]
pub(super) struct ReplayedDeliveriesView {
    /// Number of deliveries that were created.
    #[schemars(example = 41)]
    replayed: u32,
    /// Cursor of the next request; null if there are no more events.
    next_after: Option<String>,
}

pub(super) fn replayed_view(replayed: &ReplayedDeliveries) -> ReplayedDeliveriesView {
    ReplayedDeliveriesView { replayed: replayed.count, next_after: replayed.next.map(|next| next.to_string()) }
}
