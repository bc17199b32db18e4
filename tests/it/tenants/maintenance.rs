//! Maintenance modes: new uploads are refused by every protocol with the operator's words; what is under way finishes,
//! downloads work, administrators pass.

use super::STALE;
use crate::support::database::Place;
use crate::support::patience::eventually;
use crate::support::process::Instance;
use crate::support::requests;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn new_uploads_are_refused_by_every_protocol(service) {
        let uploader = service.key("upload,read").await;
        transcript!(service, r#"
            > PUT /v1/admin/maintenance {"on": true, "message": "Back at noon."}
            < 200 {"modes": [{"tenant": null, "message": "Back at noon."}]}
            > GET /readyz?verbose
            < 200 {"ready": true, "maintenance": true}
            > GET /v1/admin/overview
            < 200 {"maintenance": [{"tenant": null, "message": "Back at noon."}]}
            > GET /v1/admin/alarms
            < 200 {"alarms": [{"code": "maintenance"}]}
            @ $uploader
            > POST /v1/uploads {"filename": "a", "size": 1}
            < 503 {"code": "maintenance", "detail": "Back at noon.", "retryable": true}
            | retry-after: 60
            > POST /v1/uploads/check {"filename": "a", "size": 1}
            < 503 {"code": "maintenance"}
            > POST /tus
            | tus-resumable: 1.0.0
            | upload-length: 1
            < 503 {"code": "maintenance", "detail": "Back at noon."}
            | retry-after: 60
            > POST /files [x]
            | upload-complete: ?0
            < 503 {"code": "maintenance"}
            | retry-after: 60
            > POST /s3/multipart {"filename": "b", "type": "text/plain", "metadata": {"name": "b"}}
            < 503 {"error": "maintenance"}
            | retry-after: 60
        "#, uploader = uploader);
    }

    async fn uploads_under_way_finish_and_downloads_work(service) {
        let uploader = service.key("upload,read,link").await;
        let before = transcript!(service, r#"
            @ $uploader
            > POST /v1/uploads {"filename": "before", "size": 5, "method": "put", "external_id": "one"}
            < 201 {"upload": {"id": "$before"}, "asset": {"id": "$asset"}}
            > POST /v1/uploads {"max_size": 5}
            < 201 {"upload": {"id": "$granted"}, "grant": "$grant"}
            > POST /tus
            | tus-resumable: 1.0.0
            | upload-length: 5
            < 201
            | location: $half
            @ $admin
            > PUT /v1/admin/maintenance {"on": true}
            < 200
        "#, uploader = uploader);
        transcript!(service, r#"
            @ $uploader
            > POST /v1/uploads {"filename": "before", "size": 5, "method": "put", "external_id": "one"}
            < 200 {"upload": {"id": "$before"}}
            > PUT /v1/uploads/$before/content noise:5:1
            < 200
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
            > POST /v1/assets/$asset/links {"expires_in": 60}
            < 201
            > GET /v1/assets/$asset/content?delivery=stream
            < 200
            > PATCH $half noise:5:2
            | authorization: Bearer $uploader
            | tus-resumable: 1.0.0
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            < 204
            @ $grant
            > PUT /v1/uploads/$granted/content noise:5:3
            < 200
        "#, uploader = uploader, before = before["before"], asset = before["asset"], half = before["half"],
            granted = before["granted"], grant = before["grant"]);
    }

    async fn operators_switch_it_and_administrators_pass(service) {
        let uploader = service.key("upload").await;
        transcript!(service, r#"
            @ $uploader
            > PUT /v1/admin/maintenance {"on": true}
            < 403
            > GET /v1/admin/maintenance
            < 403
            @ $admin
            > PUT /v1/admin/maintenance {"on": true, "message": "Back at noon."}
            < 200
            > POST /v1/uploads {"filename": "tried", "size": 1}
            < 201
            > PUT /v1/admin/maintenance {"on": true, "message": "Back at one."}
            < 200 {"modes": [{"message": "Back at one."}]}
            > PUT /v1/admin/maintenance {"on": false}
            < 200 {"modes": []}
            > PUT /v1/admin/maintenance {"on": false}
            < 200 {"modes": []}
            > PUT /v1/admin/maintenance {"on": true, "message": "two\nlines"}
            < 422 {"field": "message"}
            > PUT /v1/admin/maintenance {"on": true, "tenant": "unknown"}
            < 404
            > GET /v1/admin/audit?action=maintenance.off
            < 200 {"entries": [{"subject": "instance"}], "next_after": null}
            > GET /v1/admin/audit?action=maintenance.on&limit=1
            < 200 {"entries": [{"subject": "instance", "before": null}]}
            @ $uploader
            > POST /v1/uploads {"filename": "a", "size": 1}
            < 201
        "#, uploader = uploader);
    }

    async fn a_mode_of_a_tenant_concerns_no_other_and_reaches_every_node(service) {
        let uploader = service.key("upload").await;
        let (other, _) = service.another_node().await;
        let own = service.foreign_key("acme").await;
        let acme = service.registry.tenant("acme").await.unwrap().unwrap().id;
        let foreign = service.registry.create_key(acme, "upload".parse().unwrap(), None).await.unwrap().reveal();
        let status = async |base: &str, key: &str| {
            let wish = r#"{"filename": "a", "size": 1}"#;
            let request = requests::client().post(format!("{base}/v1/uploads")).bearer_auth(key).body(wish);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(status(&other, &foreign).await, 201);
        transcript!(service, r#"
            > PUT /v1/admin/maintenance {"on": true, "tenant": "acme"}
            < 200 {"modes": [{"tenant": "$acme", "message": null}]}
            @ $own
            > PUT /v1/admin/maintenance {"on": false, "tenant": "acme"}
            < 403
        "#, acme = acme.to_string(), own = own.clone());
        service.advance(STALE);
        for base in [&service.base, &other] {
            assert_eq!(status(base, &foreign).await, 503);
            assert_eq!(status(base, &own).await, 201, "the tenant's administrators pass");
            assert_eq!(status(base, &uploader).await, 201);
        }
    }
}

#[tokio::test]
async fn the_command_acts_beside_a_running_service() {
    let mut instance = Instance::new(Place::fresh_file(), &[]);
    instance.start(None).await;
    let key = instance.run(&["key", "create", "--scopes", "upload"]);
    let url = format!("{}/v1/uploads", instance.url);
    let status = async || {
        let request = requests::client().post(&url).bearer_auth(&key).body(r#"{"filename": "a", "size": 1}"#);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 201);
    assert_eq!(instance.run(&["maintenance", "status"]), "off");
    let said = instance.run(&["maintenance", "on", "--message", "Back at noon."]);
    assert_eq!(said, "instance: new uploads are refused on every node within 5 seconds.");
    eventually("the running service refuses", async || status().await == 503).await;
    assert!(instance.run(&["maintenance", "status"]).ends_with("“Back at noon.”"));
    assert!(instance.run(&["maintenance", "off"]).contains("accepted again"));
    assert!(instance.run(&["maintenance", "off"]).contains("accepted already"));
    eventually("the running service accepts again", async || status().await == 201).await;
    let unknown = instance.gantry(&["maintenance", "on", "--tenant", "nobody"]).output().unwrap();
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no tenant \"nobody\""));
    instance.run(&["maintenance", "on", "--tenant", "default"]);
    assert!(instance.run(&["maintenance", "status", "--json"]).contains("\"tenant\":\"default\""));
}
