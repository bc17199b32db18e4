//! sweep: work that no request does. Runs by the database's clock, in small portions, on any node, at any time;
//! concurrent sweeps do no harm, because every change is compare-and-set.
//!
//! * open with every part, but not completed by the client → complete
//! * open beyond its expiry → expire, and remove what it left
//! * completing for too long → finish
//! * ended, but bytes may still arrive at the store → remove them
//! * beyond the retention of its policy → delete
//! * deleted or past quarantine → remove the object
//! * events without a place in the feed → assign places

use std::time::Duration;

use serde_json::json;

use super::OperationEngine;
use crate::domain::asset::Asset;
use crate::domain::clock::{Timestamp, after, before};
use crate::domain::reason::chain;
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::engine::audit::{self, AuditedAct};
use crate::engine::uploads::complete::CompleteUpload;
use crate::engine::{Error, Result};
use crate::store::Tx;

/// Rows per portion.
const BATCH_ROWS: u32 = 100;
/// Portions per sweep; the next sweep continues.
const MAX_BATCHES: u32 = 100;
/// Delay of the next check of a row that failed.
const RETRY_DELAY: Duration = Duration::from_secs(60);

/// Report of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SweepReport {
    /// Uploads completed without a request of the client.
    pub rescued: u64,
    /// Uploads that were stuck in `completing` and were finished.
    pub finished: u64,
    /// Uploads that expired.
    pub expired: u64,
    /// Ended uploads whose leftovers were removed.
    pub cleaned: u64,
    /// Assets deleted after the retention of their policy.
    pub outdated: u64,
    /// Objects removed.
    pub purged: u64,
    /// Rows that failed and will be retried.
    pub failed: u64,
}

/// Report of a retention run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RetentionReport {
    /// Links and idempotency records that were deleted.
    pub forgotten: u64,
    /// Events that were deleted because of their age.
    pub events: u64,
    /// Webhook deliveries that were deleted because of their age.
    pub deliveries: u64,
}

impl SweepReport {
    /// True if there was nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Outcome of the sweep of an upload.
enum SweepOutcome {
    Rescued,
    Finished,
    Expired,
    Cleaned,
    Waiting,
}

impl OperationEngine {
    /// Processes all due rows.
    #[tracing::instrument(skip_all)]
    pub async fn run_sweep(&self) -> Result<SweepReport> {
        let mut report = SweepReport::default();
        for _ in 0..MAX_BATCHES {
            let due = self.store.list_uploads_to_check(self.store.now(), BATCH_ROWS).await?;
            let more = due.len() == BATCH_ROWS as usize;
            for upload in due {
                self.sweep_upload(upload, &mut report).await;
            }
            if !more {
                break;
            }
        }
        for _ in 0..MAX_BATCHES {
            let due = self.store.list_assets_to_purge(self.store.now(), BATCH_ROWS).await?;
            let more = due.len() == BATCH_ROWS as usize;
            for asset in due {
                self.purge_due_asset(asset, &mut report).await;
            }
            if !more {
                break;
            }
        }
        self.delete_outdated(&mut report).await?;
        self.events.number_events().await?;
        Ok(report)
    }

    /// Deletes expired links, idempotency records, events and deliveries.
    #[tracing::instrument(skip_all)]
    pub async fn run_retention(&self) -> Result<RetentionReport> {
        let forgotten = self.store.forget_expired(self.store.now(), BATCH_ROWS * MAX_BATCHES).await?;
        let (events, deliveries) = (self.forget_events().await?, self.webhooks.forget_deliveries().await?);
        Ok(RetentionReport { forgotten, events, deliveries })
    }

    /// Events before this time are deleted.
    pub(in crate::engine) fn oldest_event(&self) -> Timestamp {
        before(self.store.now(), self.settings.feed.keep)
    }

    async fn forget_events(&self) -> Result<u64> {
        let oldest = self.oldest_event();
        let mut forgotten = 0;
        for _ in 0..MAX_BATCHES {
            match self.store.forget_events(oldest, BATCH_ROWS * 10).await? {
                0 => break,
                some => forgotten += some,
            }
        }
        Ok(forgotten)
    }

    /// Deletes assets beyond the retention of their policy. Assets in processing are deleted later.
    async fn delete_outdated(&self, report: &mut SweepReport) -> Result<()> {
        for _ in 0..MAX_BATCHES {
            let now = self.store.now();
            let due = self.store.list_assets_to_delete(now, BATCH_ROWS).await?;
            let more = due.len() == BATCH_ROWS as usize;
            for asset in due {
                let deed = AuditedAct::by_system(asset.tenant, "asset.delete", audit::subject(&asset))
                    .after(json!({ "why": "the retention of its policy has ended" }));
                let tx = match self.assets.deletion(asset.clone(), deed).await {
                    Ok((_, tx)) if asset.state.is_settled() => {
                        report.outdated += 1;
                        tx
                    }
                    Ok(_) | Err(_) => {
                        Tx::new().quiet_asset(&mut Asset { delete_at: Some(after(now, RETRY_DELAY)), ..asset.clone() })
                    }
                };
                self.rows.commit_if_unchanged(tx).await?;
            }
            if !more {
                break;
            }
        }
        Ok(())
    }

    async fn sweep_upload(&self, upload: Upload, report: &mut SweepReport) {
        let id = upload.id;
        match self.process_due_upload(&upload).await {
            Ok(SweepOutcome::Rescued) => report.rescued += 1,
            Ok(SweepOutcome::Finished) => report.finished += 1,
            Ok(SweepOutcome::Expired) => report.expired += 1,
            Ok(SweepOutcome::Cleaned) => report.cleaned += 1,
            Ok(SweepOutcome::Waiting) => {}
            Err(error) => {
                report.failed += 1;
                tracing::warn!(upload = %id, error = %chain(&error), "not dealt with; it comes again");
                self.postpone_check(upload).await;
            }
        }
    }

    async fn process_due_upload(&self, upload: &Upload) -> Result<SweepOutcome> {
        match upload.state {
            UploadState::Open => self.rescue_or_expire(upload).await,
            UploadState::Completing => {
                self.uploads.finish_upload(upload.clone(), CompleteUpload::default()).await?;
                Ok(SweepOutcome::Finished)
            }
            UploadState::Failed | UploadState::Aborted | UploadState::Expired | UploadState::Completed => {
                self.clean_up_ended(upload).await
            }
        }
    }

    async fn clean_up_ended(&self, upload: &Upload) -> Result<SweepOutcome> {
        self.uploads.clean_up_upload(upload.clone()).await?;
        Ok(SweepOutcome::Cleaned)
    }

    async fn rescue_or_expire(&self, upload: &Upload) -> Result<SweepOutcome> {
        if upload.is_to_be_put_together(self.store.now()) {
            self.append.spawn_concatenation(upload);
        }
        // A multipart upload without a plan ends only when the client says so.
        let endless = matches!(upload.transfer, Transfer::UnplannedMultipart { total: None, .. });
        match self.uploads.finish_upload(upload.clone(), CompleteUpload::default()).await {
            Ok(_) => return Ok(SweepOutcome::Rescued),
            Err(Error::Invalid { .. }) if endless => {}
            Err(Error::Incomplete { .. } | Error::ContentMismatch | Error::Gone { .. }) => {}
            // An upload without a plan that exceeded a limit was aborted with that error.
            Err(Error::OverQuota { .. } | Error::TooLarge { .. } | Error::GrantUsedUp { .. }) => {}
            Err(other) => return Err(other),
        }
        let now = self.store.now();
        if upload.expires_at <= now {
            self.uploads.expire_upload(upload.clone()).await?;
            return Ok(SweepOutcome::Expired);
        }
        // Lists of uploads say what the store was found to have.
        self.uploads.list_and_note_parts(upload).await?;
        let mut later = upload.clone().look_later(self.rows.upload_timeouts(), now);
        if endless && !self.blobs.capabilities().enforces_limits {
            // Parts of any length may arrive while its URLs are valid, so the upload is checked often.
            later.next_check_at = later.next_check_at.min(Some(after(now, self.rows.upload_timeouts().rescue_after)));
        }
        self.rows.commit_if_unchanged(Tx::new().quietly(&mut later)).await?;
        Ok(SweepOutcome::Waiting)
    }

    /// Postpones the check of a failing row, so that it does not block the remaining rows.
    async fn postpone_check(&self, mut upload: Upload) {
        upload.next_check_at = Some(after(self.store.now(), RETRY_DELAY));
        let _ = self.rows.commit(Tx::new().quietly(&mut upload)).await;
    }

    async fn purge_due_asset(&self, asset: Asset, report: &mut SweepReport) {
        let id = asset.id;
        match self.assets.purge_asset_bytes(asset).await {
            Ok(()) => report.purged += 1,
            Err(error) => {
                report.failed += 1;
                tracing::warn!(asset = %id, error = %chain(&error), "its object is not removed yet; it comes again");
            }
        }
    }

    /// Time of the next sweep, at the latest.
    #[must_use]
    pub fn next_sweep_at(&self, last: Timestamp) -> Timestamp {
        after(last, self.rows.upload_timeouts().takeover_after)
    }
}
