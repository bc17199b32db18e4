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

mod checksum;
mod concat;
mod digest;
mod finish;
mod lease;
mod memory;
mod open;
mod paced_body;
mod repeated_file;
mod store_put;
mod whole_file;
mod writer;

use tokio::sync::watch;

use tracing::Instrument as _;

use super::sign::check_open_for_bytes;
use super::{Engine, Error, Result};
use crate::domain::access::{Action, Actor};
use crate::domain::append::{AppendLedger, BadLength, ConcatRole, UploadLength};
use crate::domain::asset::AssetState;
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadState};

pub use concat::ConcatenateUploads;
pub use digest::{AppendDigestAlgorithm, ExpectedDigest};
pub(super) use lease::ActiveAppends;
pub use open::OpenAppend;
pub use paced_body::{AppendBody, BodyFrame, BodyPaceLimits, TruncatedBody};

use checksum::ChecksumVerifier;
use paced_body::{BodyEvent, PacedBody};
use writer::AppendWriter;

/// The wish to add bytes to an upload.
pub struct AppendBytes {
    /// Where the client believes the upload to stand.
    pub offset: u64,
    /// How long the file is, for clients that know it only now.
    pub length: Option<u64>,
    /// How many bytes will come, if the client says so before they do.
    pub content_length: Option<u64>,
    /// What they must hash to.
    pub checksum: AppendChecksum,
    /// What their end says about the file.
    pub end_of_body: EndOfBody,
    /// Hears the offset whenever more bytes are acknowledged.
    pub offset_sender: Option<watch::Sender<u64>>,
    /// The bytes.
    pub body: AppendBody,
}

/// What the end of a body says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfBody {
    /// Nothing: a file ends where its length says.
    ByLength,
    /// The file's end is still to be said, even if every byte is here. A byte too many makes the upload void.
    MoreFollows,
    /// The file ends with it. A byte too many makes the upload void.
    EndsFile,
}

/// Whether an append carries a checksum. With one it counts as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendChecksum {
    /// It does not.
    None,
    /// The client has said.
    Given(ExpectedDigest),
    /// The client will say behind the bytes, and has named the algorithm or not.
    Trailing,
}

/// Why no more bytes are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StopReason {
    /// They ended.
    BodyEnded,
    /// The connection broke off.
    BodyTruncated,
    /// They came too slowly.
    TooSlow,
    /// Somebody else wants to write, or this node ends.
    Interrupted,
    /// There were more than the file has.
    Excess,
}

impl Engine {
    /// Adds bytes to an upload and returns it as it stands then; with the last byte it is completed.
    ///
    /// # Errors
    /// [`Error::OffsetMismatch`] if the upload stands elsewhere. [`Error::Locked`] if another writer had to be let in, or does not
    /// let go. Bytes that came before an error are kept, unless a checksum covers them.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn append_bytes(&self, actor: &Actor, id: UploadId, wish: AppendBytes) -> Result<Upload> {
        let upload = self.load_upload_for(actor, Action::DriveUpload, id).await?;
        let engine = self.clone();
        let work = self.0.appends.tasks.spawn(
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
        );
        work.await.map_err(|error| Error::Internal(error.to_string()))?
    }

    /// Gives up an upload whose client has lost count of its bytes. One that has ended stays what it is.
    async fn abort_overrun(&self, id: UploadId, error: Error) -> Result<Error> {
        let upload = self.reload_upload(id).await?;
        if upload.state == UploadState::Open {
            self.abort_upload(upload, None).await?;
        }
        Ok(error)
    }

    /// An upload as its row says, whoever writes to it meanwhile.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn read_progress(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        let upload = self.load_upload_for(actor, Action::ReadUpload, id).await?;
        self.ensure_not_deleted(&upload).await?;
        Ok(upload)
    }

    /// An upload as it stands, for whoever wants to go on with it.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn wait_for_progress(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        let upload = self.load_upload_for(actor, Action::ReadUpload, id).await?;
        self.ensure_not_deleted(&upload).await?;
        self.wait_for_writer(upload).await
    }

    /// Gives an upload up, or deletes the asset that it has become or is just becoming.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn terminate_upload(&self, actor: &Actor, id: UploadId) -> Result<()> {
        let upload = self.load_upload_for(actor, Action::DriveUpload, id).await?;
        self.ensure_not_deleted(&upload).await?;
        match upload.state {
            UploadState::Completing | UploadState::Completed => self.delete_asset(actor, upload.asset).await,
            _ => self.abort_upload(upload, Some(actor)).await,
        }
    }

    /// Refuses what has ended without bytes, and what has lost them since.
    async fn ensure_not_deleted(&self, upload: &Upload) -> Result<()> {
        ensure_not_gone(upload, self.0.store.now())?;
        upload.ledger().ok_or(Error::NotFound)?;
        let ended = upload.state == UploadState::Completed;
        if ended && matches!(self.load_asset_of(upload).await?.state, AssetState::Deleted { .. }) {
            return Err(Error::Gone { what: "asset", state: "deleted" });
        }
        Ok(())
    }

    async fn lease_and_append(&self, upload: Upload, wish: AppendBytes) -> Result<Upload> {
        ensure_not_gone(&upload, self.0.store.now())?;
        let ledger = upload.ledger().ok_or(Error::NotFound)?;
        if matches!(ledger.concat, ConcatRole::Final(_)) {
            return Err(Error::Forbidden);
        }
        if upload.state != UploadState::Open {
            return self.answer_repeated_end(upload, wish).await;
        }
        let most = self.most(&upload).await?;
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

    /// What a client hears that lost the answer to its last bytes: they are here, and no more of them are wanted.
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
        let mut body = PacedBody::new(body, self.0.settings.body_pace);
        let appended = self.append_under_lease(leased, checksum, ends, heard, &mut body).await?;
        if ends == EndOfBody::MoreFollows { Ok(appended) } else { self.complete_if_whole(appended).await }
    }

    /// Completes an upload whose every byte is here.
    async fn complete_if_whole(&self, upload: Upload) -> Result<Upload> {
        let complete = upload.state != UploadState::Completed
            && upload.ledger().is_some_and(|ledger| ledger.is_whole() && ledger.concat != ConcatRole::Partial);
        if !complete {
            return Ok(upload);
        }
        let id = upload.id;
        self.finish_upload(upload, super::CompleteUpload::default()).await?;
        let ended = self.reload_upload(id).await?;
        if ended.next_check_at.is_some() {
            self.spawn_cleanup(ended.clone());
        }
        Ok(ended)
    }

    /// What is done under a lease, from the first byte to giving it back.
    async fn append_under_lease(
        &self,
        leased: Upload,
        checksum: AppendChecksum,
        ends: EndOfBody,
        heard: Option<watch::Sender<u64>>,
        body: &mut PacedBody,
    ) -> Result<Upload> {
        let mut writer = AppendWriter::new(self.clone(), leased, checksum != AppendChecksum::None, heard).await?;
        let held = self.spawn_lease_keeper(&writer.upload, writer.fence());
        let mut sum = ChecksumVerifier::new(checksum);
        let stop = receive_bytes(&mut writer, body, &mut sum, &held.interrupt).await;
        let outcome = match stop {
            Ok(stop) => finish_append(&mut writer, stop, sum, ends).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome
            && writer.upload.is_held_by(writer.fence())
            && !matches!(error, Error::Locked)
        {
            // Whatever went wrong, what the ledger says is true; nobody has to wait for this lease to run out.
            let _ = writer.discard_and_release().await;
        }
        outcome.map(|()| writer.upload)
    }
}

/// Bytes that an upload still has room for, of `most` that it may have.
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
        BadLength::Differs => Error::LengthMismatch("another length was said before"),
        BadLength::TooShort => Error::LengthMismatch("more bytes than that are here"),
        BadLength::TooLong { limit } => Error::TooLarge { limit },
    }
}

/// More bytes than there is room for.
fn overrun_error(ledger: &AppendLedger, room: u64) -> Error {
    match ledger.length {
        UploadLength::Known(length) => Error::Overrun { length },
        UploadLength::Deferred => Error::TooLarge { limit: ledger.offset + room },
    }
}

/// Reads bytes until there are no more, or nobody wants them.
async fn receive_bytes(
    writer: &mut AppendWriter,
    body: &mut PacedBody,
    sum: &mut ChecksumVerifier,
    interrupt: &tokio_util::sync::CancellationToken,
) -> Result<StopReason> {
    loop {
        let next = tokio::select! {
            biased;
            () = interrupt.cancelled() => return Ok(StopReason::Interrupted),
            () = writer.wait_for_oldest_part(), if writer.is_sending() => {
                writer.stage_oldest_part().await?;
                continue;
            }
            next = body.next() => next,
        };
        match next {
            BodyEvent::Frame(BodyFrame::Bytes(bytes)) => {
                sum.update(&bytes);
                match writer.accept_bytes(bytes).await {
                    Err(Error::TooLarge { .. }) => return Ok(StopReason::Excess),
                    taken => taken?,
                }
                crate::crash::point("mid_append");
                body.reset_idle();
            }
            BodyEvent::Frame(BodyFrame::Checksum(expected)) => sum.set_trailing(expected),
            BodyEvent::Idle => writer.flush_bytes().await?,
            BodyEvent::Ended => return Ok(StopReason::BodyEnded),
            BodyEvent::Truncated => return Ok(StopReason::BodyTruncated),
            BodyEvent::TooSlow => return Ok(StopReason::TooSlow),
        }
    }
}

/// Makes safe what came, acknowledges it, and gives the lease back.
async fn finish_append(
    writer: &mut AppendWriter,
    stop: StopReason,
    sum: ChecksumVerifier,
    ends: EndOfBody,
) -> Result<()> {
    if sum.is_required() && (stop != StopReason::BodyEnded || !sum.verify()) {
        writer.discard_and_release().await?;
        return Err(if stop == StopReason::BodyEnded { Error::ChecksumMismatch } else { stop_error(stop, writer) });
    }
    if stop == StopReason::Excess {
        // The client has another file in mind than was declared: the bytes that fit are the beginning of that one.
        writer.discard_and_release().await?;
        return Err(stop_error(stop, writer));
    }
    if ends == EndOfBody::EndsFile && stop == StopReason::BodyEnded {
        writer.set_final_length().await?;
    }
    let partial = writer.upload.ledger().is_some_and(|ledger| ledger.concat == ConcatRole::Partial);
    let has_all = writer.has_all()?;
    if has_all && !partial && ends != EndOfBody::MoreFollows {
        writer.finish_file().await?;
    } else {
        writer.finish_tail().await?;
    }
    match stop {
        StopReason::BodyEnded if ends == EndOfBody::EndsFile && !has_all => {
            Err(Error::LengthMismatch("the file has more bytes than that"))
        }
        StopReason::BodyEnded => Ok(()),
        other => Err(stop_error(other, writer)),
    }
}

fn stop_error(stop: StopReason, writer: &AppendWriter) -> Error {
    match stop {
        StopReason::Excess => {
            let known = writer.upload.ledger().and_then(|ledger| ledger.length.known());
            known.map_or(Error::TooLarge { limit: writer.position() }, |length| Error::Overrun { length })
        }
        StopReason::Interrupted if writer.engine.is_closing() => Error::busy("this node is about to stop"),
        StopReason::Interrupted => Error::Locked,
        StopReason::TooSlow => Error::TooSlow,
        StopReason::BodyEnded | StopReason::BodyTruncated => Error::BodyTruncated,
    }
}
