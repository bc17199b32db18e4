//! Multipart uploads without a plan: the client cuts the file into parts and does not declare its size (Uppy). They are
//! opened, signed part by part, listed, and measured when the client completes them.
//!
//! Also the change of an upload's transfer: the holder of a grant may send its upload by any protocol, as long as no
//! byte has arrived.

use std::sync::Arc;

use super::byte_limits::total_size;
use super::complete::CompleteUpload;
use super::create::{UploadCreator, UploadSize};
use super::describe::GrantDescription;
use super::sign::check_open_for_bytes;
use super::{CreateUpload, TransferMethod, UploadEngine};
use crate::blob::{SignedUrl, StoredPart};
use crate::crash;
use crate::domain::access::{Action, Actor, may, may_ask};
use crate::domain::append::{ConcatRole, RelayedPart, UploadLength};
use crate::domain::asset::{Asset, AssetMetadata};
use crate::domain::ids::UploadId;
use crate::domain::name::{FileName, MediaType};
use crate::domain::plan::{PartNumber, PartSet};
use crate::domain::policy::DEFAULT_POLICY;
use crate::domain::upload::{Transfer, Upload, UploadProtocol, UploadState};
use crate::engine::limits::check_metadata_size;
use crate::engine::rows::update::{RowUpdate, UpdateResult};
use crate::engine::rows::upload_target;
use crate::engine::{Error, Result};
use crate::store::{RowChange, Tx};

/// A request to open an upload of unknown size.
#[derive(Clone, Debug)]
pub struct OpenUnsizedUpload {
    /// Name of the file.
    pub name: FileName,
    /// Media type as declared by the client.
    pub media_type: Option<MediaType>,
    /// Metadata of the client.
    pub metadata: AssetMetadata,
}

impl OpenUnsizedUpload {
    fn into_create_upload(self) -> CreateUpload {
        CreateUpload {
            name: self.name,
            size: UploadSize::Exact(0),
            allowed: Vec::new(),
            expires_in: None,
            media_type: self.media_type,
            sha256: None,
            external_id: None,
            metadata: self.metadata,
            policy: DEFAULT_POLICY.to_owned(),
            method: TransferMethod::Multipart,
            part_size: None,
            checksum: None,
            url_count: 0,
            idempotency: None,
        }
    }
}

impl UploadEngine {
    /// Opens a multipart upload without a plan. A grant for an upload opens the existing upload.
    #[tracing::instrument(skip_all)]
    pub async fn open_unplanned(&self, actor: &Actor, wish: OpenUnsizedUpload) -> Result<Upload> {
        if let Actor::Uploader { upload } = actor {
            let upload = self.rows.load_upload_for(actor, Action::DriveUpload, *upload).await?;
            check_open_for_bytes(&upload, self.store.now())?;
            let OpenUnsizedUpload { name, media_type, metadata } = wish;
            self.describe(&upload, GrantDescription { name, media_type, metadata }).await?;
            return self.switch_to_unplanned(upload).await;
        }
        let by = UploadCreator::of(actor)?;
        self.admit_new_upload(actor, by.tenant).await?;
        check_metadata_size(&wish.metadata)?;
        let cut = Transfer::UnplannedMultipart { store_id: None, total: None };
        let mut wish = wish.into_create_upload();
        self.by_policy(by, &mut wish, false).await?;
        let (mut asset, mut upload) = self.build_intent_rows(by, &wish, cut);
        upload.protocol = UploadProtocol::Companion;
        let tx = Tx::new().create(&mut asset, &mut upload).with(self.audit.told_of_creation(actor, &asset, &upload));
        self.rows.commit(tx).await?;
        crash::point("after_intent");
        self.ensure_multipart(upload, true).await
    }

    /// Signs URLs for parts of any length, in the order of `parts`.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn sign_unplanned(&self, actor: &Actor, id: UploadId, parts: &[PartNumber]) -> Result<Vec<SignedUrl>> {
        may_ask(actor, Action::DriveUpload)?;
        let upload = self.rows.load_recent_upload(id).await?.ok_or(Error::NotFound)?;
        may(actor, Action::DriveUpload, upload_target(&upload))?;
        check_open_for_bytes(&upload, self.store.now())?;
        let Transfer::UnplannedMultipart { store_id, .. } = &upload.transfer else {
            return Err(Error::invalid("partNumber", "the client cannot choose the parts of this upload"));
        };
        let store_id = store_id.as_deref().ok_or_else(|| Error::busy("the multipart upload is not created yet"))?;
        if let Some(highest) = parts.iter().max() {
            self.limit_unused_urls(&upload, *highest).await?;
        }
        self.rows.note_upload_activity(&upload);
        let life = self.rows.upload_timeouts().url_life(&upload.transfer);
        let mut urls = Vec::with_capacity(parts.len());
        for part in parts {
            urls.push(self.blobs.sign_part(&upload.key, store_id, *part, life).await?);
        }
        Ok(urls)
    }

    /// Parts that an upload has, or had when it was completed.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn list_upload_parts(&self, actor: &Actor, id: UploadId) -> Result<Vec<StoredPart>> {
        let upload = self.rows.load_upload_for(actor, Action::ReadUpload, id).await?;
        let gone = Error::Gone { what: "upload", state: upload.state.name() };
        match upload.state {
            UploadState::Open => self.list_and_note_parts(&upload).await,
            UploadState::Completing | UploadState::Completed => {
                let parts = self.load_known_parts(&upload).await?;
                if parts.is_empty() { Err(gone) } else { Ok(parts) }
            }
            UploadState::Failed | UploadState::Aborted | UploadState::Expired => Err(gone),
        }
    }

    /// An upload from the cache, for comparisons with fields that never change.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn peek_upload(&self, actor: &Actor, id: UploadId) -> Result<Arc<Upload>> {
        may_ask(actor, Action::ReadUpload)?;
        let upload = self.rows.load_recent_upload(id).await?.ok_or(Error::NotFound)?;
        may(actor, Action::ReadUpload, upload_target(&upload))?;
        Ok(upload)
    }

    /// Checks before the store assembles such a file: the client's list matches the store's, and the size is as
    /// declared, or within the limit. Returns the upload with the counted size, and the parts' rows to commit with the
    /// transition to `completing`.
    pub(in crate::engine) async fn measure(
        &self,
        upload: &Upload,
        asset: &Asset,
        parts: &[StoredPart],
        wish: &CompleteUpload,
    ) -> UpdateResult<(Upload, Tx)> {
        // An upload over its limit is aborted, whatever the client says of its parts.
        let counted = total_size(parts);
        if upload.transfer.size().is_none() {
            let limit = self.load_byte_limit(upload).await?;
            if counted > limit.bytes {
                self.abort_upload(upload.clone(), None).await?;
                return Err(limit.refusal().into());
            }
        }
        check_claimed_parts(parts, wish)?;
        match upload.transfer.size() {
            None if wish.parts.is_none() => {
                return Err(Error::invalid("parts", "required: list all parts of the file").into());
            }
            Some(declared) if counted < declared => return Err(missing_part_error(parts).into()),
            Some(declared) if counted > declared => {
                let held = self.begin_completion(upload, Tx::new(), &asset.name).await?;
                return Err(self.fail_completion(held, asset.clone()).await);
            }
            None | Some(_) => {}
        }
        self.check_part_sizes(parts)?;
        let measured = upload.clone().measure(counted).map_err(Error::from)?;
        Ok((measured, Tx::new().with(RowChange::InsertParts(part_rows(upload.id, parts)))))
    }

    /// Refuses small parts early: the store would refuse them only when it assembles them.
    fn check_part_sizes(&self, parts: &[StoredPart]) -> Result<()> {
        let least = self.blobs.profile().min_part;
        let Some((_, all_but_last)) = parts.split_last() else {
            return Err(Error::invalid("parts", "at least one part is required"));
        };
        match all_but_last.iter().find(|part| part.size < least) {
            Some(part) => Err(Error::invalid(
                "parts",
                format!("part {} has less than {least} bytes and is not the last", part.number),
            )),
            None => Ok(()),
        }
    }

    /// True if the store already has bytes of an open upload.
    async fn has_bytes(&self, upload: &Upload) -> Result<bool> {
        match &upload.transfer {
            Transfer::Put { .. } => Ok(self.blobs.head(&upload.key).await?.is_some()),
            Transfer::Multipart { .. } | Transfer::UnplannedMultipart { .. } => {
                Ok(!self.list_received_parts(upload).await?.is_empty())
            }
            // Bytes that are not in the ledger were never acknowledged.
            Transfer::Relayed(ledger) => Ok(ledger.concat != ConcatRole::Whole),
        }
    }

    /// Changes the transfer of an open upload to multipart without a plan.
    async fn switch_to_unplanned(&self, upload: Upload) -> Result<Upload> {
        let switched = self.rows.retry_with_upload(upload, |upload| self.switch_to_unplanned_once(upload)).await?;
        self.abort_other_multiparts(switched).await
    }

    /// Creates the multipart upload, whose id is committed with the transfer, and aborts it if that fails.
    async fn switch_to_unplanned_once(&self, upload: Upload) -> UpdateResult<Upload> {
        check_open_for_bytes(&upload, self.store.now())?;
        if matches!(upload.transfer, Transfer::UnplannedMultipart { .. }) {
            return Ok(self.ensure_multipart(upload, false).await?);
        }
        let (received, total) = (self.has_bytes(&upload).await?, upload.transfer.size());
        let cut = |store_id| Transfer::UnplannedMultipart { store_id, total };
        let carried = |store_id| upload.clone().carry_by(cut(store_id), received, self.store.now());
        let max_bytes = Some(self.load_byte_limit(&carried(None)?).await?.bytes);
        let store_id = self.blobs.create_multipart(&upload.key, &upload.write_token, None, max_bytes).await?;
        crash::point("after_create_multipart");
        let mut switched = carried(Some(store_id.clone()))?;
        if let Err(error) = self.rows.commit(Tx::new().quietly(&mut switched)).await {
            self.blobs.abort_multipart(&upload.key, &store_id).await?;
            return Err(error.into());
        }
        crash::point("after_changed_way");
        Ok(switched)
    }

    /// Changes the transfer of an open upload to relayed through this service.
    pub(in crate::engine) async fn switch_to_relayed(&self, upload: Upload) -> Result<Upload> {
        let (upload, switched) = self
            .rows
            .update_upload(upload, |upload| async move {
                if upload.ledger().is_some() || upload.state != UploadState::Open {
                    return Ok(RowUpdate::Keep((upload, false)));
                }
                let received = self.has_bytes(&upload).await?;
                let mut ledger =
                    self.new_ledger(upload.transfer.size().map_or(UploadLength::Deferred, UploadLength::Known))?;
                // The earlier transfer counts as a holder, so that what it left in the store is searched and removed.
                ledger.fence = 1;
                let mut switched = upload.carry_by(Transfer::Relayed(Box::new(ledger)), received, self.store.now())?;
                Ok(RowUpdate::Commit(Tx::new().quietly(&mut switched), (switched, true)))
            })
            .await?;
        if !switched {
            return Ok(upload);
        }
        crash::point("after_changed_way");
        self.abort_other_multiparts(upload).await
    }

    /// Aborts multipart uploads of the upload's earlier transfer, whose URLs thereby stop working.
    async fn abort_other_multiparts(&self, upload: Upload) -> Result<Upload> {
        for other in self.list_multiparts_under(&upload.key).await? {
            if upload.store_id() != Some(&other) {
                self.abort_until_gone(&upload.key, &other).await?;
            }
        }
        Ok(upload)
    }
}

/// Error for fewer bytes than declared: at least 1 more part must come.
fn missing_part_error(parts: &[StoredPart]) -> Error {
    let next = parts.last().map_or(1, |last| u64::from(last.number.get()) + 1);
    Error::Incomplete { missing: PartSet::from_numbers(PartNumber::new(next)) }
}

fn part_rows(upload: UploadId, parts: &[StoredPart]) -> Vec<RelayedPart> {
    let row = |part: &StoredPart| RelayedPart { upload, number: part.number, size: part.size, etag: part.etag.clone() };
    parts.iter().map(row).collect()
}

/// Checks that the client's list, if given, matches the store's.
pub(in crate::engine) fn check_claimed_parts(parts: &[StoredPart], wish: &CompleteUpload) -> Result<()> {
    let Some(claimed) = &wish.parts else { return Ok(()) };
    for claim in claimed {
        let at = parts.binary_search_by_key(&claim.number, |part| part.number);
        let there = at.ok().map(|at| &parts[at]);
        if there.is_none_or(|there| claim.etag.as_ref().is_some_and(|etag| *etag != there.etag)) {
            return Err(Error::PartsDiffer { part: claim.number.get() });
        }
    }
    let unnamed = parts.iter().find(|part| !claimed.iter().any(|claim| claim.number == part.number));
    match unnamed.filter(|_| claimed.len() != parts.len()) {
        Some(part) => Err(Error::PartsDiffer { part: part.number.get() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::uploads::ClaimedPart;

    #[test]
    fn the_clients_list_has_to_be_the_stores() {
        let number = |n| PartNumber::new(n).unwrap();
        let part = |n| StoredPart { number: number(n), size: 1, etag: format!("e{n}"), checksum: None };
        let claim = |list: &[(u64, &str)]| CompleteUpload {
            parts: Some(
                list.iter()
                    .map(|(n, etag)| ClaimedPart { number: number(*n), etag: Some((*etag).to_owned()) })
                    .collect(),
            ),
            sha256: None,
        };
        let parts = [part(1), part(2), part(9)];
        assert!(check_claimed_parts(&parts, &CompleteUpload::default()).is_ok());
        assert!(check_claimed_parts(&parts, &claim(&[(9, "e9"), (1, "e1"), (2, "e2")])).is_ok());
        let differs = |list: &[(u64, &str)], at: u16| matches!(check_claimed_parts(&parts, &claim(list)), Err(Error::PartsDiffer { part }) if part == at);
        assert!(differs(&[(1, "e1"), (2, "e2")], 9) && differs(&[(1, "e1"), (2, "x"), (9, "e9")], 2));
        assert!(differs(&[(3, "e3")], 3) && differs(&[], 1));
    }
}
