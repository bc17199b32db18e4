//! The end of an append: the file as a single object, the last part, or the rest as a tail.

use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::lease::lost_lease_error;
use super::paced_body::PacedBody;
use super::store_put::PayloadSource;
use super::writer::AppendWriter;
use super::{AppendChecksum, AppendEngine, EndOfBody};
use crate::crash;
use crate::domain::append::UploadLength;
use crate::domain::event::EventKind;
use crate::domain::ids::UploadId;
use crate::domain::name::FileName;
use crate::domain::upload::Upload;
use crate::engine::uploads::AppendPort;
use crate::engine::uploads::complete::{StartedCompletion, StoredObjectVersion};
use crate::engine::{Error, RequestContext, Result};
use crate::store::Tx;

impl AppendWriter {
    /// Sets the file's length to the bytes received, unless the client declared it before.
    pub(super) async fn set_final_length(&mut self) -> Result<()> {
        let (length, limit) = (self.position(), self.engine.uploads.most(&self.upload).await?);
        match self.upload.ledger().map(|ledger| ledger.length) {
            Some(UploadLength::Deferred) if length > limit => Err(Error::TooLarge { limit }),
            Some(UploadLength::Deferred) => {
                self.commit_ledger(Tx::new(), move |ledger| ledger.length = UploadLength::Known(length)).await
            }
            Some(UploadLength::Known(_)) | None => Ok(()),
        }
    }

    /// Writes the last bytes to the store, as a single object or as the last part.
    pub(super) async fn finish_file(&mut self) -> Result<()> {
        if self.fits_single_put() && self.engine.blobs.capabilities().conditional_put {
            return self.put_whole_file().await;
        }
        if self.needs_last_part()? {
            self.send_part().await?;
        }
        self.stage_all_parts().await?;
        self.acknowledge_bytes(true).await
    }

    /// Puts the file into the store as a single object and commits its end: ledger, lease, upload, asset and job in a
    /// transaction.
    async fn put_whole_file(&mut self) -> Result<()> {
        let piece = self.buffer.take_all();
        let source =
            PayloadSource { upload: self.upload.id, segments: std::mem::take(&mut self.stored_segments), piece };
        let (key, token, engine) = (self.upload.key.clone(), self.upload.write_token.clone(), self.engine.clone());
        let (etag, version) = engine.send_object(&key, Some(&token), &source).await?;
        crash::point("after_whole");
        if source.segments.is_empty() {
            engine.content.small_objects.insert_if_proven(&key, &etag, &source.piece.chunks).await;
        }
        let (fence, source, engine) = (self.fence(), &source, &engine);
        let proof = &StoredObjectVersion { etag, version };
        let completed = engine.rows.retry_with_upload(self.upload.clone(), |current| async move {
            if !current.is_held_by(fence) {
                return Err(lost_lease_error().into());
            }
            let asset = engine.rows.load_asset_of(&current).await?;
            let held = engine.start_single_put_completion(current, source, &asset.name)?;
            engine.uploads.commit_completion(held, asset, proof.clone()).await
        });
        self.upload = completed.await?.0;
        Ok(())
    }

    /// Writes the bytes that do not fill a part as a tail, and releases the lease.
    pub(super) async fn finish_tail(&mut self) -> Result<()> {
        self.stage_all_parts().await?;
        self.write_segment().await?;
        self.acknowledge_bytes(true).await
    }
}

impl AppendEngine {
    /// Moves an upload whose bytes are a single object to `completing`.
    fn start_single_put_completion(
        &self,
        mut upload: Upload,
        source: &PayloadSource,
        name: &FileName,
    ) -> Result<StartedCompletion> {
        let now = self.store.now();
        if let Some(ledger) = upload.ledger_mut() {
            ledger.length = UploadLength::Known(source.size());
            ledger.offset = source.size();
            ledger.lease = None;
            // The segments are still to be removed. A row whose ledger names segments is checked again.
            ledger.tail.clone_from(&source.segments);
        }
        let mut completing =
            upload.serve_from(RequestContext::node_name()).begin_completing(self.rows.upload_timeouts(), now)?;
        let owed = Tx::new().upload(&mut completing, EventKind::UploadCompleting, name);
        Ok(StartedCompletion { completing, pending_tx: owed })
    }
}

impl AppendPort for AppendEngine {
    fn interrupt(&self, upload: UploadId) {
        self.appends.interrupt(upload);
    }

    /// An append of 0 bytes.
    fn flush_final_tail<'a>(&'a self, upload: &'a Upload) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let leased = self.acquire_lease(upload.clone(), |_| Ok(())).await?;
            let nothing = futures_util::stream::empty().boxed();
            let mut body = PacedBody::new(nothing, self.settings.body_pace);
            self.append_under_lease(leased, AppendChecksum::None, EndOfBody::ByLength, None, &mut body)
                .await
                .map(|_| ())
        })
    }
}
