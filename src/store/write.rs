//! The writes of a transaction, divided by how the adapter carries them out.
//!
//! Every class is matched without a wildcard where it is carried out ([`NewRow`] in `sql/insert.rs`, [`RowChange`] in
//! `sql/write.rs`) and where its effect is told (`effect`, below). A new variant compiles only when both name it, so no
//! write can be acknowledged and left out.

use serde_json::Value;

use super::{TenancyWrite, WebhookWrite};
use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::drop_box::DropBoxCharge;
use crate::domain::event::NewEvent;
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, GrantId, JobId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobKind, JobRelease, JobSubject, NewJob};
use crate::domain::key::ApiKey;
use crate::domain::quota::QuotaUsage;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;

/// The remembered response to a request with an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The API key that sent the request; keys do not share a namespace.
    pub key: KeyId,
    /// The route; the same `Idempotency-Key` may be used on several routes.
    pub route: String,
    /// The `Idempotency-Key`.
    pub token: String,
    /// SHA-256 of the request's content; a different request with the same key is refused.
    pub fingerprint: [u8; 32],
    /// Ids from which the response can be built again.
    pub result: Value,
    /// Time after which the record may be deleted.
    pub expires_at: Timestamp,
}

/// What was noticed of an upload while its row stayed as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadNote {
    /// When the client was seen to work on it; an earlier time than the row's is ignored.
    pub active_at: Timestamp,
    /// Bytes that the store has, if it was asked.
    pub stored_bytes: Option<u64>,
}

/// Sets a new secret of an API key. A conflict if the key is revoked or no longer has the secret that the writer read.
#[derive(Clone, Debug)]
pub struct KeyRotation {
    /// The tenant.
    pub tenant: TenantId,
    /// The API key.
    pub key: KeyId,
    /// SHA-256 of the current secret, which becomes the old secret.
    pub seen: [u8; 32],
    /// SHA-256 of the new secret.
    pub secret_hash: [u8; 32],
    /// Time until which the old secret remains valid.
    pub old_until: Timestamp,
}

/// A single write of a [`Tx`](super::Tx).
#[derive(Clone, Debug)]
pub enum Write {
    /// Inserts a row. Transactions that only insert and charge can share a commit, with a statement per table.
    Insert(NewRow),
    /// Changes rows by a statement of its own, in its place among the other writes.
    Change(RowChange),
    /// Charges a tenant, after all other writes of the transaction.
    Charge(QuotaCharge),
    /// Counts an upload in its grant for many files, after all other writes. Over a limit, nothing of the transaction is
    /// written.
    ChargeDropBox(DropBoxCharge),
}

/// A row that can be inserted together with the rows of other transactions.
#[derive(Clone, Debug)]
pub enum NewRow {
    /// An asset.
    Asset(Box<Asset>),
    /// An upload; no other live upload may have its external id.
    Upload(Box<Upload>),
    /// The first event of a new asset.
    FirstEvent(NewEvent),
    /// A job; a conflict if a job of its kind exists for the subject and is not dead.
    Job(NewJob),
    /// A link.
    Link(Box<Link>),
    /// An idempotency record; its `Idempotency-Key` must be free.
    Replay(IdempotencyRecord),
    /// An entry of the audit trail.
    Audit(Box<AuditEntry>),
}

/// A write that reads, changes or deletes rows, or inserts rows that are too rare for a common statement.
#[derive(Clone, Debug)]
pub enum RowChange {
    /// Inserts a tenant; its name must be free.
    InsertTenant(Tenant),
    /// Inserts an API key.
    InsertKey(ApiKey),
    /// Revokes an API key of this tenant. No change if it is revoked already; a conflict if it is unknown.
    RevokeKey(TenantId, KeyId, Timestamp),
    /// See [`KeyRotation`].
    RotateKey(Box<KeyRotation>),
    /// Sets the last use of keys, unless a time less than a minute earlier is stored already.
    NoteKeyUses(Vec<(KeyId, Timestamp)>),
    /// Replaces the asset if it still has revision `asset.revision`.
    UpdateAsset(Box<Asset>),
    /// Replaces the upload if it still has revision `upload.revision`.
    UpdateUpload(Box<Upload>),
    /// Adds what was noticed of uploads that have not ended. Revisions stay: a note never makes a writer repeat its work.
    NoteUploads(Vec<(UploadId, UploadNote)>),
    /// Inserts parts of a relayed upload that the object store holds; their numbers must be free.
    InsertParts(Vec<RelayedPart>),
    /// Deletes all recorded parts of an upload that no longer needs them.
    ForgetParts(UploadId),
    /// Inserts the next event of an asset.
    NextEvent(NewEvent),
    /// Inserts a job, unless a job of its kind exists for the subject and is not dead.
    OweJob(NewJob),
    /// Deletes a finished job; a conflict if it was claimed again since this attempt.
    FinishJob(Job),
    /// Deletes the job for this subject unless it is dead, also while a worker holds it. No such job is no error.
    CancelJob(JobSubject),
    /// Puts a job back until a later time, or marks it dead; a conflict if this attempt no longer holds the lease.
    ReleaseJob(Box<JobRelease>),
    /// Changes the due time of a job, also while a worker holds it: that worker loses its lease. A conflict if the job
    /// was claimed again since this attempt.
    PostponeJob(Box<JobRelease>),
    /// Makes a dead job of this tenant due now and resets its tries. A conflict if the job is not dead, or if another
    /// job of its kind exists for the subject.
    RetryJob(JobId, TenantId, Timestamp),
    /// Deletes a dead job of this tenant; a conflict if the job is not dead.
    DiscardJob(JobId, TenantId),
    /// Pauses (`true`) or resumes (`false`) a job kind. Workers claim no jobs of a paused kind; running jobs continue.
    PauseJobs(JobKind, bool, Timestamp),
    /// Sets how many jobs of a kind run at once in each worker; `None`: as many as the setting says.
    SetConcurrency(JobKind, Option<u32>, Timestamp),
    /// Makes all waiting jobs of this kind due now; a conflict if none waits.
    HurryJobs(JobKind, Timestamp),
    /// Inserts a collection.
    InsertCollection(Box<Collection>),
    /// Adds uses to links: link, number of uses, and time of the last use. Links that no longer exist are skipped.
    CountUses(Vec<(GrantId, u32, Timestamp)>),
    /// Revokes a link. No change if it is revoked already; a conflict if it is unknown.
    RevokeLink(GrantId, Timestamp),
    /// Revokes every link to an asset.
    RevokeLinksOf(AssetId, Timestamp),
    /// See [`WebhookWrite`].
    Webhook(WebhookWrite),
    /// See [`TenancyWrite`].
    Tenancy(TenancyWrite),
}

/// A change of the usage of a tenant that has limits. Over a limit, nothing of the transaction is written.
#[derive(Clone, Copy, Debug)]
pub struct QuotaCharge {
    /// The tenant.
    pub tenant: TenantId,
    /// The difference.
    pub usage: QuotaUsage,
}

impl From<NewRow> for Write {
    fn from(row: NewRow) -> Self {
        Self::Insert(row)
    }
}

impl From<RowChange> for Write {
    fn from(change: RowChange) -> Self {
        Self::Change(change)
    }
}

impl From<WebhookWrite> for Write {
    fn from(write: WebhookWrite) -> Self {
        RowChange::Webhook(write).into()
    }
}

impl From<TenancyWrite> for Write {
    fn from(write: TenancyWrite) -> Self {
        RowChange::Tenancy(write).into()
    }
}

impl From<QuotaCharge> for Write {
    fn from(charge: QuotaCharge) -> Self {
        Self::Charge(charge)
    }
}

impl From<DropBoxCharge> for Write {
    fn from(charge: DropBoxCharge) -> Self {
        Self::ChargeDropBox(charge)
    }
}

/// The effect of a write beyond its row.
#[derive(Clone, Copy, Debug)]
pub(super) enum WriteEffect<'a> {
    /// The write adds a row that stays until a client deletes it, so it takes space on the disk.
    ThingAdded,
    /// The write changes this asset, of which a cache may hold a copy.
    AssetChanged(AssetId),
    /// The write changes this upload, of which a cache may hold a copy.
    UploadChanged(&'a Upload),
    /// The write makes an event about this asset, for which readers of the feed wait.
    EventAdded(AssetId),
    /// The write makes a job, for which workers wait.
    News,
    /// None of these.
    Quiet,
}

impl Write {
    /// The effect beyond the row.
    pub(super) fn effect(&self) -> WriteEffect<'_> {
        match self {
            Self::Insert(row) => row.effect(),
            Self::Change(change) => change.effect(),
            Self::Charge(_) | Self::ChargeDropBox(_) => WriteEffect::Quiet,
        }
    }
}

impl NewRow {
    fn effect(&self) -> WriteEffect<'_> {
        match self {
            Self::Asset(_) | Self::Upload(_) | Self::Link(_) => WriteEffect::ThingAdded,
            Self::FirstEvent(event) => WriteEffect::EventAdded(event.asset),
            Self::Job(_) => WriteEffect::News,
            Self::Replay(_) | Self::Audit(_) => WriteEffect::Quiet,
        }
    }
}

impl RowChange {
    fn effect(&self) -> WriteEffect<'_> {
        match self {
            Self::InsertTenant(_) | Self::InsertKey(_) | Self::InsertCollection(_) => WriteEffect::ThingAdded,
            Self::UpdateAsset(asset) => WriteEffect::AssetChanged(asset.id),
            Self::UpdateUpload(upload) => WriteEffect::UploadChanged(upload),
            Self::NextEvent(event) => WriteEffect::EventAdded(event.asset),
            Self::OweJob(_) | Self::RetryJob(..) | Self::HurryJobs(..) => WriteEffect::News,
            Self::Webhook(write) => write.effect(),
            Self::Tenancy(write) => write.effect(),
            Self::RevokeKey(..)
            | Self::RotateKey(_)
            | Self::NoteKeyUses(_)
            | Self::NoteUploads(_)
            | Self::InsertParts(_)
            | Self::ForgetParts(_)
            | Self::FinishJob(_)
            | Self::CancelJob(_)
            | Self::ReleaseJob(_)
            | Self::PostponeJob(_)
            | Self::DiscardJob(..)
            | Self::PauseJobs(..)
            | Self::SetConcurrency(..)
            | Self::CountUses(_)
            | Self::RevokeLink(..)
            | Self::RevokeLinksOf(..) => WriteEffect::Quiet,
        }
    }
}

impl WebhookWrite {
    fn effect(&self) -> WriteEffect<'_> {
        match self {
            Self::Deliver(_) => WriteEffect::News,
            Self::Insert(_)
            | Self::Update(..)
            | Self::Move(..)
            | Self::Note(..)
            | Self::Disable(..)
            | Self::Settle(..) => WriteEffect::Quiet,
        }
    }
}

impl TenancyWrite {
    fn effect(&self) -> WriteEffect<'_> {
        match self {
            Self::InsertDropBox(_) => WriteEffect::ThingAdded,
            Self::UpdateTenant(_)
            | Self::SetQuota(..)
            | Self::PutPolicy(_)
            | Self::DropPolicy(..)
            | Self::RevokeDropBox(..)
            | Self::BeginMaintenance(_)
            | Self::EndMaintenance(_)
            | Self::BeginDeletion(_)
            | Self::NoteDeletion(_)
            | Self::EndDeletion(_) => WriteEffect::Quiet,
        }
    }
}
