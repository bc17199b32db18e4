//! Checks of open uploads: the store has every acknowledged byte.

use futures_util::{StreamExt as _, stream};

use super::checks::{Difference, InconsistencyKind, check_ledger};
use super::{MAX_CHECK_ATTEMPTS, MAX_PARALLEL_CHECKS, ROWS_PER_PAGE, VerifyInconsistency, VerifyRun};
use crate::blob::{BlobError, BlobKey, StoredPart};
use crate::domain::append::{AppendLedger, ConcatRole};
use crate::domain::tenant::Tenant;
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::engine::Result;
use crate::engine::operations::OperationEngine;
use crate::store::UploadQuery;

impl OperationEngine {
    /// Checks the uploads that accept bytes. Those that are being completed are the sweeper's.
    pub(super) async fn verify_open_uploads(&self, tenant: Option<&Tenant>, run: &mut VerifyRun<'_>) -> Result<()> {
        let mut query = UploadQuery {
            tenant: tenant.map(|tenant| tenant.id),
            state: Some(UploadState::Open),
            limit: ROWS_PER_PAGE,
            ..UploadQuery::default()
        };
        loop {
            let page = self.store.list_uploads(&query).await?;
            let checks = page.uploads.into_iter().map(|entry| self.verify_upload(entry.upload));
            let mut checks = stream::iter(checks).buffer_unordered(MAX_PARALLEL_CHECKS);
            while let Some(checked) = checks.next().await {
                let found = checked?;
                run.report.uploads += 1;
                found.iter().for_each(|found| run.tell(found));
                run.observer.progressed(&run.report);
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    async fn verify_upload(&self, mut upload: Upload) -> Result<Option<VerifyInconsistency>> {
        for _ in 0..MAX_CHECK_ATTEMPTS {
            let Some((kind, detail)) = self.check_upload(&upload).await? else { return Ok(None) };
            match self.store.find_upload(upload.id).await? {
                Some(now) if is_same(&now, &upload) => {
                    return Ok(Some(VerifyInconsistency {
                        tenant: Some(upload.tenant),
                        asset: Some(upload.asset),
                        upload: Some(upload.id),
                        key: Some(upload.key),
                        ..VerifyInconsistency::of_instance(kind, detail)
                    }));
                }
                Some(changed) if changed.state == UploadState::Open => upload = changed,
                _ => return Ok(None),
            }
        }
        // An upload that grows with every look is alive.
        Ok(None)
    }

    async fn check_upload(&self, upload: &Upload) -> Result<Option<Difference>> {
        match &upload.transfer {
            Transfer::Put { .. } => Ok(None),
            Transfer::Multipart { store_id, .. } | Transfer::UnplannedMultipart { store_id, .. } => {
                let Some(store_id) = store_id else { return Ok(None) };
                if self.list_stored_parts(&upload.key, store_id).await?.is_some() || self.has_object(upload).await? {
                    return Ok(None);
                }
                Ok(Some((InconsistencyKind::PartsMissing, "the store has no such multipart upload".to_owned())))
            }
            Transfer::Relayed(ledger) => self.check_relayed(upload, ledger).await,
        }
    }

    async fn check_relayed(&self, upload: &Upload, ledger: &AppendLedger) -> Result<Option<Difference>> {
        // A concatenation is made anew from its pieces; a piece may have become an object already.
        let piece_is_object = ledger.concat == ConcatRole::Partial && ledger.is_whole();
        if matches!(ledger.concat, ConcatRole::Final(_)) || (piece_is_object && self.has_object(upload).await?) {
            return Ok(None);
        }
        let recorded = self.store.list_relayed_parts(upload.id).await?;
        let stored = match &ledger.store_id {
            Some(store_id) => self.list_stored_parts(&upload.key, store_id).await?,
            None => None,
        };
        if stored.is_none() && !recorded.is_empty() && self.has_object(upload).await? {
            return Ok(None);
        }
        if let Some(difference) = check_ledger(ledger, &recorded, stored.as_deref()) {
            return Ok(Some(difference));
        }
        for tail in &ledger.tail {
            let key = BlobKey::Tail { upload: upload.id, fence: tail.fence, serial: tail.serial }.path();
            let held = self.blobs.head(&key).await?;
            if held.is_none_or(|held| (held.size, held.etag.as_str()) != (tail.size, tail.etag.as_str())) {
                let sentence = format!("the store does not have {} acknowledged bytes under {key}", tail.size);
                return Ok(Some((InconsistencyKind::PartsMissing, sentence)));
            }
        }
        Ok(None)
    }

    /// True if the store has assembled the upload's object already.
    async fn has_object(&self, upload: &Upload) -> Result<bool> {
        Ok(self.blobs.head(&upload.key).await?.is_some())
    }

    /// All parts that the store has; `None` if it has no such multipart upload.
    async fn list_stored_parts(&self, key: &str, store_id: &str) -> Result<Option<Vec<StoredPart>>> {
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let page = match self.blobs.list_parts(key, store_id, after).await {
                Ok(page) => page,
                Err(BlobError::NotFound) => return Ok(None),
                Err(other) => return Err(other.into()),
            };
            parts.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(Some(parts));
            }
        }
    }
}

/// True if nothing was acknowledged in between.
fn is_same(now: &Upload, before: &Upload) -> bool {
    (now.revision, now.state, &now.transfer) == (before.revision, before.state, &before.transfer)
}
