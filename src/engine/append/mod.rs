//! append: bytes that come through this service, in order, into an upload's ledger.
//!
//! ```text
//! lease + fence → bytes are collected into parts → store → ledger → … → the tail below a part → lease given back
//!                                                                     └ or every byte is here → complete
//! ```
//!
//! A byte is acknowledged when the store and the ledger have it. The work runs in a task of its own: a client that is
//! cut off leaves every byte that it got through. `lease` says who may write, `pace` how slow a client may be, `memory` how
//! much is held, `writer` what goes where, `sending` how it gets to the store, `opening` how such an upload begins, `file`
//! what comes as a whole, `repeat` what comes again.

mod concat;
mod digest;
mod file;
mod lease;
mod memory;
mod opening;
mod pace;
mod repeat;
mod sending;
mod sum;
mod whole;
mod writer;

use tokio::sync::watch;

use super::sign::open_for_bytes;
use super::{Engine, Error, Result};
use crate::domain::access::{Action, Actor};
use crate::domain::append::{BadLength, Concat, Ledger, Length};
use crate::domain::asset::AssetState;
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadState};

pub use concat::Concatenate;
pub use digest::{AppendDigest, Expected};
pub(super) use lease::Appends;
pub use opening::OpenAppend;
pub use pace::{Arrival, BrokenOff, Incoming, Pace};

use pace::{Body, Next};
use sum::Sum;
use writer::Writer;

/// The wish to add bytes to an upload.
pub struct AppendBytes {
    /// Where the client believes the upload to stand.
    pub offset: u64,
    /// How long the file is, for clients that know it only now.
    pub length: Option<u64>,
    /// How many bytes will come, if the client says so before they do.
    pub announced: Option<u64>,
    /// What they must hash to.
    pub checksum: Checksum,
    /// What their end says about the file.
    pub ends: Ends,
    /// Hears the offset whenever more bytes are acknowledged.
    pub heard: Option<watch::Sender<u64>>,
    /// The bytes.
    pub body: Incoming,
}

/// What the end of a body says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Nothing: a file ends where its length says.
    ByLength,
    /// The file's end is still to be said, even if every byte is here. A byte too many makes the upload void.
    Later,
    /// The file ends with it. A byte too many makes the upload void.
    Here,
}

/// Whether an append carries a checksum. With one it counts as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It does not.
    None,
    /// The client has said.
    Given(Expected),
    /// The client will say behind the bytes, and has named the algorithm or not.
    Trailing,
}

/// Why no more bytes are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// They ended.
    End,
    /// The connection broke off.
    Broke,
    /// They came too slowly.
    TooSlow,
    /// Somebody else wants to write, or this node ends.
    Asked,
    /// There were more than the file has.
    Excess,
}

impl Engine {
    /// Adds bytes to an upload and returns it as it stands then; with the last byte it is completed.
    ///
    /// # Errors
    /// [`Error::Offset`] if the upload stands elsewhere. [`Error::Locked`] if another writer had to be let in, or does not
    /// let go. Bytes that came before an error are kept, unless a checksum covers them.
    pub async fn append(&self, actor: &Actor, id: UploadId, wish: AppendBytes) -> Result<Upload> {
        let upload = self.upload_for(actor, Action::DriveUpload, id).await?;
        let engine = self.clone();
        let work = self.0.appends.tasks.spawn(async move {
            let ends = wish.ends;
            let outcome = engine.lease_and_append(upload, wish).await;
            match outcome {
                Err(error @ Error::Overrun { .. }) if ends != Ends::ByLength => {
                    Err(engine.made_void(id, error).await?)
                }
                outcome => outcome,
            }
        });
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    /// Gives up an upload whose client has lost count of its bytes. One that has ended stays what it is.
    async fn made_void(&self, id: UploadId, error: Error) -> Result<Error> {
        let upload = self.reread(id).await?;
        if upload.state == UploadState::Open {
            self.abort_upload(upload, None).await?;
        }
        Ok(error)
    }

    /// An upload as its row says, whoever writes to it meanwhile.
    pub async fn glance(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        let upload = self.upload_for(actor, Action::ReadUpload, id).await?;
        self.not_deleted(&upload).await?;
        Ok(upload)
    }

    /// An upload as it stands, for whoever wants to go on with it.
    pub async fn progress(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        let upload = self.upload_for(actor, Action::ReadUpload, id).await?;
        self.not_deleted(&upload).await?;
        self.settled(upload).await
    }

    /// Gives an upload up, or deletes the asset that it has become or is just becoming.
    pub async fn terminate(&self, actor: &Actor, id: UploadId) -> Result<()> {
        let upload = self.upload_for(actor, Action::DriveUpload, id).await?;
        self.not_deleted(&upload).await?;
        match upload.state {
            UploadState::Completing | UploadState::Completed => self.delete_asset(actor, upload.asset).await,
            _ => self.abort_upload(upload, Some(actor)).await,
        }
    }

    /// Refuses what has ended without bytes, and what has lost them since.
    async fn not_deleted(&self, upload: &Upload) -> Result<()> {
        still_there(upload, self.0.store.now())?;
        upload.ledger().ok_or(Error::Hidden)?;
        let ended = upload.state == UploadState::Completed;
        if ended && matches!(self.asset_of(upload).await?.state, AssetState::Deleted { .. }) {
            return Err(Error::Gone { what: "asset", state: "deleted" });
        }
        Ok(())
    }

    async fn lease_and_append(&self, upload: Upload, wish: AppendBytes) -> Result<Upload> {
        still_there(&upload, self.0.store.now())?;
        let ledger = upload.ledger().ok_or(Error::Hidden)?;
        if matches!(ledger.concat, Concat::Final(_)) {
            return Err(Error::Forbidden);
        }
        if upload.state != UploadState::Open {
            return self.repeated_end(upload, wish).await;
        }
        let most = self.most(&upload).await?;
        let prepare = |upload: &mut Upload| {
            let expected = upload.ledger().map_or(0, |ledger| ledger.offset);
            if expected != wish.offset {
                return Err(Error::Offset { expected });
            }
            if let Some(length) = wish.length {
                self.declare_length(upload, length, most)?;
            }
            let room = room(upload, most);
            let ledger = upload.ledger().ok_or(Error::Hidden)?;
            let Some(announced) = wish.announced else { return Ok(()) };
            if announced > room {
                return Err(overrun(ledger, room));
            }
            match wish.ends {
                Ends::Here => self.declare_length(upload, wish.offset.saturating_add(announced), most),
                Ends::ByLength | Ends::Later => Ok(()),
            }
        };
        let leased = self.lease(upload, prepare).await?;
        self.run(leased, wish.checksum, wish.ends, wish.heard, wish.body).await
    }

    /// What a client hears that lost the answer to its last bytes: they are here, and no more of them are wanted.
    async fn repeated_end(&self, upload: Upload, wish: AppendBytes) -> Result<Upload> {
        let expected = upload.ledger().map_or(0, |ledger| ledger.offset);
        if wish.offset != expected {
            return Err(Error::Offset { expected });
        }
        if wish.length.is_some_and(|length| length != expected) {
            return Err(bad_length(BadLength::Differs));
        }
        if wish.announced != Some(0) {
            return Err(Error::Overrun { length: expected });
        }
        self.ended(upload).await
    }

    /// Appends under a lease that was just taken, and completes the upload with its last byte.
    async fn run(
        &self,
        leased: Upload,
        checksum: Checksum,
        ends: Ends,
        heard: Option<watch::Sender<u64>>,
        body: Incoming,
    ) -> Result<Upload> {
        let mut body = Body::new(body, self.0.settings.pace);
        let appended = self.run_lease(leased, checksum, ends, heard, &mut body).await?;
        if ends == Ends::Later { Ok(appended) } else { self.ended(appended).await }
    }

    /// Completes an upload whose every byte is here.
    async fn ended(&self, upload: Upload) -> Result<Upload> {
        let complete = upload.state != UploadState::Completed
            && upload.ledger().is_some_and(|ledger| ledger.is_whole() && ledger.concat != Concat::Partial);
        if !complete {
            return Ok(upload);
        }
        let id = upload.id;
        self.finish(upload, super::CompleteUpload::default()).await?;
        let ended = self.reread(id).await?;
        if ended.look_at.is_some() {
            self.clean_soon(ended.clone());
        }
        Ok(ended)
    }

    /// What is done under a lease, from the first byte to giving it back.
    async fn run_lease(
        &self,
        leased: Upload,
        checksum: Checksum,
        ends: Ends,
        heard: Option<watch::Sender<u64>>,
        body: &mut Body,
    ) -> Result<Upload> {
        let mut writer = Writer::new(self.clone(), leased, checksum != Checksum::None, heard).await?;
        let held = self.hold(&writer.upload, writer.fence());
        let mut sum = Sum::new(checksum);
        let stop = receive(&mut writer, body, &mut sum, &held.interrupt).await;
        let outcome = match stop {
            Ok(stop) => conclude(&mut writer, stop, sum, ends).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome
            && writer.upload.is_held_by(writer.fence())
            && !matches!(error, Error::Locked)
        {
            // Whatever went wrong, what the ledger says is true; nobody has to wait for this lease to run out.
            let _ = writer.discard().await;
        }
        outcome.map(|()| writer.upload)
    }
}

/// Bytes that an upload still has room for, of `most` that it may have.
fn room(upload: &Upload, most: u64) -> u64 {
    upload.ledger().map_or(0, |ledger| ledger.room().min(most.saturating_sub(ledger.offset)))
}

fn still_there(upload: &Upload, now: crate::domain::clock::Timestamp) -> Result<()> {
    match open_for_bytes(upload, now) {
        Err(Error::WrongState { .. }) => Ok(()),
        other => other,
    }
}

fn bad_length(bad: BadLength) -> Error {
    match bad {
        BadLength::Differs => Error::OtherLength("another length was said before"),
        BadLength::TooShort => Error::OtherLength("more bytes than that are here"),
        BadLength::TooLong { limit } => Error::TooLarge { limit },
    }
}

/// More bytes than there is room for.
fn overrun(ledger: &Ledger, room: u64) -> Error {
    match ledger.length {
        Length::Known(length) => Error::Overrun { length },
        Length::Deferred => Error::TooLarge { limit: ledger.offset + room },
    }
}

/// Reads bytes until there are no more, or nobody wants them.
async fn receive(
    writer: &mut Writer,
    body: &mut Body,
    sum: &mut Sum,
    interrupt: &tokio_util::sync::CancellationToken,
) -> Result<Stop> {
    loop {
        let next = tokio::select! {
            biased;
            () = interrupt.cancelled() => return Ok(Stop::Asked),
            () = writer.arrival(), if writer.is_sending() => {
                writer.settle().await?;
                continue;
            }
            next = body.next() => next,
        };
        match next {
            Next::Arrived(Arrival::Bytes(bytes)) => {
                sum.update(&bytes);
                match writer.take(bytes).await {
                    Err(Error::TooLarge { .. }) => return Ok(Stop::Excess),
                    taken => taken?,
                }
                crate::crash::point("mid_append");
                body.resume();
            }
            Next::Arrived(Arrival::Checksum(expected)) => sum.said(expected),
            Next::Silent => writer.make_safe().await?,
            Next::Ended => return Ok(Stop::End),
            Next::Broke => return Ok(Stop::Broke),
            Next::TooSlow => return Ok(Stop::TooSlow),
        }
    }
}

/// Makes safe what came, acknowledges it, and gives the lease back.
async fn conclude(writer: &mut Writer, stop: Stop, sum: Sum, ends: Ends) -> Result<()> {
    if sum.covers() && (stop != Stop::End || !sum.holds()) {
        writer.discard().await?;
        return Err(if stop == Stop::End { Error::ChecksumMismatch } else { why(stop, writer) });
    }
    if stop == Stop::Excess {
        // The client has another file in mind than was declared: the bytes that fit are the beginning of that one.
        writer.discard().await?;
        return Err(why(stop, writer));
    }
    if ends == Ends::Here && stop == Stop::End {
        writer.end_here().await?;
    }
    let partial = writer.upload.ledger().is_some_and(|ledger| ledger.concat == Concat::Partial);
    let has_all = writer.has_all()?;
    if has_all && !partial && ends != Ends::Later {
        writer.finish_file().await?;
    } else {
        writer.finish_tail().await?;
    }
    match stop {
        Stop::End if ends == Ends::Here && !has_all => Err(Error::OtherLength("the file has more bytes than that")),
        Stop::End => Ok(()),
        other => Err(why(other, writer)),
    }
}

fn why(stop: Stop, writer: &Writer) -> Error {
    match stop {
        Stop::Excess => {
            let known = writer.upload.ledger().and_then(|ledger| ledger.length.known());
            known.map_or(Error::TooLarge { limit: writer.position() }, |length| Error::Overrun { length })
        }
        Stop::Asked if writer.engine.is_closing() => Error::busy("this node is about to stop"),
        Stop::Asked => Error::Locked,
        Stop::TooSlow => Error::TooSlow,
        Stop::End | Stop::Broke => Error::BrokenOff,
    }
}
