//! The bytes of a body on their way to the writer, and the end of the append by the reason why they stopped.

use tokio_util::sync::CancellationToken;

use super::checksum::ChecksumVerifier;
use super::paced_body::{BodyEvent, PacedBody};
use super::writer::AppendWriter;
use super::{BodyFrame, EndOfBody};
use crate::crash;
use crate::domain::append::ConcatRole;
use crate::engine::{Error, Result};
use crate::metrics;

/// Reason why no more bytes are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The body ended.
    BodyEnded,
    /// The connection was cut before the body ended.
    BodyTruncated,
    /// The body came too slowly.
    TooSlow,
    /// Another writer wants the lease, or this node shuts down.
    Interrupted,
    /// The body has more bytes than the file.
    Excess,
}

/// Reads the body until it ends or the append must stop.
pub(super) async fn receive_bytes(
    writer: &mut AppendWriter,
    body: &mut PacedBody,
    sum: &mut ChecksumVerifier,
    interrupt: &CancellationToken,
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
                metrics::uploads().record_received(bytes.len() as u64);
                sum.update(&bytes);
                match writer.accept_bytes(bytes).await {
                    Err(Error::TooLarge { .. }) => return Ok(StopReason::Excess),
                    taken => taken?,
                }
                crash::point("mid_append");
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

/// Stores and acknowledges the bytes received, and releases the lease.
pub(super) async fn finish_append(
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
        // The client sends another file than it declared: the bytes that fit would be the beginning of that other file.
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
            Err(Error::LengthMismatch("the file has more bytes"))
        }
        StopReason::BodyEnded => Ok(()),
        other => Err(stop_error(other, writer)),
    }
}

pub(super) fn stop_error(stop: StopReason, writer: &AppendWriter) -> Error {
    match stop {
        StopReason::Excess => {
            let known = writer.upload.ledger().and_then(|ledger| ledger.length.known());
            known.map_or(Error::TooLarge { limit: writer.position() }, |length| Error::Overrun { length })
        }
        StopReason::Interrupted if writer.engine.is_closing() => Error::busy("this node is shutting down"),
        StopReason::Interrupted => Error::Locked,
        StopReason::TooSlow => Error::TooSlow,
        StopReason::BodyEnded | StopReason::BodyTruncated => Error::BodyTruncated,
    }
}
