//! The routes of webhooks, each with its description for the contract.

use serde_json::{Value, json};

use super::handlers;
use super::wire::{CreateWebhookBody, ReplayRangeBody, RotateWebhookSecretBody, UpdateWebhookBody};
use crate::http::openapi::access::{ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS};
use crate::http::openapi::{ApiRoutes, OperationSpec, op};

pub(super) fn endpoint_routes() -> ApiRoutes {
    let create = op("Have an endpoint told of events")
        .operation_id("createWebhook")
        .access(ADMIN_ACCESS)
        .description("The secret is shown this once.");
    let wish = json!({ "url": "https://app.example/hooks/files", "events": ["asset.ready", "upload.*"] });
    let create =
        create.json_body::<CreateWebhookBody>(wish).json_response(201, "@WebhookWithSecret").error_codes(&["conflict"]);
    ApiRoutes::for_tag("Webhooks")
        .define_shape("Webhook", webhook_shape(None))
        .define_shape("WebhookWithSecret", webhook_shape(Some("text = whsec_AZqjwXxA")))
        .get(
            "/v1/webhooks",
            handlers::list_webhooks,
            op("Every endpoint")
                .operation_id("listWebhooks")
                .access(ADMIN_ACCESS)
                .json_response(200, json!({ "webhooks": ["@Webhook"] })),
        )
        .post("/v1/webhooks", handlers::create_webhook, create)
        .get(
            "/v1/webhooks/{id}",
            handlers::get_webhook,
            op("An endpoint")
                .operation_id("getWebhook")
                .access(ADMIN_RESOURCE_ACCESS)
                .cacheable()
                .json_response(200, "@Webhook"),
        )
        .patch("/v1/webhooks/{id}", handlers::update_webhook, update_operation())
        .delete(
            "/v1/webhooks/{id}",
            handlers::delete_webhook,
            op("Delete an endpoint")
                .operation_id("deleteWebhook")
                .access(ADMIN_RESOURCE_ACCESS)
                .empty_response(204, "It is told of nothing any more."),
        )
        .post("/v1/webhooks/{id}/rotate", handlers::rotate_webhook_secret, rotate_operation())
        .post(
            "/v1/webhooks/{id}/test",
            handlers::test_webhook,
            op("Try an endpoint now")
                .operation_id("testWebhook")
                .access(ADMIN_RESOURCE_ACCESS)
                .json_response(200, "@Delivery"),
        )
}

fn update_operation() -> OperationSpec {
    let change =
        op("Change an endpoint, or enable it again").operation_id("updateWebhook").access(ADMIN_RESOURCE_ACCESS);
    change.json_body::<UpdateWebhookBody>(json!({ "enabled": true })).json_response(200, "@Webhook")
}

fn rotate_operation() -> OperationSpec {
    let rotate = op("A new secret")
        .operation_id("rotateWebhookSecret")
        .access(ADMIN_RESOURCE_ACCESS)
        .description("The old one signs as well until `expires_in` has passed.");
    rotate
        .json_body::<RotateWebhookSecretBody>(json!({ "expires_in": "24h" }))
        .body_optional()
        .json_response(200, "@WebhookWithSecret")
}

pub(super) fn delivery_routes() -> ApiRoutes {
    let list = op("A page of what was sent, with every attempt")
        .operation_id("listDeliveries")
        .access(ADMIN_RESOURCE_ACCESS)
        .paged("after");
    let list = list.query("state", "one of pending|delivered|dead*", "In this state only.");
    let all = op("Send again all of a time")
        .operation_id("replayDeliveries")
        .access(ADMIN_RESOURCE_ACCESS)
        .json_body::<ReplayRangeBody>(json!({
        "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "events": ["asset.*"],
    }));
    ApiRoutes::for_tag("Webhooks")
        .define_shape("Delivery", delivery_shape())
        .post(
            "/v1/webhooks/{id}/replay",
            handlers::replay_deliveries,
            all.json_response(202, json!({ "replayed": "int = 41", "next_after": "text?" }))
                .error_codes(&["wrong_state"]),
        )
        .get(
            "/v1/webhooks/{id}/deliveries",
            handlers::list_deliveries,
            list.json_response(200, json!({ "deliveries": ["@Delivery"], "next_after": "uuid?" })),
        )
        .post(
            "/v1/webhooks/{id}/deliveries/{delivery}/replay",
            handlers::replay_delivery,
            op("Send it once more")
                .operation_id("replayDelivery")
                .access(ADMIN_RESOURCE_ACCESS)
                .json_response(202, "@Delivery")
                .error_codes(&["wrong_state"]),
        )
}

fn webhook_shape(secret: Option<&str>) -> Value {
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

fn delivery_shape() -> Value {
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
