//! What happened, counted hour by hour, and what an operator should look at.

use std::time::Duration;

use serde::Serialize;

use super::{Engine, Result};
use crate::domain::clock::before;
use crate::domain::findings::StoredDamage;
use crate::domain::job::JobState;
use crate::store::StoreError;

/// A job that is due for longer than this is worth an alarm.
const JOB_LATE_AFTER: Duration = Duration::from_secs(600);
/// An endpoint that fails for longer than this is worth an alarm.
const ENDPOINT_FAILING_AFTER: Duration = Duration::from_secs(3600);
/// Portions per round: it ends, and the next one goes on.
const MAX_BATCHES: u32 = 1000;

/// How long a question about alarms waits for the check of a database that has reported damage.
const MAX_CHECK_WAIT: Duration = Duration::from_secs(2);
/// Assets with damaged bytes that are counted at most.
const MAX_COUNTED_DAMAGE: u32 = 1000;
/// Assets with damaged bytes that an alarm names at most.
const MAX_NAMED_ASSETS: usize = 5;

/// Something that an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorAlarm {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub sentence: String,
}

impl Engine {
    /// Adds events that are not counted yet to the hours in which they happened; how many.
    #[tracing::instrument(skip_all)]
    pub async fn roll_up_events(&self) -> Result<u64> {
        let mut counted = 0;
        for _ in 0..MAX_BATCHES {
            match self.0.store.count_events().await? {
                0 => break,
                some => counted += some,
            }
        }
        Ok(counted)
    }

    /// What an operator should look at now.
    #[tracing::instrument(skip_all)]
    pub async fn collect_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let damaged = match tokio::time::timeout(MAX_CHECK_WAIT, self.0.store.ping()).await {
            Ok(Err(StoreError::Malformed(damage))) => Some(damage),
            // One that is away, or is still being checked, is not ready, which is said elsewhere.
            Ok(Ok(()) | Err(_)) | Err(_) => None,
        };
        let Some(damage) = damaged else { return self.collect_row_alarms().await };
        let sentence = format!(
            "The database is damaged, and nothing is written to it any more: {damage}. Stop the service and restore it \
             from a backup."
        );
        let mut alarms = vec![OperatorAlarm { code: "database_damaged", sentence }];
        // As far as it can still be read.
        match self.collect_row_alarms().await {
            Ok(more) => alarms.extend(more),
            Err(error) => tracing::warn!(%error, "the rows of a damaged database say nothing of other alarms"),
        }
        Ok(alarms)
    }

    async fn collect_row_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let late = before(self.0.store.now(), JOB_LATE_AFTER);
        let mut alarms = Vec::new();
        let paused = self.0.store.list_paused_kinds().await?;
        for counted in self.0.store.list_job_counts(None).await? {
            let (kind, count) = (counted.kind.name(), counted.count);
            match counted.state {
                JobState::Dead => {
                    let sentence =
                        format!("{count} jobs of kind {kind} are dead: look at them, retry or discard them.");
                    alarms.push(OperatorAlarm { code: "dead_letters", sentence });
                }
                JobState::Ready if counted.oldest < late && !paused.contains(&counted.kind) => {
                    let sentence = format!("{count} jobs of kind {kind} wait, the oldest since {}.", counted.oldest);
                    alarms.push(OperatorAlarm { code: "jobs_late", sentence });
                }
                JobState::Ready | JobState::Running => {}
            }
        }
        for kind in paused {
            alarms
                .push(OperatorAlarm { code: "paused", sentence: format!("Jobs of kind {} are paused.", kind.name()) });
        }
        alarms.extend(self.collect_damage_alarms().await?);
        alarms.extend(self.collect_webhook_alarms().await?);
        Ok(alarms)
    }

    /// How many assets have damaged bytes in the store, by kind; 1 000 stands for as many or more.
    #[tracing::instrument(skip_all)]
    pub async fn count_damaged_assets(&self) -> Result<[(StoredDamage, usize); 2]> {
        let damaged = self.0.store.list_damaged_assets(MAX_COUNTED_DAMAGE).await?;
        Ok(StoredDamage::ALL.map(|kind| (kind, damaged.iter().filter(|(_, damage)| *damage == kind).count())))
    }

    async fn collect_damage_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let damaged = self.0.store.list_damaged_assets(MAX_COUNTED_DAMAGE).await?;
        let alarm = |damage: StoredDamage| {
            let ids: Vec<_> =
                damaged.iter().filter(|(_, kind)| *kind == damage).map(|(id, _)| id.to_string()).collect();
            let (code, what) = match damage {
                StoredDamage::Corrupt => ("assets_corrupt", "whose bytes are no longer those that arrived"),
                StoredDamage::BytesMissing => ("assets_bytes_missing", "whose bytes are not in the store, or not all"),
            };
            let named = ids.iter().take(MAX_NAMED_ASSETS).map(String::as_str).collect::<Vec<_>>().join(", ");
            let sentence = format!(
                "{} assets {what}: {named}. Restore the objects from a backup and have the assets reprocessed, or \
                 delete them.",
                ids.len()
            );
            (!ids.is_empty()).then_some(OperatorAlarm { code, sentence })
        };
        Ok(StoredDamage::ALL.into_iter().filter_map(alarm).collect())
    }

    async fn collect_webhook_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let failing = before(self.0.store.now(), ENDPOINT_FAILING_AFTER);
        let troubles = self.0.store.find_webhook_troubles(failing).await?;
        let counted = [
            (
                "webhooks_disabled",
                troubles.disabled,
                "webhooks were disabled: they answered 410, or failed for too long",
            ),
            ("webhooks_failing", troubles.failing, "webhooks have failed for more than an hour"),
        ];
        let some = counted.into_iter().filter(|(_, count, _)| *count > 0);
        Ok(some.map(|(code, count, what)| OperatorAlarm { code, sentence: format!("{count} {what}.") }).collect())
    }
}
