//! Policies: what they let in at every door, and what they make of it afterwards.

use std::time::Duration;

use gantry::blob::{BlobKey, BlobStore};
use gantry::engine::{CdnSigner, PurgeHook};

use super::STALE;
use crate::support::receiver::Receiver;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::{on_both_databases, on_both_services, transcript};

/// A ready asset under a policy that keeps it for an hour.
async fn kept_for_an_hour(service: &Service) -> String {
    let names = transcript!(
        service,
        r#"
        > PUT /v1/policies/brief {"keep_for": 3600}
        < 200
        > POST /v1/uploads {"filename": "a.txt", "size": 5, "policy": "brief", "method": "put"}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
        > PUT /v1/uploads/$upload/content [hello]
        < 200
        > GET /v1/assets/$asset?wait=20s&until=ready
        < 200 {"state": "ready"}
    "#
    );
    names["asset"].clone()
}

on_both_services! {
    async fn policies_are_kept(service) {
        transcript!(service, r#"
            > GET /v1/policies/default
            < 200 {"name": "default", "rules": {}}
            > PUT /v1/policies/photos {"max_size": 1000, "content_types": ["image/*"], "extensions": ["png"]}
            < 200 {"name": "photos", "rules": {"max_size": 1000, "content_types": ["image/*"]}}
            > PUT /v1/policies/photos {"max_size": 2000}
            < 200 {"rules": {"max_size": 2000}}
            > GET /v1/policies
            < 200 {"policies": [{"name": "photos"}], "next_after": null}
            > PUT /v1/policies/photos {"content_types": ["images"]}
            < 422 {"code": "invalid", "field": "content_types"}
            > PUT /v1/policies/photos {"delivery": "pigeon"}
            < 422 {"field": "delivery"}
            > PUT /v1/policies/photos {"delivery": "cdn"}
            < 422 {"field": "delivery", "detail": "delivery: must be one of redirect, stream."}
            > PUT /v1/policies/photos {"delivery": "stream"}
            < 200
            > PUT /v1/policies/photos {"origins": ["https://"]}
            < 422 {"field": "origins"}
            > PUT /v1/policies/photos {"origins": ["https://App.example"]}
            < 422 {"field": "origins"}
            > PUT /v1/policies/photos {"origins": ["https://app.example/page"]}
            < 422 {"field": "origins"}
            > PUT /v1/policies/photos {"max_sise": 1}
            < 422
            > PUT /v1/policies/No%20Name {}
            < 422 {"field": "name"}
            > DELETE /v1/policies/photos
            < 204
            > DELETE /v1/policies/photos
            < 404
            > GET /v1/policies/photos
            < 404
            > POST /v1/uploads {"filename": "a", "size": 1, "policy": "photos"}
            < 422 {"field": "policy"}
        "#);
    }

    async fn what_a_policy_does_not_want_is_refused_at_creation(service) {
        transcript!(service, r#"
            > PUT /v1/policies/photos {"max_size": 1000, "content_types": ["image/*"], "extensions": ["png"],
                "name_pattern": "[a-z]+\\.[a-z]+", "origins": ["https://app.example"]}
            < 200
            > POST /v1/uploads {"filename": "a.png", "size": 1000, "policy": "photos", "content_type": "image/png"}
            < 201 {"asset": {"policy": "photos"}}
            > POST /v1/uploads {"filename": "a.png", "size": 1001, "policy": "photos"}
            < 413 {"code": "too_large", "limit": 1000}
            > POST /v1/uploads {"filename": "a.png", "size": 1, "policy": "photos", "content_type": "text/html"}
            < 422 {"field": "content_type"}
            > POST /v1/uploads {"filename": "a.exe", "size": 1, "policy": "photos"}
            < 422 {"field": "filename"}
            > POST /v1/uploads {"filename": "a b.png", "size": 1, "policy": "photos"}
            < 422 {"field": "filename"}
            > POST /v1/uploads {"filename": "a.png", "size": 1, "policy": "photos", "content_types": ["video/*"]}
            < 422 {"field": "content_types"}
            > POST /v1/uploads {"filename": "a.png", "size": 1, "policy": "photos"}
            | origin: https://evil.example
            < 403
            > POST /v1/uploads {"filename": "a.png", "size": 1, "policy": "photos"}
            | origin: https://app.example
            < 201
            > POST /v1/uploads/check {"filename": "a.exe", "size": 1, "policy": "photos"}
            < 422 {"field": "filename"}
            > POST /v1/uploads {"filename": "a.exe", "size": 5000}
            < 201 {"asset": {"policy": "default"}}
        "#);
    }

    async fn every_door_goes_by_the_default_policy(service) {
        transcript!(service, r#"
            > PUT /v1/policies/default {"max_size": 10, "extensions": ["txt"]}
            < 200
            > POST /v1/uploads {"filename": "a.exe", "size": 1}
            < 422
            > POST /s3/multipart {"filename": "a.exe", "type": "text/plain"}
            < 400
            > GET /s3/params?filename=a.exe&type=text/plain
            < 400
            > POST /files [0123456789]
            | upload-complete: ?1
            | content-disposition: attachment; filename="a.exe"
            < 400
            > POST /files [0123456789x]
            | upload-complete: ?1
            | content-disposition: attachment; filename="a.txt"
            < 413
            ~ tus-resumable: 1.0.0
            > POST /tus
            | upload-length: 5
            | upload-metadata: filename YS5leGU=
            < 400
            > POST /tus
            | upload-length: 11
            | upload-metadata: filename YS50eHQ=
            < 413
            > POST /tus
            | upload-defer-length: 1
            | upload-metadata: filename YS50eHQ=
            < 201
            | location: $upload
            > PATCH $upload noise:11:1
            | authorization: Bearer $admin
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            < 413
        "#);
    }

    async fn the_holder_of_a_grant_is_bound_by_its_policy(service) {
        transcript!(service, r#"
            > PUT /v1/policies/texts {"max_size": 10, "extensions": ["txt"], "content_types": ["text/plain"]}
            < 200
            > POST /v1/uploads {"max_size": 11, "policy": "texts"}
            < 413
            > POST /v1/uploads {"max_size": 10, "policy": "texts"}
            < 201 {"grant": "$grant", "asset": {"id": "$asset"}}
            @ $grant
            ~ tus-resumable: 1.0.0
            > POST /tus
            | upload-length: 5
            | upload-metadata: filename YS5leGU=
            < 400
            > POST /tus
            | upload-length: 5
            | upload-metadata: filename YS50eHQ=
            < 201
            | location: $upload
            > PATCH $upload [hello]
            | authorization: Bearer $grant
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            < 204
            @ $admin
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "filename": "a.txt"}
        "#);
    }

    async fn bytes_that_are_something_else_are_rejected(service) {
        transcript!(service, r#"
            > PUT /v1/policies/photos {"content_types": ["image/*"], "quarantine": 60}
            < 200
            > POST /v1/uploads {"filename": "a.png", "size": 5, "policy": "photos", "content_type": "image/png", "method": "put"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            > PUT /v1/uploads/$upload/content [hello]
            < 200
            > GET /v1/assets/$asset?wait=20s&until=rejected
            < 200 {"state": "rejected", "reason": {"code": "type_not_allowed"}}
        "#);
        service.advance(Duration::from_secs(61));
        service.engine.operations().run_sweep().await.unwrap();
        let left = service.blobs.list(BlobKey::PREFIX, None).await.unwrap().items;
        assert!(left.iter().all(|object| object.size < 5), "its bytes are gone after the policy's time");
    }

    async fn a_scan_that_is_demanded_and_not_to_be_had_keeps_files_back(service) {
        transcript!(service, r#"
            > PUT /v1/policies/careful {"scan": "required"}
            < 200
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "policy": "careful", "method": "put"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            > PUT /v1/uploads/$upload/content [hello]
            < 200
            > GET /v1/assets/$asset?wait=20s&until=failed
            < 200 {"state": "failed", "reason": {"code": "scan_missing"}}
            > GET /v1/assets/$asset/content
            < 409
        "#);
    }

    async fn what_a_policy_keeps_for_a_time_is_deleted_after_it(service) {
        let asset = kept_for_an_hour(service).await;
        service.advance(Duration::from_secs(3599));
        service.engine.operations().run_sweep().await.unwrap();
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "ready"}
        "#, asset = asset);
        service.advance(Duration::from_secs(2));
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().outdated, 1);
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "deleted"}
            > GET /v1/admin/audit?subject=asset:$asset&action=asset.delete
            < 200 {"entries": [{"actor": "system", "action": "asset.delete"}]}
        "#, asset = asset);
    }

    async fn public_files_are_for_anybody_once_they_are_ready(service) {
        let names = transcript!(service, r#"
            > PUT /v1/policies/open {"visibility": "public", "delivery": "stream"}
            < 200
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "policy": "open", "method": "put"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            @ nobody
            > GET /v1/assets/$asset/content
            < 401
            @ $admin
            > PUT /v1/uploads/$upload/content [hello]
            < 200
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
            @ nobody
            > GET /v1/assets/$asset/content
            < 200 [hello]
            | cache-control: public, no-cache, no-transform
            > GET /v1/assets/$asset/content?delivery=redirect
            < 302
            > GET /v1/assets/$asset
            < 401
            > DELETE /v1/assets/$asset
            < 401
            > GET /v1/assets/01890000-0000-7000-8000-000000000000/content
            < 401
            @ $admin
            > PUT /v1/policies/open {"visibility": "private", "cache": {"max_age": 60}}
            < 422 {"field": "cache"}
            > PUT /v1/policies/open {"visibility": "public", "delivery": "stream", "cache": {"max_age": 60, "stale_if_error": 86400}}
            < 200
            @ nobody
            > GET /v1/assets/$asset/content
            < 200 [hello]
            | cache-control: public, max-age=60, stale-if-error=86400, no-transform
            @ $admin
            > PUT /v1/policies/open {}
            < 200
            @ nobody
            > GET /v1/assets/$asset/content
            < 401
            @ $admin
            > GET /v1/assets/$asset/content
            < 302
            > GET /v1/admin/audit?subject=asset:$asset&action=content.fetch&actor=anybody
            < 200 {"entries": [{"actor": "anybody"}]}
        "#);
        drop(names);
    }

    async fn pages_that_a_policy_names_may_ask_from_browsers(service) {
        transcript!(service, r#"
            > PUT /v1/policies/web {"origins": ["https://tenant.example"]}
            < 200
            @ nobody
            > OPTIONS /v1/uploads
            | origin: https://tenant.example
            | access-control-request-method: POST
            < 204
            | access-control-allow-origin: https://tenant.example
            > OPTIONS /v1/uploads
            | origin: https://tenant.example.evil
            | access-control-request-method: POST
            < 405
            | access-control-allow-origin:
        "#);
    }

    async fn a_change_is_in_force_on_other_nodes_within_seconds(service) {
        let (other, _) = service.another_node().await;
        let wish = serde_json::json!({"filename": "a", "size": 11});
        let create = || async {
            let request = requests::client().post(format!("{other}/v1/uploads")).bearer_auth(&service.admin);
            request.json(&wish).send().await.unwrap().status().as_u16()
        };
        assert_eq!(create().await, 201);
        transcript!(service, r#"
            > PUT /v1/policies/default {"max_size": 10}
            < 200
        "#);
        assert_eq!(create().await, 201, "remembered there for a moment");
        service.advance(STALE);
        assert_eq!(create().await, 413);
    }
}

on_both_databases! {
    async fn a_delivery_network_is_told_of_what_is_kept_no_longer(database) {
        let (hook, mut shape) = (Receiver::start().await, Shape::default());
        shape.settings.deliveries.cdn = Some(CdnSigner::hmac("https://cdn.example/files", &"secret".repeat(6)).unwrap());
        shape.settings.deliveries.purge = Some(PurgeHook { url: hook.url.clone(), token: None });
        let service = &Service::start(database, shape).await;
        let asset = kept_for_an_hour(service).await;
        service.advance(Duration::from_secs(3601));
        assert_eq!(service.engine.operations().run_sweep().await.unwrap().outdated, 1);
        let told = hook.until(1).await;
        assert_eq!((told.len(), told[0].json()["asset_id"].as_str()), (1, Some(asset.as_str())));
        service.assert_clean().await;
    }
}
