//! An attempt of a delivery: the request, and the consequences of its response. Writes are fenced by the job's attempt.

use super::WebhookEngine;
use crate::crash;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, WebhookId};
use crate::domain::job::{Job, JobRelease, TryCount};
use crate::domain::webhook::{
    Delivery, DeliveryProblem, DeliveryState, DeliveryVerdict, ReceiverAnswer, Webhook, WebhookState, WhyDisabled,
};
use crate::engine::Result;
use crate::store::{RowChange, Tx, WebhookWrite};

/// Request of a delivery.
#[derive(Clone, Debug)]
pub struct WebhookCall {
    webhook: Webhook,
    delivery: Delivery,
    body: Vec<u8>,
}

/// Result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint has accepted the delivery.
    Delivered,
    /// The delivery is retried later.
    Later,
    /// The delivery is given up.
    Dead,
    /// Another worker has the job by now; nothing was written.
    Lost,
}

impl WebhookCall {
    /// Id of the endpoint.
    #[must_use]
    pub fn webhook(&self) -> WebhookId {
        self.webhook.id
    }

    /// URL of the endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.webhook.url
    }

    /// Body of the request.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Headers of Standard Webhooks, for an attempt at `now`.
    #[must_use]
    pub fn headers(&self, now: Timestamp) -> [(&'static str, String); 3] {
        let id = self.delivery.message_id();
        let signature = self.webhook.sign(&id, now, &self.body);
        [("webhook-id", id), ("webhook-timestamp", now.as_second().to_string()), ("webhook-signature", signature)]
    }
}

impl WebhookEngine {
    /// The request for this job. `None` if there is nothing to send any more; the job is finished then.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn next_call(&self, job: &Job, id: DeliveryId) -> Result<Option<WebhookCall>> {
        let delivery = self.store.find_delivery(id).await?.filter(|found| found.state == DeliveryState::Pending);
        let Some(delivery) = delivery else {
            self.write_call(Tx::new().with(RowChange::FinishJob(job.clone()))).await?;
            return Ok(None);
        };
        let told = |webhook: &Webhook| match webhook.state {
            WebhookState::Active => true,
            WebhookState::Disabled { .. } => delivery.is_test(),
            WebhookState::Deleted => false,
        };
        match self.store.find_webhook(delivery.webhook).await?.filter(told) {
            Some(webhook) => Ok(Some(WebhookCall { body: delivery.body(), webhook, delivery })),
            None => {
                self.end_call(job, delivery, DeliveryProblem::Disabled).await?;
                Ok(None)
            }
        }
    }

    /// Writes the result of an attempt.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn settle_call(&self, job: &Job, call: WebhookCall, answer: &ReceiverAnswer) -> Result<DeliveryOutcome> {
        crash::point("webhook_sent");
        let WebhookCall { webhook, mut delivery, .. } = call;
        let now = self.store.now();
        let verdict = delivery.tried(answer, now, &*self.entropy);
        let tx = match verdict {
            DeliveryVerdict::Again(due) => Tx::new().with(RowChange::ReleaseJob(Box::new(later(job, due, &delivery)))),
            DeliveryVerdict::Delivered | DeliveryVerdict::Dead => Tx::new().with(RowChange::FinishJob(job.clone())),
        };
        let gone = delivery.problem == Some(DeliveryProblem::Gone);
        let hopeless = !delivery.is_test() && webhook.is_hopeless(now, self.webhook_settings().disable_after);
        let (failed, test) = (delivery.problem.is_some(), delivery.is_test());
        let mut tx = settle(tx, delivery);
        if !failed || !test {
            tx = tx.with(WebhookWrite::Note(webhook.id, failed.then_some(now)));
        }
        let why = if gone { Some(WhyDisabled::Gone) } else { (failed && hopeless).then_some(WhyDisabled::Failing) };
        if let Some(why) = why {
            tx = tx.with(WebhookWrite::Disable(webhook.id, why, now));
        }
        if !self.write_call(tx).await? {
            return Ok(DeliveryOutcome::Lost);
        }
        if let Some(why) = why {
            tracing::warn!(webhook = %webhook.id, tenant = %webhook.tenant, why = why.name(), "the webhook is disabled");
        }
        Ok(match verdict {
            DeliveryVerdict::Delivered => DeliveryOutcome::Delivered,
            DeliveryVerdict::Again(_) => DeliveryOutcome::Later,
            DeliveryVerdict::Dead => DeliveryOutcome::Dead,
        })
    }

    /// Gives up the delivery of a job that can no longer be tried.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn give_up_call(&self, job: &Job, id: DeliveryId) -> Result<()> {
        match self.store.find_delivery(id).await?.filter(|found| found.state == DeliveryState::Pending) {
            Some(delivery) => self.end_call(job, delivery, DeliveryProblem::Poison).await,
            None => self.write_call(Tx::new().with(RowChange::FinishJob(job.clone()))).await.map(|_| ()),
        }
    }

    async fn end_call(&self, job: &Job, mut delivery: Delivery, why: DeliveryProblem) -> Result<()> {
        delivery.give_up(why, self.store.now());
        self.write_call(settle(Tx::new().with(RowChange::FinishJob(job.clone())), delivery)).await.map(|_| ())
    }

    /// `false` if the lease is lost, or the delivery was ended meanwhile, and nothing was written.
    async fn write_call(&self, tx: Tx) -> Result<bool> {
        self.rows.commit_if_unchanged(tx).await
    }
}

fn settle(tx: Tx, delivery: Delivery) -> Tx {
    tx.with(WebhookWrite::Settle(Box::new(delivery), DeliveryState::Pending))
}

fn later(job: &Job, due: Timestamp, delivery: &Delivery) -> JobRelease {
    let why = delivery.problem.map(|problem| problem.name().to_owned());
    JobRelease { job: job.clone(), due: Some(due), tries: TryCount::Forgiven, why, progress: None }
}
