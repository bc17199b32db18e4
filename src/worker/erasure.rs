//! Deletes a tenant, step by step: after a crash the next claim goes on with what is left.

use super::JobWorker;
use super::job_run::JobOutcome;
use crate::domain::ids::TenantId;
use crate::domain::job::{Job, TryCount};
use crate::engine::{ErasureStep, Error};

impl JobWorker {
    /// Deletes what is left of the tenant, or puts the job back until the rest can be deleted.
    pub(super) async fn run_erasure(&self, job: &Job, tenant: TenantId) -> Result<JobOutcome, Error> {
        match self.engine.operations().continue_erasure(job, tenant).await? {
            ErasureStep::Done => Ok(JobOutcome::Done("the tenant is deleted")),
            ErasureStep::LeaseLost => Ok(JobOutcome::LeaseLost),
            ErasureStep::Later(due, why) => {
                // Waiting uses up no try.
                let kept = self.engine.processing().put_back(job, due, TryCount::Anew, why).await?;
                Ok(if kept { JobOutcome::Deferred(why) } else { JobOutcome::LeaseLost })
            }
        }
    }
}
