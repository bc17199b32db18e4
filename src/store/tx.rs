//! A transaction as a value: a list of writes that are committed together.
//!
//! Because a transaction is data, the adapter can commit it after its caller has gone, group many into a single commit,
//! and retry each alone when the group failed.

use serde_json::{Map, Value};

use super::{TenancyWrite, WebhookWrite};
use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::Timestamp;
use crate::domain::collection::Collection;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::grant::Link;
use crate::domain::ids::{AssetId, GrantId, JobId, KeyId, TenantId, UploadId};
use crate::domain::job::{Job, JobKind, JobRelease, JobSubject, NewJob};
use crate::domain::key::ApiKey;
use crate::domain::name::FileName;
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

/// A single write of a [`Tx`].
#[derive(Clone, Debug)]
pub enum Write {
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
    /// Inserts an asset.
    InsertAsset(Box<Asset>),
    /// Replaces the asset if it still has revision `asset.revision`.
    UpdateAsset(Box<Asset>),
    /// Inserts an upload; no other live upload may have its external id.
    InsertUpload(Box<Upload>),
    /// Replaces the upload if it still has revision `upload.revision`.
    UpdateUpload(Box<Upload>),
    /// Inserts parts of a relayed upload that the object store holds; their numbers must be free.
    InsertParts(Vec<RelayedPart>),
    /// Deletes all recorded parts of an upload that no longer needs them.
    ForgetParts(UploadId),
    /// Inserts the first event of a new asset.
    FirstEvent(NewEvent),
    /// Inserts the next event of an asset.
    Event(NewEvent),
    /// Inserts a job; a conflict if a job of its kind exists for the subject and is not dead.
    InsertJob(NewJob),
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
    /// Makes all waiting jobs of this kind due now; a conflict if none waits.
    HurryJobs(JobKind, Timestamp),
    /// Inserts a link.
    InsertLink(Box<Link>),
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
    /// Changes the usage of a tenant that has limits. Over a limit, nothing of the transaction is written.
    Charge(TenantId, QuotaUsage),
    /// Inserts an entry of the audit trail.
    InsertAudit(Box<AuditEntry>),
    /// Inserts an idempotency record; its `Idempotency-Key` must be free.
    InsertReplay(IdempotencyRecord),
}

/// Writes that are committed together, in the order in which they are carried out.
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

    /// Adds a new asset with its new upload, their quota charges, and the event `asset.created`.
    #[must_use]
    pub fn create(self, asset: &mut Asset, upload: &mut Upload) -> Self {
        let mut usage = asset.settle_charge();
        usage += upload.settle_charge();
        let tx = self.with(Write::Charge(asset.tenant, usage));
        tx.with(Write::InsertAsset(Box::new(asset.clone()))).with(Write::InsertUpload(Box::new(upload.clone()))).with(
            Write::FirstEvent(NewEvent {
                data: of_upload(upload, &asset.name),
                ..event(asset, EventKind::AssetCreated, asset.created_at)
            }),
        )
    }

    /// Adds an asset's transition and its event. Increments the revision of `asset`.
    #[must_use]
    pub fn asset(self, asset: &mut Asset, kind: EventKind) -> Self {
        self.quiet_asset(asset).with(Write::Event(event(asset, kind, asset.changed_at)))
    }

    /// Adds a change to an asset that is no transition, without an event. Increments the revision of `asset`.
    #[must_use]
    pub fn quiet_asset(self, asset: &mut Asset) -> Self {
        let tx = self.charge(asset.tenant, asset.settle_charge()).with(Write::UpdateAsset(Box::new(asset.clone())));
        asset.revision += 1;
        tx
    }

    /// Adds an upload's transition and its event, which carries the asset's `name`. Increments the revision of
    /// `upload`.
    #[must_use]
    pub fn upload(self, upload: &mut Upload, kind: EventKind, name: &FileName) -> Self {
        let (tenant, asset, at, data) = (upload.tenant, upload.asset, upload.changed_at, of_upload(upload, name));
        self.quietly(upload).with(Write::Event(NewEvent { tenant, asset, kind, at, data }))
    }

    /// Adds a change to an upload that is no transition, without an event. Increments the revision of `upload`.
    #[must_use]
    pub fn quietly(self, upload: &mut Upload) -> Self {
        let tx = self.charge(upload.tenant, upload.settle_charge());
        let tx = tx.with(Write::UpdateUpload(Box::new(upload.clone())));
        upload.revision += 1;
        tx
    }

    fn charge(self, tenant: TenantId, usage: QuotaUsage) -> Self {
        if usage.is_zero() { self } else { self.with(Write::Charge(tenant, usage)) }
    }

    /// Changes of tenants' usage in this transaction.
    pub(super) fn charges(&self) -> impl Iterator<Item = (TenantId, QuotaUsage)> + '_ {
        self.writes.iter().filter_map(|write| match write {
            Write::Charge(tenant, usage) => Some((*tenant, *usage)),
            _ => None,
        })
    }

    /// True if the transaction only inserts rows. Such transactions do not conflict, and many of them form a single
    /// commit.
    pub(super) fn only_inserts(&self) -> bool {
        self.writes.iter().all(|write| match write {
            Write::InsertAsset(_)
            | Write::InsertUpload(_)
            | Write::FirstEvent(_)
            | Write::InsertJob(_)
            | Write::InsertLink(_)
            | Write::InsertAudit(_)
            | Write::Charge(..)
            | Write::InsertReplay(_) => true,
            Write::InsertTenant(_)
            | Write::InsertKey(_)
            | Write::RevokeKey(..)
            | Write::RotateKey(_)
            | Write::NoteKeyUses(_)
            | Write::UpdateAsset(_)
            | Write::UpdateUpload(_)
            | Write::InsertParts(_)
            | Write::ForgetParts(_)
            | Write::Event(_)
            | Write::OweJob(_)
            | Write::FinishJob(_)
            | Write::CancelJob(_)
            | Write::ReleaseJob(_)
            | Write::PostponeJob(_)
            | Write::RetryJob(..)
            | Write::DiscardJob(..)
            | Write::PauseJobs(..)
            | Write::HurryJobs(..)
            | Write::InsertCollection(_)
            | Write::CountUses(_)
            | Write::RevokeLinksOf(..)
            | Write::RevokeLink(..)
            | Write::Tenancy(_)
            | Write::Webhook(_) => false,
        })
    }

    /// True if the transaction adds rows that stay until they are deleted: refused while the disk's free space is below
    /// the reserve.
    pub(super) fn adds_things(&self) -> bool {
        let adds = |write: &Write| {
            matches!(
                write,
                Write::InsertTenant(_)
                    | Write::InsertKey(_)
                    | Write::InsertAsset(_)
                    | Write::InsertUpload(_)
                    | Write::InsertLink(_)
                    | Write::InsertCollection(_)
            )
        };
        self.writes.iter().any(adds)
    }

    /// True if the transaction writes events or jobs, for which readers of the feed and workers wait.
    pub(super) fn is_news(&self) -> bool {
        let news = |write: &Write| {
            matches!(
                write,
                Write::FirstEvent(_)
                    | Write::Event(_)
                    | Write::InsertJob(_)
                    | Write::OweJob(_)
                    | Write::RetryJob(..)
                    | Write::HurryJobs(..)
                    | Write::Webhook(WebhookWrite::Deliver(_))
            )
        };
        self.writes.iter().any(news)
    }
}

fn event(asset: &Asset, kind: EventKind, at: Timestamp) -> NewEvent {
    NewEvent { tenant: asset.tenant, asset: asset.id, kind, at, data: of_asset(asset, kind) }
}

/// The file's current name, which every event carries.
fn named(name: &FileName) -> Map<String, Value> {
    Map::from_iter([("filename".to_owned(), name.as_str().into())])
}

/// The event data of an upload: its id, because an asset may have several, and the file name.
fn of_upload(upload: &Upload, name: &FileName) -> Map<String, Value> {
    let mut data = named(name);
    data.insert("upload_id".to_owned(), upload.id.to_string().into());
    data
}

/// The event data of an asset: the facts that this kind of event reports. Metadata is left out because it may be large.
fn of_asset(asset: &Asset, kind: EventKind) -> Map<String, Value> {
    let mut data = named(&asset.name);
    match kind {
        EventKind::AssetStored => {
            data.insert("size".to_owned(), asset.size.into());
        }
        EventKind::AssetReady | EventKind::AssetRechecked => {
            let content = asset.state.content();
            say(&mut data, "content_type", content.and_then(|c| c.detected.as_ref()).map(ToString::to_string));
            say(&mut data, "sha256", content.and_then(|c| c.sha256).map(|digest| hex::encode(digest.0)));
        }
        EventKind::AssetCorrupt => {
            let damage = asset.damage();
            say(&mut data, "code", damage.map(|damage| damage.code().to_owned()));
            say(&mut data, "detail", damage.map(|damage| damage.sentence().to_owned()));
        }
        EventKind::AssetRejected | EventKind::AssetFailed => {
            say(&mut data, "code", asset.state.verdict().map(|verdict| verdict.code.clone()));
            say(&mut data, "detail", asset.state.verdict().map(|verdict| verdict.sentence.clone()));
        }
        _ => {}
    }
    data
}

fn say(data: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        data.insert(name.to_owned(), value.into());
    }
}
