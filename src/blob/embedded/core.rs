//! Shared state of all operations, and the steps that several operations use.

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
use crate::metrics;

/// Lifetime of a cached read. Below [`EmbeddedSettings::trash_grace`](super::EmbeddedSettings::trash_grace), during
/// which the files of a removed object still exist.
pub(super) const READ_CACHE_TTL: Duration = Duration::from_secs(10);
/// Number of files that are checked before a response begins; more would keep the client waiting.
const MAX_CHECKED_FILES: usize = 1024;
/// Number of segments in the read cache, about 26 MiB.
const MAX_CACHED_SEGMENTS: u64 = 1 << 20;

/// Cache of object contents by address and entity tag.
pub(super) type ObjectReadCache = Cache<(ObjectAddress, String), (ContentId, u64, Arc<SegmentManifest>)>;

/// Bytes of an object, which stay as long as this value lives.
pub(super) struct FoundObject {
    /// Size in bytes.
    pub(super) size: u64,
    /// Files that hold the bytes.
    pub(super) manifest: Arc<SegmentManifest>,
    /// Pin that keeps the files.
    pub(super) pin: ContentPin,
}

/// A part that passed the checks before its body.
pub(super) struct AdmittedPart {
    /// Checksum algorithm of its upload.
    pub(super) algorithm: S3ChecksumAlgorithm,
    /// Permission to read the body.
    pub(super) admission: BodyAdmission,
    /// Counts towards the upload's limit until the part has its row.
    pub(super) in_flight: PartInFlight,
}

/// An empty cache for [`StoreCore::read`].
pub(super) fn recently_read() -> ObjectReadCache {
    let weight = |_: &(ObjectAddress, String), found: &(ContentId, u64, Arc<SegmentManifest>)| {
        u32::try_from(found.2.0.len()).unwrap_or(u32::MAX).saturating_add(16)
    };
    Cache::builder().max_capacity(MAX_CACHED_SEGMENTS).weigher(weight).time_to_live(READ_CACHE_TTL).build()
}

/// Components of the store.
pub(super) struct StoreCore {
    /// Recently read objects.
    pub(super) read: ObjectReadCache,
    /// Metadata.
    pub(super) meta: MetadataStore,
    /// Data files.
    pub(super) files: Arc<DataFiles>,
    /// Receiver of request bodies.
    pub(super) ingest: BodyIngest,
    /// Contents that are being read.
    pub(super) pins: ContentPins,
    /// Parts whose bodies are being received.
    pub(super) parts_in_flight: PartsInFlight,
    /// Health of the store: refuses writes once poisoned.
    pub(super) health: Arc<StoreHealth>,
    /// Origins whose pages may use the store.
    pub(super) cors: CorsRules,
    /// Source of the current time.
    pub(super) clock: Arc<dyn Clock>,
    /// Source of unpredictable ids.
    pub(super) entropy: Arc<dyn Entropy>,
}

impl StoreCore {
    /// Current time in microseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    /// New upload id: sorts by time, ends in 128 random bits.
    pub(super) fn upload_id(&self, now: i64) -> String {
        format!("{now:016x}{}", random_hex(self.entropy.as_ref(), 16))
    }

    /// Opens an object and its segments, which stay until the pin is dropped.
    pub(super) async fn open(&self, at: ObjectAddress) -> Result<(ObjectRow, SegmentManifest, ContentPin)> {
        let pins = self.pins.clone();
        let find = move |db: &rusqlite::Connection| {
            loop {
                let (object, manifest) = objects::open(db, &at)?;
                // Condemned since the lookup: the key has another object by now.
                if let Some(pin) = pins.pin(object.content) {
                    return Ok((object, manifest, pin));
                }
            }
        };
        self.meta.read(find).await
    }

    /// Returns [`Error::Damaged`] if a file that holds `length` bytes from `start` is missing or too short. Called
    /// before the response begins.
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

    /// Like [`Self::open`]; `None` if the object under the key has another entity tag by now.
    pub(super) async fn open_same(
        &self,
        at: ObjectAddress,
        etag: &str,
    ) -> Result<Option<(ObjectRow, SegmentManifest, ContentPin)>> {
        Ok(Some(self.open(at).await?).filter(|(object, ..)| object.etag == etag))
    }

    /// Like [`Self::open_same`], but from the cache if possible. Only for callers that are authorised to read this
    /// version: its replacement or removal goes unnoticed for [`READ_CACHE_TTL`].
    pub(super) async fn reopen(&self, at: ObjectAddress, etag: &str) -> Result<Option<FoundObject>> {
        let name = (at, etag.to_owned());
        let cached = self.read.get(&name).and_then(|(content, size, manifest)| {
            self.pins.pin(content).map(|pin| FoundObject { size, manifest, pin })
        });
        metrics::caches().record_lookup("stored_objects", cached.is_some());
        if cached.is_some() {
            return Ok(cached);
        }
        let Some((object, manifest, pin)) = self.open_same(name.0.clone(), etag).await? else { return Ok(None) };
        let (size, manifest) = (object.size, Arc::new(manifest));
        self.read.insert(name, (object.content, size, Arc::clone(&manifest)));
        Ok(Some(FoundObject { size, manifest, pin }))
    }

    /// Refuses a PUT before its body is read, if it must fail.
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

    /// Refuses a part before its body is read, if it must fail: the upload does not exist, or the sum of its parts,
    /// including those in flight, would exceed the limit.
    pub(super) async fn admit_part(
        &self,
        at: &ObjectAddress,
        id: &str,
        number: u16,
        length: u64,
    ) -> Result<AdmittedPart> {
        // Counted before the rows are read: a part that completes in between is counted in its row or here, never in
        // neither.
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

    /// Row of a stored file as part `number`.
    pub(super) fn segment(&self, stored: &StoredFile, number: u16) -> NewSegment {
        NewSegment {
            segment: FileSegment { file: stored.file.id(), size: stored.size, number },
            md5: stored.md5,
            sums: stored.sums.clone(),
            modified: self.now(),
        }
    }
}
