//! Rows as every room of the engine uses them: reads behind a permission, and commits that keep the cache of uploads and
//! wake the waiting tasks. `update` changes a row that other requests change too.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::access::{AccessTarget, Action, Actor, may, may_ask};
use crate::domain::asset::Asset;
use crate::domain::clock::{Entropy, Timestamp, after};
use crate::domain::event::EventKind;
use crate::domain::ids::{self, AssetId, TenantId, UploadId};
use crate::domain::upload::{Upload, UploadState, UploadTimeouts};
use crate::engine::asset_notify::AssetNotify;
use crate::engine::audit::AuditTrail;
use crate::engine::minute_counts::MinuteCounts;
use crate::engine::note_queue::NoteQueue;
use crate::engine::request_context::RequestContext;
use crate::engine::settings::EngineSettings;
use crate::engine::ttl_cache::TtlCache;
use crate::engine::{Error, Result};
use crate::store::{RowChange, Store, StoreError, Tx, UploadNote};

mod transitions;
pub(super) mod update;

pub(super) use transitions::ABORT_ACTION;
use transitions::UploadTransitions;

/// Longest age of a cached upload for which URLs are signed. The worst effect of a stale row is a URL that the store
/// refuses.
const UPLOAD_CACHE_TTL: Duration = Duration::from_secs(1);
const MAX_CACHED_UPLOADS: u64 = 10_000;
/// Shortest time between recorded requests for the URLs of an upload.
const ACTIVITY_NOTE_INTERVAL: Duration = Duration::from_secs(30);

/// Access to the rows of assets and uploads.
pub(super) struct RowAccess {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
    settings: Arc<EngineSettings>,
    audit: Arc<AuditTrail>,
    pub(super) asset_notify: AssetNotify,
    pub(super) minute_counts: MinuteCounts,
    upload_cache: TtlCache<UploadId, Arc<Upload>>,
    upload_notes: Arc<NoteQueue<UploadId, UploadNote>>,
}

impl RowAccess {
    pub(super) fn new(
        store: Arc<dyn Store>,
        entropy: Arc<dyn Entropy>,
        settings: Arc<EngineSettings>,
        audit: Arc<AuditTrail>,
    ) -> Self {
        let upload_cache = TtlCache::new(MAX_CACHED_UPLOADS, UPLOAD_CACHE_TTL).with_name("uploads");
        let upload_notes = NoteQueue::new(Arc::clone(&store), merge_notes, RowChange::NoteUploads);
        let (asset_notify, minute_counts) = (AssetNotify::default(), MinuteCounts::default());
        Self { store, entropy, settings, audit, asset_notify, minute_counts, upload_cache, upload_notes }
    }

    /// New id that contains the database's time.
    pub(super) fn new_id(&self) -> uuid::Uuid {
        ids::mint(self.store.now(), &*self.entropy)
    }

    pub(super) fn upload_timeouts(&self) -> &UploadTimeouts {
        &self.settings.upload_timeouts
    }

    /// Commits, and counts what happened to uploads and assets. Replaces the cached copies of changed uploads, and wakes the tasks on
    /// this node that wait for changed assets.
    pub(super) async fn commit(&self, tx: Tx) -> std::result::Result<(), StoreError> {
        let assets: Vec<AssetId> = tx.reported_assets().collect();
        let uploads: Vec<Arc<Upload>> = tx.changed_uploads().map(|upload| Arc::new(as_committed(upload))).collect();
        let happened: Vec<_> = tx.next_events().map(|event| (event.kind, event.size())).collect();
        let transitions = UploadTransitions::of(&tx);
        // The age of a copy counts from here: a later change of another node is not in it.
        let begun_at = self.store.now();
        let outcome = self.store.commit(tx).await;
        for upload in uploads {
            self.refresh_cached_upload(upload, outcome.is_ok().then_some(begun_at)).await;
        }
        outcome?;
        assets.into_iter().for_each(|asset| self.asset_notify.notify(asset));
        self.count_events(&happened);
        transitions.record();
        Ok(())
    }

    fn count_events(&self, happened: &[(EventKind, u64)]) {
        for (kind, size) in happened {
            self.minute_counts.count(self.store.now(), |minute| match kind {
                EventKind::AssetStored => {
                    minute.stored += 1;
                    minute.bytes_in += size;
                }
                EventKind::AssetReady => minute.ready += 1,
                EventKind::AssetRejected => minute.rejected += 1,
                EventKind::AssetFailed => minute.failed += 1,
                _ => {}
            });
        }
    }

    /// Counts bytes of a download that this node begins to send.
    pub(super) fn count_sent(&self, bytes: u64) {
        self.minute_counts.count(self.store.now(), |minute| minute.bytes_out += bytes);
    }

    /// As [`Self::commit`]; `false` if another request was faster and nothing was written.
    pub(super) async fn commit_if_unchanged(&self, tx: Tx) -> Result<bool> {
        match self.commit(tx).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// A copy is replaced, not dropped: an upload that is appended to by a grant is looked up with every request.
    /// `committed_at`: `None` after a failure, when the row is another request's, or unknown.
    async fn refresh_cached_upload(&self, upload: Arc<Upload>, committed_at: Option<Timestamp>) {
        let (id, revision) = (upload.id, upload.revision);
        match committed_at {
            Some(now) => self.upload_cache.replace(&id, now, upload, |cached| cached.revision < revision).await,
            None => self.upload_cache.invalidate(&id).await,
        }
    }

    /// Reads an upload for an actor that wants to do `action` with it; an error if not permitted.
    pub(super) async fn load_upload_for(&self, actor: &Actor, action: Action, id: UploadId) -> Result<Upload> {
        let looked = async {
            may_ask(actor, action)?;
            let upload = self.store.find_upload(id).await?.ok_or(Error::NotFound)?;
            may(actor, action, upload_target(&upload))?;
            note_upload_ids(&upload);
            Ok::<_, Error>(upload)
        };
        looked.await.inspect_err(|error| self.audit.tell_of_denial(actor, || format!("upload:{id}"), error))
    }

    /// Reads an asset for an actor that wants to do `action` with it; an error if not permitted.
    pub(super) async fn load_asset_for(&self, actor: &Actor, action: Action, id: AssetId) -> Result<Asset> {
        let looked = async {
            may_ask(actor, action)?;
            let asset = self.store.find_asset(id).await?.ok_or(Error::NotFound)?;
            self.check_permission(actor, action, &asset).await?;
            let ids = RequestContext::log_ids();
            ids.note_asset(asset.id);
            ids.note_tenant(asset.tenant);
            Ok::<_, Error>(asset)
        };
        looked.await.inspect_err(|error| self.audit.tell_of_denial(actor, || format!("asset:{id}"), error))
    }

    /// Checks that an actor may do `action` with an asset.
    pub(super) async fn check_permission(&self, actor: &Actor, action: Action, asset: &Asset) -> Result<()> {
        let id = asset.id;
        let upload = match actor {
            Actor::Uploader { .. } | Actor::Sender { .. } => self.store.find_upload_of(id).await?,
            Actor::Key { .. } | Actor::Nobody => None,
        };
        let (upload, drop_box) = upload.map_or((None, None), |upload| (Some(upload.id), upload.drop_box));
        may(actor, action, AccessTarget { tenant: asset.tenant, owner: asset.owner, upload, drop_box, asset: id })?;
        Ok(())
    }

    /// Notes that the client of an upload asked for URLs. Written a second later, at most every
    /// [`ACTIVITY_NOTE_INTERVAL`].
    pub(super) fn note_upload_activity(&self, upload: &Upload) {
        let now = self.store.now();
        if now >= after(upload.last_activity_at, ACTIVITY_NOTE_INTERVAL) {
            self.upload_notes.note(upload.id, UploadNote { active_at: now, stored_bytes: None });
        }
    }

    /// Notes the bytes that the store has of an open upload. More bytes than before are a sign of activity; a question
    /// alone is none.
    pub(super) fn note_stored_bytes(&self, upload: &Upload, bytes: u64) {
        if upload.state == UploadState::Open && upload.ledger().is_none() && bytes > upload.seen_bytes {
            self.upload_notes.note(upload.id, UploadNote { active_at: self.store.now(), stored_bytes: Some(bytes) });
        }
    }

    /// Writes pending notes on uploads now.
    pub(super) async fn write_upload_notes(&self) {
        self.upload_notes.write().await;
    }

    pub(super) async fn reload_upload(&self, id: UploadId) -> Result<Upload> {
        self.store.find_upload(id).await?.ok_or(Error::NotFound)
    }

    pub(super) async fn load_asset_of(&self, upload: &Upload) -> Result<Asset> {
        self.reload_asset(upload.asset).await
    }

    pub(super) async fn reload_asset(&self, id: AssetId) -> Result<Asset> {
        self.store.find_asset(id).await?.ok_or(Error::NotFound)
    }

    /// Reads an upload through a cache of [`UPLOAD_CACHE_TTL`], for requests that only sign URLs.
    pub(super) async fn load_recent_upload(&self, id: UploadId) -> Result<Option<Arc<Upload>>> {
        // An unknown id is an error here, so that it is not cached.
        let fetch = async { self.store.find_upload(id).await?.map(Arc::new).ok_or(Error::NotFound) };
        match self.upload_cache.get(&id, self.store.now(), fetch).await {
            Ok(upload) => Ok(Some(upload)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn merge_notes(earlier: UploadNote, later: UploadNote) -> UploadNote {
    UploadNote {
        active_at: earlier.active_at.max(later.active_at),
        stored_bytes: later.stored_bytes.or(earlier.stored_bytes),
    }
}

/// An upload that a transaction changes, as it is after the commit, which increments the revision.
fn as_committed(upload: &Upload) -> Upload {
    Upload { revision: upload.revision + 1, ..upload.clone() }
}

/// Lets the log lines of the request at work name the upload, its asset and its tenant.
pub(super) fn note_upload_ids(upload: &Upload) {
    let ids = RequestContext::log_ids();
    ids.note_upload(upload.id);
    ids.note_asset(upload.asset);
    ids.note_tenant(upload.tenant);
}

pub(super) fn upload_target(upload: &Upload) -> AccessTarget {
    AccessTarget {
        tenant: upload.tenant,
        owner: upload.owner,
        upload: Some(upload.id),
        drop_box: upload.drop_box,
        asset: upload.asset,
    }
}

/// The tenant in which an actor acts; an error for grants, which act in none.
pub(super) fn tenant_of(actor: &Actor) -> Result<TenantId> {
    match actor {
        Actor::Key { tenant, .. } => Ok(*tenant),
        Actor::Uploader { .. } | Actor::Sender { .. } => Err(Error::Forbidden),
        Actor::Nobody => Err(Error::Unauthenticated),
    }
}
