//! Many uploads, and changes of many assets, in a request: each has a result of its own.

use serde_json::{Value, json};

use super::ready;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

async fn posted(service: &Service, path: &str, body: Value, repeat: Option<&str>) -> Value {
    let request = requests::client().post(format!("{}{path}", service.base)).bearer_auth(&service.admin);
    let request = repeat.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

on_both_services! {
    async fn uploads_are_opened_together_and_each_is_judged_alone(service) {
        transcript!(service, r#"
            > POST /v1/uploads/batch {"uploads": [{"filename": "a.txt", "size": 5, "external_id": "one"},
                {"filename": "b.txt", "size": 99999999999999999}, {"filename": "c.txt"}, {"filename": "d.txt", "size": 10485760, "part_size": 5242880}]}
            < 200 {"results": [{"upload": {"id": "$first"}, "asset": {"filename": "a.txt"}, "put": {"url": "$there"}},
                {"error": {"code": "too_large"}}, {"error": {"code": "invalid", "field": "size"}}, {"upload": {"part_count": 2}}]}
            > POST /v1/uploads/batch {"uploads": [{"filename": "a.txt", "size": 5, "external_id": "one"}]}
            < 200 {"results": [{"upload": {"id": "$first"}}]}
            > PUT $there [hello]
            | if-none-match: *
            < 200
            > POST /v1/uploads/$first/complete
            < 200
            > POST /v1/uploads/batch {"uploads": [{"filename": "a.txt", "sise": 5}]}
            < 422
            > POST /v1/uploads/batch {"uploads": []}
            < 200 {"results": []}
        "#);
        let many = |number| json!({ "uploads": vec![json!({ "filename": "n", "size": 1 }); number] });
        let url = format!("{}/v1/uploads/batch", service.base);
        let refused = requests::client().post(url).bearer_auth(&service.admin).body(many(1001).to_string());
        assert_eq!(refused.send().await.unwrap().status(), 422);
        let ids = |answer: &Value| {
            let results = answer["results"].as_array().unwrap().iter();
            results.map(|result| result["upload"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let first = ids(&posted(service, "/v1/uploads/batch", many(100), Some("again")).await);
        let second = ids(&posted(service, "/v1/uploads/batch", many(100), Some("again")).await);
        assert_eq!(first, second);
        let distinct: std::collections::HashSet<_> = first.into_iter().collect();
        assert_eq!(distinct.len(), 100);
        service.assert_sums().await;
    }

    async fn assets_are_changed_by_their_ids(service) {
        let (one, two) = (ready(service, "a.txt", "hello").await, ready(service, "b.txt", "world").await);
        let owner = service.key("upload").await;
        transcript!(service, r#"
            > POST /v1/assets/bulk {"action": "tag", "ids": ["$one", "nonsense", "$two"], "metadata": {"project": "films"}}
            < 200 {"results": [{"id": "$one"}, {"id": "nonsense", "error": {"code": "not_found"}}, {"id": "$two"}], "next": null, "dry_run": false}
            > GET /v1/assets/$two
            < 200 {"metadata": {"project": "films"}}
            > POST /v1/assets/bulk {"action": "link", "ids": ["$one"], "expires_in": "10m"}
            < 200 {"results": [{"id": "$one", "link": {"url": "$url"}}]}
            > GET $url?delivery=stream
            < 200 [hello]
            > POST /v1/assets/bulk {"action": "reprocess", "ids": ["$one"]}
            < 200 {"results": [{"id": "$one"}]}
            > POST /v1/assets/bulk {"action": "owner", "ids": ["$one"], "owner": "$key"}
            < 200 {"results": [{"id": "$one"}]}
            > POST /v1/assets/bulk {"action": "owner", "ids": ["$one"], "owner": "019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11"}
            < 200 {"results": [{"error": {"code": "invalid", "field": "owner"}}]}
            @ $owner
            > POST /v1/assets/bulk {"action": "delete", "dry_run": true, "ids": ["$one", "$two"]}
            < 200 {"results": [{"id": "$one"}, {"id": "$two", "error": {"code": "forbidden"}}], "dry_run": true}
            > POST /v1/assets/bulk {"action": "delete", "ids": ["$one", "$two"]}
            < 200 {"results": [{"id": "$one"}, {"id": "$two", "error": {"code": "forbidden"}}]}
            > POST /v1/assets/bulk {"action": "owner", "ids": ["$two"], "owner": "$key"}
            < 403
            > POST /v1/assets/bulk {"action": "delete", "filter": {"state": "ready"}}
            < 403
        "#, one = one["asset"], two = two["asset"], owner = owner, key = uuid::Uuid::parse_str(&owner[3..35]).unwrap().to_string());
    }

    async fn assets_are_changed_by_a_filter_page_by_page(service) {
        for name in ["x1.txt", "x2.txt", "x3.txt", "keep.txt"] {
            ready(service, name, "hello").await;
        }
        transcript!(service, r#"
            > POST /v1/assets/bulk {"action": "delete", "filter": {}}
            < 422 {"field": "filter"}
            > POST /v1/assets/bulk {"action": "delete"}
            < 422 {"field": "ids"}
            > POST /v1/assets/bulk {"action": "delete", "ids": [], "filter": {"name": "x"}}
            < 422 {"field": "filter"}
            > POST /v1/assets/bulk {"action": "tag", "ids": []}
            < 422 {"field": "metadata"}
        "#);
        let (mut cursor, mut deleted) = (None, 0);
        loop {
            let mut wish = json!({ "action": "delete", "filter": { "name": "x", "size_to": 5 }, "limit": 2 });
            if let Some(cursor) = cursor {
                wish["cursor"] = cursor;
            }
            let answer = posted(service, "/v1/assets/bulk", wish, None).await;
            let results = answer["results"].as_array().unwrap();
            assert!(results.iter().all(|result| result.get("error").is_none()), "{answer}");
            // "keep.txt" has an x, too.
            deleted += results.len();
            if answer["next"].is_null() {
                break;
            }
            cursor = Some(answer["next"].clone());
        }
        assert_eq!(deleted, 4);
        transcript!(service, r#"
            > GET /v1/assets?state=ready
            < 200 {"assets": []}
        "#);
    }
}
