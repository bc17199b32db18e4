//! Events counted by hour, and alarms for operators.

use std::time::Duration;

use serde::Serialize;

use super::OperationEngine;
use crate::domain::clock::before;
use crate::domain::findings::StoredDamage;
use crate::domain::job::JobState;
use crate::domain::reason::chain;
use crate::engine::Result;
use crate::store::StoreError;

/// Delay after which a due job raises an alarm.
const JOB_LATE_AFTER: Duration = Duration::from_secs(600);
/// Duration of failure after which a webhook endpoint raises an alarm.
const ENDPOINT_FAILING_AFTER: Duration = Duration::from_secs(3600);
/// Portions per round; the next round continues.
const MAX_BATCHES: u32 = 1000;

/// Longest wait of a request for alarms for the check of a database that has reported damage.
const MAX_CHECK_WAIT: Duration = Duration::from_secs(2);
/// Most assets with damaged bytes that are counted.
const MAX_COUNTED_DAMAGE: u32 = 1000;
/// Most assets with damaged bytes that an alarm names.
const MAX_NAMED_ASSETS: usize = 5;

/// A condition that needs an operator's attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorAlarm {
    /// Stable code for programs.
    pub code: &'static str,
    /// Sentence for people.
    pub sentence: String,
}

impl OperationEngine {
    /// Adds events that are not counted yet to the hours in which they happened. Returns their number.
    #[tracing::instrument(skip_all)]
    pub async fn roll_up_events(&self) -> Result<u64> {
        let mut counted = 0;
        for _ in 0..MAX_BATCHES {
            match self.store.count_events().await? {
                0 => break,
                some => counted += some,
            }
        }
        Ok(counted)
    }

    /// The alarms that are raised now.
    #[tracing::instrument(skip_all)]
    pub async fn collect_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let damaged = match tokio::time::timeout(MAX_CHECK_WAIT, self.store.ping()).await {
            Ok(Err(StoreError::Malformed(damage))) => Some(damage),
            // A database that is unreachable or still being checked is reported by readiness, not here.
            Ok(Ok(()) | Err(_)) | Err(_) => None,
        };
        let Some(damage) = damaged else { return self.collect_row_alarms().await };
        let sentence = format!(
            "The database is damaged, and nothing is written to it any more: {damage}. Stop the service and restore it \
             from a backup."
        );
        let mut alarms = vec![OperatorAlarm { code: "database_damaged", sentence }];
        // Best effort: as far as the damaged database can be read.
        match self.collect_row_alarms().await {
            Ok(more) => alarms.extend(more),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the rows of a damaged database say nothing of other alarms");
            }
        }
        Ok(alarms)
    }

    async fn collect_row_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let late = before(self.store.now(), JOB_LATE_AFTER);
        let mut alarms = Vec::new();
        let paused = self.store.list_paused_kinds().await?;
        for counted in self.store.list_job_counts(None).await? {
            let (kind, count) = (counted.kind.name(), counted.count);
            match counted.state {
                JobState::Dead => {
                    let sentence = format!("{count} jobs of kind {kind} are dead: retry or discard them.");
                    alarms.push(OperatorAlarm { code: "dead_letters", sentence });
                }
                JobState::Ready if counted.oldest < late && !paused.contains(&counted.kind) => {
                    let sentence =
                        format!("{count} jobs of kind {kind} are waiting, the oldest since {}.", counted.oldest);
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

    /// Numbers of assets with damaged bytes in the store, by kind. The value 1 000 means 1 000 or more.
    #[tracing::instrument(skip_all)]
    pub async fn count_damaged_assets(&self) -> Result<[(StoredDamage, usize); 2]> {
        let damaged = self.store.list_damaged_assets(MAX_COUNTED_DAMAGE).await?;
        Ok(StoredDamage::ALL.map(|kind| (kind, damaged.iter().filter(|(_, damage)| *damage == kind).count())))
    }

    async fn collect_damage_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let damaged = self.store.list_damaged_assets(MAX_COUNTED_DAMAGE).await?;
        let alarm = |damage: StoredDamage| {
            let ids: Vec<_> =
                damaged.iter().filter(|(_, kind)| *kind == damage).map(|(id, _)| id.to_string()).collect();
            let (code, what) = match damage {
                StoredDamage::Corrupt => ("assets_corrupt", "have changed bytes in the store"),
                StoredDamage::BytesMissing => ("assets_bytes_missing", "have missing bytes in the store"),
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
        let failing = before(self.store.now(), ENDPOINT_FAILING_AFTER);
        let troubles = self.store.find_webhook_troubles(failing).await?;
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
