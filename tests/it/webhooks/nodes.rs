//! Any number of nodes dispatch: each event once per endpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gantry::domain::clock::OsEntropy;
use gantry::worker::{self, JobWorker, ProcessingPipeline, WebhookSender};

use super::{all, hook};
use crate::events::{awaited, change};
use crate::on_both_services;
use crate::support::receiver::Receiver;

/// A jump of the clock after which deliveries that found no place at their endpoint's gate are tried again.
const RETRY_AT_GATE: Duration = Duration::from_secs(5);

on_both_services! {
    async fn two_nodes_tell_each_event_once_to_each_endpoint(service) {
        let (base, engine) = service.another_node().await;
        let store = service.database.another_node().await;
        let settings = worker::WorkerSettings { max_deliveries: 64, ..worker::WorkerSettings::default() };
        let worker = JobWorker::new(engine.clone(), store, Arc::new(OsEntropy), ProcessingPipeline::default(), settings);
        let worker = worker.with_sender(WebhookSender::new(&engine.webhooks().webhook_settings().egress).unwrap());
        let stop = service.stop.clone();
        tokio::spawn(async move { worker.run(stop).await });

        let receivers = [Receiver::start().await, Receiver::start().await];
        let mut webhooks = Vec::new();
        for receiver in &receivers {
            webhooks.push(hook(service, receiver, "asset.changed").await.0);
        }
        let (_, asset, _) = awaited(service).await;
        for n in 0..60 {
            let node = if n % 2 == 0 { &service.base } else { &base };
            change(node, &service.admin, &asset, &format!("n{n}")).await;
            if n % 10 == 9 {
                service.advance(RETRY_AT_GATE);
            }
        }
        for (receiver, webhook) in receivers.iter().zip(&webhooks) {
            // Deliveries that found no place at the gate after the last of those jumps come back with another.
            for _ in 0..20 {
                if tokio::time::timeout(Duration::from_secs(3), receiver.until(60)).await.is_ok() {
                    break;
                }
                service.advance(RETRY_AT_GATE);
            }
            receiver.until(60).await;
            all(service, webhook, 60, "delivered").await;
            let mut counts: HashMap<String, u32> = HashMap::new();
            for message in receiver.came() {
                *counts.entry(message.id().to_owned()).or_default() += 1;
            }
            assert!(counts.len() == 60 && counts.values().all(|count| *count == 1), "{counts:?}");
        }
    }
}
