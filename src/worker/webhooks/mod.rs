//! Webhooks: the dispatcher creates deliveries, and a delivery's job makes a single HTTP request.
//!
//! `egress` decides where requests may go, `endpoint_limiter` how many run per endpoint. Must not store or log a
//! receiver's response body.

use tokio_util::sync::CancellationToken;

use super::JobWorker;
use super::job_run::JobOutcome;
use crate::domain::ids::DeliveryId;
use crate::domain::job::{Job, TryCount};
use crate::domain::reason::{FailureCause, chain};
use crate::engine::{DeliveryOutcome, Error};
use crate::metrics;
use crate::metrics::SendOutcome;

mod endpoint_limiter;
mod resolver;
mod sender;

pub(super) use endpoint_limiter::EndpointLimiter;
pub use sender::WebhookSender;

/// Minimum pause between two rounds, so that events that arrive together are dispatched together.
const DISPATCH_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

impl JobWorker {
    /// Creates deliveries for new events until shutdown; returns at once on a worker without a sender.
    pub(super) async fn run_dispatcher(&self, shutdown: &CancellationToken) {
        if self.sender.is_none() {
            return;
        }
        while !shutdown.is_cancelled() {
            let listens = match self.engine.webhooks().dispatch().await {
                Ok(Some(0)) => true,
                Ok(Some(_)) => continue,
                Ok(None) => false,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "events are not dispatched to webhooks; trying again");
                    false
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wait_for_dispatch(), if listens => {}
                () = tokio::time::sleep(self.settings.poll_interval) => {}
            }
        }
    }

    async fn wait_for_dispatch(&self) {
        tokio::select! {
            () = self.store.wait_for_dispatches() => {}
            () = self.delivery_tried.notified() => {}
        }
        tokio::time::sleep(DISPATCH_PAUSE).await;
    }

    /// Makes a try of a delivery.
    pub(super) async fn run_delivery(&self, job: &Job, id: DeliveryId) -> JobOutcome {
        let ended = self.try_delivery(job, id).await;
        // The endpoint may accept more deliveries now.
        self.delivery_tried.notify_one();
        // An error of this service is not the endpoint's failure, and uses up no try.
        ended.unwrap_or_else(|error| JobOutcome::Unavailable(FailureCause::of(error)))
    }

    async fn try_delivery(&self, job: &Job, id: DeliveryId) -> Result<JobOutcome, Error> {
        let Some(sender) = &self.sender else {
            return Ok(JobOutcome::Unavailable("this node sends no webhooks".into()));
        };
        let Some(call) = self.engine.webhooks().next_call(job, id).await? else {
            return Ok(JobOutcome::Done("no longer wanted"));
        };
        let pass = match self.endpoint_limiter.try_acquire(call.webhook(), self.store.now()) {
            Ok(pass) => pass,
            Err(due) => {
                let why = "the endpoint has enough requests in flight";
                self.engine.processing().put_back(job, due, TryCount::Forgiven, why).await?;
                return Ok(JobOutcome::Deferred("the endpoint has enough requests in flight"));
            }
        };
        let answer =
            sender.send_delivery(&call, self.store.now(), self.engine.webhooks().webhook_settings().timeout).await;
        drop(pass);
        let outcome = self.engine.webhooks().settle_call(job, call, &answer).await?;
        metrics::webhooks().record_send(match outcome {
            DeliveryOutcome::Delivered => SendOutcome::Delivered,
            DeliveryOutcome::Later => SendOutcome::Retried,
            DeliveryOutcome::Dead => SendOutcome::Dead,
            DeliveryOutcome::Lost => SendOutcome::LeaseLost,
        });
        Ok(match outcome {
            DeliveryOutcome::Delivered => JobOutcome::Done("delivered"),
            DeliveryOutcome::Later => JobOutcome::Deferred("not delivered yet"),
            DeliveryOutcome::Dead => JobOutcome::Done("given up"),
            DeliveryOutcome::Lost => JobOutcome::Done("the lease was lost"),
        })
    }
}
