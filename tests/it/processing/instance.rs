//! What operators see of the instance itself, and what they do with uploads of others.

use std::time::Duration;

use serde_json::Value;

use crate::support::database::Place;
use crate::support::patience::eventually_some;
use crate::support::process::Instance;
use crate::support::requests;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn uploads_of_every_tenant_are_extended(service) {
        let own = service.foreign_key("acme").await;
        let uploader = service.key("upload").await;
        let opened = transcript!(service, r#"
            @ $own
            > POST /v1/uploads {"filename": "a", "size": 5, "method": "put", "expires_in": 60}
            < 201 {"upload": {"id": "$upload", "expires_at": "$first"}}
            @ $uploader
            > POST /v1/admin/uploads/$upload/extend {"expires_in": 3600}
            < 403
            @ $admin
            > POST /v1/admin/uploads/$upload/extend {"expires_in": 0}
            < 422 {"field": "expires_in"}
            > POST /v1/admin/uploads/$upload/extend {"expires_in": 99999999}
            < 422 {"field": "expires_in"}
            > POST /v1/admin/uploads/$upload/extend {"expires_in": 1}
            < 200 {"expires_at": "$first"}
            > POST /v1/admin/uploads/$upload/extend {"expires_in": 3600}
            < 200 {"upload": "$upload", "grant": "$grant"}
        "#, own = own, uploader = uploader);
        service.advance(Duration::from_secs(61));
        service.engine.operations().run_sweep().await.unwrap();
        transcript!(service, r#"
            @ $grant
            > PUT /v1/uploads/$upload/content [hello]
            < 200
            @ $admin
            > POST /v1/admin/uploads/$upload/extend {"expires_in": 3600}
            < 409 {"code": "wrong_state"}
            > GET /v1/admin/audit?tenant=acme&action=upload.extend
            < 200 {"entries": [{"action": "upload.extend"}], "next_after": null}
        "#, uploader = uploader, upload = opened["upload"], grant = opened["grant"]);
    }

    async fn uploads_of_every_tenant_are_aborted(service) {
        let own = service.foreign_key("acme").await;
        let uploader = service.key("upload").await;
        transcript!(service, r#"
            @ $own
            > POST /v1/uploads {"filename": "b", "size": 5}
            < 201 {"upload": {"id": "$second"}}
            @ $uploader
            > DELETE /v1/admin/uploads/$second
            < 403
            @ $admin
            > DELETE /v1/admin/uploads/$second
            < 204
            > DELETE /v1/admin/uploads/$second
            < 204
            @ $own
            > GET /v1/uploads/$second
            < 200 {"state": "aborted"}
            > POST /v1/uploads {"filename": "c", "size": 5, "expires_in": 60}
            < 201 {"upload": {"id": "$third"}}
            > GET /v1/admin/nodes
            < 403
            > GET /v1/admin/config
            < 403
        "#, own = own, uploader = uploader);
    }
}

#[tokio::test]
async fn processes_and_settings_are_shown_without_secrets() {
    let settings = [("GANTRY_TRUSTED_PROXY_SECRET", "0123456789abcdef0123456789abcdef")];
    let mut instance = Instance::new(Place::fresh_file(), &settings);
    instance.start(None).await;
    let key = instance.key();
    let url = instance.url.clone();
    let ask = async |path: &str| {
        let request = requests::client().get(format!("{url}{path}")).bearer_auth(&key);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let nodes = eventually_some("the process is known", async || {
        let nodes = ask("/v1/admin/nodes").await["nodes"].as_array().cloned()?;
        (!nodes.is_empty()).then_some(nodes)
    });
    let nodes = nodes.await;
    assert_eq!((nodes.len(), &nodes[0]["role"]), (1, &"serve".into()));
    assert_eq!(nodes[0]["version"], env!("CARGO_PKG_VERSION"));
    assert!(nodes[0]["clock_skew_ms"].as_i64().unwrap().abs() < 1000, "{nodes:?}");
    let shown = ask("/v1/admin/config").await;
    assert_eq!(shown["settings"]["trusted_proxy_secret"], "(set)");
    assert_eq!(shown["settings"]["store"], "embedded");
    assert!(!shown.to_string().contains("0123456789abcdef"));
    // A process that ended well is not shown any more; its successor is.
    instance.signal("TERM");
    instance.ended().await;
    instance.start(None).await;
    let again = eventually_some("the next process is known", async || {
        let nodes = ask("/v1/admin/nodes").await["nodes"].as_array().cloned()?;
        nodes.first().map(|node| node["id"].clone()).filter(|_| nodes.len() == 1)
    });
    assert_ne!(again.await, nodes[0]["id"]);
}
