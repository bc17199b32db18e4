//! A whole file by one request, for clients that know nothing of offsets: forms, and a plain PUT.
//!
//! All of it or nothing: a client that was cut off sends the file again from its first byte, and finds nothing there, not
//! even what was said of the file. The end of the body is the end of the file, unless its length was said before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::super::{Description, Engine, Error, OpenUnsized, Result};
use super::pace::Body;
use super::writer::Writer;
use super::{Arrival, BrokenOff, Checksum, Incoming, OpenAppend, Stop, Sum, receive, still_there, why};
use crate::domain::access::{Action, Actor};
use crate::domain::append::{Concat, Ledger, Length, Said};
use crate::domain::asset::{Asset, AssetState};
use crate::domain::ids::UploadId;
use crate::domain::upload::{Protocol, Upload, UploadState};
use crate::store::Tx;

impl Engine {
    /// Opens an upload that will be sent by one request, and gives the token that lets anybody do so.
    pub async fn open_form(&self, actor: &Actor, wish: OpenUnsized) -> Result<(Upload, String)> {
        let OpenUnsized { name, media_type, metadata } = wish;
        let wish = OpenAppend {
            protocol: Protocol::Companion,
            name,
            media_type,
            metadata,
            sha256: None,
            length: Length::Deferred,
            partial: false,
            said: Said::default(),
            first: None,
            content_follows: true,
        };
        let upload = self.open_append(actor, wish).await?;
        let grant = self.0.tokens.upload_grant(upload.id, upload.expires_at);
        Ok((upload, grant))
    }

    /// Takes a file by one request and returns its asset. The same file again gives the same answer.
    ///
    /// # Errors
    /// [`Error::Taken`] if another file has arrived; that one stays. [`Error::Offset`] if bytes came through another door.
    /// After every error nothing of this body counts.
    pub async fn take_file(
        &self,
        actor: &Actor,
        id: UploadId,
        about: Description,
        announced: Option<u64>,
        body: Incoming,
    ) -> Result<Asset> {
        let upload = self.upload_for(actor, Action::DriveUpload, id).await?;
        still_there(&upload, self.0.store.now())?;
        let engine = self.clone();
        let work = self.0.appends.tasks.spawn(async move {
            if upload.state == UploadState::Open && upload.ledger().is_none() {
                // Said before the upload's other way is given up for this one.
                fits(&upload, announced, engine.most(&upload).await?)?;
            }
            // Likewise. It is written under the lease, so that it is that of the bytes.
            engine.check_description(&upload, &about).await?;
            let upload = engine.as_relayed(upload).await?;
            let taken = Box::pin(engine.lease_and_take(upload, about, announced, body)).await?;
            match engine.asset_of(&taken).await? {
                Asset { state: AssetState::Deleted { .. }, .. } => Err(Error::Gone { what: "asset", state: "deleted" }),
                asset => Ok(asset),
            }
        });
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    async fn lease_and_take(
        &self,
        upload: Upload,
        about: Description,
        announced: Option<u64>,
        body: Incoming,
    ) -> Result<Upload> {
        let ended = upload.state != UploadState::Open;
        if ended || upload.ledger().is_some_and(|ledger| ledger.offset > 0 && ledger.is_whole()) {
            return self.confirm_same_file(upload, announced, body).await;
        }
        let (id, most) = (upload.id, self.most(&upload).await?);
        match self.lease(upload, |upload| ready_for(upload, announced, most)).await {
            Ok(leased) => self.take_leased(leased, about, body).await,
            // Another request was through before this one had the lease.
            Err(Error::WrongState { .. }) => {
                let upload = self.reread(id).await?;
                still_there(&upload, self.0.store.now())?;
                self.confirm_same_file(upload, announced, body).await
            }
            Err(error) => Err(error),
        }
    }

    /// What is done under the lease: the file, its description, its length, its end.
    async fn take_leased(&self, leased: Upload, about: Description, body: Incoming) -> Result<Upload> {
        let mut writer = Writer::new(self.clone(), leased, true, None).await?;
        let held = self.hold(&writer.upload, writer.fence());
        let (outcome, replaced) = match self.describe(&writer.upload, about).await {
            Ok(replaced) => (self.receive_file(&mut writer, &held.interrupt, body).await, replaced),
            Err(error) => (Err(error), None),
        };
        if outcome.is_err() && writer.upload.is_held_by(writer.fence()) {
            if let Some(replaced) = replaced {
                self.restore_description(replaced).await;
            }
            // Nothing of it counts, and no other request has to wait for this lease to run out.
            let _ = writer.discard().await;
        }
        outcome?;
        self.ended(writer.upload).await
    }

    /// Receives the bytes of the file and ends it.
    async fn receive_file(&self, writer: &mut Writer, interrupt: &CancellationToken, body: Incoming) -> Result<()> {
        let limit = writer.upload.ledger().map_or(0, Ledger::room).min(self.most(&writer.upload).await?);
        let (counted, body) = bounded(body, limit);
        let mut body = Body::new(body, self.0.settings.pace);
        match receive(writer, &mut body, &mut Sum::new(Checksum::None), interrupt).await {
            Ok(Stop::End) => end_of_file(writer).await,
            Ok(_) if counted.load(Ordering::Relaxed) > limit => Err(Error::TooLarge { limit }),
            Ok(stop) => Err(why(stop, writer)),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file can begin here that announces so many bytes.
fn ready_for(upload: &Upload, announced: Option<u64>, most: u64) -> Result<()> {
    let ledger = upload.ledger().ok_or(Error::Hidden)?;
    if ledger.concat != Concat::Whole {
        return Err(Error::Forbidden);
    }
    if ledger.offset > 0 {
        return Err(Error::Offset { expected: ledger.offset });
    }
    fits(upload, announced, most)
}

/// Whether a body of so many bytes can be the whole of this upload.
fn fits(upload: &Upload, announced: Option<u64>, most: u64) -> Result<()> {
    let size = upload.transfer.size();
    let limit = upload.ledger().map_or(size.unwrap_or(most), Ledger::room).min(most);
    match (announced, size) {
        (Some(bytes), _) if bytes > limit => Err(Error::TooLarge { limit }),
        (Some(bytes), Some(total)) if bytes < total => Err(too_short(total)),
        _ => Ok(()),
    }
}

/// Takes down the length and ends the file.
async fn end_of_file(writer: &mut Writer) -> Result<()> {
    let total = writer.position();
    match writer.upload.ledger().and_then(|ledger| ledger.length.known()) {
        Some(known) if known != total => return Err(too_short(known)),
        Some(_) => {}
        None => {
            let said = move |ledger: &mut Ledger| ledger.length = Length::Known(total);
            writer.write(Tx::new(), said).await?;
        }
    }
    writer.finish_file().await
}

fn too_short(total: u64) -> Error {
    Error::invalid("size", format!("{total} bytes were declared"))
}

/// The body, broken off behind the first byte over the limit, and how many bytes it had so far.
fn bounded(body: Incoming, limit: u64) -> (Arc<AtomicU64>, Incoming) {
    let counted = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&counted);
    let checked = body.map(move |arrival| match &arrival {
        Ok(Arrival::Bytes(bytes)) => {
            let before = counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if before + bytes.len() as u64 > limit { Err(BrokenOff) } else { arrival }
        }
        Ok(Arrival::Checksum(_)) | Err(BrokenOff) => arrival,
    });
    (counted, checked.boxed())
}
