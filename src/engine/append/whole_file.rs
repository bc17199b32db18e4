//! A file in a single request, for clients without offsets: HTML forms and a plain PUT.
//!
//! All or nothing: a client that was cut off sends the file again from its first byte, and neither bytes nor
//! description of the failed attempt are kept. The end of the body is the end of the file, unless its length was
//! declared before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::paced_body::PacedBody;
use super::receive::{StopReason, receive_bytes, stop_error};
use super::writer::AppendWriter;
use super::{
    AppendBody, AppendChecksum, AppendEngine, BodyFrame, ChecksumVerifier, LeasedAppend, OpenAppend, TruncatedBody,
    ensure_not_gone,
};
use crate::domain::access::{Action, Actor};
use crate::domain::append::{AppendLedger, ConcatRole, EchoedHeaders, UploadLength};
use crate::domain::asset::{Asset, AssetState};
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadProtocol, UploadState};
use crate::engine::uploads::{GrantDescription, OpenUnsizedUpload};
use crate::engine::{Error, Result};
use crate::store::Tx;

impl AppendEngine {
    /// Opens an upload whose file is sent in a single request. Returns the grant token that lets any holder send it.
    #[tracing::instrument(skip_all)]
    pub async fn open_form_upload(&self, actor: &Actor, wish: OpenUnsizedUpload) -> Result<(Upload, String)> {
        let OpenUnsizedUpload { name, media_type, metadata } = wish;
        let wish = OpenAppend {
            protocol: UploadProtocol::Companion,
            name,
            media_type,
            metadata,
            sha256: None,
            length: UploadLength::Deferred,
            partial: false,
            echoed: EchoedHeaders::default(),
            first_bytes: None,
            content_follows: true,
        };
        let upload = self.open_append(actor, wish).await?;
        let grant = self.tokens.upload_grant(upload.id, upload.expires_at);
        Ok((upload, grant))
    }

    /// Stores a file from a single request of a grant's holder: in the upload of the grant, or with a grant for many files
    /// in a new upload, of which nothing is kept after an error.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for other callers; otherwise as [`Self::take_file`].
    #[tracing::instrument(skip_all)]
    pub async fn take_granted_file(
        &self,
        actor: &Actor,
        about: GrantDescription,
        announced: Option<u64>,
        body: AppendBody,
    ) -> Result<Asset> {
        match actor {
            Actor::Uploader { upload } => self.take_file(actor, *upload, about, announced, body).await,
            Actor::Sender { .. } => {
                let GrantDescription { name, media_type, metadata } = about.clone();
                let wish = OpenUnsizedUpload { name, media_type, metadata };
                let (upload, _) = Box::pin(self.open_form_upload(actor, wish)).await?;
                let taken = self.take_file(actor, upload.id, about, announced, body).await;
                if taken.is_err() {
                    // Whoever sent it has no address to continue at.
                    let _ = self.terminate_upload(actor, upload.id).await;
                }
                taken
            }
            Actor::Key { .. } | Actor::Nobody => Err(Error::Unauthenticated),
        }
    }

    /// Stores a file from a single request and returns its asset. The same file again returns the same asset.
    ///
    /// # Errors
    /// [`Error::Taken`] if another file has arrived; the stored file stays. [`Error::OffsetMismatch`] if bytes came by
    /// another protocol. After every error, nothing of this body is kept.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn take_file(
        &self,
        actor: &Actor,
        id: UploadId,
        about: GrantDescription,
        announced: Option<u64>,
        body: AppendBody,
    ) -> Result<Asset> {
        let upload = self.rows.load_upload_for(actor, Action::DriveUpload, id).await?;
        ensure_not_gone(&upload, self.store.now())?;
        let engine = self.clone();
        let work = self.tasks.spawn(
            async move {
                if upload.state == UploadState::Open && upload.ledger().is_none() {
                    // Said before the upload's other way is given up for this one.
                    check_announced_size(&upload, announced, engine.uploads.most(&upload).await?)?;
                }
                // Likewise. It is written under the lease, so that it is that of the bytes.
                engine.uploads.check_description(&upload, &about).await?;
                let upload = engine.uploads.switch_to_relayed(upload).await?;
                let taken = Box::pin(engine.lease_and_take_file(upload, about, announced, body)).await?;
                match engine.rows.load_asset_of(&taken).await? {
                    Asset { state: AssetState::Deleted { .. }, .. } => {
                        Err(Error::Gone { what: "asset", state: "deleted" })
                    }
                    asset => Ok(asset),
                }
            }
            .in_current_span(),
        );
        work.await.map_err(Error::internal)?
    }

    async fn lease_and_take_file(
        &self,
        upload: Upload,
        about: GrantDescription,
        announced: Option<u64>,
        body: AppendBody,
    ) -> Result<Upload> {
        let ended = upload.state != UploadState::Open;
        if ended || upload.ledger().is_some_and(|ledger| ledger.offset > 0 && ledger.is_whole()) {
            return self.confirm_same_file(upload, announced, body).await;
        }
        let (id, most) = (upload.id, self.uploads.most(&upload).await?);
        match self.acquire_lease(upload, |upload| check_file_may_begin(upload, announced, most)).await {
            Ok(leased) => Box::pin(self.take_file_under_lease(leased, about, body)).await,
            // Another request completed before this request had the lease.
            Err(Error::WrongState { .. }) => {
                let upload = self.rows.reload_upload(id).await?;
                ensure_not_gone(&upload, self.store.now())?;
                self.confirm_same_file(upload, announced, body).await
            }
            Err(error) => Err(error),
        }
    }

    /// The work under the lease: description, bytes, length and completion.
    async fn take_file_under_lease(&self, leased: Upload, about: GrantDescription, body: AppendBody) -> Result<Upload> {
        let mut append = self.begin_append(leased, true, None).await?;
        let LeasedAppend { writer, lease } = &mut append;
        let (outcome, replaced) = match self.uploads.describe(&writer.upload, about).await {
            Ok(replaced) => (self.receive_file(writer, &lease.interrupt, body).await, replaced),
            Err(error) => (Err(error), None),
        };
        if let Some(replaced) = replaced.filter(|_| outcome.is_err() && append.is_held()) {
            self.uploads.restore_description(replaced).await;
        }
        let taken = append.end(outcome).await?;
        self.complete_if_whole(taken).await
    }

    /// Receives the bytes of the file and finishes it.
    async fn receive_file(
        &self,
        writer: &mut AppendWriter,
        interrupt: &CancellationToken,
        body: AppendBody,
    ) -> Result<()> {
        let limit = writer.upload.ledger().map_or(0, AppendLedger::room).min(self.uploads.most(&writer.upload).await?);
        let (counted, body) = limit_body(body, limit);
        let mut body = PacedBody::new(body, self.settings.body_pace);
        match receive_bytes(writer, &mut body, &mut ChecksumVerifier::new(AppendChecksum::None), interrupt).await {
            Ok(StopReason::BodyEnded) => commit_length_and_finish(writer).await,
            Ok(_) if counted.load(Ordering::Relaxed) > limit => Err(Error::TooLarge { limit }),
            Ok(stop) => Err(stop_error(stop, writer)),
            Err(error) => Err(error),
        }
    }
}

/// Checks that a file of the `announced` bytes may begin here.
fn check_file_may_begin(upload: &Upload, announced: Option<u64>, most: u64) -> Result<()> {
    let ledger = upload.ledger().ok_or(Error::NotFound)?;
    if ledger.concat != ConcatRole::Whole {
        return Err(Error::Forbidden);
    }
    if ledger.offset > 0 {
        return Err(Error::OffsetMismatch { expected: ledger.offset });
    }
    check_announced_size(upload, announced, most)
}

/// Checks that a body of the `announced` bytes can be the whole file of this upload.
fn check_announced_size(upload: &Upload, announced: Option<u64>, most: u64) -> Result<()> {
    let size = upload.transfer.size();
    let limit = upload.ledger().map_or(size.unwrap_or(most), AppendLedger::room).min(most);
    match (announced, size) {
        (Some(bytes), _) if bytes > limit => Err(Error::TooLarge { limit }),
        (Some(bytes), Some(total)) if bytes < total => Err(too_short_error(total)),
        _ => Ok(()),
    }
}

/// Sets the file's length if it is not known, and finishes the file.
async fn commit_length_and_finish(writer: &mut AppendWriter) -> Result<()> {
    let total = writer.position();
    match writer.upload.ledger().and_then(|ledger| ledger.length.known()) {
        Some(known) if known != total => return Err(too_short_error(known)),
        Some(_) => {}
        None => {
            let said = move |ledger: &mut AppendLedger| ledger.length = UploadLength::Known(total);
            writer.commit_ledger(Tx::new(), said).await?;
        }
    }
    writer.finish_file().await
}

fn too_short_error(total: u64) -> Error {
    Error::invalid("size", format!("differs from the declared {total} bytes"))
}

/// The body, ended at the first byte over the limit, and a counter of its bytes so far.
fn limit_body(body: AppendBody, limit: u64) -> (Arc<AtomicU64>, AppendBody) {
    let counted = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&counted);
    let checked = body.map(move |arrival| match &arrival {
        Ok(BodyFrame::Bytes(bytes)) => {
            let before = counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if before + bytes.len() as u64 > limit { Err(TruncatedBody) } else { arrival }
        }
        Ok(BodyFrame::Checksum(_)) | Err(TruncatedBody) => arrival,
    });
    (counted, checked.boxed())
}
