//! Orphans: objects and multipart uploads in our part of the bucket without a row. Normally there are none. A database
//! restored from a backup, or a node that died between two steps, can leave some, and they cost money silently.
//!
//! A listing alone never causes a removal: each candidate is older than the grace period, its key names no live row,
//! and the object is read again right before. A bucket that is marked as another instance's is not touched at all.

use bytes::Bytes;

use super::OperationEngine;
use crate::blob::{BlobKey, ListedMultipart, ListedObject};
use crate::crash;
use crate::domain::asset::{Asset, AssetContent, AssetState, LeftoverBytes};
use crate::domain::clock::{Timestamp, after};
use crate::domain::upload::Upload;
use crate::engine::{Error, Result};
use crate::metrics;
use crate::metrics::OrphanClass;

/// Kind of an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanKind {
    /// An object.
    Object,
    /// An unfinished multipart upload.
    Multipart,
}

/// An object or multipart upload without a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanedBlob {
    /// Kind.
    pub kind: OrphanKind,
    /// Object key.
    pub key: String,
    /// The store's id, for multipart uploads.
    pub store_id: Option<String>,
    /// Size in bytes, for objects.
    pub size: u64,
}

/// Numbers of a search for orphans.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OrphanReport {
    /// Objects examined.
    pub objects: u64,
    /// Multipart uploads examined.
    pub multiparts: u64,
    /// Orphans found.
    pub orphans: u64,
    /// Bytes of orphaned objects.
    pub bytes: u64,
    /// Orphans removed.
    pub removed: u64,
}

impl OperationEngine {
    /// Searches the bucket for orphans, reports each to `found`, and removes it if `apply`. Memory does not grow with
    /// the bucket.
    #[tracing::instrument(skip_all)]
    pub async fn scan_orphans(&self, apply: bool, mut found: impl FnMut(&OrphanedBlob) + Send) -> Result<OrphanReport> {
        self.ensure_own_bucket().await?;
        let mut report = OrphanReport::default();
        for prefix in [BlobKey::ORIGINALS_PREFIX, BlobKey::TAILS_PREFIX, BlobKey::DERIVATIVES_PREFIX] {
            self.scan_objects(prefix, apply, &mut found, &mut report).await?;
        }
        self.scan_multiparts(apply, &mut found, &mut report).await?;
        Ok(report)
    }

    /// Refuses a bucket that is not marked as this instance's.
    async fn ensure_own_bucket(&self) -> Result<()> {
        let owner = self.read_bucket_owner().await?;
        match owner {
            Some(owner) if *owner == *self.instance_id => Ok(()),
            Some(_) => Err(Error::Taken("the bucket belongs to another instance: its files are not orphans")),
            None => Err(Error::Taken("the bucket is not marked as this instance's: start the service once")),
        }
    }

    async fn read_bucket_owner(&self) -> Result<Option<String>> {
        use futures_util::TryStreamExt;
        let key = BlobKey::Instance.path();
        let Some(facts) = self.blobs.head(&key).await? else { return Ok(None) };
        let stream = self.blobs.get(&key, &facts.etag, 0..facts.size.clamp(1, 256)).await?;
        let chunks: Vec<Bytes> = stream.try_collect().await?;
        Ok(Some(String::from_utf8_lossy(&chunks.concat()).into_owned()))
    }

    /// Marks an unmarked bucket as this instance's at start. `false` if the bucket is marked as another instance's.
    #[tracing::instrument(skip_all)]
    pub async fn mark_bucket(&self) -> Result<bool> {
        match self.read_bucket_owner().await? {
            Some(owner) => Ok(*owner == *self.instance_id),
            None => {
                let id = Bytes::copy_from_slice(self.instance_id.as_bytes());
                self.blobs.put(&BlobKey::Instance.path(), id).await?;
                Ok(true)
            }
        }
    }

    async fn scan_objects(
        &self,
        prefix: &str,
        apply: bool,
        found: &mut (impl FnMut(&OrphanedBlob) + Send),
        report: &mut OrphanReport,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.blobs.list(prefix, after.as_deref()).await?;
            crash::point("janitor_listed");
            for object in page.items {
                report.objects += 1;
                if self.is_orphaned(&object).await? {
                    let orphan =
                        OrphanedBlob { kind: OrphanKind::Object, key: object.key, store_id: None, size: object.size };
                    self.report_or_remove_orphan(orphan, apply, found, report).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn scan_multiparts(
        &self,
        apply: bool,
        found: &mut (impl FnMut(&OrphanedBlob) + Send),
        report: &mut OrphanReport,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, after.as_ref()).await?;
            for multipart in page.items {
                report.multiparts += 1;
                if self.is_abandoned(&multipart).await? {
                    let store_id = Some(multipart.store_id);
                    let orphan = OrphanedBlob { kind: OrphanKind::Multipart, key: multipart.key, store_id, size: 0 };
                    self.report_or_remove_orphan(orphan, apply, found, report).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// True if the time is longer ago than the grace period. `false` if the store reports no time.
    fn is_old(&self, time: Option<Timestamp>) -> bool {
        time.is_some_and(|time| after(time, self.settings.orphan_grace) <= self.store.now())
    }

    async fn is_orphaned(&self, object: &ListedObject) -> Result<bool> {
        if !self.is_old(object.modified) {
            return Ok(false);
        }
        if let Some(upload) = BlobKey::parse_tail(&object.key) {
            return Ok(!self.store.find_upload(upload).await?.is_some_and(|upload| owns_key(&upload)));
        }
        if let Some(asset) = BlobKey::parse_derivative(&object.key) {
            return Ok(!self
                .store
                .find_asset(asset)
                .await?
                .is_some_and(|asset| references_derivative(&asset, &object.key)));
        }
        // A key that is not ours is not judged.
        let Some((_, asset, upload)) = BlobKey::parse_original(&object.key) else { return Ok(false) };
        let asset = self.store.find_asset(asset).await?;
        if asset.is_some_and(|asset| references_object(&asset, &object.key)) {
            return Ok(false);
        }
        Ok(!self.store.find_upload(upload).await?.is_some_and(|upload| owns_key(&upload)))
    }

    async fn is_abandoned(&self, multipart: &ListedMultipart) -> Result<bool> {
        let Some((_, _, upload)) = BlobKey::parse_original(&multipart.key) else { return Ok(false) };
        if !self.is_old(multipart.initiated) {
            return Ok(false);
        }
        let upload = self.store.find_upload(upload).await?;
        Ok(!upload.is_some_and(|upload| {
            // A multipart upload whose id was never recorded is adopted or removed by the upload's own sweep.
            let its_own = upload.store_id().is_none_or(|id| id == multipart.store_id);
            its_own && owns_key(&upload)
        }))
    }

    async fn report_or_remove_orphan(
        &self,
        orphan: OrphanedBlob,
        apply: bool,
        found: &mut (impl FnMut(&OrphanedBlob) + Send),
        report: &mut OrphanReport,
    ) -> Result<()> {
        found(&orphan);
        metrics::care().record_orphan(match orphan.kind {
            OrphanKind::Object => OrphanClass::Object,
            OrphanKind::Multipart => OrphanClass::Multipart,
        });
        report.orphans += 1;
        report.bytes += orphan.size;
        if !apply {
            return Ok(());
        }
        match &orphan.store_id {
            Some(store_id) => self.uploads.abort_until_gone(&orphan.key, store_id).await?,
            None => {
                // Listings may be stale: the object's present state decides.
                let Some(facts) = self.blobs.head(&orphan.key).await? else { return Ok(()) };
                if !self.is_old(facts.modified) {
                    return Ok(());
                }
                self.blobs.delete(&orphan.key).await?;
            }
        }
        report.removed += 1;
        metrics::care().record_removed_orphan();
        Ok(())
    }
}

/// True if an asset's row names this object as its bytes.
fn references_object(asset: &Asset, key: &str) -> bool {
    let content = asset.state.content();
    content.is_some_and(|content| content.key == key) && asset.state.leftover() != Some(LeftoverBytes::Gone)
}

/// True if an asset's row names this derivative, or a processor may still report it.
fn references_derivative(asset: &Asset, key: &str) -> bool {
    let named = |content: &AssetContent| content.findings.derivatives.iter().any(|made| made.key == key);
    let gone = asset.state.leftover() == Some(LeftoverBytes::Gone);
    !gone && (matches!(asset.state, AssetState::Processing(_)) || asset.state.content().is_some_and(named))
}

/// True if the upload's own life cycle still cleans up under its key.
fn owns_key(upload: &Upload) -> bool {
    upload.state.is_live() || upload.next_check_at.is_some()
}
