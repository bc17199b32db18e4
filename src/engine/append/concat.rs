//! Concatenation: a file made of uploads that were sent side by side.
//!
//! The final upload is one like any other, whose bytes come from the store instead of from a client: the same ledger,
//! the same lease, the same end. So it goes on where it stopped, on any node, and takes as much memory as any append.
//! Its pieces stay readable for a while, for clients that lost the answer and ask again.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::create::Creator;
use super::super::{Engine, Error, Result, tenant_of};
use super::lease::TERM;
use super::sending::tail_key;
use super::{Arrival, BrokenOff, Checksum, Ends, Incoming};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::append::{Concat, Length, Said};
use crate::domain::asset::Metadata;
use crate::domain::clock::after;
use crate::domain::ids::UploadId;
use crate::domain::name::{FileName, MediaType};
use crate::domain::upload::{Protocol, Upload, UploadState};
use crate::store::{Replay, StoreError, Tx, Write};

/// Most pieces of one file.
const MOST: usize = 1000;
/// How long a request waits for the file to be put together; then it goes on without anybody waiting.
const WAIT: Duration = Duration::from_secs(20);
/// How long pieces are kept once the file is there.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// The route under which such creations are remembered.
const ROUTE: &str = "concatenations";

/// The wish to make one file of several uploads.
pub struct Concatenate {
    /// The file's name.
    pub name: FileName,
    /// Its type, as the client believes.
    pub media_type: Option<MediaType>,
    /// The client's own properties.
    pub metadata: Metadata,
    /// The uploads, in order; one may come several times.
    pub of: Vec<UploadId>,
    /// What the client wants to hear again.
    pub said: Said,
}

/// Where bytes of a piece are.
struct Stored {
    key: String,
    etag: String,
    size: u64,
}

impl Engine {
    /// Makes one file of several uploads. The same wish again finds the same file.
    pub async fn concatenate(&self, actor: &Actor, wish: Concatenate) -> Result<Upload> {
        may_ask(actor, Action::CreateUpload)?;
        let Actor::Key { id: key, .. } = actor else { return Err(Error::Forbidden) };
        let by = Creator { tenant: tenant_of(actor)?, key: *key };
        let total = self.total_of(actor, &wish.of).await?;
        let mut ledger = self.new_ledger(Length::Known(total))?;
        let replay = self.remember(by, &wish);
        (ledger.said, ledger.concat) = (wish.said, Concat::Final(wish.of));
        let rows = self.declared_as(by, wish.name, wish.media_type, wish.metadata, ledger, Protocol::Tus).await?;
        let (mut asset, mut upload) = rows;
        let now = self.0.store.now();
        upload = upload.take_lease(TERM, now).map_err(|_| Error::Locked)?;
        upload.look_at = Some(after(now, self.patience().takeover_after));
        let mut remembered = replay;
        remembered.result = json!({ "upload": upload.id });
        let (route, token) = (remembered.route.clone(), remembered.token.clone());
        let tx = Tx::new().create(&mut asset, &mut upload).with(self.told_of_creation(actor, &asset, &upload));
        match self.commit(tx.with(Write::InsertReplay(remembered)), asset.id).await {
            Ok(()) => self.put_together_soon(upload).await,
            Err(StoreError::Conflict) => self.made_before(by, &route, &token).await,
            Err(other) => Err(other.into()),
        }
    }

    /// The bytes of all pieces together, each of which must be a finished piece of this caller's.
    async fn total_of(&self, actor: &Actor, of: &[UploadId]) -> Result<u64> {
        if of.is_empty() || of.len() > MOST {
            return Err(Error::invalid("Upload-Concat", format!("1 to {MOST} uploads")));
        }
        let mut total = 0u64;
        for id in of {
            let piece = self.upload_for(actor, Action::DriveUpload, *id).await;
            let piece = piece.map_err(|_| Error::invalid("Upload-Concat", "an upload that does not exist"))?;
            total = total.saturating_add(finished_piece(&piece)?);
        }
        Ok(total)
    }

    fn remember(&self, by: Creator, wish: &Concatenate) -> Replay {
        let mut list = Sha256::new();
        wish.of.iter().for_each(|id| list.update(id.0.as_bytes()));
        list.update(wish.said.metadata.as_deref().unwrap_or_default());
        let fingerprint: [u8; 32] = list.finalize().into();
        Replay {
            key: by.key,
            route: ROUTE.to_owned(),
            token: hex::encode(fingerprint),
            fingerprint,
            result: json!({}),
            expires_at: after(self.0.store.now(), self.0.settings.replay_ttl),
        }
    }

    async fn made_before(&self, by: Creator, route: &str, token: &str) -> Result<Upload> {
        let replay = self.0.store.replay(by.key, route, token).await?;
        let id = replay.and_then(|replay| replay.result["upload"].as_str().and_then(|id| id.parse().ok()));
        self.reread(id.ok_or_else(|| Error::busy("a remembered file is just being forgotten"))?).await
    }

    /// Puts a file together, and waits for it within reason.
    async fn put_together_soon(&self, upload: Upload) -> Result<Upload> {
        let (engine, id) = (self.clone(), upload.id);
        let work = self.0.appends.tasks.spawn(async move { engine.put_together(upload).await });
        match tokio::time::timeout(WAIT, work).await {
            Ok(done) => done.map_err(|error| Error::Internal(error.to_string()))?,
            Err(_) => self.reread(id).await,
        }
    }

    /// Goes on with a file that nobody is putting together any more. Also what the sweeper calls.
    pub(in crate::engine) fn go_on_putting_together(&self, upload: &Upload) {
        let (engine, upload) = (self.clone(), upload.clone());
        self.0.appends.tasks.spawn(async move {
            let id = upload.id;
            let work = async { engine.put_together(engine.lease(upload, |_| Ok(())).await?).await };
            if let Err(error) = work.await {
                tracing::warn!(upload = %id, %error, "not put together yet; it comes again");
            }
        });
    }

    /// What is done under the lease of a final upload: append what its pieces hold from its offset on.
    async fn put_together(&self, leased: Upload) -> Result<Upload> {
        let Some((of, offset)) = leased.ledger().and_then(|ledger| match &ledger.concat {
            Concat::Final(of) => Some((of.clone(), ledger.offset)),
            Concat::Whole | Concat::Partial => None,
        }) else {
            return Err(Error::Internal("an upload that is made of nothing".to_owned()));
        };
        let mut sources = Vec::new();
        for id in &of {
            sources.extend(self.stored_bytes(&self.reread(*id).await?).await?);
        }
        let done = self.run(leased, Checksum::None, Ends::ByLength, None, self.bytes_of(sources, offset)).await?;
        self.let_pieces_go(&of).await;
        Ok(done)
    }

    /// Where a piece's bytes are: its parts as one object, then its tail.
    async fn stored_bytes(&self, piece: &Upload) -> Result<Vec<Stored>> {
        finished_piece(piece)?;
        let ledger = piece.ledger().ok_or(Error::Hidden)?;
        let mut stored = Vec::new();
        if ledger.whole() > 0 {
            let (key, etag) = (piece.key.clone(), self.parts_as_object(piece, ledger.whole()).await?);
            stored.push(Stored { key, etag, size: ledger.whole() });
        }
        let segments = ledger.tail.iter();
        stored.extend(segments.map(|segment| Stored {
            key: tail_key(piece.id, segment),
            etag: segment.etag.clone(),
            size: segment.size,
        }));
        Ok(stored)
    }

    /// Makes a piece's parts readable; asking again is fine.
    async fn parts_as_object(&self, piece: &Upload, size: u64) -> Result<String> {
        let there = async |engine: &Self| -> Result<Option<String>> {
            let facts = engine.0.blobs.head(&piece.key).await?;
            Ok(facts.filter(|facts| facts.size == size).map(|facts| facts.etag))
        };
        if let Some(etag) = there(self).await? {
            return Ok(etag);
        }
        let store_id = piece.store_id().ok_or_else(|| Error::Internal("parts without a store id".to_owned()))?;
        let parts = self.received(piece).await?;
        match self.0.blobs.complete_multipart(&piece.key, store_id, &parts).await {
            Ok((etag, _)) => Ok(etag),
            Err(error) => there(self).await?.ok_or_else(|| error.into()),
        }
    }

    /// What these hold from `offset` on, as the body of an append.
    fn bytes_of(&self, sources: Vec<Stored>, mut offset: u64) -> Incoming {
        let mut left = Vec::new();
        for source in sources {
            let skipped = offset.min(source.size);
            offset -= skipped;
            if skipped < source.size {
                left.push((source, skipped));
            }
        }
        let blobs = std::sync::Arc::clone(&self.0.blobs);
        let streams = stream::iter(left).then(move |(source, from)| {
            let blobs = std::sync::Arc::clone(&blobs);
            async move { blobs.get(&source.key, &source.etag, from..source.size).await }
        });
        streams.try_flatten().map(|chunk| chunk.map(Arrival::Bytes).map_err(|_| BrokenOff)).boxed()
    }

    /// Pieces of a file that is there are kept for a while and then expire.
    async fn let_pieces_go(&self, of: &[UploadId]) {
        for id in of {
            let Ok(Some(mut piece)) = self.0.store.upload(*id).await else { continue };
            let until = after(self.0.store.now(), GRACE);
            if piece.state == UploadState::Open && until < piece.expires_at {
                (piece.expires_at, piece.look_at) = (until, Some(until));
                // Should somebody else write it just now, it lives a little longer.
                let _ = self.0.store.commit(Tx::new().quietly(&mut piece)).await;
            }
        }
    }
}

/// The bytes of an upload that is a piece and whole.
fn finished_piece(upload: &Upload) -> Result<u64> {
    let ledger = upload.ledger().filter(|ledger| {
        let piece = ledger.concat == Concat::Partial && ledger.is_whole();
        piece && upload.state == UploadState::Open
    });
    ledger
        .map(|ledger| ledger.offset)
        .ok_or_else(|| Error::invalid("Upload-Concat", "an upload is no finished partial"))
}
