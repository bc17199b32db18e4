//! Telling webhooks of events: the dispatcher makes deliveries, a delivery's job makes one HTTP request.
//!
//! Where requests go is decided in `egress`, who may have a place in `gate`. Must not keep or log what a receiver says.

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::run::End;
use crate::domain::ids::DeliveryId;
use crate::domain::job::{Job, Tries};
use crate::engine::{Error, Settled};

mod egress;
mod gate;
mod sender;

pub(super) use gate::Gate;
pub use sender::Sender;

/// Between two rounds at least: events that come together are dispatched together.
const PACE: std::time::Duration = std::time::Duration::from_millis(10);

impl Worker {
    /// Makes deliveries of what happens, until the end; does nothing on a worker that sends none.
    pub(super) async fn dispatch(&self, shutdown: &CancellationToken) {
        if self.sender.is_none() {
            return;
        }
        while !shutdown.is_cancelled() {
            let listens = match self.engine.dispatch().await {
                Ok(Some(0)) => true,
                Ok(Some(_)) => continue,
                Ok(None) => false,
                Err(error) => {
                    tracing::warn!(%error, "events are not dispatched to webhooks; trying again");
                    false
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.something_new(), if listens => {}
                () = tokio::time::sleep(self.settings.poll) => {}
            }
        }
    }

    async fn something_new(&self) {
        tokio::select! {
            () = self.store.dispatch_news() => {}
            () = self.tried.notified() => {}
        }
        tokio::time::sleep(PACE).await;
    }

    /// One try of a delivery.
    pub(super) async fn deliver(&self, job: &Job, id: DeliveryId) -> End {
        let ended = self.try_delivery(job, id).await;
        // There may be room for more deliveries of this endpoint.
        self.tried.notify_one();
        // Whatever is wrong with us is not the endpoint's failure, and uses up no try.
        ended.unwrap_or_else(|error| End::Away(error.to_string()))
    }

    async fn try_delivery(&self, job: &Job, id: DeliveryId) -> Result<End, Error> {
        let Some(sender) = &self.sender else { return Ok(End::Away("nobody delivers here".to_owned())) };
        let Some(call) = self.engine.next_call(job, id).await? else { return Ok(End::Done("not wanted any more")) };
        let pass = match self.gate.enter(call.webhook(), self.store.now()) {
            Ok(pass) => pass,
            Err(due) => {
                let why = "its endpoint has its share of places";
                self.engine.put_back(job, due, Tries::Forgiven, why).await?;
                return Ok(End::Waits("its endpoint has its share of places"));
            }
        };
        let answer = sender.send(&call, self.store.now(), self.engine.webhook_settings().timeout).await;
        drop(pass);
        Ok(match self.engine.settle_call(job, call, &answer).await? {
            Settled::Delivered => End::Done("delivered"),
            Settled::Later => End::Waits("not delivered yet"),
            Settled::Dead => End::Done("given up"),
            Settled::Lost => End::Done("the lease was lost"),
        })
    }
}
