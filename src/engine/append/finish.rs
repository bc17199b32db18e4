//! The end of an append: a file in one piece by one request, or what is left as a tail.

use super::paced_body::PacedBody;
use super::store_put::PayloadSource;
use super::writer::AppendWriter;
use super::{AppendChecksum, EndOfBody};
use crate::crash;
use crate::domain::append::UploadLength;
use crate::domain::event::EventKind;
use crate::domain::name::FileName;
use crate::domain::upload::Upload;
use crate::engine::complete::{CompletionError, StartedCompletion, StoredObjectVersion};
use crate::engine::{Engine, Error, Result};
use crate::store::Tx;
use futures_util::StreamExt;

impl AppendWriter {
    /// Takes down that the file is as long as what came, unless its length was said before.
    pub(super) async fn set_final_length(&mut self) -> Result<()> {
        let (length, limit) = (self.position(), self.engine.most(&self.upload).await?);
        match self.upload.ledger().map(|ledger| ledger.length) {
            Some(UploadLength::Deferred) if length > limit => Err(Error::TooLarge { limit }),
            Some(UploadLength::Deferred) => {
                self.commit_ledger(Tx::new(), move |ledger| ledger.length = UploadLength::Known(length)).await
            }
            Some(UploadLength::Known(_)) | None => Ok(()),
        }
    }

    /// Brings the last bytes into the store, as one object or as the last part.
    pub(super) async fn finish_file(&mut self) -> Result<()> {
        if self.fits_single_put() && self.engine.0.blobs.capabilities().conditional_put {
            return self.put_whole_file().await;
        }
        if self.needs_last_part()? {
            self.send_part().await?;
        }
        self.stage_all_parts().await?;
        self.acknowledge_bytes(true).await
    }

    /// Puts the file into the store as one object, and writes its end: ledger, lease, upload, asset and job together.
    async fn put_whole_file(&mut self) -> Result<()> {
        let piece = self.buffer.take_all();
        let source =
            PayloadSource { upload: self.upload.id, segments: std::mem::take(&mut self.stored_segments), piece };
        let (key, token, engine) = (self.upload.key.clone(), self.upload.write_token.clone(), self.engine.clone());
        let (etag, version) = engine.send_object(&key, Some(&token), &source).await?;
        crash::point("after_whole");
        if source.segments.is_empty() {
            engine.0.small_objects.insert_if_proven(&key, &etag, &source.piece.chunks).await;
        }
        let mut current = self.upload.clone();
        loop {
            let asset = engine.load_asset_of(&self.upload).await?;
            let held = engine.start_single_put_completion(current, &source, &asset.name)?;
            let proof = StoredObjectVersion { etag: etag.clone(), version: version.clone() };
            match engine.commit_completion(held, asset, proof).await {
                Ok((completed, _)) => {
                    self.upload = completed;
                    return Ok(());
                }
                Err(CompletionError::Refused(error)) => return Err(error),
                Err(CompletionError::LostRace) => current = engine.reload_upload(self.upload.id).await?,
            }
            if !current.is_held_by(self.fence()) {
                return Err(Error::Locked);
            }
        }
    }

    /// Leaves what does not fill a part as a tail, and gives the lease back.
    pub(super) async fn finish_tail(&mut self) -> Result<()> {
        self.stage_all_parts().await?;
        self.write_segment().await?;
        self.acknowledge_bytes(true).await
    }
}

impl Engine {
    /// An upload whose bytes are one object, on its way to its end.
    fn start_single_put_completion(
        &self,
        mut upload: Upload,
        source: &PayloadSource,
        name: &FileName,
    ) -> Result<StartedCompletion> {
        let now = self.0.store.now();
        if let Some(ledger) = upload.ledger_mut() {
            ledger.length = UploadLength::Known(source.size());
            ledger.offset = source.size();
            ledger.lease = None;
            // They are still to be removed; a row that names some is looked at again.
            ledger.tail.clone_from(&source.segments);
        }
        let mut completing = upload.begin_completing(self.upload_timeouts(), now)?;
        let owed = Tx::new().upload(&mut completing, EventKind::UploadCompleting, name);
        Ok(StartedCompletion { completing, pending_tx: owed })
    }

    /// Deals with the tail of an upload whose every byte is here: an append of nothing.
    pub(in crate::engine) async fn flush_final_tail(&self, upload: &Upload) -> Result<()> {
        let leased = self.acquire_lease(upload.clone(), |_| Ok(())).await?;
        let nothing = futures_util::stream::empty().boxed();
        let mut body = PacedBody::new(nothing, self.0.settings.body_pace);
        self.append_under_lease(leased, AppendChecksum::None, EndOfBody::ByLength, None, &mut body).await.map(|_| ())
    }
}
