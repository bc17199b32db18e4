//! The routes of webhooks, each with what is said of it.

use serde_json::{Value, json};

use super::super::openapi::access::{ADMINISTERS, ADMINISTERS_ONE};
use super::super::openapi::{Routes, op};
use super::handlers;
use super::wire::{ChangeWebhook, NewWebhook, Range, Rotate};

pub(super) fn endpoints() -> Routes {
    let create = op("Have an endpoint told of events")
        .named("createWebhook")
        .may(ADMINISTERS)
        .tells("The secret is shown this once.");
    let wish = json!({ "url": "https://app.example/hooks/files", "events": ["asset.ready", "upload.*"] });
    let create = create.takes::<NewWebhook>(wish).gives(201, "@WebhookWithSecret").fails(&["conflict"]);
    let change = op("Change an endpoint, or enable it again").named("updateWebhook").may(ADMINISTERS_ONE);
    let change = change.takes::<ChangeWebhook>(json!({ "enabled": true })).gives(200, "@Webhook");
    let rotate = op("A new secret")
        .named("rotateWebhookSecret")
        .may(ADMINISTERS_ONE)
        .tells("The old one signs as well until `expires_in` has passed.");
    let rotate = rotate.takes::<Rotate>(json!({ "expires_in": "24h" })).or_nothing().gives(200, "@WebhookWithSecret");
    Routes::of("Webhooks")
        .names("Webhook", webhook(None))
        .names("WebhookWithSecret", webhook(Some("text = whsec_AZqjwXxA")))
        .get(
            "/v1/webhooks",
            handlers::list,
            op("Every endpoint").named("listWebhooks").may(ADMINISTERS).gives(200, json!({ "webhooks": ["@Webhook"] })),
        )
        .post("/v1/webhooks", handlers::create, create)
        .get(
            "/v1/webhooks/{id}",
            handlers::show,
            op("An endpoint").named("getWebhook").may(ADMINISTERS_ONE).kept().gives(200, "@Webhook"),
        )
        .patch("/v1/webhooks/{id}", handlers::change, change)
        .delete(
            "/v1/webhooks/{id}",
            handlers::delete,
            op("Delete an endpoint")
                .named("deleteWebhook")
                .may(ADMINISTERS_ONE)
                .done(204, "It is told of nothing any more."),
        )
        .post("/v1/webhooks/{id}/rotate", handlers::rotate, rotate)
        .post(
            "/v1/webhooks/{id}/test",
            handlers::test,
            op("Try an endpoint now").named("testWebhook").may(ADMINISTERS_ONE).gives(200, "@Delivery"),
        )
}

pub(super) fn deliveries() -> Routes {
    let list =
        op("A page of what was sent, with every attempt").named("listDeliveries").may(ADMINISTERS_ONE).paged("after");
    let list = list.query("state", "one of pending|delivered|dead*", "In this state only.");
    let all = op("Send again all of a time").named("replayDeliveries").may(ADMINISTERS_ONE).takes::<Range>(json!({
        "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "events": ["asset.*"],
    }));
    Routes::of("Webhooks")
        .names("Delivery", delivery())
        .post(
            "/v1/webhooks/{id}/replay",
            handlers::replay_range,
            all.gives(202, json!({ "replayed": "int = 41", "next_after": "text?" })).fails(&["wrong_state"]),
        )
        .get(
            "/v1/webhooks/{id}/deliveries",
            handlers::deliveries,
            list.gives(200, json!({ "deliveries": ["@Delivery"], "next_after": "uuid?" })),
        )
        .post(
            "/v1/webhooks/{id}/deliveries/{delivery}/replay",
            handlers::replay,
            op("Send it once more")
                .named("replayDelivery")
                .may(ADMINISTERS_ONE)
                .gives(202, "@Delivery")
                .fails(&["wrong_state"]),
        )
}

fn webhook(secret: Option<&str>) -> Value {
    let mut shape = json!({
        "id": "uuid",
        "url": "url = https://app.example/hooks/files",
        "description": "text?",
        "events": ["text = asset.ready"],
        "state": "one of active|disabled",
        "reason": "text?",
        "disabled_at": "time?",
        "failing_since": "time?",
        "old_secret_until": "time?",
        "created_at": "time",
    });
    if let Some(secret) = secret {
        shape["secret"] = secret.into();
    }
    shape
}

fn delivery() -> Value {
    json!({
        "id": "uuid",
        "state": "one of delivered|pending|dead",
        "message_id": "text = msg_01a1fec813f3732fa7aff32f0e28ea07_6",
        "type": "text = asset.ready",
        "event_id": "text? = 6",
        "asset_id": "uuid?",
        "seq": "int? = 6",
        "replay": "bool = false",
        "tries": "int = 1",
        "last_status": "int? = 204",
        "problem": "text?",
        "next_try_at": "time?",
        "created_at": "time",
        "finished_at": "time?",
        "attempts": [{ "at": "time", "status": "int? = 204", "millis": "int = 31", "problem": "text?" }],
    })
}
