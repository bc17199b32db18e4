//! Collections: many assets behind a link, delivered as an archive.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::content_disposition::safe_name;
use super::links::LinkWish;
use super::{DeliveryEngine, MadeLink};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::archive::ArchiveLayout;
use crate::domain::asset::{Asset, AssetState};
use crate::domain::collection::{Collection, CollectionItem, MAX_COLLECTION_ITEMS, MemberNames};
use crate::domain::grant::{ClientNetwork, Link, LinkTarget};
use crate::domain::ids::{AssetId, CollectionId, GrantId, TenantId};
use crate::domain::name::FileName;
use crate::engine::audit::AuditedAct;
use crate::engine::idempotency::RepeatableRequest;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, IdempotencyKey, Result};
use crate::store::{NewRow, RowChange, Tx};

/// Route under which idempotency keys of collections are stored.
const REPLAY_ROUTE: &str = "collections";

/// A request for a collection.
#[derive(Clone, Debug)]
pub struct CollectionWish {
    /// File name of the archive.
    pub name: FileName,
    /// Assets in the archive, in order and without repetition.
    pub assets: Vec<AssetId>,
    /// Life of the link.
    pub expires_in: Duration,
    /// Number of times that the link may be opened; `None`: without limit.
    pub uses: Option<u32>,
    /// The only network that may open the link.
    pub network: Option<ClientNetwork>,
}

/// A collection with its link.
#[derive(Clone, Debug)]
pub struct MadeCollection {
    /// The collection.
    pub collection: Collection,
    /// Size of the archive in bytes.
    pub size: u64,
    /// The link that opens the collection.
    pub link: MadeLink,
}

/// Remembered result of a request that made a collection.
#[derive(Serialize, Deserialize)]
struct CreatedCollection {
    collection: CollectionId,
    link: GrantId,
}

impl DeliveryEngine {
    /// Makes a collection of ready assets of the tenant, with a link.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first asset that is not the tenant's or not ready.
    #[tracing::instrument(skip_all)]
    pub async fn make_collection(
        &self,
        actor: &Actor,
        wish: CollectionWish,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<MadeCollection> {
        may_ask(actor, Action::LinkAsset)?;
        let (Actor::Key { id: key, .. }, tenant) = (actor, tenant_of(actor)?) else { return Err(Error::Forbidden) };
        if !(1..=MAX_COLLECTION_ITEMS).contains(&wish.assets.len()) {
            return Err(Error::invalid("assets", format!("1 to {MAX_COLLECTION_ITEMS}")));
        }
        let request = RepeatableRequest { by: *key, route: REPLAY_ROUTE, idempotency: idempotency.as_ref() };
        if let Some(made) = self.idempotency.recall(&request).await? {
            return self.load_collection_again(made).await;
        }
        let items = self.load_collection_items(tenant, &wish.assets).await?;
        let id = CollectionId(self.rows.new_id());
        let link = LinkWish {
            expires_in: wish.expires_in,
            uses: wish.uses,
            network: wish.network,
            ..LinkWish::to(AssetId(id.0))
        };
        let link = self.new_link(tenant, *key, LinkTarget::Collection(id), &link)?;
        let collection = Collection {
            id,
            tenant,
            created_by: *key,
            created_at: link.created_at,
            expires_at: link.expires_at,
            name: zip_name(&wish.name),
            items,
        };
        let deed = AuditedAct::new(tenant, actor, "collection.create", format!("collection:{id}"));
        let deed = deed.after(json!({ "name": collection.name.as_str(), "assets": wish.assets, "link": link.id }));
        let tx = Tx::new()
            .with(RowChange::InsertCollection(Box::new(collection.clone())))
            .with(NewRow::Link(Box::new(link.clone())))
            .with(self.audit.audited(deed));
        let tx = self.idempotency.remember(tx, &request, &CreatedCollection { collection: id, link: link.id })?;
        if self.rows.commit_if_unchanged(tx).await? {
            return Ok(self.build_made_collection(collection, link));
        }
        self.load_collection_again(self.idempotency.recall_rival(&request).await?).await
    }

    fn build_made_collection(&self, collection: Collection, link: Link) -> MadeCollection {
        let size = ArchiveLayout::of(&collection.items).size();
        MadeCollection { collection, size, link: self.with_token(link) }
    }

    /// The collection that an earlier request made.
    async fn load_collection_again(&self, made: CreatedCollection) -> Result<MadeCollection> {
        let gone = || Error::Gone { what: "collection", state: "expired" };
        let collection = self.store.find_collection(made.collection).await?.ok_or_else(gone)?;
        let link = self.store.find_link(made.link).await?.ok_or_else(gone)?;
        Ok(self.build_made_collection(collection, link))
    }

    async fn load_collection_items(&self, tenant: TenantId, ids: &[AssetId]) -> Result<Vec<CollectionItem>> {
        let assets = self.store.find_assets(ids).await?;
        let mut found: HashMap<AssetId, Asset> = assets.into_iter().map(|asset| (asset.id, asset)).collect();
        let mut names = MemberNames::default();
        let mut items = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            let refused = |why: &str| Error::invalid("assets", format!("entry {} ({id}) {why}", i + 1));
            let asset = found.remove(id).filter(|asset| asset.tenant == tenant);
            let asset = asset.ok_or_else(|| refused("does not exist or occurs twice"))?;
            let AssetState::Ready(content) = &asset.state else { return Err(refused("is not ready")) };
            items.push(CollectionItem {
                asset: *id,
                name: names.unique(&safe_name(asset.name.as_str())),
                size: asset.size,
                etag: content.etag.clone(),
                at: content.stored_at,
                crc: content.findings.crc32,
            });
        }
        Ok(items)
    }
}

/// The name with the extension `.zip`.
fn zip_name(name: &FileName) -> FileName {
    if name.as_str().to_ascii_lowercase().ends_with(".zip") {
        return name.clone();
    }
    FileName::salvage(&format!("{}.zip", name.as_str())).unwrap_or_else(|_| name.clone())
}
