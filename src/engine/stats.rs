//! What happened, counted hour by hour, and what an operator should look at.

use std::time::Duration;

use serde::Serialize;

use super::{Engine, Result};
use crate::domain::clock::before;
use crate::domain::findings::StoredDamage;
use crate::domain::job::JobState;
use crate::store::StoreError;

/// A job that is due for longer than this is worth an alarm.
const LATE: Duration = Duration::from_secs(600);
/// An endpoint that fails for longer than this is worth an alarm.
const FAILING: Duration = Duration::from_secs(3600);
/// Portions per round: it ends, and the next one goes on.
const PORTIONS: u32 = 1000;

/// How long a question about alarms waits for the check of a database that has reported damage.
const MAX_CHECK_WAIT: Duration = Duration::from_secs(2);
/// Assets with damaged bytes that are counted at most.
const MAX_COUNTED_DAMAGE: u32 = 1000;
/// Assets with damaged bytes that an alarm names at most.
const NAMED_IN_ALARM: usize = 5;

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
        let damaged = match tokio::time::timeout(MAX_CHECK_WAIT, self.0.store.ping()).await {
            Ok(Err(StoreError::Malformed(damage))) => Some(damage),
            // One that is away, or is still being checked, is not ready, which is said elsewhere.
            Ok(Ok(()) | Err(_)) | Err(_) => None,
        };
        let Some(damage) = damaged else { return self.alarms_of_rows().await };
        let sentence = format!(
            "The database is damaged, and nothing is written to it any more: {damage}. Stop the service and restore it \
             from a backup."
        );
        let mut alarms = vec![Alarm { code: "database_damaged", sentence }];
        // As far as it can still be read.
        match self.alarms_of_rows().await {
            Ok(more) => alarms.extend(more),
            Err(error) => tracing::warn!(%error, "the rows of a damaged database say nothing of other alarms"),
        }
        Ok(alarms)
    }

    async fn alarms_of_rows(&self) -> Result<Vec<Alarm>> {
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
        alarms.extend(self.damage_alarms().await?);
        alarms.extend(self.webhook_alarms().await?);
        Ok(alarms)
    }

    /// How many assets have damaged bytes in the store, by kind; 1 000 stands for as many or more.
    pub async fn damage(&self) -> Result<[(StoredDamage, usize); 2]> {
        let damaged = self.0.store.damaged_assets(MAX_COUNTED_DAMAGE).await?;
        Ok(StoredDamage::ALL.map(|kind| (kind, damaged.iter().filter(|(_, damage)| *damage == kind).count())))
    }

    async fn damage_alarms(&self) -> Result<Vec<Alarm>> {
        let damaged = self.0.store.damaged_assets(MAX_COUNTED_DAMAGE).await?;
        let alarm = |damage: StoredDamage| {
            let ids: Vec<_> =
                damaged.iter().filter(|(_, kind)| *kind == damage).map(|(id, _)| id.to_string()).collect();
            let (code, what) = match damage {
                StoredDamage::Corrupt => ("assets_corrupt", "whose bytes are no longer those that arrived"),
                StoredDamage::BytesMissing => ("assets_bytes_missing", "whose bytes are not in the store, or not all"),
            };
            let named = ids.iter().take(NAMED_IN_ALARM).map(String::as_str).collect::<Vec<_>>().join(", ");
            let sentence = format!(
                "{} assets {what}: {named}. Restore the objects from a backup and have the assets reprocessed, or \
                 delete them.",
                ids.len()
            );
            (!ids.is_empty()).then_some(Alarm { code, sentence })
        };
        Ok(StoredDamage::ALL.into_iter().filter_map(alarm).collect())
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
