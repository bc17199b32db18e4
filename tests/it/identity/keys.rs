//! `/v1/keys` on the wire: made, listed, rotated, revoked, and by whom.

use std::time::Duration;

use gantry::domain::ids::KeyId;
use gantry::domain::key::ApiKey;
use gantry::store::{RowChange, Tx};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{ask, send, status};
use crate::support::patience::eventually_ok;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// Makes a key over HTTP; its id and itself.
async fn made(service: &Service, wish: &str) -> (String, String) {
    let (status, made) = ask(&service.base, Method::POST, "/v1/keys", &service.admin, wish).await;
    assert_eq!(status, 201, "{made}");
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

on_both_services! {
    async fn a_key_from_its_making_to_its_end(service) {
        transcript!(service, r#"
            > POST /v1/keys {"name": "shop", "scopes": ["upload", "read"], "expires_in": "90d"}
            < 201 {"id": "$id", "key": "$key", "name": "shop", "scopes": ["upload", "read"], "revoked_at": null, "last_used_at": null}
            | cache-control: no-store
            > GET /v1/keys/$id
            < 200 {"id": "$id", "name": "shop", "expires_at": "$end", "old_secret_until": null}
            @ $key
            > GET /v1/assets
            < 200 {"assets": []}
            > GET /v1/keys
            < 403 {"code": "forbidden"}
            > POST /v1/keys {"scopes": "read"}
            < 403 {"code": "forbidden"}
            @ $admin
            > POST /v1/keys/$id/rotate {"overlap": "1h"}
            < 200 {"id": "$id", "key": "$new", "name": "shop"}
            | cache-control: no-store
            @ $key
            > GET /v1/assets
            < 200
            @ $new
            > GET /v1/assets
            < 200
            @ $admin
            > DELETE /v1/keys/$id
            < 204
            > DELETE /v1/keys/$id
            < 204
            > POST /v1/keys/$id/rotate
            < 409 {"code": "wrong_state", "state": "revoked"}
            @ $new
            > GET /v1/assets
            < 401 {"code": "unauthenticated"}
            | www-authenticate: Bearer error="invalid_token"
            @ nobody
            > GET /v1/assets
            < 401 {"code": "unauthenticated"}
            | www-authenticate: Bearer
        "#);
    }

    async fn what_makes_no_sense_is_refused(service) {
        let (id, key) = made(service, r#"{"scopes": "read"}"#).await;
        let wishes = [
            json!({}), json!({"scopes": []}), json!({"scopes": ""}), json!({"scopes": "root"}), json!({"scopes": ["read", 5]}),
            json!({"scopes": "read", "name": ""}), json!({"scopes": "read", "name": "a\nb"}),
            json!({"scopes": "read", "name": "n".repeat(201)}), json!({"scopes": "read", "expires_in": 0}),
            json!({"scopes": "read", "expires_in": "soon"}), json!({"scopes": "read", "expires_in": u64::MAX}),
            json!({"scopes": "read", "secret": "mine"}),
        ];
        for wish in wishes {
            let (status, problem) = ask(&service.base, Method::POST, "/v1/keys", &service.admin, &wish.to_string()).await;
            assert_eq!(status, 422, "{wish}: {problem}");
        }
        for path in ["/v1/keys?limit=0", "/v1/keys?limit=1001", "/v1/keys?after=x", "/v1/keys?secret=1"] {
            assert_eq!(ask(&service.base, Method::GET, path, &service.admin, "").await.0, 422, "{path}");
        }
        let rotate = format!("/v1/keys/{id}/rotate");
        for body in [r#"{"overlap": "8d"}"#, r#"{"overlap": -1}"#, r#"{"overlaps": "1h"}"#] {
            assert_eq!(ask(&service.base, Method::POST, &rotate, &service.admin, body).await.0, 422, "{body}");
        }
        assert_eq!(status(&service.base, &key).await, 200, "nothing of this has changed the key");
        for path in ["/v1/keys/nonsense", "/v1/keys/01900000-0000-7000-8000-000000000000"] {
            for method in [Method::GET, Method::DELETE] {
                assert_eq!(ask(&service.base, method, path, &service.admin, "").await.0, 404, "{path}");
            }
            assert_eq!(ask(&service.base, Method::POST, &format!("{path}/rotate"), &service.admin, "").await.0, 404);
        }
    }

    async fn lists_come_in_pages_and_show_no_secret(service) {
        let mut ids = Vec::new();
        for n in 0..5 {
            // Ids of one millisecond are in no order.
            service.advance(Duration::from_millis(2));
            ids.push(made(service, &json!({"name": format!("n{n}"), "scopes": "read"}).to_string()).await.0);
        }
        let (mut seen, mut path) = (Vec::new(), "/v1/keys?limit=2".to_owned());
        loop {
            let answer = send(&service.base, Method::GET, &path, &service.admin, "").await.text().await.unwrap();
            assert!(!answer.contains("secret_hash") && !answer.contains("gk_"), "{answer}");
            let page: serde_json::Value = serde_json::from_str(&answer).unwrap();
            seen.extend(page["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_after"].as_str() else { break };
            path = format!("/v1/keys?limit=2&after={next}");
        }
        assert_eq!(seen[1..], ids, "after the service's own first key, in the order of their making");
    }

    async fn a_tenant_has_a_thousand_live_keys_and_no_more(service) {
        let store = &service.database.store;
        let (id, _) = made(service, r#"{"scopes": "read"}"#).await;
        let one = store.find_key(id.parse().unwrap()).await.unwrap().unwrap();
        let another = || ApiKey { id: KeyId(Uuid::now_v7()), ..one.clone() };
        // Beside the service's own and this one: what opens nothing is not counted.
        let ended = [
            ApiKey { revoked_at: Some(one.created_at), ..another() },
            ApiKey { expires_at: Some(one.created_at), ..another() },
        ];
        let keys = (0..997).map(|_| another()).chain(ended);
        store.commit(keys.fold(Tx::new(), |tx, key| tx.with(RowChange::InsertKey(key)))).await.unwrap();
        let post = async |token: &str| {
            let request = requests::client().post(format!("{}/v1/keys", service.base)).bearer_auth(&service.admin);
            let answer = request.header("idempotency-key", token).body(r#"{"scopes": "read"}"#).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
        };
        let last = post("last").await;
        assert_eq!(last.0, 201, "{}", last.1);
        let (status, problem) = post("one more").await;
        assert_eq!((status, problem["code"].as_str()), (409, Some("conflict")), "{problem}");
        assert!(service.registry.create_key(service.tenant, "read".parse().unwrap(), None).await.is_err());
        assert_eq!(post("last").await, last, "what was made is shown again");
        let revoked = ask(&service.base, Method::DELETE, &format!("/v1/keys/{id}"), &service.admin, "").await;
        assert_eq!((revoked.0, post("one more").await.0), (204, 201));
    }

    async fn another_tenants_keys_are_hidden_but_from_the_operator(service) {
        let foreign = service.foreign_key("other").await;
        let (id, key) = made(service, r#"{"scopes": "read"}"#).await;
        transcript!(service, r#"
            > POST /v1/keys {"scopes": "admin", "tenant": "other", "name": "by the operator"}
            < 201 {"id": "$theirs", "key": "$theirkey"}
            > GET /v1/keys/$theirs
            < 404
            > GET /v1/keys/$theirs?tenant=other
            < 200 {"name": "by the operator"}
            > GET /v1/keys?tenant=nowhere
            < 404
            > POST /v1/keys?tenant=other {"scopes": "read", "tenant": "default"}
            < 422 {"field": "tenant"}
            @ $foreign
            > GET /v1/keys/$id
            < 404
            > DELETE /v1/keys/$id
            < 404
            > POST /v1/keys/$id/rotate
            < 404
            > GET /v1/keys?tenant=default
            < 404
            > POST /v1/keys {"scopes": "read", "tenant": "default"}
            < 404
            > DELETE /v1/keys/$id?tenant=default
            < 404
            > GET /v1/keys/$theirs?tenant=other
            < 200
            > DELETE /v1/keys/$theirs
            < 204
        "#, foreign = foreign, id = id);
        assert_eq!(status(&service.base, &key).await, 200);
    }

    async fn a_lost_answer_is_given_again(service) {
        let post = async |path: &str, token: &str, body: &str| {
            let request = requests::client().post(format!("{}{path}", service.base)).bearer_auth(&service.admin);
            let answer = request.header("idempotency-key", token).body(body.to_owned()).send().await.unwrap();
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
        };
        let (first, again) = (post("/v1/keys", "a", r#"{"scopes": "read"}"#).await, post("/v1/keys", "a", r#"{"scopes": "read"}"#).await);
        assert_eq!(first, again);
        assert_eq!(post("/v1/keys", "a", r#"{"scopes": "link"}"#).await.1["code"], "idempotency_key_reused");
        let (other, old) = (post("/v1/keys", "b", r#"{"scopes": "read"}"#).await.1, first.1["key"].as_str().unwrap());
        assert_ne!(other["key"], first.1["key"]);
        assert_eq!(status(&service.base, old).await, 200);

        // Rotated twice by one request: the secret before is the one that everybody has.
        let rotate = format!("/v1/keys/{}/rotate", first.1["id"].as_str().unwrap());
        let rotations = (post(&rotate, "c", "{}").await, post(&rotate, "c", "{}").await);
        assert_eq!(rotations.0.1["key"], rotations.1.1["key"]);
        for key in [old, rotations.0.1["key"].as_str().unwrap()] {
            assert_eq!(status(&service.base, key).await, 200);
        }
        // What was shown then does not open it any more.
        assert_eq!(post("/v1/keys", "a", r#"{"scopes": "read"}"#).await.0, 409);
        let at_once = futures_util::future::join_all((0..8).map(|_| post(&rotate, "d", "{}"))).await;
        assert!(at_once.iter().all(|answer| answer.1["key"] == at_once[0].1["key"]), "{at_once:?}");
    }

    async fn the_old_secret_ends_with_its_overlap_and_the_one_before_at_once(service) {
        let (id, first) = made(service, r#"{"scopes": "read"}"#).await;
        let rotate = async |overlap: &str| {
            let body = json!({"overlap": overlap}).to_string();
            let (_, made) = ask(&service.base, Method::POST, &format!("/v1/keys/{id}/rotate"), &service.admin, &body).await;
            made["key"].as_str().unwrap().to_owned()
        };
        let second = rotate("60s").await;
        service.advance(Duration::from_secs(59));
        assert_eq!([status(&service.base, &first).await, status(&service.base, &second).await], [200, 200]);
        // The end of the overlap is a time like any other, whatever is remembered.
        service.advance(Duration::from_secs(1));
        assert_eq!([status(&service.base, &first).await, status(&service.base, &second).await], [401, 200]);
        let (third, fourth) = (rotate("1h").await, rotate("1h").await);
        assert_eq!([status(&service.base, &second).await, status(&service.base, &third).await], [401, 200]);
        let fifth = rotate("0").await;
        assert_eq!([status(&service.base, &fourth).await, status(&service.base, &fifth).await], [401, 200]);
    }

    async fn its_last_use_is_noted_once_a_minute(service) {
        let (id, key) = made(service, r#"{"scopes": "read"}"#).await;
        let last = async || {
            let (_, seen) = ask(&service.base, Method::GET, &format!("/v1/keys/{id}"), &service.admin, "").await;
            seen["last_used_at"].as_str().map(ToOwned::to_owned)
        };
        let until = async |what: &dyn Fn(&Option<String>) -> bool| {
            eventually_ok("the last use is noted", async || {
                let now = last().await;
                if what(&now) { Ok(now) } else { Err(now) }
            })
            .await
        };
        assert_eq!(last().await, None);
        status(&service.base, &key).await;
        let first = until(&Option::is_some).await;
        service.advance(Duration::from_secs(30));
        status(&service.base, &key).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(last().await, first);
        service.advance(Duration::from_secs(31));
        status(&service.base, &key).await;
        until(&|now| *now != first).await;
    }
}
