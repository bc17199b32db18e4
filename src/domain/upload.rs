//! Uploads: the transfer of an asset's bytes, and its states.
//!
//! ```text
//! open ──▶ completing ──▶ completed
//!   │            └──────▶ failed (proof says the bytes are wrong)
//!   ├──▶ aborted   (owner gave up)
//!   └──▶ expired   (time passed)
//! ```
//!
//! `next_check_at` is the time at which the sweeper must check the upload again, in any state: to rescue or expire an
//! open upload, to finish a stuck completion, or to remove the leftovers of an ended upload from the store.

use std::time::Duration;

use super::InvalidTransition;
use super::append::AppendLedger;
use super::checksum::ChecksumAlgorithm;
use super::clock::{Timestamp, after};
use super::ids::{AssetId, GrantId, KeyId, TenantId, UploadId};
use super::plan::PartPlan;

/// A transfer that brings an asset's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Identity.
    pub id: UploadId,
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The asset whose bytes it brings.
    pub asset: AssetId,
    /// The key that created it.
    pub owner: KeyId,
    /// Number of writes. Every write names the revision that it read, and fails if the row has another.
    pub revision: i64,
    /// The state.
    pub state: UploadState,
    /// The protocol with which it was created.
    pub protocol: UploadProtocol,
    /// The way in which its bytes reach the store.
    pub transfer: Transfer,
    /// Largest size in bytes if the size was not declared: the holder of the upload's grant chooses the file later.
    pub max_size: Option<u64>,
    /// Bytes counted towards the tenant's quota; see [`super::quota`].
    pub quota_charge: Option<u64>,
    /// Bytes that the quota still counts after the upload has ended, because a signed URL may still bring them.
    pub reserved: Option<u64>,
    /// The grant for many files that opened it.
    pub drop_box: Option<GrantId>,
    /// Bytes that this grant counts for it; `None`: no file is counted. See [`super::drop_box`].
    pub drop_box_bytes: Option<u64>,
    /// The object's key in the store.
    pub key: String,
    /// Random value in the metadata of the object or multipart upload, which proves that this upload wrote it.
    pub write_token: String,
    /// The caller's own identifier; unique among a tenant's open uploads.
    pub external_id: Option<String>,
    /// The process that opened it, or that last took its lease or its completion: host and process id.
    pub node: Option<String>,
    /// The program that opened it; see [`super::client_program`].
    pub client: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When the client was last seen to work on it: it asked for URLs, appended bytes, asked for completion, or the
    /// store was found to have more bytes.
    pub last_activity_at: Timestamp,
    /// Bytes that the store had when it was last asked; 0 for relayed transfers, whose ledger knows.
    pub seen_bytes: u64,
    /// When an open upload expires.
    pub expires_at: Timestamp,
    /// When the sweeper must check it next; `None` if nothing is left to do.
    pub next_check_at: Option<Timestamp>,
}

/// State of an upload. All states but the first two are terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Bytes may arrive.
    Open,
    /// The store is assembling the object. The caller that committed the current revision runs the completion.
    Completing,
    /// The asset has its bytes.
    Completed,
    /// The stored object provably differs from the declaration.
    Failed,
    /// The owner aborted it.
    Aborted,
    /// `expires_at` passed before completion.
    Expired,
}

/// Protocol of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadProtocol {
    /// The JSON API and presigned URLs.
    Native,
    /// tus 1.0.
    Tus,
    /// Uppy, through the Companion protocol.
    Companion,
    /// IETF resumable uploads.
    Ietf,
}

/// The way in which bytes reach the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Transfer {
    /// A single PutObject of `size` bytes with `If-None-Match: *`: the first object stays, and a repeated use of the
    /// URL is refused.
    Put {
        /// Exact size in bytes.
        size: u64,
    },
    /// UploadPart requests to a multipart upload. When the multipart upload ends, all its URLs become invalid.
    Multipart {
        /// Sizes of the parts.
        plan: PartPlan,
        /// The store's id for the multipart upload; `None` until the store has answered CreateMultipartUpload.
        store_id: Option<String>,
        /// The checksum algorithm of all parts, declared to the store at creation.
        checksum: Option<ChecksumAlgorithm>,
        /// True if the client sees a plain PUT: replaces [`Transfer::Put`] on stores that ignore conditional headers.
        as_put: bool,
    },
    /// UploadPart requests to a multipart upload, with part sizes that the client chooses.
    UnplannedMultipart {
        /// The store's id for the multipart upload; `None` until the store has answered CreateMultipartUpload.
        store_id: Option<String>,
        /// The exact size of the file in bytes: as declared, or else counted when completion begins.
        total: Option<u64>,
    },
    /// Bytes come through this service, in order.
    Relayed(Box<AppendLedger>),
}

impl Transfer {
    /// The exact size of the object in bytes; `None` while it is unknown.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Put { size } => Some(*size),
            Self::Multipart { plan, .. } => Some(plan.total()),
            Self::UnplannedMultipart { total, .. } => *total,
            Self::Relayed(ledger) => ledger.length.known(),
        }
    }

    /// The method that the client is told to use: a single PUT, parts, or appends.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Put { .. } | Self::Multipart { as_put: true, .. } => "put",
            Self::Multipart { .. } | Self::UnplannedMultipart { .. } => "multipart",
            Self::Relayed(_) => "append",
        }
    }
}

/// Delays after which the sweeper steps in.
#[derive(Clone, Copy, Debug)]
pub struct UploadTimeouts {
    /// Lifetime of an open upload.
    pub upload_ttl: Duration,
    /// Delay of the first check of an open upload, whose parts may all be stored without a request for completion.
    pub rescue_after: Duration,
    /// Delay after which another caller takes over a completion.
    pub takeover_after: Duration,
    /// Lifetime of signed URLs; until then, a URL of an ended upload may still bring bytes to the store.
    pub url_ttl: Duration,
}

impl Default for UploadTimeouts {
    fn default() -> Self {
        Self {
            upload_ttl: Duration::from_secs(7 * 24 * 3600),
            rescue_after: Duration::from_secs(600),
            takeover_after: Duration::from_secs(30),
            url_ttl: Duration::from_secs(3600),
        }
    }
}

/// Lifetime for clients that choose part sizes: they do not request a URL again, so that a URL must outlive the slowest
/// part, and they may return a day later to list the parts.
const ONE_DAY: Duration = Duration::from_secs(24 * 3600);

/// Delay of the check for other multipart uploads under the key of a completed upload: the store may execute a
/// CreateMultipartUpload late, after the request timed out.
const LOST_ANSWER_DELAY: Duration = Duration::from_secs(120);

impl UploadTimeouts {
    /// Lifetime of a URL that is signed for this transfer.
    #[must_use]
    pub fn url_life(&self, transfer: &Transfer) -> Duration {
        match transfer {
            Transfer::UnplannedMultipart { .. } => self.url_ttl.max(ONE_DAY),
            Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::Relayed(_) => self.url_ttl,
        }
    }
}

impl UploadProtocol {
    /// Every protocol.
    pub const ALL: [Self; 4] = [Self::Native, Self::Tus, Self::Companion, Self::Ietf];

    /// The name of the protocol, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Tus => "tus",
            Self::Companion => "companion",
            Self::Ietf => "ietf",
        }
    }
}

impl UploadState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Completing, Self::Completed, Self::Failed, Self::Aborted, Self::Expired];

    /// The name of the state, as in JSON, rows and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completing => "completing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
        }
    }

    /// True if the upload has not ended.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Open | Self::Completing)
    }
}

impl Upload {
    fn refuse(&self, to: &'static str) -> InvalidTransition {
        InvalidTransition { what: "upload", from: self.state.name(), to }
    }

    fn become_at(mut self, state: UploadState, look_at: Option<Timestamp>, now: Timestamp) -> Self {
        self.state = state;
        self.next_check_at = look_at;
        self.changed_at = now;
        self
    }

    /// open → completing. Also completing → completing, if the holder has not written for
    /// [`UploadTimeouts::takeover_after`]: the next caller takes over, and the holder's revision becomes invalid.
    pub fn begin_completing(self, patience: &UploadTimeouts, now: Timestamp) -> Result<Self, InvalidTransition> {
        let free = match self.state {
            UploadState::Open => true,
            UploadState::Completing => self.next_check_at.is_none_or(|at| at <= now),
            _ => false,
        };
        if !free {
            return Err(self.refuse("completing"));
        }
        Ok(self.touch(now).become_at(UploadState::Completing, Some(after(now, patience.takeover_after)), now))
    }

    /// Records that the client works on the upload.
    #[must_use]
    pub fn touch(mut self, now: Timestamp) -> Self {
        self.last_activity_at = self.last_activity_at.max(now);
        self
    }

    /// Bytes of the file that are confirmed as far as the row says, without asking the store. Of a transfer by signed
    /// URLs these are the bytes that the store had when it was last asked, so that it may have more by now.
    #[must_use]
    pub fn confirmed_bytes(&self) -> u64 {
        match (&self.transfer, self.state) {
            (Transfer::Relayed(ledger), _) => ledger.offset,
            (transfer, UploadState::Completed) => transfer.size().unwrap_or(self.seen_bytes),
            (Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::UnplannedMultipart { .. }, _) => {
                self.seen_bytes
            }
        }
    }

    /// completing → completed. Leftovers of a relayed transfer are removed at once. Later checks remove the list of
    /// parts that the client may still request, and multipart uploads whose id was lost with an answer of the store.
    pub fn complete(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        if self.state != UploadState::Completing {
            return Err(self.refuse("completed"));
        }
        let owed = match &self.transfer {
            Transfer::UnplannedMultipart { .. } => Some(self.expires_at.max(after(now, ONE_DAY))),
            Transfer::Relayed(ledger) => ledger.leaves_something().then_some(now),
            Transfer::Multipart { .. } => Some(after(now, LOST_ANSWER_DELAY)),
            Transfer::Put { .. } => None,
        };
        Ok(self.become_at(UploadState::Completed, owed, now))
    }

    /// Records the size of a file whose parts the client chose: the bytes in the store when the client completes the
    /// upload.
    pub fn measure(mut self, counted: u64) -> Result<Self, InvalidTransition> {
        let refused = self.refuse("measured");
        match (&mut self.transfer, self.state) {
            (Transfer::UnplannedMultipart { total: Some(known), .. }, _) if *known == counted => Ok(self),
            (Transfer::UnplannedMultipart { total: total @ None, .. }, UploadState::Open) => {
                *total = Some(counted);
                Ok(self)
            }
            _ => Err(refused),
        }
    }

    /// Changes the transfer of an open upload, as long as no bytes have arrived; `received`: true if the store has
    /// some. A declared size cannot change.
    pub fn carry_by(mut self, transfer: Transfer, received: bool, now: Timestamp) -> Result<Self, InvalidTransition> {
        let begun = received || self.ledger().is_some_and(|ledger| ledger.offset > 0 || ledger.is_held(now));
        let resized = self.transfer.size().is_some() && self.transfer.size() != transfer.size();
        match self.state {
            UploadState::Open if begun || resized => Err(InvalidTransition {
                what: "upload",
                from: if begun { "begun" } else { "sized" },
                to: "carried otherwise",
            }),
            UploadState::Open => {
                self.transfer = transfer;
                self.changed_at = now;
                Ok(self)
            }
            _ => Err(self.refuse("carried otherwise")),
        }
    }

    /// completing → failed. Leftovers in the store are removed at once.
    pub fn fail(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            UploadState::Completing => Ok(self.become_at(UploadState::Failed, Some(now), now)),
            _ => Err(self.refuse("failed")),
        }
    }

    /// open → aborted. Leftovers in the store are removed at once.
    pub fn abort(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            UploadState::Open => Ok(self.become_at(UploadState::Aborted, Some(now), now)),
            _ => Err(self.refuse("aborted")),
        }
    }

    /// open → expired, after `expires_at`. Leftovers in the store are removed at once.
    pub fn expire(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            UploadState::Open if self.expires_at <= now => Ok(self.become_at(UploadState::Expired, Some(now), now)),
            _ => Err(self.refuse("expired")),
        }
    }

    /// Lets an open upload expire at `until`; an earlier time than before changes nothing.
    pub fn extend(mut self, until: Timestamp) -> Result<Self, InvalidTransition> {
        if self.state != UploadState::Open {
            return Err(self.refuse("extended"));
        }
        self.expires_at = self.expires_at.max(until);
        Ok(self)
    }

    /// Postpones the next check of an open upload: the delays double, and the last check is at its expiry.
    #[must_use]
    pub fn look_later(mut self, patience: &UploadTimeouts, now: Timestamp) -> Self {
        let age = Duration::try_from(now.duration_since(self.created_at)).unwrap_or_default();
        let pause = age.max(patience.rescue_after);
        self.next_check_at = Some(after(now, pause).min(self.expires_at).max(after(now, Duration::from_secs(1))));
        self
    }

    /// Records the progress of the clean-up after the upload has ended: check again at `next`, or never.
    pub fn cleaned(mut self, next: Option<Timestamp>) -> Result<Self, InvalidTransition> {
        if self.state.is_live() {
            return Err(self.refuse("cleaned"));
        }
        self.next_check_at = next;
        Ok(self)
    }

    /// The store's id for the multipart upload, if known.
    #[must_use]
    pub fn store_id(&self) -> Option<&str> {
        match &self.transfer {
            Transfer::Multipart { store_id, .. } | Transfer::UnplannedMultipart { store_id, .. } => store_id.as_deref(),
            Transfer::Relayed(ledger) => ledger.store_id.as_deref(),
            Transfer::Put { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use uuid::Uuid;

    const HOUR: i64 = 3_600_000_000;

    /// An open upload that expires after an hour.
    pub(crate) fn open() -> Upload {
        Upload {
            id: UploadId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            asset: AssetId(Uuid::from_u128(3)),
            owner: KeyId(Uuid::from_u128(4)),
            revision: 1,
            state: UploadState::Open,
            protocol: UploadProtocol::Native,
            transfer: Transfer::Put { size: 1 },
            max_size: None,
            quota_charge: None,
            reserved: None,
            drop_box: None,
            drop_box_bytes: None,
            key: "k".to_owned(),
            write_token: "t".to_owned(),
            external_id: None,
            node: None,
            client: None,
            created_at: micros(0),
            changed_at: micros(0),
            last_activity_at: micros(0),
            seen_bytes: 0,
            expires_at: micros(HOUR),
            next_check_at: Some(micros(HOUR)),
        }
    }

    #[test]
    fn the_drawing_is_the_whole_truth() {
        let patience = UploadTimeouts::default();
        let late = micros(2 * HOUR);
        let completing = open().begin_completing(&patience, micros(1)).unwrap();
        let states = [
            open(),
            completing.clone(),
            completing.clone().complete(late).unwrap(),
            completing.fail(late).unwrap(),
            open().abort(late).unwrap(),
            open().expire(late).unwrap(),
        ];
        let mut allowed = Vec::new();
        for upload in states {
            let from = upload.state.name();
            let tries = [
                upload.clone().begin_completing(&patience, late),
                upload.clone().complete(late),
                upload.clone().fail(late),
                upload.clone().abort(late),
                upload.clone().expire(late),
            ];
            allowed.extend(tries.into_iter().flatten().map(|next| format!("{from} → {}", next.state.name())));
        }
        let drawing = [
            "open → completing",
            "open → aborted",
            "open → expired",
            "completing → completing",
            "completing → completed",
            "completing → failed",
        ];
        assert_eq!(allowed, drawing);
    }

    #[test]
    fn a_completing_upload_is_taken_over_only_after_its_time() {
        let patience = UploadTimeouts::default();
        let completing = open().begin_completing(&patience, micros(0)).unwrap();
        let at = after(micros(0), patience.takeover_after);
        assert!(completing.clone().begin_completing(&patience, micros(at.as_microsecond() - 1)).is_err());
        assert!(completing.begin_completing(&patience, at).is_ok());
    }

    fn cut(total: Option<u64>) -> Upload {
        Upload { transfer: Transfer::UnplannedMultipart { store_id: None, total }, ..open() }
    }

    #[test]
    fn a_file_of_the_clients_cutting_is_measured_once() {
        let measured = cut(None).measure(7).unwrap();
        assert_eq!(measured.transfer.size(), Some(7));
        assert!(measured.clone().measure(7).is_ok() && measured.measure(8).is_err());
        assert!(cut(Some(5)).measure(6).is_err() && open().measure(1).is_err());
        let patience = UploadTimeouts::default();
        let completing = cut(None).begin_completing(&patience, micros(0)).unwrap();
        assert!(completing.measure(7).is_err());
    }

    #[test]
    fn its_parts_can_be_asked_for_after_its_end() {
        let completing = cut(Some(1)).begin_completing(&UploadTimeouts::default(), micros(0)).unwrap();
        let completed = completing.complete(micros(HOUR - 1)).unwrap();
        assert_eq!(completed.next_check_at, Some(after(micros(HOUR - 1), ONE_DAY)));
    }

    #[test]
    fn bytes_that_are_here_stay_where_they_are() {
        let other = || Transfer::UnplannedMultipart { store_id: None, total: Some(1) };
        assert_eq!(open().carry_by(other(), false, micros(1)).unwrap().transfer, other());
        assert!(open().carry_by(other(), true, micros(1)).is_err());
        assert!(open().carry_by(Transfer::Put { size: 2 }, false, micros(1)).is_err());
        assert!(open().abort(micros(1)).unwrap().carry_by(other(), false, micros(1)).is_err());
        let profile = crate::domain::plan::StoreProfile::default();
        let mut ledger = AppendLedger::open(crate::domain::append::UploadLength::Known(1), &profile).unwrap();
        let relayed =
            |ledger: &AppendLedger| Upload { transfer: Transfer::Relayed(Box::new(ledger.clone())), ..open() };
        assert!(relayed(&ledger).carry_by(other(), false, micros(1)).is_ok());
        ledger.offset = 1;
        assert!(relayed(&ledger).carry_by(other(), false, micros(1)).is_err());
    }

    #[test]
    fn nothing_expires_early() {
        assert!(open().expire(micros(HOUR - 1)).is_err());
        assert!(open().expire(micros(HOUR)).is_ok());
    }

    #[test]
    fn looks_get_rarer_and_the_last_one_is_at_expiry() {
        let patience = UploadTimeouts::default();
        let first = open().look_later(&patience, micros(60_000_000)).next_check_at.unwrap();
        assert_eq!(first, micros(660_000_000));
        let second = open().look_later(&patience, first).next_check_at.unwrap();
        assert_eq!(second, micros(1_320_000_000));
        let last = open().look_later(&patience, micros(HOUR - 5_000_000)).next_check_at.unwrap();
        assert_eq!(last, micros(HOUR));
    }
}
