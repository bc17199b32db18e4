//! A transaction as a value: everything that becomes true together.
//!
//! Because it is data, the adapter can carry it out after its author has gone, group many into one commit, and
//! try it again alone when the group failed.

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

/// The remembered answer to a request that carried an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The API key that sent it; keys do not share a namespace.
    pub key: KeyId,
    /// The route, so that one token may serve several.
    pub route: String,
    /// The `Idempotency-Key`.
    pub token: String,
    /// SHA-256 of the request's meaning; another request under the same token is refused.
    pub fingerprint: [u8; 32],
    /// Ids from which the answer can be made again.
    pub result: Value,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// Another secret for an API key that is not revoked and still has the secret that the writer saw; otherwise a conflict.
#[derive(Clone, Debug)]
pub struct KeyRotation {
    /// Whose.
    pub tenant: TenantId,
    /// Which key.
    pub key: KeyId,
    /// SHA-256 of the secret that it has. It becomes the old one.
    pub seen: [u8; 32],
    /// SHA-256 of the new secret.
    pub secret_hash: [u8; 32],
    /// Until when the old one works as well.
    pub old_until: Timestamp,
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
    /// See [`KeyRotation`].
    RotateKey(Box<KeyRotation>),
    /// Notes when keys were last used, where nothing later than a minute before is noted already.
    NoteKeyUses(Vec<(KeyId, Timestamp)>),
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
    /// A new job, unless one of its kind is owed for the asset already.
    OweJob(NewJob),
    /// Removes a job that is done, if nobody has claimed it since this attempt.
    FinishJob(Job),
    /// Removes the job of this work that is not dead, also from the worker that holds it; no such job is fine.
    CancelJob(JobSubject),
    /// Puts a job back until a later time, or among the dead, if this attempt still holds it.
    ReleaseJob(Box<JobRelease>),
    /// Puts a job off or forward that nobody has claimed since this attempt, whoever holds it.
    PostponeJob(Box<JobRelease>),
    /// Makes a dead job of this tenant due now, with every try before it; not dead, or owed again already: conflict.
    RetryJob(JobId, TenantId, Timestamp),
    /// Removes a dead job of this tenant; not dead: conflict.
    DiscardJob(JobId, TenantId),
    /// No worker takes jobs of this kind until it is resumed (`false`); those under way go on.
    PauseJobs(JobKind, bool, Timestamp),
    /// Makes what waits of this kind due now; nothing waits: conflict.
    HurryJobs(JobKind, Timestamp),
    /// A new link.
    InsertLink(Box<Link>),
    /// A new collection.
    InsertCollection(Box<Collection>),
    /// Counts uses of links: how many, and when the last one was. Links that are gone are left out.
    CountUses(Vec<(GrantId, u32, Timestamp)>),
    /// Withdraws a link; already revoked is fine, unknown is a conflict.
    RevokeLink(GrantId, Timestamp),
    /// Withdraws every link to an asset.
    RevokeLinksOf(AssetId, Timestamp),
    /// See [`WebhookWrite`].
    Webhook(WebhookWrite),
    /// See [`TenancyWrite`].
    Tenancy(TenancyWrite),
    /// Changes what a tenant takes up, if it is limited; over the limit, nothing of the transaction is written.
    Charge(TenantId, QuotaUsage),
    /// A new entry of the audit trail.
    InsertAudit(Box<AuditEntry>),
    /// Remembers an answer; the token must be free.
    InsertReplay(IdempotencyRecord),
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

    /// Adds a new asset with its new upload, what they are charged with, and the event that says so.
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

    /// Adds an asset's transition and the event that tells it. The caller's copy gets its new revision.
    #[must_use]
    pub fn asset(self, asset: &mut Asset, kind: EventKind) -> Self {
        self.quiet_asset(asset).with(Write::Event(event(asset, kind, asset.changed_at)))
    }

    /// Adds a change to an asset's bookkeeping that is no transition. The caller's copy gets its new revision.
    #[must_use]
    pub fn quiet_asset(self, asset: &mut Asset) -> Self {
        let tx = self.charge(asset.tenant, asset.settle_charge()).with(Write::UpdateAsset(Box::new(asset.clone())));
        asset.revision += 1;
        tx
    }

    /// Adds an upload's transition and the event that tells it, with the asset's name. The caller's copy gets its new
    /// revision.
    #[must_use]
    pub fn upload(self, upload: &mut Upload, kind: EventKind, name: &FileName) -> Self {
        let (tenant, asset, at, data) = (upload.tenant, upload.asset, upload.changed_at, of_upload(upload, name));
        self.quietly(upload).with(Write::Event(NewEvent { tenant, asset, kind, at, data }))
    }

    /// Adds a change to an upload's bookkeeping that is no transition. The caller's copy gets its new revision.
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

    /// What it changes of tenants' sums.
    pub(super) fn charges(&self) -> impl Iterator<Item = (TenantId, QuotaUsage)> + '_ {
        self.writes.iter().filter_map(|write| match write {
            Write::Charge(tenant, usage) => Some((*tenant, *usage)),
            _ => None,
        })
    }

    /// Whether it only adds rows: such transactions meet nobody, and many of them make one commit.
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

    /// Whether it adds something that stays until it is deleted: refused on a disk with no more than its reserve.
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

    /// Whether somebody waits for what it writes: followers for events, workers for jobs.
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

/// The file's name at the time, which every event tells.
fn named(name: &FileName) -> Map<String, Value> {
    Map::from_iter([("filename".to_owned(), name.as_str().into())])
}

/// Which upload an event is about: an asset may see several.
fn of_upload(upload: &Upload, name: &FileName) -> Map<String, Value> {
    let mut data = named(name);
    data.insert("upload_id".to_owned(), upload.id.to_string().into());
    data
}

/// What was found out about an asset, on the events that say so. Metadata is not told: it may be large.
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
