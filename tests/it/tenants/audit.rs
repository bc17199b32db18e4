//! The audit trail: who did what to which thing, from where, with before and after.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::native::ready;
use crate::{on_both_services, transcript};

/// Entries of one millisecond have no order, and this clock stands.
const LATER: Duration = Duration::from_millis(1);

on_both_services! {
    async fn deeds_are_told_with_before_and_after(service) {
        let names = ready(service, "a.txt", "hello").await;
        service.advance(LATER);
        transcript!(service, r#"
            > PATCH /v1/assets/$asset {"filename": "b.txt", "metadata": {"k": "v"}}
            < 200
        "#, asset = names["asset"]);
        service.advance(LATER);
        transcript!(service, r#"
            > DELETE /v1/assets/$asset
            | x-request-id: my-request
            < 204
            > GET /v1/admin/audit?subject=asset:$asset&action=asset.
            < 200 {"entries": [
                {"action": "asset.delete", "before": {"state": "ready", "filename": "b.txt"},
                 "after": null, "peer": "127.0.0.1", "request_id": "my-request"},
                {"action": "asset.change", "before": {"filename": "a.txt", "metadata": {}},
                 "after": {"filename": "b.txt", "metadata": {"k": "v"}}}], "next_after": null}
            > GET /v1/admin/audit?subject=asset:$asset&limit=1
            < 200 {"entries": [{"action": "asset.delete"}], "next_after": "$next"}
            > GET /v1/admin/audit?subject=asset:$asset&limit=1&after=$next
            < 200 {"entries": [{"action": "asset.change"}]}
            > GET /v1/admin/audit?action=upload.create
            < 200 {"entries": [{"action": "upload.create", "after": {"filename": "a.txt", "size": 5, "policy": "default"}}]}
            > GET /v1/admin/audit?actor=key:nobody
            < 200 {"entries": [], "next_after": null}
            > GET /v1/admin/audit?since=2999-01-01T00:00:00Z
            < 200 {"entries": []}
            > GET /v1/admin/audit?colour=blue
            < 422
        "#, asset = names["asset"]);
    }

    async fn administration_is_told_of_as_well(service) {
        let names = transcript!(service, r#"
            > POST /v1/tenants {"name": "acme"}
            < 201 {"id": "$acme"}
        "#);
        let acme = names["acme"].clone();
        service.advance(LATER);
        transcript!(service, r#"
            > PATCH /v1/tenants/$acme {"quota": {"bytes": 5}}
            < 200
        "#, acme = acme);
        service.advance(LATER);
        transcript!(service, r#"
            > PUT /v1/policies/photos?tenant=$acme {"max_size": 5}
            < 200
            > GET /v1/admin/audit?tenant=$acme
            < 200 {"entries": [
                {"action": "policy.put", "subject": "policy:photos", "before": null, "after": {"max_size": 5}},
                {"action": "tenant.change", "before": {"quota": {"bytes": null}}, "after": {"quota": {"bytes": 5}}},
                {"action": "tenant.create"}]}
            > GET /v1/admin/audit
            < 200 {"entries": []}
        "#, acme = acme);
    }

    async fn the_whole_trail_is_exported(service) {
        let client = reqwest::Client::new();
        let wish = serde_json::json!({"filename": "a", "size": 1});
        let create =
            || client.post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin).json(&wish).send();
        for _ in 0..11 {
            assert!(join_all((0..100).map(|_| create())).await.into_iter().all(|a| a.unwrap().status() == 201));
        }
        let trail = client.get(format!("{}/v1/admin/audit?format=ndjson", service.base)).bearer_auth(&service.admin);
        let text = trail.send().await.unwrap().text().await.unwrap();
        let mut ids: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1100);
        ids.dedup();
        assert_eq!(ids.len(), 1100, "each once");
    }

    async fn entries_stay_whatever_happens(service) {
        let _ = ready(service, "a.txt", "hello").await;
        for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
            let refused = service.database.run(statement).await.unwrap_err();
            assert!(refused.contains("only added to"), "{refused}");
        }
    }
}
