//! API calls of an operator: jobs and deliveries that were given up.

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{ApiClient, ApiRequest};
use super::calls::segment;
use super::error::Result;
use super::progress::RetryObserver;

impl ApiClient {
    /// A job with every attempt, as the server wrote it.
    pub async fn get_admin_job(&self, id: &str, notices: &dyn RetryObserver) -> Result<Value> {
        self.get_json("asking for the job", &format!("/v1/admin/jobs/{}", segment(id)), &[], notices).await
    }

    /// Makes a dead job ready again.
    pub async fn retry_job(&self, id: &str, notices: &dyn RetryObserver) -> Result<()> {
        let path = format!("/v1/admin/jobs/{}/retry", segment(id));
        self.request_bytes(&ApiRequest::new("retrying the job", Method::POST, path), notices).await.map(|_| ())
    }

    /// Makes dead jobs ready again; returns their number. There may be more until that is 0.
    pub async fn retry_dead_jobs(&self, kind: Option<&str>, notices: &dyn RetryObserver) -> Result<u64> {
        let body = kind.map_or_else(|| json!({}), |kind| json!({ "kind": kind }));
        let ask = ApiRequest::new("retrying dead jobs", Method::POST, "/v1/admin/jobs/retry").body(body.to_string());
        let answer: Value = self.request_json(&ask, notices).await?;
        Ok(answer["retried"].as_u64().unwrap_or(0))
    }

    /// Pauses a kind of jobs, or resumes it.
    pub async fn pause_queue(&self, kind: &str, paused: bool, notices: &dyn RetryObserver) -> Result<()> {
        let path = format!("/v1/admin/queues/{}/{}", segment(kind), if paused { "pause" } else { "resume" });
        let purpose = if paused { "pausing the queue" } else { "resuming the queue" };
        self.request_bytes(&ApiRequest::new(purpose, Method::POST, path), notices).await.map(|_| ())
    }

    /// Sets how many jobs of a kind run at once in each worker; `None`: as many as its setting says.
    pub async fn set_queue_concurrency(
        &self,
        kind: &str,
        jobs: Option<u32>,
        notices: &dyn RetryObserver,
    ) -> Result<()> {
        let path = format!("/v1/admin/queues/{}/concurrency", segment(kind));
        let ask = ApiRequest::new("setting the concurrency", Method::PUT, path);
        self.request_bytes(&ask.body(json!({ "concurrency": jobs }).to_string()), notices).await.map(|_| ())
    }

    /// Discards a dead job, for the reason that the audit trail keeps.
    pub async fn discard_job(&self, id: &str, reason: Option<&str>, notices: &dyn RetryObserver) -> Result<()> {
        let path = format!("/v1/admin/jobs/{}", segment(id));
        let ask = ApiRequest::new("discarding the job", Method::DELETE, path);
        let ask = reason.into_iter().fold(ask, |ask, reason| ask.body(json!({ "reason": reason }).to_string()));
        self.request_bytes(&ask, notices).await.map(|_| ())
    }

    /// Counts what a tenant has, and with its name as `confirm` deletes it; the answer as the server wrote it.
    pub async fn delete_tenant(
        &self,
        tenant: &str,
        confirm: Option<&str>,
        notices: &dyn RetryObserver,
    ) -> Result<Value> {
        let ask = ApiRequest::new("deleting the tenant", Method::DELETE, format!("/v1/tenants/{}", segment(tenant)));
        let ask = confirm.into_iter().fold(ask, |ask, name| ask.query("confirm", name));
        self.request_json(&ask, notices).await
    }

    /// Sends a delivery once more; the new delivery, as the server wrote it.
    pub async fn replay_delivery(&self, webhook: &str, delivery: &str, notices: &dyn RetryObserver) -> Result<Value> {
        let path = format!("/v1/webhooks/{}/deliveries/{}/replay", segment(webhook), segment(delivery));
        self.request_json(&ApiRequest::new("sending the delivery again", Method::POST, path), notices).await
    }

    /// Begins the figures of calls of the node that answers anew.
    pub async fn reset_call_times(&self, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("resetting the figures of calls", Method::DELETE, "/v1/admin/performance".to_owned());
        self.request_bytes(&ask, notices).await.map(|_| ())
    }

    /// Makes the node that answers forget its cached rows.
    pub async fn clear_caches(&self, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("clearing the caches", Method::DELETE, "/v1/admin/caches".to_owned());
        self.request_bytes(&ask, notices).await.map(|_| ())
    }

    /// Sends a test to an endpoint; the delivery, as the server wrote it.
    pub async fn test_webhook(&self, webhook: &str, notices: &dyn RetryObserver) -> Result<Value> {
        let path = format!("/v1/webhooks/{}/test", segment(webhook));
        self.request_json(&ApiRequest::new("testing the webhook endpoint", Method::POST, path), notices).await
    }
}
