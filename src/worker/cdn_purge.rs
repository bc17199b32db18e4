//! Calls the purge hook of a content delivery network.
//!
//! Must not store or log the hook's response body.

use super::JobWorker;
use super::job_run::JobOutcome;
use crate::domain::ids::AssetId;
use crate::domain::job::Job;
use crate::domain::webhook::DeliveryProblem;
use crate::engine::Error;

impl JobWorker {
    /// Calls the hook once; any response but 2xx fails the job, which is retried.
    pub(super) async fn run_purge(&self, job: &Job, asset: AssetId) -> Result<JobOutcome, Error> {
        let Some(sender) = &self.sender else {
            return Ok(JobOutcome::Unavailable("this node sends no purge requests".into()));
        };
        if let Some(call) = self.engine.assets().purge_call(asset).await? {
            let answer = sender.send_purge(&call, self.engine.webhooks().webhook_settings().timeout).await;
            match (answer.status, answer.problem) {
                (Some(status), _) if (200..300).contains(&status) => {}
                (Some(status), _) => return Ok(JobOutcome::Failed(format!("the purge hook answered {status}").into())),
                (None, problem) => {
                    return Ok(JobOutcome::Failed(
                        format!("the purge hook: {}", problem.map_or("no answer", DeliveryProblem::name)).into(),
                    ));
                }
            }
        }
        let finished = self.engine.assets().finish_job(job).await?;
        Ok(JobOutcome::Done(if finished { "purged" } else { "the lease was lost" }))
    }
}
