//! The routes of webhooks, each with its description for the contract.

use serde_json::json;

use super::handlers;
use super::view::{
    DeliveryPageView, DeliveryView, ReplayedDeliveriesView, WebhookListView, WebhookView, WebhookWithSecretView,
};
use super::wire::{CreateWebhookBody, ReplayRangeBody, RotateWebhookSecretBody, UpdateWebhookBody};
use crate::domain::webhook::DeliveryState;
use crate::http::openapi::access::{ADMIN_ACCESS, ADMIN_RESOURCE_ACCESS};
use crate::http::openapi::{ApiRoutes, OperationSpec, one_of, op};

pub(super) fn endpoint_routes() -> ApiRoutes {
    let create = op("Have an endpoint told of events")
        .operation_id("createWebhook")
        .access(ADMIN_ACCESS)
        .description("The secret is shown this once.");
    let wish = json!({ "url": "https://app.example/hooks/files", "events": ["asset.ready", "upload.*"] });
    let create = create
        .json_body::<CreateWebhookBody>(wish)
        .json_response::<WebhookWithSecretView<'_>>(201)
        .error_codes(&["conflict"]);
    ApiRoutes::for_tag("Webhooks")
        .get(
            "/v1/webhooks",
            handlers::list_webhooks,
            op("Every endpoint")
                .operation_id("listWebhooks")
                .access(ADMIN_ACCESS)
                .json_response::<WebhookListView<'_>>(200),
        )
        .post("/v1/webhooks", handlers::create_webhook, create)
        .get(
            "/v1/webhooks/{id}",
            handlers::get_webhook,
            op("An endpoint")
                .operation_id("getWebhook")
                .access(ADMIN_RESOURCE_ACCESS)
                .cacheable()
                .json_response::<WebhookView<'_>>(200),
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
                .json_response::<DeliveryView<'_>>(200),
        )
}

fn update_operation() -> OperationSpec {
    let change =
        op("Change an endpoint, or enable it again").operation_id("updateWebhook").access(ADMIN_RESOURCE_ACCESS);
    change.json_body::<UpdateWebhookBody>(json!({ "enabled": true })).json_response::<WebhookView<'_>>(200)
}

fn rotate_operation() -> OperationSpec {
    let rotate = op("A new secret")
        .operation_id("rotateWebhookSecret")
        .access(ADMIN_RESOURCE_ACCESS)
        .description("The old one signs as well until `expires_in` has passed.");
    rotate
        .json_body::<RotateWebhookSecretBody>(json!({ "expires_in": "24h" }))
        .body_optional()
        .json_response::<WebhookWithSecretView<'_>>(200)
}

pub(super) fn delivery_routes() -> ApiRoutes {
    let list = op("A page of what was sent, with every attempt")
        .operation_id("listDeliveries")
        .access(ADMIN_RESOURCE_ACCESS)
        .paged("after");
    let list =
        list.query("state", one_of(DeliveryState::ALL.map(DeliveryState::name)).optional(), "In this state only.");
    let all = op("Send again all of a time")
        .operation_id("replayDeliveries")
        .access(ADMIN_RESOURCE_ACCESS)
        .json_body::<ReplayRangeBody>(json!({
        "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "events": ["asset.*"],
    }));
    ApiRoutes::for_tag("Webhooks")
        .post(
            "/v1/webhooks/{id}/replay",
            handlers::replay_deliveries,
            all.json_response::<ReplayedDeliveriesView>(202).error_codes(&["wrong_state"]),
        )
        .get("/v1/webhooks/{id}/deliveries", handlers::list_deliveries, list.json_response::<DeliveryPageView<'_>>(200))
        .post(
            "/v1/webhooks/{id}/deliveries/{delivery}/replay",
            handlers::replay_delivery,
            op("Send it once more")
                .operation_id("replayDelivery")
                .access(ADMIN_RESOURCE_ACCESS)
                .json_response::<DeliveryView<'_>>(202)
                .error_codes(&["wrong_state"]),
        )
}
