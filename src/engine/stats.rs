//! What happened, counted hour by hour, and what an operator should look at.

use std::time::Duration;

use serde::Serialize;

use super::{Engine, Result};
use crate::domain::clock::before;
use crate::domain::job::JobState;

/// A job that is due for longer than this is worth an alarm.
const LATE: Duration = Duration::from_secs(600);
/// An endpoint that fails for longer than this is worth an alarm.
const FAILING: Duration = Duration::from_secs(3600);
/// Portions per round: it ends, and the next one goes on.
const PORTIONS: u32 = 1000;

/// Something that an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub sentence: String,
}

impl Engine {
    /// Adds events that are not counted yet to the hours in which they happened; how many.
    pub async fn roll_up(&self) -> Result<u64> {
        let mut counted = 0;
        for _ in 0..PORTIONS {
            match self.0.store.count_events().await? {
                0 => break,
                some => counted += some,
            }
        }
        Ok(counted)
    }

    /// What an operator should look at now.
    pub async fn alarms(&self) -> Result<Vec<Alarm>> {
        let late = before(self.0.store.now(), LATE);
        let mut alarms = Vec::new();
        let paused = self.0.store.paused_kinds().await?;
        for counted in self.0.store.job_counts(None).await? {
            let (kind, count) = (counted.kind.name(), counted.count);
            match counted.state {
                JobState::Dead => {
                    let sentence =
                        format!("{count} jobs of kind {kind} are dead: look at them, retry or discard them.");
                    alarms.push(Alarm { code: "dead_letters", sentence });
                }
                JobState::Ready if counted.oldest < late && !paused.contains(&counted.kind) => {
                    let sentence = format!("{count} jobs of kind {kind} wait, the oldest since {}.", counted.oldest);
                    alarms.push(Alarm { code: "jobs_late", sentence });
                }
                JobState::Ready | JobState::Running => {}
            }
        }
        for kind in paused {
            alarms.push(Alarm { code: "paused", sentence: format!("Jobs of kind {} are paused.", kind.name()) });
        }
        alarms.extend(self.webhook_alarms().await?);
        Ok(alarms)
    }

    async fn webhook_alarms(&self) -> Result<Vec<Alarm>> {
        let failing = before(self.0.store.now(), FAILING);
        let troubles = self.0.store.webhook_troubles(failing).await?;
        let counted = [
            (
                "webhooks_disabled",
                troubles.disabled,
                "webhooks were disabled: they answered 410, or failed for too long",
            ),
            ("webhooks_failing", troubles.failing, "webhooks have failed for more than an hour"),
        ];
        let some = counted.into_iter().filter(|(_, count, _)| *count > 0);
        Ok(some.map(|(code, count, what)| Alarm { code, sentence: format!("{count} {what}.") }).collect())
    }
}
