//! Events counted by hour, and alarms for operators.

use std::sync::PoisonError;
use std::time::Duration;

use serde::Serialize;

use super::OperationEngine;
use super::overview::MAX_COUNTED_UPLOADS;
use crate::domain::clock::before;
use crate::domain::findings::StoredDamage;
use crate::domain::job::JobState;
use crate::domain::maintenance::MaintenanceMode;
use crate::domain::reason::chain;
use crate::engine::Result;
use crate::engine::disk::{DiskLevel, DiskState};
use crate::store::{StoreError, UploadEntry, UploadQuery};

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
/// Most ids that an alarm names.
const MAX_NAMED_IDS: usize = 5;
/// The same, as the limit of a query.
const NAMED_IDS_LIMIT: u32 = 5;
/// Most uploads about which a run asks the store.
const MAX_QUESTIONS_PER_RUN: u32 = 100;
/// Most dead deliveries that an alarm counts.
const MAX_COUNTED_DELIVERIES: u32 = 1000;

/// A condition that needs an operator's attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorAlarm {
    /// Stable code for programs.
    pub code: &'static str,
    /// Sentence for people.
    pub sentence: String,
    /// Ids of the uploads, assets, jobs or deliveries concerned, a few of them at most.
    pub ids: Vec<String>,
}

impl OperatorAlarm {
    fn about_instance(code: &'static str, sentence: String) -> Self {
        Self { code, sentence, ids: Vec::new() }
    }

    fn naming(code: &'static str, sentence: String, ids: impl IntoIterator<Item = impl ToString>) -> Self {
        Self { code, sentence, ids: ids.into_iter().take(MAX_NAMED_IDS).map(|id| id.to_string()).collect() }
    }
}

impl OperationEngine {
    /// Adds events that are not counted yet to the hours in which they happened, adds up the sums of assets, adds new names
    /// to the index in which they are searched, and measures what takes up space. Returns the number of events.
    #[tracing::instrument(skip_all)]
    pub async fn roll_up_events(&self) -> Result<u64> {
        let mut counted = 0;
        for _ in 0..MAX_BATCHES {
            match self.store.count_events().await? {
                0 => break,
                some => counted += some,
            }
        }
        self.store.settle_asset_totals().await?;
        self.store.index_asset_names(MAX_BATCHES).await?;
        // It only informs: the chore has done what it is for.
        if let Err(error) = self.measure_storage().await {
            tracing::warn!(error = %chain(&error), "what takes up space is not measured yet");
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
        let mut alarms = vec![OperatorAlarm::about_instance("database_damaged", sentence)];
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
            let (code, sentence) = match counted.state {
                JobState::Dead if count == 1 => {
                    ("dead_letters", format!("1 job of kind {kind} is dead: retry or discard it."))
                }
                JobState::Dead => {
                    ("dead_letters", format!("{count} jobs of kind {kind} are dead: retry or discard them."))
                }
                JobState::Ready if counted.oldest < late && !paused.contains(&counted.kind) => {
                    let waiting = if count == 1 { "job of kind" } else { "jobs of kind" };
                    let (are, oldest) = if count == 1 { ("is", "since") } else { ("are", "the oldest since") };
                    let sentence = format!("{count} {waiting} {kind} {are} waiting, {oldest} {}.", counted.oldest);
                    ("jobs_late", sentence)
                }
                JobState::Ready | JobState::Running => continue,
            };
            let ids = self.store.list_job_ids(counted.kind, counted.state, NAMED_IDS_LIMIT).await?;
            alarms.push(OperatorAlarm::naming(code, sentence, ids));
        }
        for kind in paused {
            let sentence = format!("Jobs of kind {} are paused.", kind.name());
            alarms.push(OperatorAlarm::about_instance("paused", sentence));
        }
        alarms.extend(self.disk.measure(self.store.now()).and_then(disk_alarm));
        alarms.extend(self.collect_maintenance_alarms().await?);
        alarms.extend(self.collect_upload_alarm().await?);
        alarms.extend(self.collect_damage_alarms().await?);
        alarms.extend(self.collect_delivery_alarm().await?);
        alarms.extend(self.collect_webhook_alarms().await?);
        Ok(alarms)
    }

    /// Alarms of the maintenance modes that are on: a forgotten mode keeps clients out, so it is shown until it ends.
    async fn collect_maintenance_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let modes = self.store.list_maintenance_modes().await?;
        let alarm = |mode: MaintenanceMode| match mode.tenant {
            None => {
                let sentence = format!("New uploads are refused since {}: the instance is in maintenance.", mode.since);
                OperatorAlarm::about_instance("maintenance", sentence)
            }
            Some(tenant) => {
                let sentence = format!("New uploads of a tenant in maintenance are refused since {}.", mode.since);
                OperatorAlarm::naming("maintenance", sentence, [tenant])
            }
        };
        Ok(modes.into_iter().map(alarm).collect())
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
                StoredDamage::Corrupt => ("assets_corrupt", "changed bytes in the store"),
                StoredDamage::BytesMissing => ("assets_bytes_missing", "missing bytes in the store"),
            };
            let named = ids.iter().take(MAX_NAMED_IDS).map(String::as_str).collect::<Vec<_>>().join(", ");
            let sentence = match ids.len() {
                1 => format!(
                    "1 asset has {what}: {named}. Restore the object from a backup and have the asset reprocessed, or \
                     delete it."
                ),
                count => format!(
                    "{count} assets have {what}: {named}. Restore the objects from a backup and have the assets \
                     reprocessed, or delete them."
                ),
            };
            (!ids.is_empty()).then(|| OperatorAlarm::naming(code, sentence, ids))
        };
        Ok(StoredDamage::ALL.into_iter().filter_map(alarm).collect())
    }

    /// Uploads that have stood still for longer than the setting.
    async fn collect_upload_alarm(&self) -> Result<Option<OperatorAlarm>> {
        let pause = self.settings.stalled_after;
        let idle_since = before(self.store.now(), pause);
        let counted = self.store.count_uploads(None, idle_since, MAX_COUNTED_UPLOADS).await?.idle;
        if counted == 0 {
            return Ok(None);
        }
        let query = UploadQuery { idle_since: Some(idle_since), limit: NAMED_IDS_LIMIT, ..UploadQuery::default() };
        let named = self.store.list_uploads(&query).await?.uploads;
        let (uploads, them) = if counted == 1 { ("upload has", "it") } else { ("uploads have", "them") };
        let seconds = pause.as_secs();
        let sentence = format!(
            "{counted} {uploads} had no activity for {seconds} seconds or more: GET \
             /v1/uploads?tenant=*&idle_for={seconds}s lists {them}."
        );
        Ok(Some(OperatorAlarm::naming("uploads_stalled", sentence, named.iter().map(|entry| entry.upload.id))))
    }

    /// Asks the store about uploads without activity, a page per call: parts that clients send by URLs which were
    /// signed before are seen only there.
    pub(super) async fn look_at_idle_uploads(&self) -> Result<()> {
        let after = *self.idle_cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let idle_since = Some(before(self.store.now(), self.settings.stalled_after));
        let query = UploadQuery { idle_since, after, limit: MAX_QUESTIONS_PER_RUN, ..UploadQuery::default() };
        let page = self.store.list_uploads(&query).await?;
        for UploadEntry { upload, .. } in &page.uploads {
            if let Err(error) = self.uploads.list_and_note_parts(upload).await {
                tracing::warn!(upload = %upload.id, error = %chain(&error), "the store does not say what it has of this upload");
            }
        }
        self.rows.write_upload_notes().await;
        *self.idle_cursor.lock().unwrap_or_else(PoisonError::into_inner) = page.next;
        Ok(())
    }

    async fn collect_delivery_alarm(&self) -> Result<Option<OperatorAlarm>> {
        let dead = self.store.list_dead_deliveries(None, MAX_COUNTED_DELIVERIES).await?;
        let sentence = match dead.len() {
            1 => "1 delivery to a webhook is dead: replay it once the receiver answers.".to_owned(),
            count => format!("{count} deliveries to webhooks are dead: replay them once the receivers answer."),
        };
        Ok((!dead.is_empty()).then(|| OperatorAlarm::naming("dead_deliveries", sentence, dead)))
    }

    async fn collect_webhook_alarms(&self) -> Result<Vec<OperatorAlarm>> {
        let failing = before(self.store.now(), ENDPOINT_FAILING_AFTER);
        let troubles = self.store.find_webhook_troubles(failing).await?;
        let (disabled, failing) = (troubles.disabled, troubles.failing);
        let alarms = [
            (
                "webhooks_disabled",
                disabled,
                match disabled {
                    1 => "1 webhook was disabled: it answered 410, or failed for too long.".to_owned(),
                    count => format!("{count} webhooks were disabled: they answered 410, or failed for too long."),
                },
            ),
            (
                "webhooks_failing",
                failing,
                match failing {
                    1 => "1 webhook has failed for more than an hour.".to_owned(),
                    count => format!("{count} webhooks have failed for more than an hour."),
                },
            ),
        ];
        let raised = alarms.into_iter().filter(|(_, count, _)| *count > 0);
        Ok(raised.map(|(code, _, sentence)| OperatorAlarm::about_instance(code, sentence)).collect())
    }
}

fn disk_alarm(disk: DiskState) -> Option<OperatorAlarm> {
    let DiskState { free_bytes, reserve_bytes, level } = disk;
    let (code, sentence) = match level {
        DiskLevel::Enough => return None,
        DiskLevel::Low => (
            "disk_low",
            format!(
                "The disk of the data directory has {free_bytes} bytes free: below {reserve_bytes} new uploads are \
                 refused. Make space or add a disk."
            ),
        ),
        DiskLevel::Full => (
            "disk_full",
            format!(
                "The disk of the data directory has {free_bytes} bytes free, less than limits.disk_reserve: new \
                 uploads are refused with 507. Make space or add a disk."
            ),
        ),
    };
    Some(OperatorAlarm::about_instance(code, sentence))
}
