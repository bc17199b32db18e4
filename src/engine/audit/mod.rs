//! The audit trail: written in the transaction of the change that an entry describes, read by a tenant's
//! administrators.
//!
//! Downloads write no rows otherwise. Only the first download per minute, downloader and asset gets an entry, written
//! right after.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::domain::access::Actor;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::{Entropy, Timestamp};
use crate::domain::ids;
use crate::domain::ids::{AssetId, TenantId};
use crate::domain::reason::chain;
use crate::domain::upload::Upload;
use crate::engine::request_context::RequestContext;
use crate::engine::ttl_cache::TtlCache;
use crate::store::{AuditQuery, NewRow, Store, Tx};

mod refusals;

/// Period in which repeated downloads are a single entry.
const FETCH_AUDIT_INTERVAL: Duration = Duration::from_secs(60);

/// Most downloads that are remembered for it.
const MAX_RECENT_FETCHES: u64 = 100_000;

/// Name of an actor in the audit trail.
#[must_use]
pub(in crate::engine) fn name_of(actor: &Actor) -> String {
    match actor {
        Actor::Nobody => "anybody".to_owned(),
        Actor::Key { id, .. } => format!("key:{id}"),
        Actor::Uploader { upload } => format!("upload-grant:{upload}"),
        Actor::Sender { drop_box, .. } => format!("grant:{drop_box}"),
    }
}

/// Id of an actor; the nil UUID for all anonymous callers.
pub(in crate::engine) fn id_of(actor: &Actor) -> Uuid {
    match actor {
        Actor::Nobody => Uuid::nil(),
        Actor::Key { id, .. } => id.0,
        Actor::Uploader { upload } => upload.0,
        Actor::Sender { drop_box, .. } => drop_box.0,
    }
}

/// Name of an asset in the audit trail.
pub(in crate::engine) fn subject(asset: &Asset) -> String {
    format!("asset:{}", asset.id)
}

/// An audited action, before its entry has an id and a time.
#[derive(Clone, Debug)]
pub(in crate::engine) struct AuditedAct {
    pub(in crate::engine) tenant: TenantId,
    pub(in crate::engine) actor: String,
    pub(in crate::engine) action: &'static str,
    pub(in crate::engine) subject: String,
    pub(in crate::engine) before: Option<Value>,
    pub(in crate::engine) after: Option<Value>,
}

impl AuditedAct {
    pub(in crate::engine) fn new(tenant: TenantId, actor: &Actor, action: &'static str, subject: String) -> Self {
        Self::by(name_of(actor), tenant, action, subject)
    }

    /// An action of the service itself, by a rule.
    pub(in crate::engine) fn by_system(tenant: TenantId, action: &'static str, subject: String) -> Self {
        Self::by("system".to_owned(), tenant, action, subject)
    }

    /// An action of the actor with this name.
    pub(in crate::engine) fn by(actor: String, tenant: TenantId, action: &'static str, subject: String) -> Self {
        Self { tenant, actor, action, subject, before: None, after: None }
    }

    pub(in crate::engine) fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    pub(in crate::engine) fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    /// The entry of this action, with the address and id of the current request.
    pub(in crate::engine) fn entry(self, id: Uuid, at: Timestamp) -> AuditEntry {
        let here = RequestContext::current();
        AuditEntry {
            id,
            tenant: self.tenant,
            at,
            actor: self.actor,
            action: self.action.to_owned(),
            subject: self.subject,
            before: self.before,
            after: self.after,
            peer: here.peer_ip.map(|peer| peer.to_string()),
            request: Some(here.request_id).filter(|id| !id.is_empty()),
        }
    }
}

/// The audit trail of all tenants.
#[derive(Clone)]
pub(super) struct AuditTrail {
    pub(super) store: Arc<dyn Store>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) tasks: TaskTracker,
    pub(super) refusal_counts: Arc<refusals::RefusalCounts>,
    pub(super) recent_fetches: Arc<TtlCache<(Uuid, Uuid), ()>>,
}

impl AuditTrail {
    pub(super) fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>, tasks: TaskTracker) -> Self {
        let recent_fetches = Arc::new(TtlCache::new(MAX_RECENT_FETCHES, FETCH_AUDIT_INTERVAL));
        Self { store, entropy, tasks, refusal_counts: Arc::default(), recent_fetches }
    }

    fn new_id(&self) -> Uuid {
        ids::mint(self.store.now(), &*self.entropy)
    }

    /// The write that adds the entry of an action.
    pub(in crate::engine) fn audited(&self, deed: AuditedAct) -> NewRow {
        NewRow::Audit(Box::new(deed.entry(self.new_id(), self.store.now())))
    }

    /// The write that adds the entry of a new upload and its asset.
    pub(in crate::engine) fn told_of_creation(&self, actor: &Actor, asset: &Asset, upload: &Upload) -> NewRow {
        crate::engine::rows::note_upload_ids(upload);
        let after = json!({
            "upload": upload.id,
            "filename": asset.name.as_str(),
            "size": upload.transfer.size(),
            "protocol": upload.protocol.name(),
            "policy": asset.policy,
        });
        self.audited(AuditedAct::new(asset.tenant, actor, "upload.create", subject(asset)).after(after))
    }

    /// Id of the request that created the upload of an asset, if the trail has it.
    pub(in crate::engine) async fn creating_request(
        &self,
        tenant: TenantId,
        asset: AssetId,
    ) -> crate::engine::Result<Option<String>> {
        let query = AuditQuery {
            subject: Some(format!("asset:{asset}")),
            action: Some("upload.create".to_owned()),
            limit: 1,
            ..AuditQuery::default()
        };
        let entries = self.store.list_audit_entries(Some(tenant), &query).await?;
        Ok(entries.into_iter().next().and_then(|entry| entry.request))
    }

    /// Adds an entry for the download of `of` by `by`, unless there was such an entry within [`FETCH_AUDIT_INTERVAL`].
    /// Written in a task, so that the download does not wait.
    pub(in crate::engine) async fn tell_of_fetch(&self, by: Uuid, of: Uuid, deed: impl FnOnce() -> AuditedAct) {
        if !self.recent_fetches.insert_if_absent(&(by, of), self.store.now(), ()).await {
            return;
        }
        let (engine, entry) = (self.clone(), self.audited(deed()));
        self.tasks.spawn(async move {
            if let Err(error) = engine.store.commit(Tx::new().with(entry)).await {
                tracing::warn!(error = %chain(&error), "a fetch is missing from the audit trail");
            }
        });
    }
}
