//! Receiver of request bodies: hashes, measures and verifies a body and writes it to a durable data file that no row
//! names yet.
//!
//! Hashing and writing are two serial queues that run in parallel with each other and with the network. A body that
//! fits into a single batch takes a single call on the blocking pool instead.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use s3s::dto::StreamingBlob;
use s3s::{StdError, TrailingHeaders};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::BodyOutcome;
use super::checksum::{BodyHasher, ChecksumSet, S3ChecksumAlgorithm};
use super::disk::{DiskReservation, DiskSpace};
use super::error::{Error, Result};
use super::files::{DataFiles, NewFile};
use super::health::StoreHealth;
use super::serial_queue::SerialQueue;

/// Size of a batch in bytes, the input of a queue's task. Up to three batches are in memory for each body.
const BATCH_BYTES: usize = 1 << 20;
/// Number of frames after which a batch ends or its frames are joined: tiny frames must not make a batch of a million
/// of them.
const MAX_BATCH_FRAMES: usize = 512;
/// S3's limit for a PUT or a part, in bytes.
pub(super) const MAX_BODY_BYTES: u64 = 5 << 30;

/// A body as the request declares it.
pub(super) struct IncomingBody {
    /// Bytes, decoded from `aws-chunked`.
    pub(super) body: Option<StreamingBlob>,
    /// Exact length in bytes.
    pub(super) length: u64,
    /// Checksums in headers.
    pub(super) declared: ChecksumSet,
    /// Algorithms that are named without a value, or whose value comes in a trailer.
    pub(super) algorithms: Vec<S3ChecksumAlgorithm>,
    /// Algorithms for which a trailer must bring a value.
    pub(super) announced: Vec<S3ChecksumAlgorithm>,
    /// Trailers, available after the body.
    pub(super) trailers: Option<TrailingHeaders>,
    /// `Content-MD5`.
    pub(super) md5: Option<[u8; 16]>,
    /// Outcome of the body, for the reason of a failed stream.
    pub(super) fate: Option<Arc<BodyOutcome>>,
}

/// A durable file that no row names yet. Removed when dropped.
pub(super) struct StoredFile {
    /// The file.
    pub(super) file: NewFile,
    /// Size in bytes.
    pub(super) size: u64,
    /// MD5 of the bytes.
    pub(super) md5: [u8; 16],
    /// Checksums of the bytes; never empty.
    pub(super) sums: ChecksumSet,
}

/// Receiver of request bodies.
pub(super) struct BodyIngest {
    files: Arc<DataFiles>,
    disk: Arc<DiskSpace>,
    health: Arc<StoreHealth>,
    slots: Arc<Semaphore>,
}

/// Permission to read a body, held while it is read.
pub(super) struct BodyAdmission {
    room: DiskReservation,
    _slot: OwnedSemaphorePermit,
}

impl BodyIngest {
    /// Receives at most `max_bodies` bodies at once.
    pub(super) fn new(
        files: Arc<DataFiles>,
        disk: Arc<DiskSpace>,
        health: Arc<StoreHealth>,
        max_bodies: usize,
    ) -> Self {
        Self { files, disk, health, slots: Arc::new(Semaphore::new(max_bodies)) }
    }

    /// Admits a body before its first byte is read. Errors: [`Error::Busy`], [`Error::Full`], [`Error::Poisoned`],
    /// [`Error::EntityTooLarge`].
    pub(super) fn admit(&self, length: u64) -> Result<BodyAdmission> {
        self.health.check()?;
        if length > MAX_BODY_BYTES {
            return Err(Error::EntityTooLarge(MAX_BODY_BYTES));
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Error::Busy)?;
        Ok(BodyAdmission { room: self.disk.reserve(length)?, _slot: slot })
    }

    /// Receives a body and verifies its length and declared checksums.
    pub(super) async fn take(&self, mut admission: BodyAdmission, incoming: IncomingBody) -> Result<StoredFile> {
        let hasher = BodyHasher::new(&incoming.wanted());
        let mut source = BodySource::new(incoming.body, incoming.length, incoming.fate);
        let stored = if incoming.length <= BATCH_BYTES as u64 {
            self.take_small(&mut admission, &mut source, hasher).await?
        } else {
            self.take_large(&mut admission, &mut source, hasher).await?
        };
        verify(&stored, incoming.declared, &incoming.announced, incoming.trailers, incoming.md5)?;
        Ok(stored)
    }

    async fn take_small(
        &self,
        admission: &mut BodyAdmission,
        source: &mut BodySource,
        mut hasher: BodyHasher,
    ) -> Result<StoredFile> {
        let mut whole = Vec::new();
        while let Some(batch) = source.next().await? {
            if batch.len() < MAX_BATCH_FRAMES { whole.extend(batch) } else { whole.push(batch.concat().into()) }
        }
        admission.room.spend(source.length)?;
        let files = Arc::clone(&self.files);
        let work = move || {
            let mut file = files.create()?;
            file.append(&whole)?;
            whole.iter().for_each(|bytes| hasher.update(bytes));
            file.sync()?;
            Ok((file, hasher))
        };
        let (file, hasher) = blocking(work).await?;
        Ok(StoredFile::new(file, source.length, hasher))
    }

    async fn take_large(
        &self,
        admission: &mut BodyAdmission,
        source: &mut BodySource,
        hasher: BodyHasher,
    ) -> Result<StoredFile> {
        let files = Arc::clone(&self.files);
        let (writing, hashing) = (SerialQueue::new(blocking(move || files.create()).await?), SerialQueue::new(hasher));
        while let Some(batch) = source.next().await? {
            admission.room.spend(batch.iter().map(|bytes| bytes.len() as u64).sum())?;
            let same = batch.clone();
            let hash = move |hasher: &mut BodyHasher| {
                same.iter().for_each(|bytes| hasher.update(bytes));
                Ok(())
            };
            hashing.push(hash).await?;
            writing.push(move |file| file.append(&batch)).await?;
        }
        writing.push(|file| file.sync()).await?;
        let (file, hasher) = tokio::try_join!(writing.finish(), hashing.finish())?;
        Ok(StoredFile::new(file, source.length, hasher))
    }
}

/// Runs `work` on the blocking pool.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl IncomingBody {
    /// Body of the store's own bytes, without declared checksums.
    pub(super) fn internal(body: StreamingBlob, length: u64) -> Self {
        Self {
            body: Some(body),
            length,
            declared: ChecksumSet::default(),
            algorithms: Vec::new(),
            announced: Vec::new(),
            trailers: None,
            md5: None,
            fate: None,
        }
    }

    fn wanted(&self) -> Vec<S3ChecksumAlgorithm> {
        let mut wanted: Vec<S3ChecksumAlgorithm> = self.declared.algorithms().collect();
        wanted.extend(self.algorithms.iter().chain(&self.announced));
        if wanted.is_empty() {
            wanted.push(S3ChecksumAlgorithm::Crc64Nvme);
        }
        wanted
    }
}

impl StoredFile {
    fn new(file: NewFile, size: u64, hasher: BodyHasher) -> Self {
        let (md5, sums) = hasher.finish();
        Self { file, size, md5, sums }
    }
}

fn verify(
    stored: &StoredFile,
    mut declared: ChecksumSet,
    announced: &[S3ChecksumAlgorithm],
    trailers: Option<TrailingHeaders>,
    md5: Option<[u8; 16]>,
) -> Result<()> {
    if let Some(trailers) = trailers.and_then(|trailers| trailers.take()) {
        for algorithm in S3ChecksumAlgorithm::ALL {
            if let Some(value) = trailers.get(algorithm.header()).and_then(|value| value.to_str().ok()) {
                declared.set(algorithm, value.to_owned());
            }
        }
    }
    if announced.iter().any(|algorithm| declared.get(*algorithm).is_none()) {
        return Err(Error::InvalidRequest("a checksum that x-amz-trailer announced is missing"));
    }
    if let Some(algorithm) = stored.sums.differs_from(&declared) {
        return Err(Error::BadDigest(algorithm.name()));
    }
    if md5.is_some_and(|md5| md5 != stored.md5) {
        return Err(Error::BadDigest("Content-MD5"));
    }
    Ok(())
}

/// A body in batches, with a check of its length.
struct BodySource {
    body: Option<StreamingBlob>,
    length: u64,
    received: u64,
    fate: Option<Arc<BodyOutcome>>,
}

impl BodySource {
    fn new(body: Option<StreamingBlob>, length: u64, fate: Option<Arc<BodyOutcome>>) -> Self {
        Self { body, length, received: 0, fate }
    }

    /// Next batch; `None` if exactly the declared number of bytes came.
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while let Some(body) = self.body.as_mut().filter(|_| size < BATCH_BYTES && batch.len() < MAX_BATCH_FRAMES) {
            match body.next().await {
                Some(Ok(bytes)) => {
                    size += bytes.len();
                    batch.push(bytes);
                }
                Some(Err(error)) => return Err(self.failed(&error)),
                None => self.body = None,
            }
        }
        self.received += size as u64;
        let ended = self.body.is_none();
        if self.received > self.length || (ended && self.received < self.length) {
            return Err(Error::IncompleteBody);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// Error for a failed stream. `s3s` keeps its stream errors private, so their text is the only distinction.
    fn failed(&self, error: &StdError) -> Error {
        let text = error.to_string();
        if self.fate.as_ref().is_some_and(|fate| fate.was_idle()) {
            Error::BodyTimeout
        } else if text.contains("Sha256Mismatch") {
            Error::PayloadMismatch
        } else if text.contains("SignatureMismatch") {
            Error::ChunkSignature
        } else {
            Error::IncompleteBody
        }
    }
}
