//! The end of an append: a file in one piece by one request, or what is left as a tail.

use super::super::complete::{Attempt, Held, Proof};
use super::super::{Engine, Error, Result};
use super::pace::Body;
use super::sending::Source;
use super::writer::Writer;
use super::{Checksum, Ends};
use crate::crash;
use crate::domain::append::Length;
use crate::domain::event::EventKind;
use crate::domain::name::FileName;
use crate::domain::upload::Upload;
use crate::store::Tx;
use futures_util::StreamExt;

impl Writer {
    /// Takes down that the file is as long as what came, unless its length was said before.
    pub(super) async fn end_here(&mut self) -> Result<()> {
        let (length, limit) = (self.position(), self.engine.most(&self.upload).await?);
        match self.upload.ledger().map(|ledger| ledger.length) {
            Some(Length::Deferred) if length > limit => Err(Error::TooLarge { limit }),
            Some(Length::Deferred) => self.write(Tx::new(), move |ledger| ledger.length = Length::Known(length)).await,
            Some(Length::Known(_)) | None => Ok(()),
        }
    }

    /// Brings the last bytes into the store, as one object or as the last part.
    pub(super) async fn finish_file(&mut self) -> Result<()> {
        if self.is_one_piece() && self.engine.0.blobs.capabilities().conditional_put {
            return self.put_whole().await;
        }
        if self.owes_part()? {
            self.send_part().await?;
        }
        self.settle_all().await?;
        self.acknowledge(true).await
    }

    /// Puts the file into the store as one object, and writes its end: ledger, lease, upload, asset and job together.
    async fn put_whole(&mut self) -> Result<()> {
        let piece = self.buffer.finish();
        let source = Source { upload: self.upload.id, segments: std::mem::take(&mut self.held), piece };
        let (key, token, engine) = (self.upload.key.clone(), self.upload.write_token.clone(), self.engine.clone());
        let (etag, version) = engine.send_object(&key, Some(&token), &source).await?;
        crash::point("after_whole");
        if source.segments.is_empty() {
            engine.0.fresh.keep(&key, &etag, &source.piece.chunks).await;
        }
        let mut current = self.upload.clone();
        loop {
            let asset = engine.asset_of(&self.upload).await?;
            let held = engine.whole_held(current, &source, &asset.name)?;
            let proof = Proof { etag: etag.clone(), version: version.clone() };
            match engine.recorded(held, asset, proof).await {
                Ok((completed, _)) => {
                    self.upload = completed;
                    return Ok(());
                }
                Err(Attempt::Refused(error)) => return Err(error),
                Err(Attempt::LostRace) => current = engine.reread(self.upload.id).await?,
            }
            if !current.is_held_by(self.fence()) {
                return Err(Error::Locked);
            }
        }
    }

    /// Leaves what does not fill a part as a tail, and gives the lease back.
    pub(super) async fn finish_tail(&mut self) -> Result<()> {
        self.settle_all().await?;
        self.write_segment().await?;
        self.acknowledge(true).await
    }
}

impl Engine {
    /// An upload whose bytes are one object, on its way to its end.
    fn whole_held(&self, mut upload: Upload, source: &Source, name: &FileName) -> Result<Held> {
        let now = self.0.store.now();
        if let Some(ledger) = upload.ledger_mut() {
            ledger.length = Length::Known(source.size());
            ledger.offset = source.size();
            ledger.lease = None;
            // They are still to be removed; a row that names some is looked at again.
            ledger.tail.clone_from(&source.segments);
        }
        let mut completing = upload.begin_completing(self.patience(), now)?;
        let owed = Tx::new().upload(&mut completing, EventKind::UploadCompleting, name);
        Ok(Held { completing, owed })
    }

    /// Deals with the tail of an upload whose every byte is here: an append of nothing.
    pub(in crate::engine) async fn seal(&self, upload: &Upload) -> Result<()> {
        let leased = self.lease(upload.clone(), |_| Ok(())).await?;
        let nothing = futures_util::stream::empty().boxed();
        let mut body = Body::new(nothing, self.0.settings.pace);
        self.run_lease(leased, Checksum::None, Ends::ByLength, None, &mut body).await.map(|_| ())
    }
}
