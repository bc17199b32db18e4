//! Endpoints: made, changed, disabled, deleted, and kept apart by tenant.

use std::time::Duration;

use super::{all, hook, log, post};
use crate::events::{awaited, change};
use crate::support::receiver::Receiver;
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

fn strict() -> Shape {
    let mut shape = Shape::default();
    shape.settings.webhooks.egress = gantry::domain::egress::EgressPolicy::default();
    shape.settings.webhooks.endpoints = 2;
    shape
}

on_both_services! {
    async fn the_life_of_an_endpoint(service) {
        transcript!(service, r#"
            > POST /v1/webhooks {"url": "http://127.0.0.1:9/a?b#c", "events": ["asset.*", "upload.completed"], "description": "ä"}
            < 201 {"id": "$id", "url": "http://127.0.0.1:9/a?b", "events": ["asset.*", "upload.completed"], "description": "ä",
                "state": "active", "reason": null, "secret": "$first", "failing_since": null, "old_secret_until": null}
            > GET /v1/webhooks/$id
            < 200 {"id": "$id", "state": "active"}
            > POST /v1/webhooks {"url": "http://127.0.0.1:9/"}
            < 201 {"id": "$other", "events": ["*"], "description": ""}
            > PATCH /v1/webhooks/$id {"enabled": false, "description": "b"}
            < 200 {"state": "disabled", "reason": "asked", "disabled_at": "$since", "description": "b", "events": ["asset.*", "upload.completed"]}
            > PATCH /v1/webhooks/$id {"enabled": true, "events": ["*"]}
            < 200 {"state": "active", "reason": null, "disabled_at": null, "events": ["*"]}
            > POST /v1/webhooks/$id/rotate {"expires_in": "1h"}
            < 200 {"secret": "$second", "old_secret_until": "$until"}
            | cache-control: no-store
            > GET /v1/webhooks/$id/deliveries
            < 200 {"deliveries": [], "next_after": null}
            > DELETE /v1/webhooks/$id
            < 204
            > GET /v1/webhooks/$id
            < 404
            > DELETE /v1/webhooks/$id
            < 404
            > GET /v1/webhooks
            < 200 {"webhooks": [{"id": "$other"}]}
        "#);
    }

    async fn the_secret_is_shown_once(service) {
        let receiver = Receiver::start().await;
        let (webhook, secret) = hook(service, &receiver, "*").await;
        assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44);
        for path in ["/v1/webhooks".to_owned(), format!("/v1/webhooks/{webhook}")] {
            assert!(!super::get(service, &path).await.to_string().contains("whsec_"));
        }
    }

    async fn nonsense_is_refused(service) {
        transcript!(service, r#"
            > POST /v1/webhooks {}
            < 422 {"code": "invalid"}
            > POST /v1/webhooks {"url": "nowhere"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "ftp://example.com/"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "https://u:p@example.com/"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "https://169.254.169.254/latest"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "https://[::ffff:a9fe:a9fe]/latest"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "https://example.com/", "events": ["asset.raedy"]}
            < 422 {"field": "events"}
            > POST /v1/webhooks {"url": "https://example.com/", "events": []}
            < 422 {"field": "events"}
            > POST /v1/webhooks {"url": "https://example.com/", "secret": "mine"}
            < 422 {"code": "invalid"}
            > POST /v1/webhooks {"url": "https://example.com/"}
            < 201 {"id": "$id"}
            > POST /v1/webhooks/$id/rotate {"expires_in": "8d"}
            < 422 {"field": "expires_in"}
            > POST /v1/webhooks/$id/rotate {"expires_in": "soon"}
            < 422 {"field": "expires_in"}
            > PATCH /v1/webhooks/$id {"url": "http://10.0.0.1/"}
            < 422 {"field": "url"}
            > GET /v1/webhooks/$id/deliveries?state=lost
            < 422 {"field": "state"}
            > GET /v1/webhooks/$id/deliveries?limit=1001
            < 422 {"field": "limit"}
            > POST /v1/webhooks/$id/replay {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
            < 422 {"field": "to"}
            > POST /v1/webhooks/$id/deliveries/$id/replay
            < 404
        "#);
    }

    async fn only_https_and_only_so_many(service, strict()) {
        transcript!(service, r#"
            > POST /v1/webhooks {"url": "http://example.com/"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "https://127.0.0.1/"}
            < 422 {"field": "url"}
            > POST /v1/webhooks {"url": "https://example.com/1"}
            < 201 {"id": "$first"}
            > POST /v1/webhooks {"url": "https://example.com/2"}
            < 201
            > POST /v1/webhooks {"url": "https://example.com/3"}
            < 409 {"code": "conflict"}
            > DELETE /v1/webhooks/$first
            < 204
            > POST /v1/webhooks {"url": "https://example.com/3"}
            < 201
        "#);
    }

    async fn tenants_have_their_own(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "*").await;
        let (foreign, reader) = (service.foreign_key("other").await, service.key("read,upload").await);
        transcript!(service, r#"
            @ $reader
            > GET /v1/webhooks
            < 403
            > POST /v1/webhooks {"url": "https://example.com/"}
            < 403
            @ nobody
            > GET /v1/webhooks
            < 401
            @ $foreign
            > GET /v1/webhooks
            < 200 {"webhooks": []}
            > GET /v1/webhooks/$webhook
            < 404
            > PATCH /v1/webhooks/$webhook {"enabled": false}
            < 404
            > DELETE /v1/webhooks/$webhook
            < 404
            > POST /v1/webhooks/$webhook/rotate
            < 404
            > POST /v1/webhooks/$webhook/test
            < 404
            > GET /v1/webhooks/$webhook/deliveries
            < 404
            > POST /v1/webhooks/$webhook/replay {"from": "2026-01-01T00:00:00Z"}
            < 404
            > POST /v1/uploads {"filename": "theirs", "size": 1}
            < 201
        "#, webhook = webhook, foreign = foreign, reader = reader);
        awaited(service).await;
        assert_eq!(receiver.until(1).await.len(), 1);
        all(service, &webhook, 1, "delivered").await;
    }

    async fn both_secrets_sign_during_a_rotation(service) {
        let receiver = Receiver::start().await;
        let (webhook, old) = hook(service, &receiver, "asset.changed").await;
        let (_, asset, _) = awaited(service).await;
        let rotated = post(service, &format!("/v1/webhooks/{webhook}/rotate"), serde_json::json!({"expires_in": "1h"})).await;
        let new = rotated["secret"].as_str().unwrap();
        change(&service.base, &service.admin, &asset, "b").await;
        let came = receiver.until(1).await;
        assert!(new != old && came[0].verifies(&old) && came[0].verifies(new));
        service.advance(Duration::from_secs(3601));
        change(&service.base, &service.admin, &asset, "c").await;
        let came = receiver.until(2).await;
        assert!(came[1].is_signed(new) && !came[1].is_signed(&old));
    }

    async fn disabled_is_told_nothing_and_later_not_what_was_missed(service) {
        let receiver = Receiver::start().await;
        let (webhook, _) = hook(service, &receiver, "asset.changed").await;
        let (_, asset, _) = awaited(service).await;
        transcript!(service, r#"
            > PATCH /v1/webhooks/$webhook {"enabled": false}
            < 200 {"state": "disabled"}
            > PATCH /v1/assets/$asset {"filename": "missed"}
            < 200
            > POST /v1/webhooks/$webhook/replay {"from": "2026-01-01T00:00:00Z"}
            < 409 {"code": "wrong_state", "state": "disabled"}
            > PATCH /v1/webhooks/$webhook {"enabled": true}
            < 200 {"state": "active"}
            > PATCH /v1/assets/$asset {"filename": "told"}
            < 200
        "#, webhook = webhook, asset = asset);
        assert_eq!(receiver.until(1).await[0].json()["data"]["seq"], 3);
        assert_eq!(all(service, &webhook, 1, "delivered").await.len(), 1);
    }

    async fn a_test_says_how_it_went(service) {
        let receiver = Receiver::start().await;
        let (webhook, secret) = hook(service, &receiver, "*").await;
        receiver.next([crate::support::receiver::Reply::Status(204), crate::support::receiver::Reply::Status(500)]);
        transcript!(service, r#"
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "delivered", "type": "webhook.test", "last_status": 204, "problem": null, "event_id": null}
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "dead", "last_status": 500, "problem": "status", "tries": 1, "id": "$failed"}
            > POST /v1/webhooks/$webhook/deliveries/$failed/replay
            < 404
            > PATCH /v1/webhooks/$webhook {"enabled": false}
            < 200 {"failing_since": null}
            > POST /v1/webhooks/$webhook/test
            < 200 {"state": "delivered"}
        "#, webhook = webhook);
        let came = receiver.came();
        assert!(came.len() == 3 && came.iter().all(|message| message.verifies(&secret) && message.kind() == "webhook.test"));
        assert!(came[0].id() != came[1].id());
        assert_eq!(log(service, &webhook).await.len(), 3);
    }
}
