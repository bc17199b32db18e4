//! Archives of collections: headers are made here, members are read as downloads are, each after the previous member.
//!
//! If a member's CRC-32 was unknown when the collection was made, the archive has it in a data descriptor behind the
//! bytes. The CRC is computed while the bytes are sent. If a range needs the CRC without its bytes, the member is read
//! once, and the result is stored.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::Sha256;

use super::{DeliveryEngine, DeliverySource, OpenedDownload, content_disposition};
use crate::blob::{BlobError, ByteStream};
use crate::domain::archive::{ArchiveLayout, ArchivePiece, PieceContent, descriptor, header};
use crate::domain::asset::AssetState;
use crate::domain::collection::Collection;
use crate::domain::grant::{Disposition, Link};
use crate::domain::ids::CollectionId;
use crate::domain::name::MediaType;
use crate::domain::reason::{FailureCause, chain};
use crate::engine::{Error, Result};

/// Assets read per query.
const MEMBERS_PER_GROUP: usize = 1000;

/// An archive that may be read: all its members are unchanged.
pub(super) struct ArchiveDownload {
    collection: Collection,
    layout: ArchiveLayout,
    /// Object key of each member.
    keys: Vec<String>,
    /// CRC-32 of each member, as far as known.
    crcs: Mutex<Vec<Option<u32>>>,
}

impl std::fmt::Debug for ArchiveDownload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("id", &self.collection.id).finish_non_exhaustive()
    }
}

impl ArchiveDownload {
    fn crc(&self, i: usize) -> Option<u32> {
        self.crcs.lock().unwrap_or_else(PoisonError::into_inner).get(i).copied().flatten()
    }

    fn set_crc(&self, i: usize, crc: u32) {
        if let Some(known) = self.crcs.lock().unwrap_or_else(PoisonError::into_inner).get_mut(i) {
            *known = Some(crc);
        }
    }

    /// Entity tag; archives with the same entity tag have the same bytes.
    fn etag(&self) -> String {
        let items = &self.collection.items;
        let hash = items.iter().fold(<Sha256 as sha2::Digest>::new(), |hash, item| {
            let line = format!("{}\0{}\0{}\0{}\0{}\n", item.asset, item.name, item.etag, item.at, item.crc.is_some());
            sha2::Digest::chain_update(hash, line)
        });
        format!("zip-{}", &hex::encode(sha2::Digest::finalize(hash))[..32])
    }
}

impl DeliveryEngine {
    /// Opens a collection's archive for download.
    pub(super) async fn archive(&self, id: CollectionId, link: &Link) -> Result<OpenedDownload> {
        let collection = self.store.find_collection(id).await?.ok_or(Error::NotFound)?;
        let keys = self.still_there(&collection).await?;
        let mut crcs: Vec<Option<u32>> = collection.items.iter().map(|item| item.crc).collect();
        if crcs.iter().any(Option::is_none) {
            for (i, crc) in self.store.list_collection_crcs(id).await? {
                if let Some(known) = crcs.get_mut(i) {
                    *known = Some(crc);
                }
            }
        }
        let layout = ArchiveLayout::of(&collection.items);
        let archive = ArchiveDownload { layout, keys, crcs: Mutex::new(crcs), collection };
        let name = link.filename.as_ref().unwrap_or(&archive.collection.name);
        Ok(OpenedDownload {
            id: id.0,
            size: archive.layout.size(),
            etag: archive.etag(),
            modified: archive.collection.created_at,
            disposition: content_disposition(Disposition::Attachment, name),
            media_type: "application/zip".parse().unwrap_or_else(|_| MediaType::octet_stream()),
            sha256: None,
            usual: None,
            public: None,
            network: link.network,
            source: DeliverySource::Archive(Arc::new(archive)),
        })
    }

    /// Object keys of the members, if each member is unchanged since the collection was made.
    async fn still_there(&self, collection: &Collection) -> Result<Vec<String>> {
        let mut keys = Vec::with_capacity(collection.items.len());
        for group in collection.items.chunks(MEMBERS_PER_GROUP) {
            let ids: Vec<_> = group.iter().map(|item| item.asset).collect();
            let assets = self.store.find_assets(&ids).await?;
            let found: std::collections::HashMap<_, _> = assets.into_iter().map(|asset| (asset.id, asset)).collect();
            for item in group {
                match found.get(&item.asset).map(|asset| &asset.state) {
                    Some(AssetState::Ready(content)) if content.etag == item.etag => keys.push(content.key.clone()),
                    _ => {
                        return Err(Error::Gone { what: "collection", state: "incomplete: one of its assets is gone" });
                    }
                }
            }
        }
        Ok(keys)
    }

    /// The bytes of a range of an archive.
    pub(super) fn read_archive(&self, archive: &Arc<ArchiveDownload>, range: Range<u64>) -> ByteStream {
        let (engine, archive) = (self.clone(), Arc::clone(archive));
        let pieces = archive.layout.pieces(&archive.collection.items, range);
        let pieces = stream::iter(pieces).then(move |piece| {
            let (engine, archive) = (engine.clone(), Arc::clone(&archive));
            async move { engine.piece(archive, piece).await }
        });
        pieces.map_err(|error| BlobError::Unavailable(FailureCause::of(error))).try_flatten().boxed()
    }

    async fn piece(&self, archive: Arc<ArchiveDownload>, piece: ArchivePiece) -> Result<ByteStream> {
        let made = match piece.what {
            PieceContent::Bytes(i) => return self.member(archive, i, piece.range).await,
            PieceContent::Header(i) => header(&archive.collection.items[i]),
            PieceContent::Descriptor(i) => descriptor(&archive.collection.items[i], self.find_crc(&archive, i).await?),
            PieceContent::Directory => {
                let mut crcs = Vec::with_capacity(archive.keys.len());
                for i in 0..archive.keys.len() {
                    crcs.push(self.find_crc(&archive, i).await?);
                }
                archive.layout.directory(&archive.collection.items, &crcs)
            }
        };
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(made.len());
        let bytes = Bytes::copy_from_slice(&made[at(piece.range.start)..at(piece.range.end)]);
        Ok(stream::once(async move { Ok(bytes) }).boxed())
    }

    /// The bytes of a member. If all of them are sent and their CRC is unknown, the CRC is stored.
    async fn member(&self, archive: Arc<ArchiveDownload>, i: usize, range: Range<u64>) -> Result<ByteStream> {
        let item = &archive.collection.items[i];
        let whole = range == (0..item.size);
        let bytes = self.content.read(&archive.keys[i], &item.etag, range).await?;
        if !whole || archive.crc(i).is_some() {
            return Ok(bytes);
        }
        let engine = self.clone();
        let counted =
            stream::try_unfold((bytes, Digest::new(CrcAlgorithm::Crc32IsoHdlc)), move |(mut bytes, mut crc)| {
                let (engine, archive) = (engine.clone(), Arc::clone(&archive));
                async move {
                    match bytes.try_next().await? {
                        Some(chunk) => {
                            crc.update(&chunk);
                            Ok(Some((chunk, (bytes, crc))))
                        }
                        None => {
                            engine.keep_crc(&archive, i, u32::try_from(crc.finalize()).unwrap_or_default()).await;
                            Ok(None)
                        }
                    }
                }
            });
        Ok(counted.boxed())
    }

    /// CRC-32 of a member. If unknown, all of the member is read.
    async fn find_crc(&self, archive: &ArchiveDownload, i: usize) -> Result<u32> {
        if let Some(known) = archive.crc(i) {
            return Ok(known);
        }
        // At most 1 member at a time on this node: concurrent requests for ranges of an archive must not each read it.
        let _turn = self.archive_lock.lock().await;
        let known = self.store.list_collection_crcs(archive.collection.id).await?;
        if let Some((_, crc)) = known.into_iter().find(|(position, _)| *position == i) {
            archive.set_crc(i, crc);
            return Ok(crc);
        }
        let item = &archive.collection.items[i];
        let mut bytes = self.content.read(&archive.keys[i], &item.etag, 0..item.size).await?;
        let mut crc = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
        while let Some(chunk) = bytes.try_next().await? {
            crc.update(&chunk);
        }
        let crc = u32::try_from(crc.finalize()).unwrap_or_default();
        self.keep_crc(archive, i, crc).await;
        Ok(crc)
    }

    async fn keep_crc(&self, archive: &ArchiveDownload, i: usize, crc: u32) {
        archive.set_crc(i, crc);
        if let Err(error) = self.store.keep_crc(archive.collection.id, i, crc).await {
            // Not fatal: the next request computes the CRC again.
            tracing::warn!(collection = %archive.collection.id, error = %chain(&error), "a CRC is not kept");
        }
    }
}
