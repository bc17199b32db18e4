//! Concatenation: a file assembled from partial uploads that were sent in parallel (tus).
//!
//! The final upload is an ordinary upload whose bytes come from the store instead of from a client: it has the same
//! ledger, lease and completion. Hence any node can resume it, and it takes as much memory as any append. The partial
//! uploads stay readable for a while, for clients that lost the response and ask again.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tracing::Instrument as _;

use super::lease::LEASE_DURATION;
use super::store_put::tail_key;
use super::{AppendBody, AppendChecksum, AppendEngine, BodyFrame, EndOfBody, TruncatedBody};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::append::{ConcatRole, EchoedHeaders, UploadLength};
use crate::domain::asset::AssetMetadata;
use crate::domain::clock::after;
use crate::domain::ids::UploadId;
use crate::domain::name::{FileName, MediaType};
use crate::domain::reason::chain;
use crate::domain::upload::{Upload, UploadProtocol, UploadState};
use crate::engine::idempotency::RepeatableRequest;
use crate::engine::rows::tenant_of;
use crate::engine::uploads::create::{CreatedUpload, UploadCreator};
use crate::engine::{Error, IdempotencyKey, Result};
use crate::store::Tx;

/// Most partial uploads of a file.
const MAX_CONCAT_UPLOADS: usize = 1000;
/// Longest time that a request waits for the concatenation, which continues in the background after that.
const MAX_REQUEST_WAIT: Duration = Duration::from_secs(20);
/// Retention of partial uploads after the final upload is complete.
const PARTIAL_GRACE_PERIOD: Duration = Duration::from_secs(24 * 3600);
/// Route under which idempotency keys of concatenations are stored.
const REPLAY_ROUTE: &str = "concatenations";

/// A request to concatenate partial uploads into a file.
pub struct ConcatenateUploads {
    /// Name of the file.
    pub name: FileName,
    /// Media type as declared by the client.
    pub media_type: Option<MediaType>,
    /// Metadata of the client.
    pub metadata: AssetMetadata,
    /// The partial uploads in order; an upload may occur several times.
    pub uploads: Vec<UploadId>,
    /// Header values that are returned to the client later as it sent them.
    pub echoed: EchoedHeaders,
}

/// Object in the store that holds bytes of a partial upload.
struct ConcatSource {
    key: String,
    etag: String,
    size: u64,
}

impl AppendEngine {
    /// Concatenates partial uploads into a file. A repeated request returns the same upload.
    #[tracing::instrument(skip_all)]
    pub async fn concatenate_uploads(&self, actor: &Actor, wish: ConcatenateUploads) -> Result<Upload> {
        may_ask(actor, Action::CreateUpload)?;
        let Actor::Key { id: key, .. } = actor else { return Err(Error::Forbidden) };
        let by = UploadCreator { tenant: tenant_of(actor)?, key: *key, drop_box: None };
        let total = self.load_total_size(actor, &wish.uploads).await?;
        let mut ledger = self.uploads.new_ledger(UploadLength::Known(total))?;
        let idempotency = fingerprint_of(&wish);
        let request = RepeatableRequest { by: by.key, route: REPLAY_ROUTE, idempotency: Some(&idempotency) };
        (ledger.echoed, ledger.concat) = (wish.echoed, ConcatRole::Final(wish.uploads));
        let rows =
            self.build_append_rows(by, wish.name, wish.media_type, wish.metadata, ledger, UploadProtocol::Tus).await?;
        let (mut asset, mut upload) = rows;
        let now = self.store.now();
        upload = upload.take_lease(LEASE_DURATION, now).map_err(|_| Error::Locked)?;
        upload.next_check_at = Some(after(now, self.rows.upload_timeouts().takeover_after));
        let tx = Tx::new().create(&mut asset, &mut upload).with(self.audit.told_of_creation(actor, &asset, &upload));
        let tx = self.idempotency.remember(tx, &request, &CreatedUpload { upload: upload.id })?;
        if self.rows.commit_if_unchanged(tx).await? {
            return self.concatenate_and_wait(upload).await;
        }
        let CreatedUpload { upload } = self.idempotency.recall_rival(&request).await?;
        self.rows.reload_upload(upload).await
    }

    /// Total bytes of the partial uploads. Each must be a complete partial upload of this caller.
    async fn load_total_size(&self, actor: &Actor, of: &[UploadId]) -> Result<u64> {
        if of.is_empty() || of.len() > MAX_CONCAT_UPLOADS {
            return Err(Error::invalid("Upload-Concat", format!("must list 1 to {MAX_CONCAT_UPLOADS} uploads")));
        }
        let mut total = 0u64;
        for id in of {
            let piece = self.rows.load_upload_for(actor, Action::DriveUpload, *id).await;
            let piece = piece.map_err(|_| Error::invalid("Upload-Concat", "lists an upload that does not exist"))?;
            total = total.saturating_add(check_finished_partial(&piece)?);
        }
        Ok(total)
    }

    /// Runs the concatenation, and waits for it at most [`MAX_REQUEST_WAIT`].
    async fn concatenate_and_wait(&self, upload: Upload) -> Result<Upload> {
        let (engine, id) = (self.clone(), upload.id);
        let work = self.tasks.spawn(async move { engine.run_concatenation(upload).await }.in_current_span());
        match tokio::time::timeout(MAX_REQUEST_WAIT, work).await {
            Ok(done) => done.map_err(Error::internal)?,
            Err(_) => self.rows.reload_upload(id).await,
        }
    }

    /// Resumes a concatenation that no task is running any more. Also called by the sweeper.
    pub(in crate::engine) fn spawn_concatenation(&self, upload: &Upload) {
        let (engine, upload) = (self.clone(), upload.clone());
        self.tasks.spawn(
            async move {
                let id = upload.id;
                let work = async { engine.run_concatenation(engine.acquire_lease(upload, |_| Ok(())).await?).await };
                if let Err(error) = work.await {
                    tracing::warn!(upload = %id, error = %chain(&error), "not put together yet; it comes again");
                }
            }
            .in_current_span(),
        );
    }

    /// The work under the lease of a final upload: appends the bytes of its partial uploads, from its offset on.
    async fn run_concatenation(&self, leased: Upload) -> Result<Upload> {
        let Some((of, offset)) = leased.ledger().and_then(|ledger| match &ledger.concat {
            ConcatRole::Final(of) => Some((of.clone(), ledger.offset)),
            ConcatRole::Whole | ConcatRole::Partial => None,
        }) else {
            return Err(Error::Internal("an upload that is made of nothing".into()));
        };
        let mut sources = Vec::new();
        for id in &of {
            sources.extend(self.locate_sources(&self.rows.reload_upload(*id).await?).await?);
        }
        let done = self
            .append_and_complete(
                leased,
                AppendChecksum::None,
                EndOfBody::ByLength,
                None,
                self.concat_body(sources, offset),
            )
            .await?;
        self.expire_partials(&of).await;
        Ok(done)
    }

    /// Objects that hold the bytes of a partial upload: its parts as an object, then its tail.
    async fn locate_sources(&self, piece: &Upload) -> Result<Vec<ConcatSource>> {
        check_finished_partial(piece)?;
        let ledger = piece.ledger().ok_or(Error::NotFound)?;
        let mut stored = Vec::new();
        if ledger.whole() > 0 {
            let (key, etag) = (piece.key.clone(), self.assemble_partial(piece, ledger.whole()).await?);
            stored.push(ConcatSource { key, etag, size: ledger.whole() });
        }
        let segments = ledger.tail.iter();
        stored.extend(segments.map(|segment| ConcatSource {
            key: tail_key(piece.id, segment),
            etag: segment.etag.clone(),
            size: segment.size,
        }));
        Ok(stored)
    }

    /// Assembles the parts of a partial upload into an object that can be read. Idempotent.
    async fn assemble_partial(&self, piece: &Upload, size: u64) -> Result<String> {
        let there = async |engine: &Self| -> Result<Option<String>> {
            let facts = engine.blobs.head(&piece.key).await?;
            Ok(facts.filter(|facts| facts.size == size).map(|facts| facts.etag))
        };
        if let Some(etag) = there(self).await? {
            return Ok(etag);
        }
        let store_id = piece.store_id().ok_or_else(|| Error::Internal("parts without a store id".into()))?;
        let parts = self.uploads.list_received_parts(piece).await?;
        match self.blobs.complete_multipart(&piece.key, store_id, &parts).await {
            Ok((etag, _)) => Ok(etag),
            Err(error) => there(self).await?.ok_or_else(|| error.into()),
        }
    }

    /// The bytes of these objects from `offset` on, as the body of an append.
    fn concat_body(&self, sources: Vec<ConcatSource>, mut offset: u64) -> AppendBody {
        let mut left = Vec::new();
        for source in sources {
            let skipped = offset.min(source.size);
            offset -= skipped;
            if skipped < source.size {
                left.push((source, skipped));
            }
        }
        let blobs = std::sync::Arc::clone(&self.blobs);
        let streams = stream::iter(left).then(move |(source, from)| {
            let blobs = std::sync::Arc::clone(&blobs);
            async move { blobs.get(&source.key, &source.etag, from..source.size).await }
        });
        streams.try_flatten().map(|chunk| chunk.map(BodyFrame::Bytes).map_err(|_| TruncatedBody)).boxed()
    }

    /// Sets partial uploads to expire after [`PARTIAL_GRACE_PERIOD`].
    async fn expire_partials(&self, of: &[UploadId]) {
        for id in of {
            let Ok(Some(mut piece)) = self.store.find_upload(*id).await else { continue };
            let until = after(self.store.now(), PARTIAL_GRACE_PERIOD);
            if piece.state == UploadState::Open && until < piece.expires_at {
                (piece.expires_at, piece.next_check_at) = (until, Some(until));
                // If a concurrent writer changes the row, the partial upload keeps its old expiry.
                let _ = self.rows.commit(Tx::new().quietly(&mut piece)).await;
            }
        }
    }
}

/// The `Idempotency-Key` of a request. Clients of tus send none: the same list with the same metadata is the same request.
fn fingerprint_of(wish: &ConcatenateUploads) -> IdempotencyKey {
    let mut list = Sha256::new();
    wish.uploads.iter().for_each(|id| list.update(id.0.as_bytes()));
    list.update(wish.echoed.metadata.as_deref().unwrap_or_default());
    let fingerprint: [u8; 32] = list.finalize().into();
    IdempotencyKey { token: hex::encode(fingerprint), fingerprint }
}

/// Size in bytes of a complete partial upload; an error for any other upload.
fn check_finished_partial(upload: &Upload) -> Result<u64> {
    let ledger = upload.ledger().filter(|ledger| {
        let piece = ledger.concat == ConcatRole::Partial && ledger.is_whole();
        piece && upload.state == UploadState::Open
    });
    ledger
        .map(|ledger| ledger.offset)
        .ok_or_else(|| Error::invalid("Upload-Concat", "lists an upload that is not a finished partial upload"))
}
