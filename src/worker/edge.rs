//! Calls the hook of a content delivery network.
//!
//! Must not keep or log what the hook says.

use super::Worker;
use super::run::End;
use crate::domain::ids::AssetId;
use crate::domain::job::Job;
use crate::domain::webhook::Problem;
use crate::engine::Error;

impl Worker {
    /// One call; anything but a success is tried again.
    pub(super) async fn purge(&self, job: &Job, asset: AssetId) -> Result<End, Error> {
        let Some(sender) = &self.sender else { return Ok(End::Away("nobody calls here".to_owned())) };
        if let Some(call) = self.engine.purge_call(asset).await? {
            let answer = sender.purge(&call, self.engine.webhook_settings().timeout).await;
            match (answer.status, answer.problem) {
                (Some(status), _) if (200..300).contains(&status) => {}
                (Some(status), _) => return Ok(End::Failed(format!("the purge hook answered {status}"))),
                (None, problem) => {
                    return Ok(End::Failed(format!("the purge hook: {}", problem.map_or("no answer", Problem::name))));
                }
            }
        }
        let finished = self.engine.finish_job(job).await?;
        Ok(End::Done(if finished { "purged" } else { "the lease was lost" }))
    }
}
