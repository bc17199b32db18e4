//! What every operation works with: the parts of the store, and the few steps that operations share.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::checksum::S3ChecksumAlgorithm;
use super::conditions::WriteCondition;
use super::cors::CorsRules;
use super::error::{Error, Result};
use super::files::DataFiles;
use super::health::StoreHealth;
use super::ingest::StoredFile;
use super::ingest::{BodyAdmission, BodyIngest};
use super::meta::contents::{self, NewSegment};
use super::meta::{MetadataStore, closed_keys, objects, uploads};
use super::model::{ContentId, FileSegment, ObjectAddress, ObjectRow, SegmentManifest};
use super::parts_in_flight::{PartInFlight, PartsInFlight};
use super::pins::{ContentPin, ContentPins};
use crate::domain::clock::{Clock, Entropy, random_hex};

/// How long an object that was read is remembered; below [`Settings::trash_grace`](super::Settings::trash_grace), within
/// which its files are there.
pub(super) const MAX_CACHED_READS: Duration = Duration::from_secs(10);
/// Files that are looked at before an answer begins; more would keep the client waiting.
const MAX_CHECKED_FILES: usize = 1024;
/// Segments of objects that are remembered, about 26 MiB of them.
const MAX_CACHED_SEGMENTS: u64 = 1 << 20;

/// Objects by address and entity tag: where their bytes are.
pub(super) type ObjectReadCache = Cache<(ObjectAddress, String), (ContentId, u64, Arc<SegmentManifest>)>;

/// An object's bytes, which stay as long as this does.
pub(super) struct FoundObject {
    /// How many they are.
    pub(super) size: u64,
    /// Where they are.
    pub(super) manifest: Arc<SegmentManifest>,
    /// What holds them.
    pub(super) pin: ContentPin,
}

/// A part whose body may be read.
pub(super) struct AdmittedPart {
    /// What every part of its upload is checked with.
    pub(super) algorithm: S3ChecksumAlgorithm,
    /// Permission to read the body.
    pub(super) admission: BodyAdmission,
    /// Counts towards the upload's limit until the part has its row.
    pub(super) in_flight: PartInFlight,
}

/// For [`StoreCore::read`].
pub(super) fn recently_read() -> ObjectReadCache {
    let weight = |_: &(ObjectAddress, String), found: &(ContentId, u64, Arc<SegmentManifest>)| {
        u32::try_from(found.2.0.len()).unwrap_or(u32::MAX).saturating_add(16)
    };
    Cache::builder().max_capacity(MAX_CACHED_SEGMENTS).weigher(weight).time_to_live(MAX_CACHED_READS).build()
}

/// The store's parts.
pub(super) struct StoreCore {
    /// What was read a moment ago.
    pub(super) read: ObjectReadCache,
    /// Rows.
    pub(super) meta: MetadataStore,
    /// Data files.
    pub(super) files: Arc<DataFiles>,
    /// The way in for bytes.
    pub(super) ingest: BodyIngest,
    /// Who reads what.
    pub(super) pins: ContentPins,
    /// Parts whose bodies are being received.
    pub(super) parts_in_flight: PartsInFlight,
    /// Whether writing is still allowed.
    pub(super) health: Arc<StoreHealth>,
    /// Which pages may talk to us.
    pub(super) cors: CorsRules,
    /// Now.
    pub(super) clock: Arc<dyn Clock>,
    /// Unpredictable ids.
    pub(super) entropy: Arc<dyn Entropy>,
}

impl StoreCore {
    /// Now, in microseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    /// A new upload id: sorts by time, ends in 128 random bits.
    pub(super) fn upload_id(&self, now: i64) -> String {
        format!("{now:016x}{}", random_hex(self.entropy.as_ref(), 16))
    }

    /// An object with its segments, which stay until the pin is dropped.
    pub(super) async fn open(&self, at: ObjectAddress) -> Result<(ObjectRow, SegmentManifest, ContentPin)> {
        let pins = self.pins.clone();
        let find = move |db: &rusqlite::Connection| {
            loop {
                let (object, manifest) = objects::open(db, &at)?;
                // Condemned since we looked: then the key stands for something else by now.
                if let Some(pin) = pins.pin(object.content) {
                    return Ok((object, manifest, pin));
                }
            }
        };
        self.meta.read(find).await
    }

    /// [`Error::Damaged`] when a file that holds `length` bytes from `start` is missing or too short: to be asked before the
    /// first byte is promised.
    pub(super) async fn check_files(&self, manifest: &Arc<SegmentManifest>, start: u64, length: u64) -> Result<()> {
        let asked = manifest.within(start, length);
        let asked = &asked[..asked.len().min(MAX_CHECKED_FILES)];
        if asked.iter().all(|segment| self.files.is_open_and_whole(segment)) {
            return Ok(());
        }
        let (files, manifest) = (Arc::clone(&self.files), Arc::clone(manifest));
        let check = move || {
            let asked = manifest.within(start, length).iter().take(MAX_CHECKED_FILES);
            asked.into_iter().try_for_each(|segment| files.check(segment))
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| Error::Stopped("the check of the files panicked"))?
    }

    /// As [`Self::open`]; nothing, if the key stands for an object with another entity tag by now.
    pub(super) async fn open_same(
        &self,
        at: ObjectAddress,
        etag: &str,
    ) -> Result<Option<(ObjectRow, SegmentManifest, ContentPin)>> {
        Ok(Some(self.open(at).await?).filter(|(object, ..)| object.etag == etag))
    }

    /// As [`Self::open_same`]; one that was read a moment ago is remembered. Only for who knows that it is to be read: that it
    /// was replaced or removed meanwhile goes unnoticed for [`MAX_CACHED_READS`].
    pub(super) async fn reopen(&self, at: ObjectAddress, etag: &str) -> Result<Option<FoundObject>> {
        let name = (at, etag.to_owned());
        if let Some((content, size, manifest)) = self.read.get(&name)
            && let Some(pin) = self.pins.pin(content)
        {
            return Ok(Some(FoundObject { size, manifest, pin }));
        }
        let Some((object, manifest, pin)) = self.open_same(name.0.clone(), etag).await? else { return Ok(None) };
        let (size, manifest) = (object.size, Arc::new(manifest));
        self.read.insert(name, (object.content, size, Arc::clone(&manifest)));
        Ok(Some(FoundObject { size, manifest, pin }))
    }

    /// Refuses a PUT before its body is read, where that is already certain.
    pub(super) async fn admit_put(
        &self,
        at: &ObjectAddress,
        condition: &WriteCondition,
        length: u64,
    ) -> Result<BodyAdmission> {
        let (at, condition, now) = (at.clone(), condition.clone(), self.now());
        let check = move |db: &rusqlite::Connection| {
            closed_keys::check(db, &at, now)?;
            objects::check(db, &at, &condition)
        };
        self.meta.read(check).await?;
        self.ingest.admit(length)
    }

    /// Refuses a part before its body is read, where that is already certain: the upload is gone, or its parts would have too
    /// many bytes together, those counted that are on their way.
    pub(super) async fn admit_part(
        &self,
        at: &ObjectAddress,
        id: &str,
        number: u16,
        length: u64,
    ) -> Result<AdmittedPart> {
        // Counted before the rows are read: a part that ends in between is in the rows or among these, never in neither.
        let in_flight = self.parts_in_flight.enter(id, number, length)?;
        let (at, id) = (at.clone(), id.to_owned());
        let find = move |db: &rusqlite::Connection| {
            let upload = uploads::require(db, &at, &id)?;
            let stored = upload.max_bytes.map(|_| contents::sizes(db, upload.content)).transpose()?;
            Ok((upload, stored.unwrap_or_default()))
        };
        let (upload, stored) = self.meta.read(find).await?;
        if let Some(limit) = upload.max_bytes.filter(|limit| in_flight.sum_with(stored) > *limit) {
            return Err(Error::UploadTooLarge(limit));
        }
        let admission = self.ingest.admit(length)?;
        Ok(AdmittedPart { algorithm: upload.algorithm, admission, in_flight })
    }

    /// The row of what was just stored, as part `number`.
    pub(super) fn segment(&self, stored: &StoredFile, number: u16) -> NewSegment {
        NewSegment {
            segment: FileSegment { file: stored.file.id(), size: stored.size, number },
            md5: stored.md5,
            sums: stored.sums.clone(),
            modified: self.now(),
        }
    }
}
