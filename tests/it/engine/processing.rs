//! Workers that die, freeze, fail or come too late.

use std::sync::Arc;
use std::time::Duration;

use gantry::blob::BlobStore;
use gantry::domain::clock::OsEntropy;
use gantry::domain::findings::InspectionState;
use gantry::domain::job::{JobKind, MAX_TRIES};
use gantry::engine::PipelineOutcome;
use gantry::worker::{JobWorker, ProcessingPipeline, WorkerSettings};
use tokio_util::sync::CancellationToken;

use super::{filled, idle, told};
use crate::support::faulty::Fault::Refused;
use crate::support::patience::eventually_some;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

const LEASE: Duration = Duration::from_secs(30);

async fn stored(service: &Service) -> String {
    let names = filled(service).await;
    transcript!(
        service,
        r#"
        > POST /v1/uploads/$upload/complete
        < 200 {"state": "stored"}
    "#,
        upload = names["upload"]
    );
    names["asset"].clone()
}

/// Lets a worker work until the asset is settled.
async fn work(service: &Service, asset: &str) -> String {
    let stop = CancellationToken::new();
    let store = Arc::clone(&service.database.store);
    let settings = WorkerSettings { poll_interval: Duration::from_millis(20), ..WorkerSettings::default() };
    let worker =
        JobWorker::new(service.engine.clone(), store, Arc::new(OsEntropy), ProcessingPipeline::default(), settings);
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { worker.run(stop).await }
    });
    let state = eventually_some("the asset is settled", async || {
        let row = service.database.store.find_asset(asset.parse().unwrap()).await.unwrap().unwrap();
        // A job that was put back becomes due.
        service.advance_for(asset).await;
        row.state.is_settled().then(|| row.state.name().to_owned())
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    state
}

on_both_services! {
    async fn a_worker_that_died_is_followed_by_another(service, idle()) {
        let asset = stored(service).await;
        let job = service.database.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        service.engine.processing().begin_processing(&job).await.unwrap().unwrap();
        // It is never heard of again.
        service.advance(LEASE);
        assert_eq!(work(service, &asset).await, "ready");
        let events = told(service, &asset).await;
        assert_eq!(events.iter().filter(|kind| *kind == "asset.ready").count(), 1, "{events:?}");
    }

    async fn a_worker_that_comes_too_late_writes_nothing(service, idle()) {
        let asset = stored(service).await;
        let late = service.database.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        let taken = service.engine.processing().begin_processing(&late).await.unwrap().unwrap();
        service.advance(LEASE);
        let heir = service.database.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        let inherited = service.engine.processing().begin_processing(&heir).await.unwrap().unwrap();
        let found = || InspectionState::of("text/plain".parse().unwrap(), None);
        let verdict = gantry::domain::asset::AssetVerdict { code: "late".to_owned(), sentence: "Late.".to_owned() };
        let outcome = PipelineOutcome::Unsound(found(), verdict);
        assert!(!service.engine.processing().settle(&late, taken, outcome).await.unwrap());
        assert!(service.engine.processing().settle(&heir, inherited, PipelineOutcome::Sound(found())).await.unwrap());
        let asset = service.database.store.find_asset(asset.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(asset.state.name(), "ready");
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (0, 0));
    }

    async fn passing_trouble_is_waited_out(service, idle()) {
        let asset = stored(service).await;
        // Longer than a job may fail: it is the store's fault, and not the job's.
        service.faults.on("get", [Some(Refused); 2 * MAX_TRIES as usize]);
        assert_eq!(work(service, &asset).await, "ready");
    }

    async fn a_job_that_cannot_succeed_ends_among_the_dead(service, idle()) {
        let asset = stored(service).await;
        let row = service.database.store.find_asset(asset.parse().unwrap()).await.unwrap().unwrap();
        service.blobs.delete(&row.state.content().unwrap().key).await.unwrap();
        assert_eq!(work(service, &asset).await, "failed");
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (0, 1));
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "failed", "reason": {"code": "bytes_missing"}}
            > GET /v1/assets/$asset/content
            < 409 {"code": "not_ready", "state": "failed"}
            > DELETE /v1/assets/$asset
            < 204
        "#, asset = asset);
    }

    async fn a_job_that_kills_its_workers_is_stopped(service, idle()) {
        let asset = stored(service).await;
        for attempt in 1..=MAX_TRIES {
            let job = service.database.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
            assert_eq!(job.attempt, attempt);
            service.engine.processing().begin_processing(&job).await.unwrap().unwrap();
            service.advance(LEASE);
        }
        assert_eq!(work(service, &asset).await, "failed");
    }
}
