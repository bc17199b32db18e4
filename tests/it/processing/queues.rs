//! Queues as an operator sees and sets them: throughput, what waits for its time, and how many jobs run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gantry::blob::BlobStore;
use gantry::domain::clock::before;
use gantry::domain::ids::TenantId;
use gantry::worker::HandoffStep;
use gantry::worker::handoff::{CloudEvent, EventSink, SinkError};
use serde_json::Value;

use super::{TestSteps, bring, idle, row, settled, until, work};
use crate::support::patience::eventually;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// A broker that confirms nothing: jobs that offer an asset stay where they are.
#[derive(Default)]
struct Held {
    inside: AtomicUsize,
}

#[async_trait]
impl EventSink for Held {
    async fn publish(&self, _: &CloudEvent) -> Result<(), SinkError> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    fn name(&self) -> &'static str {
        "held"
    }

    async fn check(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

async fn queues_of(service: &Service) -> Value {
    let ask = requests::client().get(format!("{}/v1/admin/queues", service.base)).bearer_auth(&service.admin);
    ask.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

on_both_services! {
    async fn an_operator_sets_how_many_jobs_run_at_once(service, idle()) {
        let foreign = service.foreign_key("other").await;
        transcript!(service, "> PUT /v1/admin/queues/process/concurrency {\"concurrency\": 8}\n< 204");
        // Entries of one millisecond have no order, and this clock stands.
        service.advance(Duration::from_millis(1));
        transcript!(service, r#"
            > PUT /v1/admin/queues/process/concurrency {"concurrency": 1}
            < 204
            > PUT /v1/admin/queues/process/concurrency {"concurrency": 0}
            < 422
            > PUT /v1/admin/queues/process/concurrency {"concurrency": 257}
            < 422
            > PUT /v1/admin/queues/process/concurrency {"concurrency": -1}
            < 422
            > PUT /v1/admin/queues/process/concurrency {}
            < 422
            > PUT /v1/admin/queues/sweep/concurrency {"concurrency": 2}
            < 422
            > PUT /v1/admin/queues/erase/concurrency {"concurrency": 2}
            < 422
            > PUT /v1/admin/queues/inspect/concurrency {"concurrency": 2}
            < 422
            > GET /v1/admin/queues
            < 200 {"queues": [{"kind": "process", "concurrency": 1}, {"kind": "recheck", "concurrency": null}, {"kind": "rescan"}, {"kind": "deliver"}, {"kind": "purge"}, {"kind": "erase"}]}
            > GET /v1/admin/audit?action=queue.concurrency
            < 200 {"entries": [
                {"subject": "queue:process", "before": {"concurrency": 8}, "after": {"concurrency": 1}},
                {"subject": "queue:process", "before": {"concurrency": null}, "after": {"concurrency": 8}}]}
            @ $foreign
            > PUT /v1/admin/queues/process/concurrency {"concurrency": 2}
            < 403
            > GET /v1/admin/queues
            < 200 {"queues": [{"kind": "process", "concurrency": 1}, {}, {}, {}, {}, {}]}
        "#, foreign = foreign);
        transcript!(service, r#"
            > PUT /v1/admin/queues/process/concurrency {"concurrency": null}
            < 204
            > GET /v1/admin/queues
            < 200 {"queues": [{"kind": "process", "concurrency": null}, {}, {}, {}, {}, {}]}
        "#);
        assert_eq!(service.database.store.list_queue_concurrency().await.unwrap(), []);
    }

    async fn workers_take_up_how_many_run_at_once(service, idle()) {
        let held = Arc::new(Held::default());
        let counter = HandoffStep { sink: held.clone(), public_url: service.base.clone() };
        for number in 0..6 {
            bring(service, &format!("{number}.txt"), "hello").await;
        }
        let _working = work(service, TestSteps { counter: Some(counter), ..TestSteps::default() });
        eventually("as many run as the setting says", async || held.inside.load(Ordering::SeqCst) == 4).await;
        transcript!(service, "> PUT /v1/admin/queues/process/concurrency {\"concurrency\": 6}\n< 204");
        eventually("more run without a restart", async || held.inside.load(Ordering::SeqCst) == 6).await;
    }

    async fn throughput_is_counted_by_the_minute(service, idle()) {
        let lost = bring(service, "lost.bin", vec![1; 100_000]).await;
        let key = row(service, &lost).await.state.content().unwrap().key.clone();
        service.blobs.delete(&key).await.unwrap();
        let fine = bring(service, "a.txt", "hello").await;
        let scheduled = service.database.store.list_job_counts(Some(service.tenant)).await.unwrap();
        assert_eq!((scheduled[0].count, scheduled[0].scheduled, scheduled[0].retrying), (2, 0, 0));
        let working = work(service, TestSteps::default());
        until(service, &fine, |asset| asset.state.name() == "ready").await;
        assert_eq!(settled(service, &lost).await.state.name(), "failed");
        working.finish().await;
        let queues = queues_of(service).await;
        let minutes = queues["queues"][0]["minutes"].as_array().unwrap().clone();
        let sum = |name: &str| -> u64 { minutes.iter().map(|minute| minute[name].as_u64().unwrap()).sum() };
        assert_eq!((sum("finished"), sum("failed")), (1, 8), "{queues}");
        assert!(minutes.iter().all(|minute| minute["at"].as_str().unwrap().ends_with(":00.000000Z")), "{queues}");
        // Another tenant's and older ones are not counted.
        let other = TenantId(uuid::Uuid::from_u128(7));
        let hour = before(service.database.store.now(), Duration::from_secs(3600));
        assert!(service.database.store.count_attempt_minutes(Some(other), hour, 100).await.unwrap().is_empty());
        service.advance(Duration::from_secs(2 * 3600));
        let now = service.database.store.now();
        let hour = before(now, Duration::from_secs(3600));
        assert!(service.database.store.count_attempt_minutes(None, hour, 100).await.unwrap().is_empty());
    }
}
