//! The ledger of an upload whose bytes are relayed through this service, in order: acknowledged bytes, their place in
//! the store, and the lease of the writer.
//!
//! ```text
//! |— part —|— part —|— tail —|                      |
//! 0                          offset                 length
//! ```
//!
//! Whole parts are stored in a multipart upload. The bytes after them, less than a part, are the tail, which is kept in
//! temporary objects. A byte is acknowledged when the store has it *and* the ledger records it.
//!
//! A single writer at a time holds the lease. Its fence is a number that no other holder gets. A writer never waits for
//! a holder that has vanished: after the lease has expired, the next writer takes over. If the old holder wakes up
//! after that, it cannot do damage for three reasons: its rows are refused (fence and revision), its tail objects have
//! its fence in their names, and its part numbers are not used again, so it cannot overwrite bytes that another holder
//! has acknowledged.

use std::time::Duration;

use super::InvalidTransition;
use super::clock::{Timestamp, after};
use super::ids::UploadId;
use super::plan::{PartNumber, PartPlan, PlanError, StoreProfile};
use super::upload::{Transfer, Upload, UploadState};

const MIB: u64 = 1 << 20;
/// Parts that a holder may have in flight per upload; also the part numbers that are skipped when a holder vanishes.
pub const MAX_PARTS_IN_FLIGHT: u16 = 3;
/// Part numbers that the plan leaves unused, for takeovers.
const SPARE_PART_NUMBERS: u16 = 500;
/// Part size while it results in few enough parts; bounds the memory of an upload.
const USUAL_PART_BYTES: u64 = 8 * MIB;
/// Part size while the length of the file is unknown.
const UNKNOWN_LENGTH_PART_BYTES: u64 = 32 * MIB;

/// State of a relayed upload: acknowledged bytes, their place in the store, and the lease of the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendLedger {
    /// The file's exact size.
    pub length: UploadLength,
    /// Size of every part but the last, in bytes.
    pub part_size: u64,
    /// The store's id for the multipart upload; `None` before the first part.
    pub store_id: Option<String>,
    /// Acknowledged bytes.
    pub offset: u64,
    /// Segments after the last whole part, in order.
    pub tail: Vec<TailSegment>,
    /// The lowest part number that no holder has used.
    pub next_part: u16,
    /// The last fence that was assigned.
    pub fence: u64,
    /// The lease of the current writer.
    pub lease: Option<AppendLease>,
    /// The upload's role in tus concatenation.
    pub concat: ConcatRole,
    /// Request headers of the creation that later answers repeat.
    pub echoed: EchoedHeaders,
}

/// Length of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadLength {
    /// In bytes.
    Known(u64),
    /// The client declares it later.
    Deferred,
}

/// The exclusive right to write, held by the writer with the ledger's last fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendLease {
    /// When another writer may take it.
    pub until: Timestamp,
    /// True if another writer asks for its release.
    pub wanted: bool,
}

/// A temporary object that holds acknowledged bytes after the last whole part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TailSegment {
    /// Fence of the holder that wrote it.
    pub fence: u64,
    /// Serial number among the segments of that holder.
    pub serial: u32,
    /// Size in bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: String,
}

/// Role of a relayed upload in tus concatenation (`Upload-Concat`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConcatRole {
    /// A file of its own.
    Whole,
    /// A piece of another file, which is never processed by itself.
    Partial,
    /// The concatenation of these uploads, in this order.
    Final(Vec<UploadId>),
}

/// Request headers as the client sent them at creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EchoedHeaders {
    /// `Upload-Metadata` of tus.
    pub metadata: Option<String>,
    /// `Upload-Concat` of tus.
    pub concat: Option<String>,
}

/// A part that is in the store and in the ledger; completion names it by this entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedPart {
    /// The upload.
    pub upload: UploadId,
    /// Part number at the store. Ascending, with gaps where holders vanished.
    pub number: PartNumber,
    /// Size in bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: String,
}

/// Reason why the lease was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoLease {
    /// Another writer holds it.
    Held(AppendLease),
    /// The upload accepts no bytes.
    Refused(InvalidTransition),
}

/// Reason why a declared length was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLength {
    /// The client declared a different length before.
    Differs,
    /// The upload already has more bytes.
    TooShort,
    /// The length exceeds what the chosen part size or the store allows.
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
}

impl UploadLength {
    /// The length in bytes, if it is known.
    #[must_use]
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Known(bytes) => Some(bytes),
            Self::Deferred => None,
        }
    }
}

/// The store's limits, less the part numbers that are reserved for takeovers.
fn spared(profile: &StoreProfile) -> StoreProfile {
    let usual_part = USUAL_PART_BYTES.clamp(profile.min_part, profile.max_part);
    StoreProfile {
        max_parts: profile.max_parts - SPARE_PART_NUMBERS.min(profile.max_parts / 2),
        usual_part,
        ..*profile
    }
}

/// The largest file that can be relayed to a store.
#[must_use]
pub fn max_relayed(profile: &StoreProfile) -> u64 {
    spared(profile).max_object()
}

impl AppendLedger {
    /// The ledger of a new upload.
    pub fn open(length: UploadLength, profile: &StoreProfile) -> Result<Self, PlanError> {
        let part_size = match length {
            UploadLength::Known(total) => PartPlan::choose(total, None, &spared(profile))?.part_size(),
            UploadLength::Deferred => UNKNOWN_LENGTH_PART_BYTES.clamp(profile.min_part, profile.max_part),
        };
        Ok(Self {
            length,
            part_size,
            store_id: None,
            offset: 0,
            tail: Vec::new(),
            next_part: 1,
            fence: 0,
            lease: None,
            concat: ConcatRole::Whole,
            echoed: EchoedHeaders::default(),
        })
    }

    /// Bytes of the tail.
    #[must_use]
    pub fn tail_len(&self) -> u64 {
        self.tail.iter().map(|segment| segment.size).sum()
    }

    /// Bytes in whole parts.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.offset.saturating_sub(self.tail_len())
    }

    /// Size of the part that begins at `from`: the part size, or the rest of the file.
    #[must_use]
    pub fn part_at(&self, from: u64) -> u64 {
        self.length.known().map_or(self.part_size, |total| self.part_size.min(total.saturating_sub(from)))
    }

    /// Bytes that may still be appended; without a length, as many as fit into the remaining parts.
    #[must_use]
    pub fn room(&self) -> u64 {
        let most = self.part_size.saturating_mul(u64::from(PartNumber::MAX - SPARE_PART_NUMBERS));
        self.length.known().unwrap_or(most).saturating_sub(self.offset)
    }

    /// True if all bytes are acknowledged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.length == UploadLength::Known(self.offset)
    }

    /// True if a writer holds the lease at `now`.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.lease.is_some_and(|lease| now < lease.until)
    }

    /// True if the store may have more than the object: tail segments, or an incomplete multipart upload.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        self.fence > 1 || self.next_part > 1 || !self.tail.is_empty()
    }

    /// Records the length of the file. Declaring the same length again is allowed.
    pub fn declare(&mut self, total: u64, profile: &StoreProfile) -> Result<(), BadLength> {
        match self.length {
            UploadLength::Known(known) if known == total => return Ok(()),
            UploadLength::Known(_) => return Err(BadLength::Differs),
            UploadLength::Deferred if total < self.offset => return Err(BadLength::TooShort),
            UploadLength::Deferred => {}
        }
        let bounds = spared(profile);
        if self.whole() == 0 {
            let plan = PartPlan::choose(total, None, &bounds);
            let plan = plan.map_err(|_| BadLength::TooLong { limit: bounds.max_object() })?;
            // The part size stays if the tail is already longer than a part of the new plan would be.
            self.part_size = if plan.part_size() >= self.tail_len() { plan.part_size() } else { self.part_size };
        }
        let limit = self.part_size.saturating_mul(u64::from(bounds.max_parts));
        if total > limit {
            return Err(BadLength::TooLong { limit });
        }
        self.length = UploadLength::Known(total);
        Ok(())
    }

    /// Index of the first tail segment that is rewritten together with `fresh` bytes: trailing segments that are not
    /// larger are merged. This bounds the number of segments, and how often a byte is rewritten, by the logarithm of
    /// the part size.
    #[must_use]
    pub fn merged_into(&self, fresh: u64) -> usize {
        let (mut from, mut size) = (self.tail.len(), fresh);
        while from > 0 && self.tail[from - 1].size <= size {
            from -= 1;
            size += self.tail[from].size;
        }
        from
    }
}

impl Upload {
    /// The ledger of a relayed upload.
    #[must_use]
    pub fn ledger(&self) -> Option<&AppendLedger> {
        match &self.transfer {
            Transfer::Relayed(ledger) => Some(ledger),
            Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::UnplannedMultipart { .. } => None,
        }
    }

    /// The ledger of a relayed upload, mutable.
    pub fn ledger_mut(&mut self) -> Option<&mut AppendLedger> {
        match &mut self.transfer {
            Transfer::Relayed(ledger) => Some(ledger),
            Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::UnplannedMultipart { .. } => None,
        }
    }

    /// Takes the lease until `now + term`, with a new fence. If the previous holder vanished, the part numbers that it
    /// may still be writing are skipped.
    pub fn take_lease(mut self, term: Duration, now: Timestamp) -> Result<Self, NoLease> {
        let refused = InvalidTransition { what: "upload", from: self.state.name(), to: "appended to" };
        if self.state != UploadState::Open || self.expires_at <= now {
            return Err(NoLease::Refused(refused));
        }
        let Some(ledger) = self.ledger_mut() else { return Err(NoLease::Refused(refused)) };
        match ledger.lease {
            Some(lease) if now < lease.until => return Err(NoLease::Held(lease)),
            Some(_) => ledger.next_part = ledger.next_part.saturating_add(MAX_PARTS_IN_FLIGHT),
            None => {}
        }
        ledger.fence += 1;
        ledger.lease = Some(AppendLease { until: after(now, term), wanted: false });
        Ok(self)
    }

    /// True if the upload concatenates other uploads, and no writer is working on it.
    #[must_use]
    pub fn is_to_be_put_together(&self, now: Timestamp) -> bool {
        let waits = |ledger: &AppendLedger| {
            matches!(ledger.concat, ConcatRole::Final(_)) && !ledger.is_whole() && !ledger.is_held(now)
        };
        self.state == UploadState::Open && now < self.expires_at && self.ledger().is_some_and(waits)
    }

    /// True if the holder of this fence may still write.
    #[must_use]
    pub fn is_held_by(&self, fence: u64) -> bool {
        let ours = |ledger: &AppendLedger| ledger.fence == fence && ledger.lease.is_some();
        self.state == UploadState::Open && self.ledger().is_some_and(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use crate::domain::upload::tests::open;
    use proptest::prelude::*;

    const TERM: Duration = Duration::from_secs(10);

    fn relayed(length: UploadLength) -> Upload {
        let ledger = AppendLedger::open(length, &StoreProfile::default()).unwrap();
        Upload { transfer: Transfer::Relayed(Box::new(ledger)), ..open() }
    }

    fn segment(size: u64) -> TailSegment {
        TailSegment { fence: 1, serial: 0, size, etag: String::new() }
    }

    #[test]
    fn one_holder_at_a_time() {
        let held = relayed(UploadLength::Known(100)).take_lease(TERM, micros(0)).unwrap();
        assert!(held.is_held_by(1) && held.ledger().unwrap().is_held(micros(9_999_999)));
        let again = held.clone().take_lease(TERM, micros(9_999_999));
        assert!(matches!(again, Err(NoLease::Held(_))));
        let taken = held.take_lease(TERM, micros(10_000_000)).unwrap();
        assert!(taken.is_held_by(2) && !taken.is_held_by(1));
    }

    #[test]
    fn part_numbers_of_the_vanished_are_never_used_again() {
        let mut upload = relayed(UploadLength::Known(100)).take_lease(TERM, micros(0)).unwrap();
        assert_eq!(upload.ledger().unwrap().next_part, 1);
        upload = upload.take_lease(TERM, micros(20_000_000)).unwrap();
        assert_eq!(upload.ledger().unwrap().next_part, 1 + MAX_PARTS_IN_FLIGHT);
        // Whoever lets go in peace leaves nothing under way.
        upload.ledger_mut().unwrap().lease = None;
        upload = upload.take_lease(TERM, micros(20_000_001)).unwrap();
        assert_eq!(upload.ledger().unwrap().next_part, 1 + MAX_PARTS_IN_FLIGHT);
    }

    #[test]
    fn what_has_ended_takes_no_bytes() {
        let patience = crate::domain::upload::UploadTimeouts::default();
        let completing = relayed(UploadLength::Known(1)).begin_completing(&patience, micros(1)).unwrap();
        for upload in [completing, relayed(UploadLength::Known(1)).abort(micros(1)).unwrap(), open()] {
            assert!(matches!(upload.take_lease(TERM, micros(2)), Err(NoLease::Refused(_))));
        }
        let late = relayed(UploadLength::Known(1));
        let expiry = late.expires_at;
        assert!(late.take_lease(TERM, expiry).is_err());
    }

    #[test]
    fn a_length_is_said_once() {
        let profile = StoreProfile::default();
        let mut ledger = AppendLedger::open(UploadLength::Deferred, &profile).unwrap();
        ledger.offset = 10;
        ledger.tail = vec![segment(10)];
        assert_eq!(ledger.declare(9, &profile), Err(BadLength::TooShort));
        ledger.declare(10, &profile).unwrap();
        assert!(ledger.is_whole());
        ledger.declare(10, &profile).unwrap();
        assert_eq!(ledger.declare(11, &profile), Err(BadLength::Differs));
    }

    #[test]
    fn a_late_length_must_fit_the_parts_that_are_there() {
        let profile = StoreProfile::default();
        let mut fresh = AppendLedger::open(UploadLength::Deferred, &profile).unwrap();
        fresh.declare(max_relayed(&profile), &profile).unwrap();
        let mut begun = AppendLedger::open(UploadLength::Deferred, &profile).unwrap();
        begun.offset = begun.part_size;
        assert!(matches!(begun.declare(max_relayed(&profile), &profile), Err(BadLength::TooLong { .. })));
        begun.declare(100 << 30, &profile).unwrap();
    }

    #[test]
    fn fifty_terabytes_can_be_relayed() {
        assert!(max_relayed(&StoreProfile::default()) >= 50_000_000_000_000);
        assert!(AppendLedger::open(UploadLength::Known(u64::MAX), &StoreProfile::default()).is_err());
    }

    proptest! {
        #[test]
        fn a_tail_stays_short(sizes in prop::collection::vec(1u64..100_000, 1..200)) {
            let mut ledger = AppendLedger::open(UploadLength::Deferred, &StoreProfile::default()).unwrap();
            for size in sizes {
                let merged: u64 = ledger.tail.split_off(ledger.merged_into(size)).iter().map(|s| s.size).sum();
                ledger.tail.push(segment(merged + size));
                ledger.offset += size;
                prop_assert_eq!(ledger.tail_len(), ledger.offset);
                prop_assert!(ledger.tail.len() <= 1 + ledger.offset.ilog2() as usize);
            }
        }
    }
}
