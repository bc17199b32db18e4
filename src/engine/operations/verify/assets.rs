//! Checks of an asset: its object and bytes, its derivatives, its job and its events.

use futures_util::TryStreamExt as _;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::checks::{Difference, InconsistencyKind, check_derivative, check_events, check_object, check_object_key};
use super::{MAX_CHECK_ATTEMPTS, VerifyInconsistency, VerifyScope};
use crate::domain::asset::{Asset, AssetContent, AssetState, LeftoverBytes};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::event::EventKind;
use crate::domain::findings::{Derivative, StoredDamage};
use crate::domain::job::{JobSubject, Priority};
use crate::domain::reason::chain;
use crate::engine::content_reader::lost;
use crate::engine::operations::OperationEngine;
use crate::engine::{Error, Result};
use crate::store::Tx;

/// Most events of an asset that are read at a time.
const EVENTS_PER_PAGE: u32 = 1000;

/// Result of the check of an asset.
#[derive(Default)]
pub(super) struct CheckedAsset {
    pub(super) found: Vec<VerifyInconsistency>,
    pub(super) digested: u64,
    pub(super) without_digest: u64,
    pub(super) read_bytes: u64,
    /// True if damage was recorded with the asset.
    pub(super) marked: bool,
    differences: Vec<Difference>,
}

/// Digests of stored bytes.
struct StoredDigests {
    sha256: Sha256Digest,
    md5: String,
}

/// True if the asset's bytes must be in the store at this time.
pub(super) fn has_bytes(asset: &Asset, now: Timestamp) -> bool {
    match &asset.state {
        AssetState::Awaiting | AssetState::Abandoned | AssetState::Deleted { .. } => false,
        AssetState::Stored(_) | AssetState::Processing(_) | AssetState::Ready(_) | AssetState::Failed { .. } => true,
        AssetState::Rejected { bytes, .. } => matches!(bytes, LeftoverBytes::Until(at) if now < *at),
    }
}

impl OperationEngine {
    /// Checks an asset, again if its row changes meanwhile.
    pub(super) async fn verify_asset(&self, scope: &VerifyScope, mut asset: Asset) -> Result<CheckedAsset> {
        for _ in 0..MAX_CHECK_ATTEMPTS {
            let mut checked = self.check_asset(scope, &asset).await?;
            if checked.differences.is_empty() {
                self.recheck_if_mended(scope, &asset, &checked).await?;
                return Ok(checked);
            }
            match self.store.find_asset(asset.id).await? {
                None => return Ok(CheckedAsset::default()),
                Some(now) if now.revision == asset.revision => {
                    checked.marked = self.mark_damage(&asset, &checked.differences).await?;
                    let differences = std::mem::take(&mut checked.differences);
                    let found =
                        differences.into_iter().map(|difference| VerifyInconsistency::of_asset(&asset, difference));
                    checked.found = found.collect();
                    return Ok(checked);
                }
                Some(changed) => asset = changed,
            }
        }
        // An asset that changes with every look is in use; the next verification judges it.
        Ok(CheckedAsset::default())
    }

    async fn check_asset(&self, scope: &VerifyScope, asset: &Asset) -> Result<CheckedAsset> {
        let mut checked = CheckedAsset::default();
        checked.differences.extend(self.check_event_numbers(asset).await?);
        checked.differences.extend(self.check_job(asset).await?);
        if let Some(content) = asset.state.content().filter(|_| has_bytes(asset, self.store.now())) {
            self.check_content(scope, asset, content, &mut checked).await?;
            for made in &content.findings.derivatives {
                self.check_one_derivative(scope, made, &mut checked).await?;
            }
        }
        Ok(checked)
    }

    async fn check_event_numbers(&self, asset: &Asset) -> Result<Option<Difference>> {
        let mut events = self.store.list_events(asset.id, 0, EVENTS_PER_PAGE).await?;
        while events.len().is_multiple_of(EVENTS_PER_PAGE as usize)
            && let Some(last) = events.last().map(|event| event.seq)
        {
            let more = self.store.list_events(asset.id, last, EVENTS_PER_PAGE).await?;
            if more.is_empty() {
                break;
            }
            events.extend(more);
        }
        Ok(check_events(&events, asset.created_at > self.oldest_event()))
    }

    /// A stored asset, and one that is being processed, has its job.
    async fn check_job(&self, asset: &Asset) -> Result<Option<Difference>> {
        if asset.partial || !matches!(asset.state, AssetState::Stored(_) | AssetState::Processing(_)) {
            return Ok(None);
        }
        let job = self.store.find_job(JobSubject::Process(asset.id)).await?;
        let sentence = || format!("it is {}, and no job processes it", asset.state.name());
        Ok(job.is_none().then(|| (InconsistencyKind::JobMissing, sentence())))
    }

    async fn check_content(
        &self,
        scope: &VerifyScope,
        asset: &Asset,
        content: &AssetContent,
        checked: &mut CheckedAsset,
    ) -> Result<()> {
        if let Some(foreign) = check_object_key(asset, &content.key) {
            checked.differences.push(foreign);
            return Ok(());
        }
        let (object, upload) =
            tokio::try_join!(async { self.blobs.head(&content.key).await.map_err(Error::from) }, async {
                Ok(self.store.find_upload_of(asset.id).await?)
            })?;
        if let Some(difference) = check_object(asset, content, upload.as_ref(), object.as_ref()) {
            checked.differences.push(difference);
            return Ok(());
        }
        let known = content.sha256.or(asset.declared_sha256);
        let plain = self.plain_md5(&content.etag);
        if scope.digests && (known.is_some() || plain.is_some()) {
            let differs = |read: &StoredDigests| match known {
                Some(known) => read.sha256 != known,
                None => plain.is_some_and(|md5| read.md5 != md5),
            };
            let lost = self.compare_bytes(&content.key, &content.etag, asset.size, differs, checked).await?;
            checked.differences.extend(lost);
            return Ok(());
        }
        checked.without_digest += u64::from(scope.digests);
        checked.differences.extend(self.check_files(&content.key, &content.etag, asset.size).await?);
        // Known damage that was not looked at again.
        if let Some(damage) = asset.damage().filter(|_| checked.differences.is_empty()) {
            let kind = match damage {
                StoredDamage::Corrupt => InconsistencyKind::Corrupt,
                StoredDamage::BytesMissing => InconsistencyKind::ObjectMissing,
            };
            checked.differences.push((kind, format!("found before: {}", damage.sentence())));
        }
        Ok(())
    }

    async fn check_one_derivative(
        &self,
        scope: &VerifyScope,
        made: &Derivative,
        checked: &mut CheckedAsset,
    ) -> Result<()> {
        if let Some(difference) = check_derivative(made, self.blobs.head(&made.key).await?.as_ref()) {
            checked.differences.push(difference);
            return Ok(());
        }
        let plain = self.plain_md5(&made.etag);
        let lost = match plain.filter(|_| scope.digests) {
            Some(md5) => self.compare_bytes(&made.key, &made.etag, made.size, |read| read.md5 != md5, checked).await?,
            None => {
                checked.without_digest += u64::from(scope.digests);
                self.check_files(&made.key, &made.etag, made.size).await?
            }
        };
        let of_derivative = |(_, what)| (InconsistencyKind::Derivative, format!("{}: {what}", made.variant));
        checked.differences.extend(lost.map(of_derivative));
        Ok(())
    }

    /// The MD5 that an entity tag is, on a store whose tags are known to be MD5s.
    fn plain_md5<'a>(&self, etag: &'a str) -> Option<&'a str> {
        let hex = etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(etag).filter(|_| hex && self.blobs.capabilities().enforces_limits)
    }

    /// Reads the bytes of an object and judges their digests. A difference is read a second time: memory and wires err,
    /// too.
    async fn compare_bytes(
        &self,
        key: &str,
        etag: &str,
        size: u64,
        differs: impl Fn(&StoredDigests) -> bool,
        checked: &mut CheckedAsset,
    ) -> Result<Option<Difference>> {
        for _ in 0..2 {
            match self.digest_object(key, etag, size).await {
                Ok(read) => {
                    checked.read_bytes += size;
                    if !differs(&read) {
                        checked.digested += 1;
                        return Ok(None);
                    }
                }
                Err(error) => return lost_bytes(error).map(Some),
            }
        }
        checked.digested += 1;
        Ok(Some((InconsistencyKind::Corrupt, StoredDamage::Corrupt.sentence().to_owned())))
    }

    async fn digest_object(&self, key: &str, etag: &str, size: u64) -> Result<StoredDigests> {
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        if size > 0 {
            let mut bytes = self.content.read(key, etag, 0..size).await?;
            while let Some(piece) = bytes.try_next().await? {
                sha256.update(&piece);
                md5.update(&piece);
            }
        }
        Ok(StoredDigests { sha256: Sha256Digest(sha256.finalize().into()), md5: hex::encode(md5.finalize()) })
    }

    /// Asks the embedded store whether the files of an object are there and long enough; other stores know no such loss.
    async fn check_files(&self, key: &str, etag: &str, size: u64) -> Result<Option<Difference>> {
        if size == 0 || !self.blobs.capabilities().enforces_limits {
            return Ok(None);
        }
        // The store checks every file of the range before it answers. The last byte of a single file stands for all.
        let from = if etag.contains('-') { 0 } else { size - 1 };
        match self.blobs.get(key, etag, from..size).await {
            Ok(_) => Ok(None),
            Err(error) => lost_bytes(lost(error).into()).map(Some),
        }
    }

    /// Records damage of a ready asset as its problem; true if it was written now.
    async fn mark_damage(&self, asset: &Asset, differences: &[Difference]) -> Result<bool> {
        let damage = differences.iter().find_map(|(kind, _)| match kind {
            InconsistencyKind::Corrupt => Some(StoredDamage::Corrupt),
            InconsistencyKind::ObjectMissing | InconsistencyKind::ObjectDiffers => Some(StoredDamage::BytesMissing),
            _ => None,
        });
        let Some(damage) = damage.filter(|damage| asset.damage() != Some(*damage)) else { return Ok(false) };
        if !matches!(asset.state, AssetState::Ready(_)) {
            return Ok(false);
        }
        let mut noted = asset.clone().note_damage(damage, self.store.now());
        self.rows.commit_if_unchanged(Tx::new().asset(&mut noted, EventKind::AssetCorrupt)).await
    }

    /// Has a worker look again at an asset with recorded damage whose bytes are intact.
    async fn recheck_if_mended(&self, scope: &VerifyScope, asset: &Asset, checked: &CheckedAsset) -> Result<()> {
        if scope.digests && checked.digested > 0 && asset.damage().is_some() {
            self.assets.owe(asset, JobSubject::Recheck(asset.id), Priority::Low).await?;
        }
        Ok(())
    }
}

/// The loss that an error means; other errors end the verification.
fn lost_bytes(error: Error) -> Result<Difference> {
    match error {
        Error::BytesMissing(why) => {
            let sentence = StoredDamage::BytesMissing.sentence();
            Ok((InconsistencyKind::ObjectMissing, format!("{sentence} ({})", chain(&why))))
        }
        other => Err(other),
    }
}
