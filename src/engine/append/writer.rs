//! The writer under a lease: sends received bytes to the store as parts and tail segments, then moves the ledger.
//!
//! ```text
//! |— ledger: whole parts —|— at the store, not in the ledger —|— under way —|— segments ——————| in memory |
//!                         staged                              in_flight     stored_segments   buffer
//! ```
//!
//! The ledger never runs ahead of the store. For an append that is all or nothing (with a checksum) the ledger moves
//! only at the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::lease::{LEASE_DURATION, LEDGER_BACKOFF, is_same_ledger, lost_lease_error, no_ledger_error};
use super::memory::AppendBuffer;
use super::{AppendEngine, store_put};
use crate::blob::BlobKey;
use crate::crash;
use crate::domain::append::{AppendLedger, MAX_PARTS_IN_FLIGHT, RelayedPart, TailSegment};
use crate::domain::clock::after;
use crate::domain::plan::PartNumber;
use crate::domain::reason::chain;
use crate::domain::upload::Upload;
use crate::engine::rows::update::MAX_UPDATE_ATTEMPTS;
use crate::engine::{Error, Result};
use crate::store::{RowChange, StoreError, Tx};

/// Most bytes that are collected before they go to the store, even if they do not fill a part.
const MAX_SEGMENT_BYTES: u64 = 32 << 20;
/// Time for which an append waits for memory: first, before it frees its own; and after that, before it fails.
const FREE_MEMORY_WAIT: Duration = Duration::from_millis(100);
const MAX_MEMORY_WAIT: Duration = Duration::from_secs(30);

/// A part on its way to the store.
struct InFlightPart {
    number: PartNumber,
    size: u64,
    segments: Vec<TailSegment>,
    work: JoinHandle<Result<String>>,
    /// Entity tag or error; `None` while the request runs.
    outcome: Option<Result<String>>,
}

impl InFlightPart {
    /// Waits for the outcome. Cancel safe.
    async fn wait_for_outcome(&mut self) {
        if self.outcome.is_none() {
            let outcome = (&mut self.work).await;
            self.outcome = Some(outcome.unwrap_or_else(|error| Err(Error::internal(error))));
        }
    }
}

/// Writer that holds the lease on an upload.
pub(super) struct AppendWriter {
    pub(super) engine: AppendEngine,
    /// The row as last written.
    pub(super) upload: Upload,
    fence: u64,
    /// Most bytes that the file may have.
    max_size: u64,
    /// True if nothing is acknowledged before the append is complete.
    all_or_nothing: bool,
    /// Bytes in parts that are at the store or under way: offset at which the current part begins.
    part_start: u64,
    /// Segments at the store that belong to the current part.
    pub(super) stored_segments: Vec<TailSegment>,
    /// Bytes of the current part that are not at the store.
    pub(super) buffer: AppendBuffer,
    in_flight: VecDeque<InFlightPart>,
    /// Parts at the store that the ledger does not have yet; below, the offset at which they end.
    staged: Vec<RelayedPart>,
    staged_offset: u64,
    next_part: u16,
    next_serial: u32,
    /// Segments to remove once the ledger has moved.
    obsolete_segments: Vec<TailSegment>,
    /// True if a part may still arrive at the store although its request has failed.
    is_outcome_unknown: bool,
    /// Receives the offset after each acknowledgement.
    offset_sender: Option<watch::Sender<u64>>,
}

impl AppendWriter {
    /// Writer for the lease that `upload` carries.
    pub(super) async fn new(
        engine: AppendEngine,
        upload: Upload,
        all_or_nothing: bool,
        heard: Option<watch::Sender<u64>>,
    ) -> Result<Self> {
        let ledger = upload.ledger().ok_or_else(no_ledger_error)?;
        Ok(Self {
            max_size: engine.uploads.most(&upload).await?,
            engine,
            fence: ledger.fence,
            all_or_nothing,
            part_start: ledger.whole(),
            stored_segments: ledger.tail.clone(),
            buffer: AppendBuffer::default(),
            in_flight: VecDeque::new(),
            staged: Vec::new(),
            staged_offset: ledger.whole(),
            next_part: ledger.next_part,
            next_serial: 0,
            obsolete_segments: Vec::new(),
            is_outcome_unknown: false,
            offset_sender: heard,
            upload,
        })
    }

    pub(super) fn fence(&self) -> u64 {
        self.fence
    }

    pub(super) fn ledger(&self) -> Result<&AppendLedger> {
        self.upload.ledger().ok_or_else(no_ledger_error)
    }

    /// Bytes received of the current part.
    fn current_part_len(&self) -> u64 {
        self.stored_segments.iter().map(|segment| segment.size).sum::<u64>() + self.buffer.len()
    }

    /// Bytes received of the file, acknowledged or not.
    pub(super) fn position(&self) -> u64 {
        self.part_start + self.current_part_len()
    }

    /// True if the file's last byte has been received.
    pub(super) fn has_all(&self) -> Result<bool> {
        Ok(self.ledger()?.length.known() == Some(self.position()))
    }

    /// True if no byte of the file has been sent as a part, so that a single PutObject can still store it.
    pub(super) fn fits_single_put(&self) -> bool {
        self.part_start == 0
    }

    /// True if the file's end must still be sent as a part. An empty file is an empty part.
    pub(super) fn needs_last_part(&self) -> Result<bool> {
        Ok(self.current_part_len() > 0 || (self.position() == 0 && self.ledger()?.next_part == 1))
    }

    /// Collects bytes and sends full parts. Bytes beyond the file's limit are refused, after those that fit.
    pub(super) async fn accept_bytes(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            // A length that was declared just now may have made what is at the store a whole part.
            self.send_part_if_whole().await?;
            let part = self.ledger()?.part_at(self.part_start);
            let room = part.saturating_sub(self.current_part_len()).min(self.max_size.saturating_sub(self.position()));
            if room == 0 {
                return Err(Error::TooLarge { limit: self.position() });
            }
            if self.buffer.room() == 0 {
                self.acquire_buffer_block(room).await?;
            }
            self.buffer.fill_from(&mut bytes, room.min(MAX_SEGMENT_BYTES - self.buffer.len().min(MAX_SEGMENT_BYTES)));
            if !self.send_part_if_whole().await? && self.buffer.len() >= MAX_SEGMENT_BYTES {
                self.write_segment().await?;
            }
        }
        Ok(())
    }

    /// Sends the current part if all its bytes are here. The last part is sent with the end of the file.
    async fn send_part_if_whole(&mut self) -> Result<bool> {
        let is_whole = self.current_part_len() == self.ledger()?.part_at(self.part_start) && !self.has_all()?;
        if is_whole {
            self.send_part().await?;
        }
        Ok(is_whole)
    }

    /// Gets memory for more bytes: free memory, memory of parts under way, or memory that this append frees itself.
    async fn acquire_buffer_block(&mut self, expected: u64) -> Result<()> {
        let budget = self.engine.appends.budget.clone();
        let mut permit = budget.try_acquire_block();
        while permit.is_none() && !self.in_flight.is_empty() {
            self.stage_oldest_part().await?;
            permit = budget.try_acquire_block();
        }
        if permit.is_none() {
            permit = tokio::time::timeout(FREE_MEMORY_WAIT, budget.acquire_block()).await.ok().flatten();
        }
        if permit.is_none() {
            self.write_segment().await?;
            permit = tokio::time::timeout(MAX_MEMORY_WAIT, budget.acquire_block()).await.ok().flatten();
        }
        self.buffer.grow(permit.ok_or_else(|| Error::busy("the memory for appends is in use"))?, expected);
        Ok(())
    }

    /// Starts the request for the current part.
    pub(super) async fn send_part(&mut self) -> Result<()> {
        if self.in_flight.len() >= usize::from(MAX_PARTS_IN_FLIGHT) {
            self.stage_oldest_part().await?;
        }
        let store_id = self.ensure_multipart().await?;
        self.reserve_part_number().await?;
        let number = PartNumber::new(u64::from(self.next_part));
        let number = number.ok_or_else(|| Error::Internal("every part number is used up".into()))?;
        let (size, segments) = (self.current_part_len(), std::mem::take(&mut self.stored_segments));
        let source = store_put::PayloadSource {
            upload: self.upload.id,
            segments: segments.clone(),
            piece: self.buffer.take_all(),
        };
        let (engine, key) = (self.engine.clone(), self.upload.key.clone());
        let source = Arc::new(source);
        let work =
            tokio::spawn(async move { engine.send_part(&key, &store_id, number, &source).await }.in_current_span());
        self.next_part += 1;
        self.part_start += size;
        self.in_flight.push_back(InFlightPart { number, size, segments, work, outcome: None });
        Ok(())
    }

    /// Advances the ledger's next part number, if necessary, before a part number is used. The next writer knows only
    /// the ledger and skips [`MAX_PARTS_IN_FLIGHT`] numbers from there.
    async fn reserve_part_number(&mut self) -> Result<()> {
        if self.next_part < self.ledger()?.next_part + MAX_PARTS_IN_FLIGHT {
            return Ok(());
        }
        let next_part = self.next_part;
        self.commit_ledger(Tx::new(), move |ledger| ledger.next_part = next_part).await
    }

    /// True while parts are under way.
    pub(super) fn is_sending(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Waits until the oldest part under way is at the store. Cancel safe; [`Self::stage_oldest_part`] then stages the
    /// part.
    pub(super) async fn wait_for_oldest_part(&mut self) {
        if let Some(oldest) = self.in_flight.front_mut() {
            oldest.wait_for_outcome().await;
        }
    }

    /// Stages the oldest part under way once it is at the store.
    pub(super) async fn stage_oldest_part(&mut self) -> Result<()> {
        self.wait_for_oldest_part().await;
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(()) };
        let outcome = oldest.outcome.unwrap_or_else(|| Err(Error::Internal("a part without an outcome".into())));
        let etag = outcome.inspect_err(|_| self.is_outcome_unknown = true)?;
        crash::point("after_part");
        self.staged.push(RelayedPart { upload: self.upload.id, number: oldest.number, size: oldest.size, etag });
        self.staged_offset += oldest.size;
        self.obsolete_segments.extend(oldest.segments);
        if self.all_or_nothing { Ok(()) } else { self.acknowledge_bytes(false).await }
    }

    /// Stages every part under way. After a failure only [`Self::discard_and_release`] may follow, because the ledger
    /// must not have gaps.
    pub(super) async fn stage_all_parts(&mut self) -> Result<()> {
        while self.is_sending() {
            self.stage_oldest_part().await?;
        }
        Ok(())
    }

    /// Writes the bytes in memory to the store as a segment, merged with the segments that are no larger. The ledger
    /// does not move.
    pub(super) async fn write_segment(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let fresh = self.buffer.len();
        let from = AppendLedger { tail: self.stored_segments.clone(), ..self.ledger()?.clone() }.merged_into(fresh);
        let merged = self.stored_segments.split_off(from);
        let source =
            store_put::PayloadSource { upload: self.upload.id, segments: merged, piece: self.buffer.take_all() };
        let (fence, serial, size) = (self.fence, self.next_serial, source.size());
        self.next_serial += 1;
        let key = BlobKey::Tail { upload: self.upload.id, fence, serial }.path();
        let etag = self.engine.send_object(&key, None, &source).await?.0;
        crash::point("after_tail");
        self.stored_segments.push(TailSegment { fence, serial, size, etag });
        self.obsolete_segments.extend(source.segments);
        Ok(())
    }

    /// Stores every byte received so far, and acknowledges them unless the append is all or nothing.
    pub(super) async fn flush_bytes(&mut self) -> Result<()> {
        self.stage_all_parts().await?;
        self.write_segment().await?;
        if self.all_or_nothing { Ok(()) } else { self.acknowledge_bytes(false).await }
    }

    /// Moves the ledger up to what the store has; releases the lease if `release`. While the body goes on, the ledger
    /// never reaches the file's end, because bytes beyond the file's length abort the append.
    pub(super) async fn acknowledge_bytes(&mut self, release: bool) -> Result<()> {
        // Segments follow the parts under way, so they count only once those parts do.
        let tail = if self.in_flight.is_empty() { self.stored_segments.clone() } else { Vec::new() };
        let offset = self.staged_offset + tail.iter().map(|segment| segment.size).sum::<u64>();
        if !release && self.ledger()?.length.known() == Some(offset) {
            return Ok(());
        }
        let next_part = self.staged.last().map(|part| part.number.get() + 1);
        let skip = if release && self.is_outcome_unknown { Some(self.next_part) } else { None };
        let parts = std::mem::take(&mut self.staged);
        let tx = if parts.is_empty() { Tx::new() } else { Tx::new().with(RowChange::InsertParts(parts)) };
        self.commit_ledger(tx, move |ledger| {
            ledger.offset = offset;
            ledger.tail.clone_from(&tail);
            ledger.next_part = skip.or(next_part).unwrap_or(ledger.next_part).max(ledger.next_part);
            if release {
                ledger.lease = None;
            }
        })
        .await?;
        self.engine.spawn_tail_removal(self.upload.id, std::mem::take(&mut self.obsolete_segments));
        crash::point("after_ledger");
        if let (Some(heard), Ok(ledger)) = (&self.offset_sender, self.ledger()) {
            heard.send_replace(ledger.offset);
        }
        Ok(())
    }

    /// Releases the lease without moving the ledger: nothing that is not acknowledged counts.
    pub(super) async fn discard_and_release(&mut self) -> Result<()> {
        for mut sending in std::mem::take(&mut self.in_flight) {
            sending.wait_for_outcome().await;
            self.is_outcome_unknown |= !matches!(sending.outcome, Some(Ok(_)));
        }
        let skip = if self.is_outcome_unknown { self.next_part } else { self.ledger()?.next_part };
        self.commit_ledger(Tx::new(), move |ledger| {
            ledger.next_part = skip;
            ledger.lease = None;
        })
        .await
    }

    /// Commits the ledger with `change` applied. Concurrent changes of other fields (a request for the lease, the time
    /// of the next check) are merged by a retry. A commit whose outcome is unknown is retried too: only the row shows
    /// whether it succeeded. A writer that has lost the lease keeps the row that says so and gets [`Error::Locked`].
    pub(super) async fn commit_ledger(
        &mut self,
        tx: Tx,
        change: impl Fn(&mut AppendLedger) + Send + Sync,
    ) -> Result<()> {
        let (engine, mut current) = (self.engine.clone(), self.upload.clone());
        for attempt in 1..=MAX_UPDATE_ATTEMPTS {
            let now = engine.store.now();
            let mut next = current.clone().touch(now);
            let ledger = next.ledger_mut().ok_or_else(no_ledger_error)?;
            change(ledger);
            if let Some(lease) = &mut ledger.lease {
                lease.until = after(now, LEASE_DURATION);
            }
            next.expires_at = next.expires_at.max(after(now, engine.rows.upload_timeouts().upload_ttl));
            let wanted = next.ledger().cloned();
            match engine.rows.commit(tx.clone().quietly(&mut next)).await {
                Ok(()) => {
                    self.upload = next;
                    return Ok(());
                }
                Err(StoreError::Conflict) => {}
                Err(error) if attempt == MAX_UPDATE_ATTEMPTS => return Err(error.into()),
                // The write may have succeeded: reload the row to find out.
                Err(error) => {
                    tracing::warn!(upload = %next.id, error = %chain(&error), "the ledger could not be written yet");
                    tokio::time::sleep(LEDGER_BACKOFF.delay(attempt, &*engine.entropy)).await;
                }
            }
            current = engine.rows.reload_upload(next.id).await?;
            if is_same_ledger(current.ledger(), wanted.as_ref()) {
                self.upload = current;
                return Ok(());
            }
            if !current.is_held_by(self.fence) {
                self.upload = current;
                return Err(lost_lease_error());
            }
        }
        Err(StoreError::Conflict.into())
    }
}
