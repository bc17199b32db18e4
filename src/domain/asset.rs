//! An asset: a file the service keeps, and the states it passes through.
//!
//! ```text
//! awaiting ──▶ stored ──▶ processing ──▶ ready ──▶ deleted | rejected (a later look found something)
//!    │            │         ├──▶ rejected ──▶ deleted
//!    │            │         ├──▶ failed ──▶ processing | deleted
//!    └──▶ abandoned         └──▶ deleted
//!                 └──▶ deleted
//! ```
//!
//! `stored` and `processing` become `deleted` when the owner withdraws the file: its job is cancelled.
//!
//! Bytes may be handed out in [`AssetState::Ready`] and in no other state.

use std::time::Duration;

use super::InvalidTransition;
use super::checksum::Sha256Digest;
use super::clock::{Timestamp, after};
use super::findings::{AssetFindings, InspectionState, StoredDamage};
use super::ids::{AssetId, KeyId, TenantId};
use super::name::{FileName, MediaType, TypePattern};

/// Free-form properties that the caller keeps with an asset; a JSON object.
pub type AssetMetadata = serde_json::Map<String, serde_json::Value>;

/// A file that the service keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Asset {
    /// Identity.
    pub id: AssetId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The key that created it.
    pub owner: KeyId,
    /// Counts writes; every write names the revision that it saw and fails on another.
    pub revision: i64,
    /// Where it stands.
    pub state: AssetState,
    /// The declared name, never a path.
    pub name: FileName,
    /// The declared size in bytes; the stored size is equal to it or the upload fails. 0 while nobody has said.
    pub size: u64,
    /// The declared type, never trusted for delivery.
    pub media_type: Option<MediaType>,
    /// The declared digest, verified before the asset becomes ready.
    pub declared_sha256: Option<Sha256Digest>,
    /// The caller's own identity for it.
    pub external_id: Option<String>,
    /// The caller's own properties.
    pub metadata: AssetMetadata,
    /// What its bytes may turn out to be; empty: anything.
    pub allowed: Vec<TypePattern>,
    /// A piece of another file: no list shows it.
    pub partial: bool,
    /// What its row is charged with towards the tenant's quota; see [`super::quota`].
    pub quota_charge: Option<u64>,
    /// The policy under which it was created.
    pub policy: String,
    /// When its policy wants it deleted.
    pub delete_at: Option<Timestamp>,
    /// When it was first declared.
    pub created_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// Where an asset stands. Terminal states absorb.
#[derive(Clone, Debug, PartialEq)]
pub enum AssetState {
    /// Declared; its bytes are on their way.
    Awaiting,
    /// Its upload was aborted, expired or failed. Terminal.
    Abandoned,
    /// Its bytes are in the store and a job is owed.
    Stored(AssetContent),
    /// A worker has begun.
    Processing(AssetContent),
    /// Digest and type are established; it may be delivered.
    Ready(AssetContent),
    /// It will never be delivered.
    Rejected {
        /// What it was rejected with.
        content: AssetContent,
        /// Why.
        verdict: AssetVerdict,
        /// What is still in the store.
        bytes: LeftoverBytes,
    },
    /// Processing gave up; it can be tried again.
    Failed {
        /// What could not be processed.
        content: AssetContent,
        /// Why.
        verdict: AssetVerdict,
    },
    /// Gone for every reader. Terminal.
    Deleted {
        /// What it was.
        content: AssetContent,
        /// What is still in the store.
        bytes: LeftoverBytes,
    },
}

/// Bytes that are in the store, and what was found out about them.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetContent {
    /// Where they are; made by us, see [`crate::blob::BlobKey`].
    pub key: String,
    /// The store's entity tag, without quotes. Not a digest.
    pub etag: String,
    /// The store's version id, where the bucket keeps versions.
    pub version: Option<String>,
    /// When the store had them all.
    pub stored_at: Timestamp,
    /// The type found in the bytes.
    pub detected: Option<MediaType>,
    /// The digest computed from the bytes.
    pub sha256: Option<Sha256Digest>,
    /// What else was found out.
    pub findings: AssetFindings,
}

/// Why an asset was rejected or failed: a stable code and a sentence that a person can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetVerdict {
    /// For programs.
    pub code: String,
    /// For people.
    pub sentence: String,
}

/// Bytes of an asset that is no longer served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverBytes {
    /// The object is removed at this time; until then it may still exist.
    Until(Timestamp),
    /// The object is known to be gone.
    Gone,
}

impl AssetState {
    /// The name of the state, as in JSON, rows and events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Awaiting => "awaiting",
            Self::Abandoned => "abandoned",
            Self::Stored(_) => "stored",
            Self::Processing(_) => "processing",
            Self::Ready(_) => "ready",
            Self::Rejected { .. } => "rejected",
            Self::Failed { .. } => "failed",
            Self::Deleted { .. } => "deleted",
        }
    }

    /// Every name that [`Self::name`] can return.
    pub const NAMES: [&'static str; 8] =
        ["awaiting", "abandoned", "stored", "processing", "ready", "rejected", "failed", "deleted"];

    /// Whether nothing will change without a caller asking for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Awaiting | Self::Stored(_) | Self::Processing(_))
    }

    /// The bytes, in every state that has or had some.
    #[must_use]
    pub fn content(&self) -> Option<&AssetContent> {
        match self {
            Self::Awaiting | Self::Abandoned => None,
            Self::Stored(content) | Self::Processing(content) | Self::Ready(content) => Some(content),
            Self::Rejected { content, .. } | Self::Failed { content, .. } | Self::Deleted { content, .. } => {
                Some(content)
            }
        }
    }

    /// Why it was rejected or failed.
    #[must_use]
    pub fn verdict(&self) -> Option<&AssetVerdict> {
        match self {
            Self::Rejected { verdict, .. } | Self::Failed { verdict, .. } => Some(verdict),
            Self::Awaiting
            | Self::Abandoned
            | Self::Stored(_)
            | Self::Processing(_)
            | Self::Ready(_)
            | Self::Deleted { .. } => None,
        }
    }

    /// What may be left of its bytes, once nobody is served from them any more.
    #[must_use]
    pub fn leftover(&self) -> Option<LeftoverBytes> {
        match self {
            Self::Rejected { bytes, .. } | Self::Deleted { bytes, .. } => Some(*bytes),
            Self::Awaiting
            | Self::Abandoned
            | Self::Stored(_)
            | Self::Processing(_)
            | Self::Ready(_)
            | Self::Failed { .. } => None,
        }
    }
}

impl AssetState {
    fn content_mut(&mut self) -> Option<&mut AssetContent> {
        match self {
            Self::Awaiting | Self::Abandoned => None,
            Self::Stored(content) | Self::Processing(content) | Self::Ready(content) => Some(content),
            Self::Rejected { content, .. } | Self::Failed { content, .. } | Self::Deleted { content, .. } => {
                Some(content)
            }
        }
    }
}

impl Asset {
    fn refuse(&self, to: &'static str) -> InvalidTransition {
        InvalidTransition { what: "asset", from: self.state.name(), to }
    }

    fn become_at(mut self, state: AssetState, now: Timestamp) -> Self {
        self.state = state;
        self.changed_at = now;
        self
    }

    /// awaiting → stored: the store has every byte.
    pub fn store(self, content: AssetContent, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            AssetState::Awaiting => Ok(self.become_at(AssetState::Stored(content), now)),
            _ => Err(self.refuse("stored")),
        }
    }

    /// awaiting → abandoned: the bytes will not come.
    pub fn abandon(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state {
            AssetState::Awaiting => Ok(self.become_at(AssetState::Abandoned, now)),
            _ => Err(self.refuse("abandoned")),
        }
    }

    /// stored | failed → processing: a worker has begun.
    pub fn process(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state.clone() {
            AssetState::Stored(content) | AssetState::Failed { content, .. } => {
                Ok(self.become_at(AssetState::Processing(content), now))
            }
            _ => Err(self.refuse("processing")),
        }
    }

    /// processing → ready.
    pub fn ready(self, found: InspectionState, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state.clone() {
            AssetState::Processing(content) => Ok(self.become_at(AssetState::Ready(content.with(found)), now)),
            _ => Err(self.refuse("ready")),
        }
    }

    /// processing → rejected, or ready → rejected when a later look found something; the bytes stay for `quarantine` and
    /// are then removed.
    pub fn reject(
        self,
        found: InspectionState,
        verdict: AssetVerdict,
        quarantine: Duration,
        now: Timestamp,
    ) -> Result<Self, InvalidTransition> {
        match self.state.clone() {
            AssetState::Processing(content) | AssetState::Ready(content) => {
                let bytes = LeftoverBytes::Until(after(now, quarantine));
                let content = content.with(found);
                Ok(self.become_at(AssetState::Rejected { content, verdict, bytes }, now))
            }
            _ => Err(self.refuse("rejected")),
        }
    }

    /// ready → ready: it was looked at again, and nothing speaks against it.
    pub fn refresh(self, found: InspectionState, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state.clone() {
            AssetState::Ready(content) => Ok(self.become_at(AssetState::Ready(content.with(found)), now)),
            _ => Err(self.refuse("ready")),
        }
    }

    /// Keeps the digest of the bytes, all of which were read, as it was first computed: one that is established already
    /// stays. Damage that was known before is mended by that.
    #[must_use]
    pub fn establish(mut self, sha256: Option<Sha256Digest>) -> Self {
        if let Some(content) = self.state.content_mut() {
            if sha256.is_some() {
                content.findings.set_damage(None);
            }
            content.sha256 = content.sha256.or(sha256);
        }
        self
    }

    /// Notes damage of the stored bytes as a problem. State, digest, type and derivatives stay as they are.
    #[must_use]
    pub fn note_damage(mut self, damage: StoredDamage, now: Timestamp) -> Self {
        if let Some(content) = self.state.content_mut() {
            content.findings.set_damage(Some(damage));
            self.changed_at = now;
        }
        self
    }

    /// The damage of the stored bytes that somebody has to deal with; `None` as well for an asset whose bytes are on
    /// their way out.
    #[must_use]
    pub fn damage(&self) -> Option<StoredDamage> {
        if self.state.leftover().is_some() {
            return None;
        }
        self.state.content().and_then(|content| content.findings.damage())
    }

    /// processing → failed: every attempt was used up.
    pub fn fail(self, verdict: AssetVerdict, now: Timestamp) -> Result<Self, InvalidTransition> {
        match self.state.clone() {
            AssetState::Processing(content) => Ok(self.become_at(AssetState::Failed { content, verdict }, now)),
            _ => Err(self.refuse("failed")),
        }
    }

    /// stored | processing | ready | rejected | failed → deleted; the object is removed right after.
    pub fn delete(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        let (content, bytes) = match self.state.clone() {
            AssetState::Stored(content)
            | AssetState::Processing(content)
            | AssetState::Ready(content)
            | AssetState::Failed { content, .. } => (content, LeftoverBytes::Until(now)),
            AssetState::Rejected { content, bytes: LeftoverBytes::Gone, .. } => (content, LeftoverBytes::Gone),
            AssetState::Rejected { content, .. } => (content, LeftoverBytes::Until(now)),
            _ => return Err(self.refuse("deleted")),
        };
        Ok(Self { delete_at: None, ..self.become_at(AssetState::Deleted { content, bytes }, now) })
    }

    /// Records what became of the bytes of an asset that is no longer served.
    pub fn purge(mut self, left: LeftoverBytes) -> Result<Self, InvalidTransition> {
        match &mut self.state {
            AssetState::Rejected { bytes, .. } | AssetState::Deleted { bytes, .. } => *bytes = left,
            _ => return Err(self.refuse("purged")),
        }
        Ok(self)
    }
}

impl AssetContent {
    fn with(self, found: InspectionState) -> Self {
        let InspectionState { detected, sha256, findings } = found;
        // A digest once established is a fact: a later look may find other bytes, but not another truth.
        Self { detected: Some(detected), sha256: self.sha256.or(sha256), findings, ..self }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use uuid::Uuid;

    /// An asset that waits for its bytes.
    pub(crate) fn awaiting() -> Asset {
        Asset {
            id: AssetId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(2)),
            owner: KeyId(Uuid::from_u128(3)),
            revision: 1,
            state: AssetState::Awaiting,
            name: "a.bin".parse().unwrap(),
            size: 1,
            media_type: None,
            declared_sha256: None,
            external_id: None,
            metadata: AssetMetadata::new(),
            allowed: Vec::new(),
            partial: false,
            quota_charge: None,
            policy: "default".to_owned(),
            delete_at: None,
            created_at: micros(0),
            changed_at: micros(0),
        }
    }

    fn content() -> AssetContent {
        let etag = "e".to_owned();
        let findings = AssetFindings::default();
        AssetContent {
            key: "k".to_owned(),
            etag,
            version: None,
            stored_at: micros(1),
            detected: None,
            sha256: None,
            findings,
        }
    }

    fn found() -> InspectionState {
        InspectionState::of(MediaType::octet_stream(), Some(Sha256Digest([7; 32])))
    }

    fn verdict() -> AssetVerdict {
        AssetVerdict { code: "digest_mismatch".to_owned(), sentence: "The bytes are not those declared.".to_owned() }
    }

    /// One asset in every state there is, each reached by its own transitions.
    fn every_state() -> Vec<Asset> {
        let now = micros(5);
        let stored = awaiting().store(content(), now).unwrap();
        let processing = stored.clone().process(now).unwrap();
        let ready = processing.clone().ready(found(), now).unwrap();
        let rejected = processing.clone().reject(found(), verdict(), Duration::from_secs(1), now).unwrap();
        let failed = processing.clone().fail(verdict(), now).unwrap();
        let deleted = ready.clone().delete(now).unwrap();
        vec![awaiting(), awaiting().abandon(now).unwrap(), stored, processing, ready, rejected, failed, deleted]
    }

    #[test]
    fn the_drawing_is_the_whole_truth() {
        let now = micros(9);
        let mut allowed = Vec::new();
        for asset in every_state() {
            let from = asset.state.name();
            let tries = [
                asset.clone().store(content(), now),
                asset.clone().abandon(now),
                asset.clone().process(now),
                asset.clone().ready(found(), now),
                asset.clone().reject(found(), verdict(), Duration::ZERO, now),
                asset.clone().fail(verdict(), now),
                asset.clone().refresh(found(), now),
                asset.clone().delete(now),
            ];
            allowed.extend(tries.into_iter().flatten().map(|next| format!("{from} → {}", next.state.name())));
        }
        let drawing = [
            "awaiting → stored",
            "awaiting → abandoned",
            "stored → processing",
            "stored → deleted",
            "processing → ready",
            "processing → rejected",
            "processing → failed",
            "processing → deleted",
            "ready → rejected",
            "ready → ready",
            "ready → deleted",
            "rejected → deleted",
            "failed → processing",
            "failed → deleted",
        ];
        assert_eq!(allowed, drawing);
    }

    #[test]
    fn an_established_digest_stays_whatever_a_later_look_computes() {
        let now = micros(5);
        let ready = awaiting().store(content(), now).unwrap().process(now).unwrap().ready(found(), now).unwrap();
        let other = InspectionState::of(MediaType::octet_stream(), Some(Sha256Digest([9; 32])));
        let digest = |asset: &Asset| asset.state.content().unwrap().sha256;
        for sha256 in [None, other.sha256] {
            let later = ready.clone().refresh(InspectionState { sha256, ..other.clone() }, now).unwrap();
            assert_eq!(digest(&later), Some(Sha256Digest([7; 32])));
            assert_eq!(digest(&ready.clone().establish(sha256)), Some(Sha256Digest([7; 32])));
        }
        assert_eq!(digest(&awaiting().store(content(), now).unwrap().establish(other.sha256)), other.sha256);
    }

    #[test]
    fn damage_is_a_problem_that_changes_nothing_else_and_ends_with_the_bytes() {
        let now = micros(5);
        let ready = awaiting().store(content(), now).unwrap().process(now).unwrap().ready(found(), now).unwrap();
        for damage in StoredDamage::ALL {
            let noted = ready.clone().note_damage(damage, now);
            assert_eq!((noted.state.name(), noted.damage()), ("ready", Some(damage)));
            let again = noted.clone().note_damage(StoredDamage::Corrupt, now);
            assert_eq!(again.state.content().unwrap().findings.problems.len(), 1, "one at a time");
            assert_eq!(noted.delete(now).unwrap().damage(), None);
        }
        assert_eq!(ready.damage(), None);
    }

    #[test]
    fn names_are_complete() {
        let mut seen: Vec<_> = every_state().iter().map(|asset| asset.state.name()).collect();
        let mut names = AssetState::NAMES.to_vec();
        seen.sort_unstable();
        names.sort_unstable();
        assert_eq!(seen, names);
    }

    #[test]
    fn a_rejected_asset_keeps_its_verdict_and_loses_its_bytes() {
        let processing = awaiting().store(content(), micros(1)).unwrap().process(micros(2)).unwrap();
        let rejected = processing.reject(found(), verdict(), Duration::from_secs(1), micros(3)).unwrap();
        assert_eq!(rejected.state.leftover(), Some(LeftoverBytes::Until(micros(1_000_003))));
        let purged = rejected.purge(LeftoverBytes::Gone).unwrap();
        assert_eq!(purged.state.verdict(), Some(&verdict()));
        assert_eq!(purged.delete(micros(9)).unwrap().state.leftover(), Some(LeftoverBytes::Gone));
        assert!(awaiting().purge(LeftoverBytes::Gone).is_err());
    }
}
