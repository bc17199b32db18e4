//! What every operation works with: the parts of the store, and the few steps that operations share.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::checksum::Algorithm;
use super::conditions::WriteCondition;
use super::cors::Cors;
use super::error::{Error, Result};
use super::files::Files;
use super::health::Health;
use super::ingest::Stored;
use super::ingest::{Admission, Ingest};
use super::meta::contents::{self, NewSegment};
use super::meta::{Meta, closed_keys, objects, uploads};
use super::parts_in_flight::{PartInFlight, PartsInFlight};
use super::pins::{Pin, Pins};
use super::record::{Address, ContentId, Manifest, Object, Segment};
use crate::domain::clock::{Clock, Entropy, random_hex};

/// How long an object that was read is remembered; below [`Settings::trash_grace`](super::Settings::trash_grace), within
/// which its files are there.
pub(super) const RECENT: Duration = Duration::from_secs(10);
/// Files that are looked at before an answer begins; more would keep the client waiting.
const CHECKED_FILES: usize = 1024;
/// Segments of objects that are remembered, about 26 MiB of them.
const SEGMENTS: u64 = 1 << 20;

/// Objects by address and entity tag: where their bytes are.
pub(super) type Read = Cache<(Address, String), (ContentId, u64, Arc<Manifest>)>;

/// An object's bytes, which stay as long as this does.
pub(super) struct Found {
    /// How many they are.
    pub(super) size: u64,
    /// Where they are.
    pub(super) manifest: Arc<Manifest>,
    /// What holds them.
    pub(super) pin: Pin,
}

/// A part whose body may be read.
pub(super) struct AdmittedPart {
    /// What every part of its upload is checked with.
    pub(super) algorithm: Algorithm,
    /// Permission to read the body.
    pub(super) admission: Admission,
    /// Counts towards the upload's limit until the part has its row.
    pub(super) in_flight: PartInFlight,
}

/// For [`Core::read`].
pub(super) fn recently_read() -> Read {
    let weight = |_: &(Address, String), found: &(ContentId, u64, Arc<Manifest>)| {
        u32::try_from(found.2.0.len()).unwrap_or(u32::MAX).saturating_add(16)
    };
    Cache::builder().max_capacity(SEGMENTS).weigher(weight).time_to_live(RECENT).build()
}

/// The store's parts.
pub(super) struct Core {
    /// What was read a moment ago.
    pub(super) read: Read,
    /// Rows.
    pub(super) meta: Meta,
    /// Data files.
    pub(super) files: Arc<Files>,
    /// The way in for bytes.
    pub(super) ingest: Ingest,
    /// Who reads what.
    pub(super) pins: Pins,
    /// Parts whose bodies are being received.
    pub(super) parts_in_flight: PartsInFlight,
    /// Whether writing is still allowed.
    pub(super) health: Arc<Health>,
    /// Which pages may talk to us.
    pub(super) cors: Cors,
    /// Now.
    pub(super) clock: Arc<dyn Clock>,
    /// Unpredictable ids.
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Core {
    /// Now, in microseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    /// A new upload id: sorts by time, ends in 128 random bits.
    pub(super) fn upload_id(&self, now: i64) -> String {
        format!("{now:016x}{}", random_hex(self.entropy.as_ref(), 16))
    }

    /// An object with its segments, which stay until the pin is dropped.
    pub(super) async fn open(&self, at: Address) -> Result<(Object, Manifest, Pin)> {
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
    pub(super) async fn check_files(&self, manifest: &Arc<Manifest>, start: u64, length: u64) -> Result<()> {
        let asked = manifest.within(start, length);
        let asked = &asked[..asked.len().min(CHECKED_FILES)];
        if asked.iter().all(|segment| self.files.is_open_and_whole(segment)) {
            return Ok(());
        }
        let (files, manifest) = (Arc::clone(&self.files), Arc::clone(manifest));
        let check = move || {
            let asked = manifest.within(start, length).iter().take(CHECKED_FILES);
            asked.into_iter().try_for_each(|segment| files.check(segment))
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| Error::Stopped("the check of the files panicked"))?
    }

    /// As [`Self::open`]; nothing, if the key stands for an object with another entity tag by now.
    pub(super) async fn open_same(&self, at: Address, etag: &str) -> Result<Option<(Object, Manifest, Pin)>> {
        Ok(Some(self.open(at).await?).filter(|(object, ..)| object.etag == etag))
    }

    /// As [`Self::open_same`]; one that was read a moment ago is remembered. Only for who knows that it is to be read: that it
    /// was replaced or removed meanwhile goes unnoticed for [`RECENT`].
    pub(super) async fn reopen(&self, at: Address, etag: &str) -> Result<Option<Found>> {
        let name = (at, etag.to_owned());
        if let Some((content, size, manifest)) = self.read.get(&name)
            && let Some(pin) = self.pins.pin(content)
        {
            return Ok(Some(Found { size, manifest, pin }));
        }
        let Some((object, manifest, pin)) = self.open_same(name.0.clone(), etag).await? else { return Ok(None) };
        let (size, manifest) = (object.size, Arc::new(manifest));
        self.read.insert(name, (object.content, size, Arc::clone(&manifest)));
        Ok(Some(Found { size, manifest, pin }))
    }

    /// Refuses a PUT before its body is read, where that is already certain.
    pub(super) async fn admit_put(&self, at: &Address, condition: &WriteCondition, length: u64) -> Result<Admission> {
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
    pub(super) async fn admit_part(&self, at: &Address, id: &str, number: u16, length: u64) -> Result<AdmittedPart> {
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
    pub(super) fn segment(&self, stored: &Stored, number: u16) -> NewSegment {
        NewSegment {
            segment: Segment { file: stored.file.id(), size: stored.size, number },
            md5: stored.md5,
            sums: stored.sums.clone(),
            modified: self.now(),
        }
    }
}
