//! An upload: one attempt to bring an asset's bytes in, and the states it passes through.
//!
//! ```text
//! open ──▶ completing ──▶ completed
//!   │            └──────▶ failed (proof says the bytes are wrong)
//!   ├──▶ aborted   (owner gave up)
//!   └──▶ expired   (time passed)
//! ```
//!
//! `look_at` is the time at which the sweeper must look at the upload again, whatever its state: to rescue or
//! expire an open one, to finish one that is stuck completing, to remove what an ended one left in the store.

use std::time::Duration;

use super::InvalidTransition;
use super::append::AppendLedger;
use super::checksum::ChecksumAlgorithm;
use super::clock::{Timestamp, after};
use super::ids::{AssetId, KeyId, TenantId, UploadId};
use super::plan::PartPlan;

/// One attempt to bring an asset's bytes in.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// Identity.
    pub id: UploadId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The asset whose bytes it brings.
    pub asset: AssetId,
    /// The key that created it.
    pub owner: KeyId,
    /// Counts writes; every write names the revision that it saw and fails on another.
    pub revision: i64,
    /// Where it stands.
    pub state: UploadState,
    /// The door through which it was created.
    pub protocol: UploadProtocol,
    /// How its bytes reach the store.
    pub transfer: Transfer,
    /// Most bytes that it may have, where it was not said how many those are: whoever holds its grant brings a file of
    /// their own choice.
    pub max_size: Option<u64>,
    /// What its row is charged with towards the tenant's quota; see [`super::quota`].
    pub quota_charge: Option<u64>,
    /// Bytes that the tenant's quota counts although it has ended: a signed URL can still bring them.
    pub reserved: Option<u64>,
    /// The object's key in the store.
    pub key: String,
    /// Random proof that an object in the store is this upload's, stamped on it at creation.
    pub write_token: String,
    /// The caller's own identity for it; one open upload per tenant and identity.
    pub external_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// When an open upload is given up.
    pub expires_at: Timestamp,
    /// When the sweeper must look at it next; `None` when nothing is owed.
    pub next_check_at: Option<Timestamp>,
}

/// Where an upload stands. All but the first two are terminal and absorb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Bytes may come.
    Open,
    /// Somebody asks the store to assemble them. Whoever committed the current revision holds it.
    Completing,
    /// The asset has its bytes.
    Completed,
    /// The store's object is provably not what was declared.
    Failed,
    /// The owner gave up.
    Aborted,
    /// Its time passed.
    Expired,
}

/// The door through which an upload came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadProtocol {
    /// The JSON API and presigned URLs.
    Native,
    /// tus 1.0.
    Tus,
    /// Uppy, which speaks to us as it speaks to its Companion.
    Companion,
    /// IETF resumable uploads.
    Ietf,
}

/// How bytes reach the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Transfer {
    /// One PutObject of `size` bytes under `If-None-Match: *`: the first bytes stay, a URL used again is refused.
    Put {
        /// Exact size in bytes.
        size: u64,
    },
    /// UploadPart below one multipart upload. When that ends, every URL for it is dead.
    Multipart {
        /// How the object is cut.
        plan: PartPlan,
        /// The store's id for the multipart upload; `None` between our intent and the store's answer.
        store_id: Option<String>,
        /// The checksum that every part will carry, declared to the store at creation.
        checksum: Option<ChecksumAlgorithm>,
        /// Shown to the client as one plain PUT: the form of a single PUT on stores that ignore conditions.
        as_put: bool,
    },
    /// UploadPart below one multipart upload, in parts of the client's own cutting.
    UnplannedMultipart {
        /// The store's id for the multipart upload; `None` between our intent and the store's answer.
        store_id: Option<String>,
        /// The file's exact size: as declared, otherwise counted when completing begins.
        total: Option<u64>,
    },
    /// Bytes come through this service, in order.
    Relayed(Box<AppendLedger>),
}

impl Transfer {
    /// The exact size of the object in bytes; `None` while nobody has said.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Put { size } => Some(*size),
            Self::Multipart { plan, .. } => Some(plan.total()),
            Self::UnplannedMultipart { total, .. } => *total,
            Self::Relayed(ledger) => ledger.length.known(),
        }
    }

    /// What the client is told to do: one PUT, parts, or bytes in order.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Put { .. } | Self::Multipart { as_put: true, .. } => "put",
            Self::Multipart { .. } | Self::UnplannedMultipart { .. } => "multipart",
            Self::Relayed(_) => "append",
        }
    }
}

/// How long things may take before the sweeper steps in.
#[derive(Clone, Copy, Debug)]
pub struct UploadTimeouts {
    /// Life of an open upload.
    pub upload_ttl: Duration,
    /// An open upload is looked at after this, in case all its parts are there and nobody said so.
    pub rescue_after: Duration,
    /// A completing upload is taken over after this.
    pub takeover_after: Duration,
    /// No signed URL outlives this; until then an ended upload's URL can still put bytes into the store.
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

/// Clients that cut by themselves do not ask for a URL again, so one has to outlive the slowest part. They also come back
/// a day later and ask what is there.
const ONE_DAY: Duration = Duration::from_secs(24 * 3600);

/// When the store is asked for other multipart uploads under the key of a completed one: the store may carry out a
/// CreateMultipartUpload late whose answer nobody waited for.
const LOST_ANSWER_DELAY: Duration = Duration::from_secs(120);

impl UploadTimeouts {
    /// How long a URL that was signed for this transfer may still be used.
    #[must_use]
    pub fn url_life(&self, transfer: &Transfer) -> Duration {
        match transfer {
            Transfer::UnplannedMultipart { .. } => self.url_ttl.max(ONE_DAY),
            Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::Relayed(_) => self.url_ttl,
        }
    }
}

impl UploadProtocol {
    /// The name of the door, as in JSON and rows.
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

    /// Whether bytes or an answer are still to come.
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

    /// open → completing. Also completing → completing, when the holder has been silent for
    /// [`UploadTimeouts::takeover_after`]: the next caller takes the upload over and the holder's revision is void.
    pub fn begin_completing(self, patience: &UploadTimeouts, now: Timestamp) -> Result<Self, InvalidTransition> {
        let free = match self.state {
            UploadState::Open => true,
            UploadState::Completing => self.next_check_at.is_none_or(|at| at <= now),
            _ => false,
        };
        if !free {
            return Err(self.refuse("completing"));
        }
        Ok(self.become_at(UploadState::Completing, Some(after(now, patience.takeover_after)), now))
    }

    /// completing → completed; what relaying its bytes left beside the object is owed removal now, a list of parts that the
    /// client may still ask for is owed it later, and so is a multipart upload whose id was lost with an answer of the store.
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

    /// Takes down how large a file is whose client cut it: so many bytes are at the store now that it says it is done.
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

    /// Lets the bytes of an open upload travel another way, as long as none of them is here: `received` tells of those
    /// at the store. A size that was declared stays declared.
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

    /// completing → failed; what it left in the store is owed removal now.
    pub fn fail(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            UploadState::Completing => Ok(self.become_at(UploadState::Failed, Some(now), now)),
            _ => Err(self.refuse("failed")),
        }
    }

    /// open → aborted; what it left in the store is owed removal now.
    pub fn abort(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            UploadState::Open => Ok(self.become_at(UploadState::Aborted, Some(now), now)),
            _ => Err(self.refuse("aborted")),
        }
    }

    /// open → expired, once `expires_at` is past; what it left in the store is owed removal now.
    pub fn expire(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            UploadState::Open if self.expires_at <= now => Ok(self.become_at(UploadState::Expired, Some(now), now)),
            _ => Err(self.refuse("expired")),
        }
    }

    /// Puts off the next look at an open upload: the pauses double, and the last look is at its expiry.
    #[must_use]
    pub fn look_later(mut self, patience: &UploadTimeouts, now: Timestamp) -> Self {
        let age = Duration::try_from(now.duration_since(self.created_at)).unwrap_or_default();
        let pause = age.max(patience.rescue_after);
        self.next_check_at = Some(after(now, pause).min(self.expires_at).max(after(now, Duration::from_secs(1))));
        self
    }

    /// Records what is left to remove in the store after the upload has ended: look again at `next`, or never.
    pub fn cleaned(mut self, next: Option<Timestamp>) -> Result<Self, InvalidTransition> {
        if self.state.is_live() {
            return Err(self.refuse("cleaned"));
        }
        self.next_check_at = next;
        Ok(self)
    }

    /// The store's id of the multipart upload, once it is known.
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
            key: "k".to_owned(),
            write_token: "t".to_owned(),
            external_id: None,
            created_at: micros(0),
            changed_at: micros(0),
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
