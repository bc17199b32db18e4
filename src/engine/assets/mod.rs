//! Assets: read, list, wait for, change, delete.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tracing::Instrument as _;

use crate::blob::BlobStore;
use crate::domain::access::{AccessTarget, Action, Actor, may, may_ask};
use crate::domain::asset::{Asset, AssetMetadata, AssetState};
use crate::domain::asset_order::{AssetSort, SortDirection};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::{Timestamp, after};
use crate::domain::event::EventKind;
use crate::domain::ids::{AssetId, TenantId};
use crate::domain::job::JobSubject;
use crate::domain::name::FileName;
use crate::domain::reason::chain;
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::engine::audit::{self, AuditTrail, AuditedAct};
use crate::engine::limits::{MAX_STATE_WAIT, check_metadata_size, check_page_limit};
use crate::engine::rows::RowAccess;
use crate::engine::rows::update::{RowUpdate, UpdateError, UpdateResult};
use crate::engine::settings::EngineSettings;
use crate::engine::tenants::TenantEngine;
use crate::engine::tokens::TokenSigner;
use crate::engine::uploads::UploadEngine;
use crate::engine::{EnginePorts, Error, Result};
use crate::store::{AssetQuery, RowChange, Store, Tx};

mod bulk;
mod cdn_purge;
mod leftovers;

pub use cdn_purge::PurgeCall;

/// Interval at which a waiting request reads the row, for changes of other nodes.
const STATE_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Longest text that is searched for in names, in bytes.
const MAX_SEARCH_BYTES: usize = 255;
/// Most assets of a batch.
pub(in crate::engine) const MAX_BATCH_IDS: u32 = 1000;

/// Filter and page of a list of assets.
#[derive(Clone, Debug, Default)]
pub struct ListAssets {
    /// Tenant by name or id; `*`: all tenants; `None`: the caller's.
    pub tenant: Option<String>,
    /// Only assets in this state.
    pub state: Option<String>,
    /// Only assets with this external id.
    pub external_id: Option<String>,
    /// Only assets created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only assets created before this time.
    pub created_before: Option<Timestamp>,
    /// Only assets of at least so many bytes.
    pub size_from: Option<u64>,
    /// Only assets of at most so many bytes.
    pub size_to: Option<u64>,
    /// Only assets whose name contains this text, in any case.
    pub name: Option<String>,
    /// Property by which the list is ordered.
    pub sort: AssetSort,
    /// Direction of the order.
    pub direction: SortDirection,
    /// Only assets of this media type.
    pub content_type: Option<String>,
    /// Only assets with these texts in their metadata.
    pub metadata: Vec<(String, String)>,
    /// Cursor at which the previous page ended.
    pub cursor: Option<String>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

impl ListAssets {
    /// True if the filter is every asset of the tenant.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        let texts = [&self.state, &self.external_id, &self.name, &self.content_type];
        let times = [self.created_after, self.created_before];
        let sizes = [self.size_from, self.size_to];
        self.metadata.is_empty()
            && texts.iter().all(|text| text.is_none())
            && times.iter().all(Option::is_none)
            && sizes.iter().all(Option::is_none)
    }
}

/// A page of assets.
#[derive(Clone, Debug)]
pub struct AssetList {
    /// The assets, in the order of the list.
    pub assets: Vec<Asset>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// Changes of an asset; fields that are `None` stay unchanged.
#[derive(Clone, Debug, Default)]
pub struct PatchAsset {
    /// New name.
    pub name: Option<FileName>,
    /// Metadata to merge; a null removes its key (RFC 7396).
    pub metadata: Option<AssetMetadata>,
}

/// The room of assets.
#[derive(Clone)]
pub struct AssetEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) tenants: Arc<TenantEngine>,
    pub(super) uploads: Arc<UploadEngine>,
}

impl AssetEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts, tenants: Arc<TenantEngine>, uploads: Arc<UploadEngine>) -> Self {
        Self {
            store: ports.store.clone(),
            blobs: ports.blobs.clone(),
            tokens: ports.tokens.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            audit: ports.audit.clone(),
            tenants,
            uploads,
        }
    }

    /// Reads an asset.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn asset(&self, actor: &Actor, id: AssetId) -> Result<Asset> {
        self.rows.load_asset_for(actor, Action::ReadAsset, id).await
    }

    /// Waits until `done` holds for an asset, at most for `patience`, and returns the asset as it is then. A settled
    /// asset is returned at once.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn await_asset(
        &self,
        actor: &Actor,
        id: AssetId,
        patience: Duration,
        done: impl Fn(&Asset) -> bool + Send,
    ) -> Result<Asset> {
        let deadline = tokio::time::Instant::now() + patience.min(MAX_STATE_WAIT);
        loop {
            let change = self.rows.asset_notify.notified(id);
            let asset = self.asset(actor, id).await?;
            if done(&asset) || asset.state.is_settled() || tokio::time::Instant::now() >= deadline {
                return Ok(asset);
            }
            let look = deadline.min(tokio::time::Instant::now() + STATE_POLL_INTERVAL);
            let _ = tokio::time::timeout_at(look, change).await;
        }
    }

    /// Waits for the SHA-256 that the service computes of an asset's bytes, at most for `patience`; `None` after that.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn wait_for_digest(
        &self,
        actor: &Actor,
        id: AssetId,
        patience: Duration,
    ) -> Result<Option<Sha256Digest>> {
        let established = |asset: &Asset| asset.state.content().and_then(|content| content.sha256);
        let asset = self.await_asset(actor, id, patience, |asset| established(asset).is_some()).await?;
        Ok(established(&asset))
    }

    /// Reads many assets. Unknown assets and assets that the caller may not see are left out.
    #[tracing::instrument(skip_all)]
    pub async fn assets_by_id(&self, actor: &Actor, ids: &[AssetId]) -> Result<Vec<Asset>> {
        may_ask(actor, Action::ListAssets)?;
        if ids.len() > MAX_BATCH_IDS as usize {
            return Err(Error::invalid("ids", format!("at most {MAX_BATCH_IDS} ids")));
        }
        let mut assets = self.store.find_assets(ids).await?;
        assets.retain(|asset| {
            let target = AccessTarget {
                tenant: asset.tenant,
                owner: asset.owner,
                upload: None,
                drop_box: None,
                asset: asset.id,
            };
            may(actor, Action::ReadAsset, target).is_ok()
        });
        Ok(assets)
    }

    /// A page of assets, of the tenant unless an administrator asks for another.
    #[tracing::instrument(skip_all)]
    pub async fn list_assets(&self, actor: &Actor, list: ListAssets) -> Result<AssetList> {
        may_ask(actor, Action::ListAssets)?;
        let tenant = self.tenants.load_listed_tenant(actor, list.tenant.as_deref()).await?;
        check_list(&list, tenant)?;
        let after = match &list.cursor {
            Some(cursor) => {
                let known = self.tokens.open_cursor(tenant, cursor).filter(|known| known.key.sort() == list.sort);
                Some(known.ok_or_else(|| {
                    Error::invalid("cursor", "must be the cursor of a previous answer in the same order")
                })?)
            }
            None => None,
        };
        let query = AssetQuery {
            tenant,
            state: list.state,
            external_id: list.external_id,
            created_after: list.created_after,
            created_before: list.created_before,
            size_from: list.size_from,
            size_to: list.size_to,
            name: list.name,
            content_type: list.content_type,
            metadata: list.metadata,
            sort: list.sort,
            direction: list.direction,
            after,
            limit: list.limit,
        };
        let page = self.store.list_assets(&query).await?;
        let next = page.next.map(|next| self.tokens.cursor(tenant, &next));
        Ok(AssetList { assets: page.assets, next })
    }

    /// Changes an asset's name or metadata.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn patch_asset(&self, actor: &Actor, id: AssetId, patch: PatchAsset) -> Result<Asset> {
        self.rows
            .update_asset_for(actor, Action::EditAsset, id, |asset| ready(self.patched(actor, asset, &patch)))
            .await
    }

    fn patched(&self, actor: &Actor, mut asset: Asset, patch: &PatchAsset) -> UpdateResult<RowUpdate<Asset>> {
        if matches!(asset.state, AssetState::Deleted { .. }) {
            return Err(Error::Gone { what: "asset", state: "deleted" }.into());
        }
        let before = json!({ "filename": asset.name.as_str(), "metadata": asset.metadata });
        asset.name = patch.name.clone().unwrap_or(asset.name);
        merge(&mut asset.metadata, patch.metadata.clone().unwrap_or_default());
        check_metadata_size(&asset.metadata)?;
        asset.changed_at = self.store.now();
        let after = json!({ "filename": asset.name.as_str(), "metadata": asset.metadata });
        let deed = AuditedAct::new(asset.tenant, actor, "asset.change", audit::subject(&asset));
        let told = self.audit.audited(deed.before(before).after(after));
        let tx = Tx::new().asset(&mut asset, EventKind::AssetChanged).with(told);
        Ok(RowUpdate::Commit(tx, asset))
    }

    /// Deletes an asset. Deliveries stop at once, and the object is removed right after. Idempotent. If bytes are still
    /// being uploaded, the upload is aborted; a completion under way is finished first; a job that processes the asset
    /// is withdrawn.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn delete_asset(&self, actor: &Actor, id: AssetId) -> Result<()> {
        let deleted = self.rows.update_asset_for(actor, Action::EditAsset, id, |asset| async move {
            let asset = self.end_upload_of(actor, asset).await?;
            if matches!(asset.state, AssetState::Deleted { .. } | AssetState::Abandoned) {
                return Ok(RowUpdate::Keep(None));
            }
            let deed = AuditedAct::new(asset.tenant, actor, "asset.delete", audit::subject(&asset))
                .before(json!({ "state": asset.state.name(), "filename": asset.name.as_str() }));
            let (deleted, tx) = self.deletion(asset, deed).await?;
            Ok(RowUpdate::Commit(tx, Some(deleted)))
        });
        if let Some(deleted) = deleted.await? {
            self.purge_soon(deleted);
        }
        Ok(())
    }

    /// The asset, once it awaits no more bytes: aborts its upload, or finishes an upload that is being completed.
    async fn end_upload_of(&self, actor: &Actor, asset: Asset) -> UpdateResult<Asset> {
        if asset.state != AssetState::Awaiting {
            return Ok(asset);
        }
        match self.store.find_upload_of(asset.id).await? {
            Some(upload) if upload.state == UploadState::Completing => {
                self.uploads.finish_in_background(upload).await?;
            }
            // A completion may win meanwhile, as the asset shows then.
            Some(upload) => drop(self.uploads.abort_unless_completed(upload, Some(actor)).await?),
            None => return Err(Error::Internal("an awaiting asset without upload".into()).into()),
        }
        let ended = self.rows.reload_asset(asset.id).await?;
        if ended.state == AssetState::Awaiting { Err(UpdateError::LostRace) } else { Ok(ended) }
    }

    /// The transaction that deletes an asset, whatever the reason, and the asset as it is after that.
    pub(in crate::engine) async fn deletion(&self, asset: Asset, deed: AuditedAct) -> Result<(Asset, Tx)> {
        let in_work = matches!(asset.state, AssetState::Stored(_) | AssetState::Processing(_));
        let mut deleted = asset.delete(self.store.now())?;
        let tx = Tx::new().asset(&mut deleted, EventKind::AssetDeleted).with(self.audit.audited(deed));
        let tx = if in_work { tx.with(RowChange::CancelJob(JobSubject::Process(deleted.id))) } else { tx };
        let tx = match self.reserve_until_urls_die(&deleted).await? {
            Some(mut upload) => tx.quietly(&mut upload),
            None => tx,
        };
        let tx = self.with_purge(tx, &deleted);
        Ok((deleted, tx))
    }

    /// The upload whose single PUT can bring a deleted asset's bytes back, with its next check due now: until that
    /// check the bytes count in the tenant's quota. `None` if the store closes the key, or no such URL is valid any
    /// more.
    async fn reserve_until_urls_die(&self, deleted: &Asset) -> Result<Option<Upload>> {
        let now = self.store.now();
        let stored_at = deleted.state.content().map(|content| content.stored_at);
        let alive = stored_at.is_some_and(|at| now < after(at, self.rows.upload_timeouts().url_ttl));
        if !alive || self.blobs.capabilities().enforces_limits {
            return Ok(None);
        }
        let upload = self.store.find_upload_of(deleted.id).await?;
        let upload = upload.filter(|upload| matches!(upload.transfer, Transfer::Put { .. }));
        Ok(upload.and_then(|upload| upload.cleaned(Some(now)).ok()))
    }

    /// Removes the object in a task, without making the caller wait. If the task is cut off, the sweeper finds the row.
    fn purge_soon(&self, deleted: Asset) {
        let engine = self.clone();
        tokio::spawn(
            async move {
                let id = deleted.id;
                if let Err(error) = engine.purge_asset_bytes(deleted).await {
                    tracing::warn!(asset = %id, error = %chain(&error), "its object is not removed yet; the sweeper will");
                }
            }
            .in_current_span(),
        );
    }
}

/// Checks the filters of a list, and that an index has its order.
fn check_list(list: &ListAssets, tenant: Option<TenantId>) -> Result<()> {
    if let Some(state) = &list.state
        && !AssetState::NAMES.contains(&state.as_str())
    {
        return Err(Error::invalid("state", format!("must be one of {}", AssetState::NAMES.join(", "))));
    }
    if tenant.is_none() && list.sort != AssetSort::Created {
        return Err(Error::invalid("sort", "must be created in a list of all tenants"));
    }
    if list.name.as_ref().is_some_and(|text| text.is_empty() || text.len() > MAX_SEARCH_BYTES) {
        return Err(Error::invalid("name", format!("must be 1 to {MAX_SEARCH_BYTES} bytes of text")));
    }
    if [list.size_from, list.size_to].iter().flatten().any(|size| i64::try_from(*size).is_err()) {
        return Err(Error::invalid("size_from", "size_from and size_to must be below 2^63"));
    }
    check_page_limit(list.limit)
}

fn merge(into: &mut AssetMetadata, changes: AssetMetadata) {
    for (name, value) in changes {
        if value.is_null() {
            into.remove(&name);
        } else {
            into.insert(name, value);
        }
    }
}
