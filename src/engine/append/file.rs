//! A whole file by one request, for clients that know nothing of offsets: forms, and a plain PUT.
//!
//! All of it or nothing: a client that was cut off sends the file again from its first byte, and finds nothing there.
//! The end of the body is the end of the file, unless its length was said before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;

use super::super::{Description, Engine, Error, OpenUnsized, Result};
use super::pace::{Body, Next};
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
        };
        let upload = self.open_append(actor, wish).await?;
        let grant = self.0.tokens.upload_grant(upload.id, upload.expires_at);
        Ok((upload, grant))
    }

    /// Takes a file by one request and returns its asset. The same file again gives the same answer; of another one,
    /// the first one stays.
    ///
    /// # Errors
    /// [`Error::Offset`] if bytes came through another door. After every error nothing of this body counts.
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
            engine.describe(&upload, about).await?;
            let upload = engine.as_relayed(upload).await?;
            let taken = engine.lease_and_take(upload, announced, body).await?;
            match engine.asset_of(&taken).await? {
                Asset { state: AssetState::Deleted { .. }, .. } => Err(Error::Gone { what: "asset", state: "deleted" }),
                asset => Ok(asset),
            }
        });
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    async fn lease_and_take(&self, upload: Upload, announced: Option<u64>, body: Incoming) -> Result<Upload> {
        let ended = upload.state != UploadState::Open;
        if ended || upload.ledger().is_some_and(|ledger| ledger.offset > 0 && ledger.is_whole()) {
            return self.taken_before(upload, body).await;
        }
        let most = self.most(&upload).await?;
        let leased = self.lease(upload, |upload| ready_for(upload, announced, most)).await?;
        self.take_leased(leased, body).await
    }

    /// What is done under the lease: the file, its length, its end.
    async fn take_leased(&self, leased: Upload, body: Incoming) -> Result<Upload> {
        let limit = leased.ledger().map_or(0, Ledger::room).min(self.most(&leased).await?);
        let (counted, body) = bounded(body, limit);
        let mut body = Body::new(body, self.0.settings.pace);
        let mut writer = Writer::new(self.clone(), leased, true, None).await?;
        let held = self.hold(&writer.upload, writer.fence());
        let stop = receive(&mut writer, &mut body, &mut Sum::new(Checksum::None), &held.interrupt).await;
        let outcome = match stop {
            Ok(Stop::End) => end_of_file(&mut writer).await,
            Ok(_) if counted.load(Ordering::Relaxed) > limit => Err(Error::TooLarge { limit }),
            Ok(stop) => Err(why(stop, &writer)),
            Err(error) => Err(error),
        };
        if outcome.is_err() && writer.upload.is_held_by(writer.fence()) {
            // Nothing of it counts, and nobody has to wait for this lease to run out.
            let _ = writer.discard().await;
        }
        outcome?;
        self.ended(writer.upload).await
    }

    /// What a client hears that lost the answer and sends its file again: it is here, if it is as long as that one.
    async fn taken_before(&self, upload: Upload, body: Incoming) -> Result<Upload> {
        let size = upload.transfer.size().unwrap_or(0);
        let (mut body, mut got) = (Body::new(body, self.0.settings.pace), 0u64);
        loop {
            match body.next().await {
                Next::Arrived(Arrival::Bytes(bytes)) => got += bytes.len() as u64,
                Next::Arrived(Arrival::Checksum(_)) | Next::Silent => {}
                Next::Ended if got == size => return self.ended(upload).await,
                Next::Ended => return Err(Error::Taken("another file came through this address before")),
                Next::Broke => return Err(Error::BrokenOff),
                Next::TooSlow => return Err(Error::TooSlow),
            }
            if got > size {
                return Err(Error::Taken("another file came through this address before"));
            }
            body.resume();
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
