//! Repeated uploads of a file to an upload that has ended: the same bytes get the same response, other bytes are
//! refused.
//!
//! A client that lost the response sends its file again. Only the bytes prove that the file is the same, since many
//! files have the same size. They are hashed as they arrive and compared with the digest of the stored file. If that
//! digest is not computed yet, or never will be because the file is too large, the stored bytes are read for it.

use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::paced_body::{BodyEvent, PacedBody};
use super::{AppendBody, AppendEngine, BodyFrame, OpenAppend, ensure_not_gone};
use crate::domain::access::{Action, Actor};
use crate::domain::append::UploadLength;
use crate::domain::checksum::Sha256Digest;
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::uploads::complete::CompleteUpload;
use crate::engine::{Error, Result};
use crate::metrics;

const DIFFERENT_FILE_ERROR: Error = Error::Taken("a different file was uploaded here before");

impl AppendEngine {
    /// Compares a file with the stored file of an ended upload, and returns that upload.
    ///
    /// # Errors
    /// [`Error::Taken`] if the bytes differ; [`Error::Gone`] if the asset was deleted.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn compare_repeated_file(
        &self,
        actor: &Actor,
        id: UploadId,
        announced: Option<u64>,
        body: AppendBody,
    ) -> Result<Upload> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        ensure_not_gone(&upload, self.store.now())?;
        let engine = self.clone();
        let work =
            self.tasks.spawn(async move { engine.confirm_same_file(upload, announced, body).await }.in_current_span());
        work.await.map_err(Error::internal)?
    }

    /// As [`Self::compare_repeated_file`], for an upload that was just read. Completes the upload first if it is
    /// completing.
    pub(super) async fn confirm_same_file(
        &self,
        upload: Upload,
        announced: Option<u64>,
        body: AppendBody,
    ) -> Result<Upload> {
        let size = upload.transfer.size().unwrap_or(0);
        if announced.is_some_and(|bytes| bytes != size) {
            return Err(DIFFERENT_FILE_ERROR);
        }
        let digest = self.hash_body(body, size).await?;
        let upload = self.ensure_completed(upload).await?;
        let asset = self.rows.load_asset_of(&upload).await?;
        if self.uploads.load_or_compute_digest(&asset).await? == Some(digest) {
            Ok(upload)
        } else {
            Err(DIFFERENT_FILE_ERROR)
        }
    }

    /// Opens an ended upload again: allowed with the same bytes, the same digest, or without bytes for an empty file.
    pub(super) async fn reopen_ended(&self, upload: Upload, wish: OpenAppend) -> Result<Upload> {
        if wish.partial {
            return Err(Error::Forbidden);
        }
        let upload = self.ensure_completed(upload).await?;
        let size = upload.transfer.size().unwrap_or(0);
        if matches!(wish.length, UploadLength::Known(length) if length != size) {
            return Err(Error::Forbidden);
        }
        if let Some(digest) = wish.sha256 {
            let arrived = self.uploads.load_or_compute_digest(&self.rows.load_asset_of(&upload).await?).await?;
            return if arrived == Some(digest) { Ok(upload) } else { Err(DIFFERENT_FILE_ERROR) };
        }
        match wish.first_bytes {
            Some((announced, _, body)) => self.confirm_same_file(upload, announced, body).await,
            None if wish.content_follows || (size == 0 && wish.length == UploadLength::Known(0)) => Ok(upload),
            None => Err(Error::Taken(
                "a file was uploaded under this grant before: send its SHA-256 or its bytes to prove that it is the same",
            )),
        }
    }

    /// Completes the upload if it is completing, and returns it.
    async fn ensure_completed(&self, upload: Upload) -> Result<Upload> {
        if upload.state != UploadState::Completing {
            return self.complete_if_whole(upload).await;
        }
        let id = upload.id;
        self.uploads.finish_upload(upload, CompleteUpload::default()).await?;
        self.rows.reload_upload(id).await
    }

    /// SHA-256 of a body of `size` bytes.
    async fn hash_body(&self, body: AppendBody, size: u64) -> Result<Sha256Digest> {
        let (mut body, mut got, mut hasher) = (PacedBody::new(body, self.settings.body_pace), 0u64, Sha256::new());
        loop {
            match body.next().await {
                BodyEvent::Frame(BodyFrame::Bytes(bytes)) => {
                    got += bytes.len() as u64;
                    metrics::uploads().record_received(bytes.len() as u64);
                    metrics::uploads().record_resent(bytes.len() as u64);
                    hasher.update(&bytes);
                }
                BodyEvent::Frame(BodyFrame::Checksum(_)) | BodyEvent::Idle => {}
                BodyEvent::Ended if got == size => return Ok(Sha256Digest(hasher.finalize().into())),
                BodyEvent::Ended => return Err(DIFFERENT_FILE_ERROR),
                BodyEvent::Truncated => return Err(Error::BodyTruncated),
                BodyEvent::TooSlow => return Err(Error::TooSlow),
            }
            if got > size {
                return Err(DIFFERENT_FILE_ERROR);
            }
            body.reset_idle();
        }
    }
}
