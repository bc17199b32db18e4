//! Creation of uploads whose bytes pass through this service: the rows first, then the first bytes, under a lease that
//! is taken in the same transaction.

use futures_util::StreamExt;
use tracing::Instrument as _;

use super::lease::LEASE_DURATION;
use super::{AppendBody, AppendChecksum, AppendEngine, EndOfBody, ensure_not_gone, length_error, overrun_error};
use crate::crash;
use crate::domain::access::{Action, Actor};
use crate::domain::append::{AppendLedger, ConcatRole, EchoedHeaders, UploadLength};
use crate::domain::asset::{Asset, AssetMetadata};
use crate::domain::checksum::Sha256Digest;
use crate::domain::ids::UploadId;
use crate::domain::name::{FileName, MediaType};
use crate::domain::policy::DEFAULT_POLICY;
use crate::domain::upload::{Transfer, Upload, UploadProtocol, UploadState};
use crate::engine::limits::check_metadata_size;
use crate::engine::rows::update::RowUpdate;
use crate::engine::uploads::create::{UploadCreator, UploadSize};
use crate::engine::uploads::describe::GrantDescription;
use crate::engine::uploads::{CreateUpload, TransferMethod};
use crate::engine::{Error, Result};
use crate::store::Tx;

/// A request to open an upload that takes its bytes through this service.
pub struct OpenAppend {
    /// Protocol of the request.
    pub protocol: UploadProtocol,
    /// Name of the file.
    pub name: FileName,
    /// Media type as declared by the client.
    pub media_type: Option<MediaType>,
    /// Metadata of the client.
    pub metadata: AssetMetadata,
    /// SHA-256 of the file; verified before the asset becomes ready.
    pub sha256: Option<Sha256Digest>,
    /// Length of the file in bytes.
    pub length: UploadLength,
    /// True for a partial upload, which is a piece of a file (tus concatenation).
    pub partial: bool,
    /// Header values that are returned to the client later as it sent them.
    pub echoed: EchoedHeaders,
    /// First bytes, if the request carries them: their length if declared, their checksum, and the body.
    pub first_bytes: Option<(Option<u64>, AppendChecksum, AppendBody)>,
    /// True if the caller has bytes that it sends in a separate call. For an upload that has ended, that call is
    /// [`AppendEngine::compare_repeated_file`], which compares them.
    pub content_follows: bool,
}

impl AppendEngine {
    /// Opens an upload and appends the bytes of the request, if it carries any. An empty file completes at once.
    ///
    /// A grant for an upload opens the existing upload. If a file has arrived there, the request must be for the same
    /// file.
    ///
    /// # Errors
    /// [`Error::Taken`] if another file has arrived under the grant, or if nothing proves that the file is the same.
    #[tracing::instrument(skip_all)]
    pub async fn open_append(&self, actor: &Actor, wish: OpenAppend) -> Result<Upload> {
        if let Actor::Uploader { upload } = actor {
            return Box::pin(self.open_with_grant(actor, *upload, wish)).await;
        }
        let by = UploadCreator::of(actor)?;
        if wish.partial && by.drop_box.is_some() {
            // The pieces of a file would count as files.
            return Err(Error::Forbidden);
        }
        self.uploads.admit_new_upload(actor, by.tenant).await?;
        let mut ledger = self.uploads.new_ledger(wish.length)?;
        ledger.echoed = wish.echoed;
        ledger.concat = if wish.partial { ConcatRole::Partial } else { ConcatRole::Whole };
        let (mut asset, mut upload) =
            self.build_append_rows(by, wish.name, wish.media_type, wish.metadata, ledger, wish.protocol).await?;
        asset.declared_sha256 = wish.sha256;
        let first = match wish.first_bytes {
            None if wish.length == UploadLength::Known(0) => Some((None, AppendChecksum::None, empty_body())),
            first => first,
        };
        if let (Some((Some(bytes), ..)), Some(ledger)) = (&first, upload.ledger())
            && *bytes > ledger.room()
        {
            return Err(overrun_error(ledger, ledger.room()));
        }
        if first.is_some() {
            upload = upload.take_lease(LEASE_DURATION, self.store.now()).map_err(|_| Error::Locked)?;
        }
        let tx = Tx::new().create(&mut asset, &mut upload).with(self.audit.told_of_creation(actor, &asset, &upload));
        self.rows.commit(tx).await?;
        crash::point("after_intent");
        match first {
            None => Ok(upload),
            Some((_, checksum, body)) => self.append_first_bytes(upload, checksum, body).await,
        }
    }

    /// Appends the first bytes in a task. If their checksum does not match, the upload is aborted: no client has its id
    /// yet.
    async fn append_first_bytes(&self, upload: Upload, checksum: AppendChecksum, body: AppendBody) -> Result<Upload> {
        let engine = self.clone();
        let work = self.tasks.spawn(
            async move {
                let outcome =
                    engine.append_and_complete(upload.clone(), checksum, EndOfBody::ByLength, None, body).await;
                if matches!(outcome, Err(Error::ChecksumMismatch | Error::Overrun { .. })) {
                    engine.uploads.abort_upload(engine.rows.reload_upload(upload.id).await?, None).await?;
                }
                outcome
            }
            .in_current_span(),
        );
        work.await.map_err(Error::internal)?
    }

    /// The upload of a grant, if it takes bytes in order and its length is the length that the client declares.
    async fn open_with_grant(&self, actor: &Actor, id: UploadId, wish: OpenAppend) -> Result<Upload> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        ensure_not_gone(&upload, self.store.now())?;
        if upload.state != UploadState::Open {
            return Box::pin(self.reopen_ended(upload, wish)).await;
        }
        let upload = self.uploads.switch_to_relayed(upload).await?;
        let length = upload.ledger().ok_or(Error::Forbidden)?.length;
        if wish.partial || matches!((length, wish.length), (UploadLength::Known(a), UploadLength::Known(b)) if a != b) {
            return Err(Error::Forbidden);
        }
        if wish.sha256.is_some() && self.rows.load_asset_of(&upload).await?.declared_sha256 != wish.sha256 {
            return Err(Error::Taken("another digest was declared when this upload was opened"));
        }
        let OpenAppend { name, media_type, metadata, length, echoed: said, protocol, first_bytes: first, .. } = wish;
        self.uploads.describe(&upload, GrantDescription { name, media_type, metadata }).await?;
        let upload = self.adopt_headers(upload, length, said, protocol).await?;
        let empty = upload.transfer.size() == Some(0);
        match first {
            None if !empty => Ok(upload),
            first => {
                let (announced, checksum, body) = first.unwrap_or((None, AppendChecksum::None, empty_body()));
                let (length, ends, heard) = (length.known(), EndOfBody::ByLength, None);
                let wish = super::AppendBytes {
                    offset: 0,
                    length,
                    content_length: announced,
                    checksum,
                    end_of_body: ends,
                    offset_sender: heard,
                    body,
                };
                self.append_bytes(actor, id, wish).await
            }
        }
    }

    /// Records the length of the file, the echoed headers and the protocol of a request that opens the upload of a
    /// grant. Headers and protocol change only while the offset is 0.
    async fn adopt_headers(
        &self,
        upload: Upload,
        length: UploadLength,
        said: EchoedHeaders,
        by: UploadProtocol,
    ) -> Result<Upload> {
        let said = &said;
        let (upload, adopted) = self
            .rows
            .update_upload(upload, |upload| async move {
                let mut adopting = upload.clone();
                if let UploadLength::Known(length) = length {
                    self.declare_length(&mut adopting, length, self.uploads.most(&upload).await?)?;
                }
                if let Some(ledger) = adopting.ledger_mut().filter(|ledger| ledger.offset == 0) {
                    ledger.echoed = said.clone();
                    adopting.protocol = by;
                }
                if adopting == upload {
                    return Ok(RowUpdate::Keep((upload, false)));
                }
                Ok(RowUpdate::Commit(Tx::new().quietly(&mut adopting), (adopting, true)))
            })
            .await?;
        if adopted {
            crash::point("after_changed_way");
        }
        Ok(upload)
    }

    /// Sets the length of a file that may have `limit` bytes, in the upload and for its asset.
    pub(super) fn declare_length(&self, upload: &mut Upload, length: u64, limit: u64) -> Result<()> {
        if length > limit {
            return Err(Error::TooLarge { limit });
        }
        let ledger = upload.ledger_mut().ok_or(Error::NotFound)?;
        ledger.declare(length, &self.blobs.profile()).map_err(length_error)
    }

    /// Builds the rows of a new upload.
    pub(super) async fn build_append_rows(
        &self,
        by: UploadCreator,
        name: FileName,
        media_type: Option<MediaType>,
        metadata: AssetMetadata,
        ledger: AppendLedger,
        protocol: UploadProtocol,
    ) -> Result<(Asset, Upload)> {
        check_metadata_size(&metadata)?;
        let partial = ledger.concat == ConcatRole::Partial;
        let mut wish = CreateUpload {
            name,
            size: UploadSize::Exact(ledger.length.known().unwrap_or(0)),
            allowed: Vec::new(),
            expires_in: None,
            media_type,
            sha256: None,
            external_id: None,
            metadata,
            policy: DEFAULT_POLICY.to_owned(),
            method: TransferMethod::Append,
            part_size: None,
            checksum: None,
            url_count: 0,
            idempotency: None,
        };
        self.uploads.by_policy(by, &mut wish, partial).await?;
        let (asset, upload) = self.uploads.build_intent_rows(by, &wish, Transfer::Relayed(Box::new(ledger)));
        Ok((Asset { partial, ..asset }, Upload { protocol, ..upload }))
    }
}

/// A body of 0 bytes.
pub(super) fn empty_body() -> AppendBody {
    futures_util::stream::empty().boxed()
}
