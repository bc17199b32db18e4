//! What every operation works with: the parts of the store, and the few steps that operations share.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::conditions::WriteCondition;
use super::cors::Cors;
use super::error::Result;
use super::files::Files;
use super::health::Health;
use super::ingest::Stored;
use super::ingest::{Admission, Ingest};
use super::meta::contents::NewSegment;
use super::meta::{Meta, objects};
use super::pins::{Pin, Pins};
use super::record::{Address, ContentId, Manifest, Object, Segment};
use crate::domain::clock::{Clock, Entropy, random_hex};

/// How long an object that was read is remembered; below [`Settings::trash_grace`](super::Settings::trash_grace), within
/// which its files are there.
pub(super) const RECENT: Duration = Duration::from_secs(10);
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
        let (at, condition) = (at.clone(), condition.clone());
        self.meta.read(move |db| objects::check(db, &at, &condition)).await?;
        self.ingest.admit(length)
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
