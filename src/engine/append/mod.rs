//! append: bytes that pass through this service, in order, into an upload's ledger.
//!
//! ```text
//! lease + fence → bytes are collected into parts → store → ledger → … → the tail below a part → lease released
//!                                                                     └ or every byte is here → complete
//! ```
//!
//! A byte is acknowledged once the store and the ledger have it. The work runs in its own task, so every byte that was
//! received before a client disconnects is kept.
//!
//! * `lease`: which writer may append; `paced_body`: how slow a client may be; `memory`: how many bytes are buffered
//! * `receive`: the bytes of a body; `writer`: bytes into parts, tail and ledger; `store_put`: requests to the store; `finish`: the end of an append
//! * `open`: creation of such uploads; `concat`: files assembled from partial uploads
//! * `whole_file`: a file in a single request; `repeated_file`: a file that is sent again
//! * `checksum`, `digest`: the checksum of an append

mod checksum;
mod concat;
mod digest;
mod finish;
mod lease;
mod memory;
mod multipart;
mod open;
mod paced_body;
mod receive;
mod repeated_file;
mod store_put;
mod whole_file;
mod writer;

use std::sync::Arc;

use checksum::ChecksumVerifier;
use lease::LeasedAppend;
use paced_body::PacedBody;
use receive::{finish_append, receive_bytes};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::blob::BlobStore;
use crate::domain::access::{Action, Actor};
use crate::domain::append::{AppendLedger, BadLength, ConcatRole, UploadLength};
use crate::domain::asset::AssetState;
use crate::domain::clock::Entropy;
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::assets::AssetEngine;
use crate::engine::audit::AuditTrail;
use crate::engine::content_reader::ContentReader;
use crate::engine::idempotency::IdempotencyRecords;
use crate::engine::rows::RowAccess;
use crate::engine::settings::EngineSettings;
use crate::engine::tokens::TokenSigner;
use crate::engine::uploads::UploadEngine;
use crate::engine::uploads::sign::check_open_for_bytes;
use crate::engine::{EnginePorts, Error, Result};
use crate::metrics;
use crate::metrics::timing::RequestTiming;
use crate::store::Store;

pub use concat::ConcatenateUploads;
pub use digest::{AppendDigestAlgorithm, ExpectedDigest};
pub(super) use lease::ActiveAppends;
pub use open::OpenAppend;
pub use paced_body::{AppendBody, BodyFrame, BodyPaceLimits, TruncatedBody};

/// A request to append bytes to an upload.
pub struct AppendBytes {
    /// Offset of the upload as the client knows it.
    pub offset: u64,
    /// Length of the file in bytes, if the client declares it with this request.
    pub length: Option<u64>,
    /// Length of the body in bytes, if the client declares it.
    pub content_length: Option<u64>,
    /// Checksum of the bytes.
    pub checksum: AppendChecksum,
    /// Meaning of the end of the body for the file.
    pub end_of_body: EndOfBody,
    /// Receives the offset after each acknowledgement.
    pub offset_sender: Option<watch::Sender<u64>>,
    /// The bytes.
    pub body: AppendBody,
}

/// Meaning of the end of a body for the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfBody {
    /// The file ends where its declared length says.
    ByLength,
    /// The end of the file is declared later, even if every byte is here. A byte beyond the length aborts the upload.
    MoreFollows,
    /// The file ends with the body. A byte beyond the length aborts the upload.
    EndsFile,
}

/// Checksum of an append. With a checksum, the append counts as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendChecksum {
    /// No checksum.
    None,
    /// Expected digest, known before the bytes.
    Given(ExpectedDigest),
    /// The checksum follows the bytes; the algorithm may have been announced.
    Trailing,
}

/// The room of appends.
#[derive(Clone)]
pub struct AppendEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) idempotency: IdempotencyRecords,
    pub(super) uploads: Arc<UploadEngine>,
    pub(super) assets: Arc<AssetEngine>,
    pub(super) content: Arc<ContentReader>,
    pub(super) tasks: TaskTracker,
    pub(super) appends: Arc<ActiveAppends>,
}

impl AppendEngine {
    /// The room, from the engine's ports and the rooms that it uses. Connects the room of uploads to itself.
    pub(super) fn new(ports: &EnginePorts, uploads: Arc<UploadEngine>, assets: Arc<AssetEngine>) -> Arc<Self> {
        let room = Arc::new(Self {
            store: ports.store.clone(),
            blobs: ports.blobs.clone(),
            entropy: ports.entropy.clone(),
            tokens: ports.tokens.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            idempotency: ports.idempotency.clone(),
            content: ports.content.clone(),
            tasks: ports.tasks.clone(),
            appends: Arc::new(ActiveAppends::new(ports.settings.append_memory)),
            uploads,
            assets,
        });
        let appends = Arc::downgrade(&room);
        room.uploads.running_appends.connect(appends);
        room
    }

    /// Appends bytes to an upload and returns the upload with its new offset. The last byte completes it.
    ///
    /// # Errors
    /// [`Error::OffsetMismatch`] if the upload has another offset. [`Error::Locked`] if another writer took over, or
    /// did not release the lease. Bytes that came before an error are kept, unless a checksum covers them.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn append_bytes(&self, actor: &Actor, id: UploadId, wish: AppendBytes) -> Result<Upload> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        let engine = self.clone();
        let work = self.tasks.spawn(RequestTiming::in_current(
            async move {
                let ends = wish.end_of_body;
                let outcome = engine.lease_and_append(upload, wish).await;
                match outcome {
                    Err(error @ Error::Overrun { .. }) if ends != EndOfBody::ByLength => {
                        Err(engine.abort_overrun(id, error).await?)
                    }
                    outcome => outcome,
                }
            }
            .in_current_span(),
        ));
        work.await.map_err(Error::internal)?
    }

    /// Aborts an open upload whose client sent more bytes than the file has. Uploads in other states stay unchanged.
    async fn abort_overrun(&self, id: UploadId, error: Error) -> Result<Error> {
        let upload = self.rows.reload_upload(id).await?;
        if upload.state == UploadState::Open {
            self.uploads.abort_upload(upload, None).await?;
        }
        Ok(error)
    }

    /// An upload as its row says, without waiting for an active writer.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn read_progress(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        let upload = self.rows.load_upload_for(actor, Action::ReadUpload, id).await?;
        self.ensure_not_deleted(&upload).await?;
        Ok(upload)
    }

    /// An upload with the offset at which the client can resume, after an active writer has been interrupted.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn wait_for_progress(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        let upload = self.rows.load_upload_for(actor, Action::ReadUpload, id).await?;
        self.ensure_not_deleted(&upload).await?;
        if upload.state == UploadState::Open && upload.ledger().is_some_and(|ledger| ledger.offset > 0) {
            metrics::uploads().record_resumed();
        }
        self.wait_for_writer(upload).await
    }

    /// Aborts an upload, or deletes its asset if the upload is completing or completed.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn terminate_upload(&self, actor: &Actor, id: UploadId) -> Result<()> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        self.ensure_not_deleted(&upload).await?;
        let asset = upload.asset;
        match self.uploads.abort_unless_completed(upload, Some(actor)).await? {
            true => Ok(()),
            false => self.assets.delete_asset(actor, asset).await,
        }
    }

    /// Refuses uploads that ended without bytes, and uploads whose asset was deleted.
    async fn ensure_not_deleted(&self, upload: &Upload) -> Result<()> {
        ensure_not_gone(upload, self.store.now())?;
        upload.ledger().ok_or(Error::NotFound)?;
        let ended = upload.state == UploadState::Completed;
        if ended && matches!(self.rows.load_asset_of(upload).await?.state, AssetState::Deleted { .. }) {
            return Err(Error::Gone { what: "asset", state: "deleted" });
        }
        Ok(())
    }

    async fn lease_and_append(&self, upload: Upload, wish: AppendBytes) -> Result<Upload> {
        ensure_not_gone(&upload, self.store.now())?;
        let ledger = upload.ledger().ok_or(Error::NotFound)?;
        if matches!(ledger.concat, ConcatRole::Final(_)) {
            return Err(Error::Forbidden);
        }
        if upload.state != UploadState::Open {
            return self.answer_repeated_end(upload, wish).await;
        }
        let most = self.uploads.most(&upload).await?;
        let prepare = |upload: &mut Upload| {
            let expected = upload.ledger().map_or(0, |ledger| ledger.offset);
            if expected != wish.offset {
                return Err(Error::OffsetMismatch { expected });
            }
            if let Some(length) = wish.length {
                self.declare_length(upload, length, most)?;
            }
            let room = remaining_room(upload, most);
            let ledger = upload.ledger().ok_or(Error::NotFound)?;
            let Some(announced) = wish.content_length else { return Ok(()) };
            if announced > room {
                return Err(overrun_error(ledger, room));
            }
            match wish.end_of_body {
                EndOfBody::EndsFile => self.declare_length(upload, wish.offset.saturating_add(announced), most),
                EndOfBody::ByLength | EndOfBody::MoreFollows => Ok(()),
            }
        };
        let leased = self.acquire_lease(upload, prepare).await?;
        self.append_and_complete(leased, wish.checksum, wish.end_of_body, wish.offset_sender, wish.body).await
    }

    /// The response to a repeated last append of an upload that is no longer open: success if the request adds no
    /// bytes.
    async fn answer_repeated_end(&self, upload: Upload, wish: AppendBytes) -> Result<Upload> {
        let expected = upload.ledger().map_or(0, |ledger| ledger.offset);
        if wish.offset != expected {
            return Err(Error::OffsetMismatch { expected });
        }
        if wish.length.is_some_and(|length| length != expected) {
            return Err(length_error(BadLength::Differs));
        }
        if wish.content_length != Some(0) {
            return Err(Error::Overrun { length: expected });
        }
        self.complete_if_whole(upload).await
    }

    /// Appends under a lease that was just taken, and completes the upload with its last byte.
    async fn append_and_complete(
        &self,
        leased: Upload,
        checksum: AppendChecksum,
        ends: EndOfBody,
        heard: Option<watch::Sender<u64>>,
        body: AppendBody,
    ) -> Result<Upload> {
        let mut body = PacedBody::new(body, self.settings.body_pace);
        let appended = self.append_under_lease(leased, checksum, ends, heard, &mut body).await?;
        if ends == EndOfBody::MoreFollows { Ok(appended) } else { self.complete_if_whole(appended).await }
    }

    /// Completes an upload whose every byte is in the ledger; returns other uploads unchanged.
    async fn complete_if_whole(&self, upload: Upload) -> Result<Upload> {
        let complete = upload.state != UploadState::Completed
            && upload.ledger().is_some_and(|ledger| ledger.is_whole() && ledger.concat != ConcatRole::Partial);
        if !complete {
            return Ok(upload);
        }
        let id = upload.id;
        self.uploads.finish_upload(upload, crate::engine::uploads::CompleteUpload::default()).await?;
        let ended = self.rows.reload_upload(id).await?;
        if ended.next_check_at.is_some() {
            self.uploads.spawn_cleanup(ended.clone());
        }
        Ok(ended)
    }

    /// The work under a lease, from the first byte to the release.
    async fn append_under_lease(
        &self,
        leased: Upload,
        checksum: AppendChecksum,
        ends: EndOfBody,
        heard: Option<watch::Sender<u64>>,
        body: &mut PacedBody,
    ) -> Result<Upload> {
        let mut append = self.begin_append(leased, checksum != AppendChecksum::None, heard).await?;
        let LeasedAppend { writer, lease } = &mut append;
        let mut sum = ChecksumVerifier::new(checksum);
        let outcome = match receive_bytes(writer, body, &mut sum, &lease.interrupt).await {
            Ok(stop) => finish_append(writer, stop, sum, ends).await,
            Err(error) => Err(error),
        };
        append.end(outcome).await
    }
}

/// Bytes that an upload has room for, when it may have `most` bytes in total.
fn remaining_room(upload: &Upload, most: u64) -> u64 {
    upload.ledger().map_or(0, |ledger| ledger.room().min(most.saturating_sub(ledger.offset)))
}

fn ensure_not_gone(upload: &Upload, now: crate::domain::clock::Timestamp) -> Result<()> {
    match check_open_for_bytes(upload, now) {
        Err(Error::WrongState { .. }) => Ok(()),
        other => other,
    }
}

fn length_error(bad: BadLength) -> Error {
    match bad {
        BadLength::Differs => Error::LengthMismatch("another length was declared before"),
        BadLength::TooShort => Error::LengthMismatch("more bytes have already arrived"),
        BadLength::TooLong { limit } => Error::TooLarge { limit },
    }
}

/// Error for more bytes than there is room for.
fn overrun_error(ledger: &AppendLedger, room: u64) -> Error {
    match ledger.length {
        UploadLength::Known(length) => Error::Overrun { length },
        UploadLength::Deferred => Error::TooLarge { limit: ledger.offset + room },
    }
}
