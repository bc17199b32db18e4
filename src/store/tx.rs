//! A transaction as a value: everything that becomes true together.
//!
//! Because it is data, the adapter can carry it out after its author has gone, group many into one commit, and
//! try it again alone when the group failed.

use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::grant::Link;
use crate::domain::ids::{GrantId, JobId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, NewJob};
use crate::domain::key::ApiKey;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;

/// The remembered answer to a request that carried an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The API key that sent it; keys do not share a namespace.
    pub key: KeyId,
    /// The route, so that one token may serve several.
    pub route: String,
    /// The `Idempotency-Key`.
    pub token: String,
    /// SHA-256 of the request's meaning; another request under the same token is refused.
    pub fingerprint: [u8; 32],
    /// Ids from which the answer can be made again.
    pub result: serde_json::Value,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// One write of a [`Tx`].
#[derive(Clone, Debug)]
pub enum Write {
    /// A new tenant; its name must be free.
    InsertTenant(Tenant),
    /// A new API key.
    InsertKey(ApiKey),
    /// Withdraws an API key of this tenant; already revoked is fine, unknown is a conflict.
    RevokeKey(TenantId, KeyId, Timestamp),
    /// A new asset.
    InsertAsset(Box<Asset>),
    /// Replaces the asset that still has revision `asset.revision`.
    UpdateAsset(Box<Asset>),
    /// A new upload; its external id must not be live already.
    InsertUpload(Box<Upload>),
    /// Replaces the upload that still has revision `upload.revision`.
    UpdateUpload(Box<Upload>),
    /// Parts that the store has for a relayed upload; their numbers must be free.
    InsertParts(Vec<RelayedPart>),
    /// Removes every such part of an upload that needs them no more.
    ForgetParts(UploadId),
    /// The first event of a new asset.
    FirstEvent(NewEvent),
    /// The next event of an asset.
    Event(NewEvent),
    /// A new job; one of its kind at most may be owed for the asset.
    InsertJob(NewJob),
    /// Removes a job that is done, if this attempt still holds it.
    FinishJob(Job),
    /// Puts a job back until a later time, or among the dead, if this attempt still holds it.
    ReleaseJob(Job, Option<Timestamp>, String),
    /// A new link.
    InsertLink(Box<Link>),
    /// Withdraws a link; already revoked is fine, unknown is a conflict.
    RevokeLink(GrantId, Timestamp),
    /// Remembers an answer; the token must be free.
    InsertReplay(Replay),
}

/// Everything that becomes true together, in the order in which it is written.
#[derive(Clone, Debug, Default)]
pub struct Tx {
    pub(super) writes: Vec<Write>,
}

impl Tx {
    /// An empty transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write that changes no state machine.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds a new asset with its new upload, and the event that says so.
    #[must_use]
    pub fn create(self, asset: &Asset, upload: &Upload) -> Self {
        self.with(Write::InsertAsset(Box::new(asset.clone())))
            .with(Write::InsertUpload(Box::new(upload.clone())))
            .with(Write::FirstEvent(event(asset, EventKind::AssetCreated, asset.created_at)))
    }

    /// Adds an asset's transition and the event that tells it. The caller's copy gets its new revision.
    #[must_use]
    pub fn asset(self, asset: &mut Asset, kind: EventKind) -> Self {
        let tx = self.with(Write::UpdateAsset(Box::new(asset.clone())));
        asset.revision += 1;
        tx.with(Write::Event(event(asset, kind, asset.changed_at)))
    }

    /// Adds an upload's transition and the event that tells it. The caller's copy gets its new revision.
    #[must_use]
    pub fn upload(self, upload: &mut Upload, kind: EventKind) -> Self {
        let (tenant, asset, at) = (upload.tenant, upload.asset, upload.changed_at);
        self.quietly(upload).with(Write::Event(NewEvent { tenant, asset, kind, at }))
    }

    /// Adds a change to an upload's bookkeeping that is no transition. The caller's copy gets its new revision.
    #[must_use]
    pub fn quietly(self, upload: &mut Upload) -> Self {
        let tx = self.with(Write::UpdateUpload(Box::new(upload.clone())));
        upload.revision += 1;
        tx
    }

    /// Whether it only adds rows: such transactions meet nobody, and many of them make one commit.
    pub(super) fn only_inserts(&self) -> bool {
        self.writes.iter().all(|write| match write {
            Write::InsertAsset(_)
            | Write::InsertUpload(_)
            | Write::FirstEvent(_)
            | Write::InsertJob(_)
            | Write::InsertLink(_)
            | Write::InsertReplay(_) => true,
            Write::InsertTenant(_)
            | Write::InsertKey(_)
            | Write::RevokeKey(..)
            | Write::UpdateAsset(_)
            | Write::UpdateUpload(_)
            | Write::InsertParts(_)
            | Write::ForgetParts(_)
            | Write::Event(_)
            | Write::FinishJob(_)
            | Write::ReleaseJob(..)
            | Write::RevokeLink(..) => false,
        })
    }

    /// The jobs that become owed.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.writes.iter().filter_map(|write| match write {
            Write::InsertJob(job) => Some(job.id),
            _ => None,
        })
    }
}

fn event(asset: &Asset, kind: EventKind, at: Timestamp) -> NewEvent {
    NewEvent { tenant: asset.tenant, asset: asset.id, kind, at }
}
