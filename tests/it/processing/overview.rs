//! What an operator sees in one look: numbers, failures by code, alarms that name ids, and every attempt of a job.

use std::time::Duration;

use gantry::blob::BlobStore;
use gantry::domain::job::Chore;

use super::{TestSteps, bring, idle, row, settled, until, work};
use crate::support::service::Service;
use crate::support::transcript::Names;
use crate::{on_both_services, transcript};

/// An asset whose bytes the store has lost, with its dead job.
async fn lost(service: &Service) -> String {
    let asset = bring(service, "lost.bin", vec![1; 100_000]).await;
    let key = row(service, &asset).await.state.content().unwrap().key.clone();
    service.blobs.delete(&key).await.unwrap();
    let _working = work(service, TestSteps::default());
    assert_eq!(settled(service, &asset).await.state.name(), "failed");
    asset
}

/// Names of the tenant's first dead job.
async fn dead_job(service: &Service) -> Names {
    transcript!(service, "> GET /v1/admin/jobs?state=dead\n< 200 {\"jobs\": [{\"id\": \"$job\"}]}")
}

on_both_services! {
    async fn every_attempt_is_shown(service, idle()) {
        let asset = lost(service).await;
        let job = dead_job(service).await.remove("job").unwrap();
        let foreign = service.foreign_key("acme").await;
        let attempt = r#"{"outcome": "failed", "worker": "$worker"}"#;
        transcript!(service, &format!(r#"
            > GET /v1/admin/jobs/$job
            < 200 {{"id": "$job", "kind": "process", "state": "dead", "asset_id": "$asset", "attempts": [
                {{"attempt": 1, "outcome": "failed", "worker": "$worker"}}, {attempt}, {attempt}, {attempt}, {attempt}, {attempt}, {attempt},
                {{"attempt": 8, "outcome": "dead"}}]}}
            @ $foreign
            > GET /v1/admin/jobs/$job
            < 404
            > GET /v1/admin/assets/$asset/jobs
            < 404
            > GET /v1/admin/jobs?tenant=*
            < 403
            @ $admin
            > GET /v1/admin/jobs?tenant=*&state=dead
            < 200 {{"jobs": [{{"id": "$job"}}]}}
            > GET /v1/admin/jobs?tenant=acme&state=dead
            < 200 {{"jobs": []}}
            > GET /v1/admin/assets/$asset/jobs
            < 200 {{"jobs": [{{"id": "$job", "state": "dead", "tries": 8}}]}}
        "#), job = job, asset = asset, foreign = foreign);
        let content = row(service, &asset).await.state.content().unwrap().clone();
        let bytes = gantry::blob::PutPayload::of(bytes::Bytes::from(vec![1; 100_000]));
        service.blobs.put_object(&content.key, None, bytes).await.unwrap();
        transcript!(service, "> POST /v1/admin/jobs/$job/retry\n< 202", job = job);
        let _working = work(service, TestSteps::default());
        until(service, &asset, |asset| asset.state.name() == "ready").await;
        transcript!(service, &format!(r#"
            > GET /v1/admin/jobs/$job
            < 200 {{"state": "done", "due_at": null, "attempts": [{attempt}, {attempt}, {attempt}, {attempt}, {attempt}, {attempt}, {attempt},
                {{"attempt": 8, "outcome": "dead"}}, {{"attempt": 9, "outcome": "done", "error": null}}]}}
            > GET /v1/admin/jobs/019aa3c1-0000-7000-8000-000000000001
            < 404
            > GET /v1/admin/assets/$asset/jobs
            < 200 {{"jobs": [{{"id": "$job", "state": "done", "attempts": [{attempt}, {attempt}, {attempt}, {attempt}, {attempt}, {attempt}, {attempt},
                {{"attempt": 8}}, {{"attempt": 9, "outcome": "done"}}]}}]}}
        "#), job = job, asset = asset);
    }

    async fn numbers_and_failures_on_one_screen(service, idle()) {
        let asset = lost(service).await;
        let job = dead_job(service).await.remove("job").unwrap();
        let foreign = service.foreign_key("acme").await;
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "under-way.bin", "size": 7}
            < 201 {"upload": {"id": "$upload"}}
            > GET /v1/admin/overview
            < 200 {"uploads_in_flight": 1, "uploads_stalled": 0, "assets": {"awaiting": 1, "failed": 1}, "bytes_in": 100000,
                "jobs": [{"kind": "process", "state": "dead", "count": 1}], "dead_jobs": 1, "dead_deliveries": 0,
                "storage": {"used": 100000, "reserved": 7, "orphaned": null}}
            > GET /v1/admin/failures
            < 200 {"failures": [{"code": "bytes_missing", "source": "asset", "count": 1, "sample": {"asset": "$asset"}},
                {"code": "dead_job_process", "source": "job", "count": 1, "sample": {"asset": "$asset", "request_id": "$request"}}]}
            > GET /v1/admin/failures?tenant=acme
            < 200 {"failures": []}
            @ $foreign
            > GET /v1/admin/failures
            < 200 {"failures": []}
        "#, asset = asset, foreign = foreign);
        transcript!(service, r#"
            > GET /v1/admin/alarms
            < 200 {"alarms": [
                {"code": "dead_letters", "sentence": "1 job of kind process is dead: retry or discard it.", "ids": ["$job"]},
                {"code": "assets_bytes_missing", "sentence": "$sentence", "ids": ["$asset"]}]}
        "#, asset = asset, job = job);
    }

    async fn a_key_that_may_only_read_sees_its_own_tenant_on_one_screen(service, idle()) {
        let asset = lost(service).await;
        let own = service.foreign_key("acme").await;
        let (reader, uploader) = (service.key("read").await, service.key("upload").await);
        transcript!(service, r#"
            @ $own
            > POST /v1/uploads {"filename": "theirs.bin", "size": 9}
            < 201
            > GET /v1/admin/overview
            < 200 {"uploads_in_flight": 1, "assets": {"awaiting": 1}, "jobs": [], "dead_jobs": 0, "dead_deliveries": 0,
                "storage": {"used": 0, "reserved": 9, "orphaned": null}, "disk_free": null, "minutes": [], "bytes_in": 0}
            > GET /v1/admin/overview?tenant=*
            < 403
            > GET /v1/admin/failures?tenant=default
            < 404
            @ $admin
            > GET /v1/admin/overview
            < 200 {"uploads_in_flight": 1, "assets": {"awaiting": 1, "failed": 1}, "dead_jobs": 1}
            > GET /v1/admin/overview?tenant=acme
            < 200 {"uploads_in_flight": 1, "assets": {"awaiting": 1}, "dead_jobs": 0, "minutes": []}
            @ $reader
            > GET /v1/admin/overview
            < 200 {"uploads_in_flight": 0, "assets": {"failed": 1}, "jobs": [{"kind": "process", "state": "dead", "count": 1}],
                "dead_jobs": 1, "storage": {"used": 100000, "reserved": 0, "orphaned": null}, "minutes": []}
            > GET /v1/admin/failures
            < 200 {"failures": [{"code": "bytes_missing", "source": "asset", "count": 1, "sample": {"asset": "$asset"}},
                {"code": "dead_job_process", "source": "job", "count": 1, "sample": {"asset": "$asset"}}]}
            > GET /v1/admin/overview?tenant=acme
            < 403
            @ $uploader
            > GET /v1/admin/overview
            < 403
        "#, asset = asset, own = own, reader = reader, uploader = uploader);
    }

    async fn uploads_that_stand_still_are_an_alarm(service, idle()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "still.bin", "size": 7}
            < 201 {"upload": {"id": "$still"}}
            > POST /v1/uploads {"filename": "slow.bin", "size": 12582912, "method": "multipart", "part_size": 5242880}
            < 201 {"upload": {"id": "$slow"}, "multipart": {"urls": [{"url": "$url"}, {}, {}]}}
        "#);
        // The URL is used just before an hour is over, and nobody tells the service.
        service.advance(Duration::from_secs(3599));
        transcript!(service, "> GET /v1/admin/alarms\n< 200 {\"alarms\": []}\n> PUT $url noise:5242880:1\n< 200", url = names["url"]);
        service.advance(Duration::from_secs(1));
        service.engine.operations().run_chore(Chore::Alarms, false).await.unwrap();
        transcript!(service, r#"
            > GET /v1/admin/alarms
            < 200 {"alarms": [{"code": "uploads_stalled", "ids": ["$still"]}]}
            > GET /v1/admin/overview
            < 200 {"uploads_in_flight": 2, "uploads_stalled": 1}
            > GET /v1/uploads?tenant=*&idle_for=1h
            < 200 {"uploads": [{"id": "$still"}]}
            > DELETE /v1/uploads/$still
            < 204
            > GET /v1/admin/alarms
            < 200 {"alarms": []}
        "#, still = names["still"]);
        transcript!(service, "> DELETE /v1/uploads/$slow\n< 204", slow = names["slow"]);
    }
}
