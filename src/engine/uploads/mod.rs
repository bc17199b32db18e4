//! Uploads from creation to completion or abort: create, sign, complete, abort, and what a grant's holder says of a file.

use std::sync::{Arc, OnceLock, Weak};

use futures_util::future::BoxFuture;

use super::audit::AuditTrail;
use super::content_reader::ContentReader;
use super::disk::DiskWatch;
use super::idempotency::IdempotencyRecords;
use super::rows::RowAccess;
use super::settings::EngineSettings;
use super::tenants::TenantEngine;
use super::tokens::TokenSigner;
use super::{Error, Result};
use crate::blob::BlobStore;
use crate::domain::clock::Entropy;
use crate::domain::ids::UploadId;
use crate::domain::upload::Upload;
use crate::engine::EnginePorts;
use crate::store::Store;

mod abort;
mod admission;
mod byte_limits;
pub(super) mod complete;
mod completed_check;
mod completion_doubt;
pub(super) mod create;
pub(super) mod describe;
mod limits;
mod list;
mod multipart;
mod part_check;
pub(super) mod sign;
pub(super) mod unplanned;

pub use complete::{ClaimedPart, CompleteUpload};
pub use create::{CreateUpload, OpenedUpload, TransferMethod, UploadSize};
pub use describe::GrantDescription;
pub use list::ListUploads;
pub use sign::{SignParts, SignedParts};
pub use unplanned::OpenUnsizedUpload;

/// The room of uploads.
#[derive(Clone)]
pub struct UploadEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) idempotency: IdempotencyRecords,
    pub(super) tenants: Arc<TenantEngine>,
    pub(super) content: Arc<ContentReader>,
    pub(super) disk: Arc<DiskWatch>,
    pub(super) running_appends: RunningAppends,
}

/// What the end of an upload needs of the room of appends, which uses this room.
pub(super) trait AppendPort: Send + Sync {
    /// Interrupts the append on this node that holds the upload.
    fn interrupt(&self, upload: UploadId);

    /// Sends the tail of an upload whose every byte is in the ledger as a part.
    fn flush_final_tail<'a>(&'a self, upload: &'a Upload) -> BoxFuture<'a, Result<()>>;
}

/// The room of appends, once it is built. Weak, because that room holds this one.
#[derive(Clone, Default)]
pub(super) struct RunningAppends(Arc<OnceLock<Weak<dyn AppendPort>>>);

impl RunningAppends {
    /// Names the room of appends. Only the first call counts.
    pub(super) fn connect(&self, appends: Weak<dyn AppendPort>) {
        let _ = self.0.set(appends);
    }

    fn port(&self) -> Option<Arc<dyn AppendPort>> {
        self.0.get().and_then(Weak::upgrade)
    }

    fn interrupt(&self, upload: UploadId) {
        if let Some(appends) = self.port() {
            appends.interrupt(upload);
        }
    }

    async fn flush_final_tail(&self, upload: &Upload) -> Result<()> {
        match self.port() {
            Some(appends) => appends.flush_final_tail(upload).await,
            None => Err(Error::busy("this node is about to stop")),
        }
    }
}

impl UploadEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts, tenants: Arc<TenantEngine>) -> Self {
        Self {
            store: ports.store.clone(),
            blobs: ports.blobs.clone(),
            entropy: ports.entropy.clone(),
            tokens: ports.tokens.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            idempotency: ports.idempotency.clone(),
            content: ports.content.clone(),
            disk: ports.disk.clone(),
            tenants,
            running_appends: RunningAppends::default(),
        }
    }
}
