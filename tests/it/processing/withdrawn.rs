//! Files that their owner withdraws before they are ready: by every route, at every step, the job is cancelled and no
//! byte is left.

use std::time::Duration;

use gantry::blob::{BlobKey, BlobStore};
use gantry::domain::asset::AssetState;
use gantry::domain::job::{JobKind, JobSubject};

use super::{TestSteps, bring, idle, photo, row, until, work};
use crate::support::faulty::Fault::Held;
use crate::support::patience::eventually;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

const LEASE: Duration = Duration::from_secs(30);

/// No byte of the asset is in the bucket, no job is owed or dead, and its quota is given back.
async fn nothing_left(service: &Service, asset: &str) {
    eventually("no byte is left", async || {
        let objects = service.blobs.list(BlobKey::PREFIX, None).await.unwrap().items;
        objects.iter().all(|object| !object.key.contains(asset))
    })
    .await;
    assert!(matches!(row(service, asset).await.state, AssetState::Deleted { .. }));
    assert_eq!(service.database.store.count_jobs().await.unwrap(), (0, 0));
    service.assert_sums().await;
}

async fn upload_of(service: &Service, asset: &str) -> String {
    service.database.store.find_upload_of(asset.parse().unwrap()).await.unwrap().unwrap().id.to_string()
}

async fn told(service: &Service, asset: &str) -> Vec<String> {
    let events = service.database.store.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

on_both_services! {
    async fn what_is_stored_is_withdrawn_by_every_route(service, idle()) {
        for (method, route) in [("asset", "/v1/assets/"), ("upload", "/tus/"), ("upload", "/files/")] {
            let asset = bring(service, "a.txt", "hello").await;
            let id = if method == "asset" { asset.clone() } else { upload_of(service, &asset).await };
            let version = if route == "/tus/" { "1.0.0" } else { "" };
            let request = requests::client().delete(format!("{}{route}{id}", service.base)).bearer_auth(&service.admin);
            let request = if version.is_empty() { request } else { request.header("tus-resumable", version) };
            assert_eq!(request.send().await.unwrap().status(), 204, "{route}");
            nothing_left(service, &asset).await;
            let told = told(service, &asset).await;
            // The bytes are removed right after, at a time of their own.
            let last = told.iter().rfind(|kind| *kind != "asset.purged");
            assert_eq!(last.map(String::as_str), Some("asset.deleted"));
            transcript!(service, r#"
                > GET /v1/assets/$asset
                < 200 {"state": "deleted"}
                > DELETE /v1/assets/$asset
                < 204
            "#, asset = asset);
        }
    }

    async fn a_worker_that_is_at_it_writes_nothing_more(service, idle()) {
        let asset = bring(service, "a.txt", "hello").await;
        let mut job = service.database.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        let seen = service.engine.processing().begin_processing(&job).await.unwrap().unwrap();
        transcript!(service, r#"
            > DELETE /v1/assets/$asset
            < 204
        "#, asset = asset);
        let found = gantry::domain::findings::InspectionState::of("text/plain".parse().unwrap(), None);
        let settled = service.engine.processing().settle(&job, seen.clone(), gantry::engine::PipelineOutcome::Sound(found)).await.unwrap();
        assert!(!settled, "a cancelled job settles nothing");
        let progress = gantry::engine::JobProgress::default();
        assert!(!service.engine.processing().keep_progress(&mut job, &progress).await.unwrap());
        assert!(!service.database.store.extend_job(&job, LEASE).await.unwrap());
        assert!(!service.engine.processing().give_up(&job, "late", None).await.unwrap());
        assert!(service.engine.processing().begin_processing(&job).await.unwrap().is_none());
        nothing_left(service, &asset).await;
    }

    async fn a_derivative_that_is_written_late_is_removed(service, idle()) {
        let asset = bring(service, "photo.jpg", photo()).await;
        // The first derivative is on its way to the store when its file is withdrawn.
        service.faults.on("put_object", [Some(Held)]);
        let working = work(service, TestSteps { media: true, ..TestSteps::default() });
        until(service, &asset, |_| service.faults.are_spent()).await;
        transcript!(service, r#"
            > DELETE /v1/assets/$asset
            < 204
        "#, asset = asset);
        nothing_left(service, &asset).await;
        service.faults.release();
        // The worker writes it, finds its job cancelled, and removes what it has written.
        working.finish().await;
        nothing_left(service, &asset).await;
    }

    async fn what_waits_for_its_next_try_is_withdrawn(service, idle()) {
        let asset = bring(service, "a.txt", "hello").await;
        {
            // No scanner listens there: the job is put back.
            let _working = work(service, TestSteps { clamd: Some("tcp://127.0.0.1:9".to_owned()), ..TestSteps::default() });
            let waits = async || {
                let entry = service.database.store.find_job(JobSubject::Process(asset.parse().unwrap())).await.unwrap();
                entry.is_some_and(|entry| entry.last_error.is_some())
            };
            eventually("a try has failed", waits).await;
        }
        transcript!(service, r#"
            > DELETE /v1/assets/$asset
            < 204
        "#, asset = asset);
        nothing_left(service, &asset).await;
    }

    async fn what_is_just_being_completed_is_completed_and_withdrawn(service, idle()) {
        let open = async || {
            let names = transcript!(service, r#"
                > POST /v1/uploads {"filename": "a", "size": 5, "method": "multipart"}
                < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "multipart": {"urls": [{"url": "$url"}]}}
                > PUT $url [hello]
                < 200
            "#);
            (names["upload"].clone(), names["asset"].clone())
        };
        let (upload, asset) = open().await;
        service.faults.on("complete_multipart", [Some(Held)]);
        let url = format!("{}/v1/uploads/{upload}/complete", service.base);
        let completing = tokio::spawn(requests::client().post(url).bearer_auth(&service.admin).send());
        eventually("the store is asked", async || service.faults.are_spent()).await;
        let url = format!("{}/v1/assets/{asset}", service.base);
        let deleting = tokio::spawn(requests::client().delete(url).bearer_auth(&service.admin).send());
        service.faults.release();
        assert_eq!(completing.await.unwrap().unwrap().status(), 200);
        assert_eq!(deleting.await.unwrap().unwrap().status(), 204);
        nothing_left(service, &asset).await;
    }

    async fn what_is_completed_between_two_looks_is_withdrawn(service, idle()) {
        let send = |method: reqwest::Method, path: String| {
            let request = requests::client().request(method, format!("{}{path}", service.base));
            let version = path.starts_with("/tus").then_some(("tus-resumable", "1.0.0"));
            version.into_iter().fold(request.bearer_auth(&service.admin), |request, (name, value)| request.header(name, value))
        };
        // Each deletion has seen an upload that is open when its last byte arrives and completes it.
        for (route, held) in [("/v1/assets/", "find_upload_of"), ("/tus/", "find_asset"), ("/files/", "find_asset")] {
            let opened = send(reqwest::Method::POST, "/tus".into()).header("upload-length", "5").send().await.unwrap();
            let place = opened.headers()["location"].to_str().unwrap().to_owned();
            let upload = place.rsplit('/').next().unwrap().to_owned();
            let asset = service.database.store.find_upload(upload.parse().unwrap()).await.unwrap().unwrap().asset.to_string();
            let id = if route == "/v1/assets/" { &asset } else { &upload };
            service.faults.on(held, [Some(Held)]);
            let deleting = tokio::spawn(send(reqwest::Method::DELETE, format!("{route}{id}")).send());
            eventually("the deletion is under way", async || service.faults.are_spent() || deleting.is_finished()).await;
            assert!(!deleting.is_finished(), "{route}: {:?}", deleting.await);
            let bytes = send(reqwest::Method::PATCH, format!("/tus/{upload}")).header("upload-offset", "0");
            let bytes = bytes.header("content-type", "application/offset+octet-stream").body("hello");
            assert_eq!(bytes.send().await.unwrap().status(), 204);
            service.faults.release();
            assert_eq!(deleting.await.unwrap().unwrap().status(), 204, "{route}");
            nothing_left(service, &asset).await;
        }
    }
}
