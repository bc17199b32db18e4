//! What requests for many assets need beside the verbs for one: permissions without a change, and another owner.

use std::future::ready;

use serde_json::json;

use super::AssetEngine;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::asset::{Asset, AssetState};
use crate::domain::event::EventKind;
use crate::domain::ids::{AssetId, KeyId};
use crate::engine::audit::{self, AuditedAct};
use crate::engine::rows::tenant_of;
use crate::engine::rows::update::RowUpdate;
use crate::engine::{Error, Result};
use crate::store::Tx;

impl AssetEngine {
    /// Checks that the caller may do this with the asset.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Gone`] for a deleted asset.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn check_permission(&self, actor: &Actor, action: Action, id: AssetId) -> Result<()> {
        let asset = self.rows.load_asset_for(actor, action, id).await?;
        if matches!(asset.state, AssetState::Deleted { .. }) {
            return Err(Error::Gone { what: "asset", state: "deleted" });
        }
        Ok(())
    }

    /// Gives an asset to another key of its tenant, which may change and delete it from then on.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for all but administrators; [`Error::Invalid`] for a key that the tenant does not have.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn change_owner(&self, actor: &Actor, id: AssetId, owner: KeyId) -> Result<Asset> {
        may_ask(actor, Action::Administer)?;
        let key = self.store.find_key(owner).await?;
        let tenant = tenant_of(actor)?;
        if key.is_none_or(|key| key.tenant != tenant || key.revoked_at.is_some()) {
            return Err(Error::invalid("owner", "must be the id of a key of this tenant"));
        }
        let change = |mut asset: Asset| {
            if matches!(asset.state, AssetState::Deleted { .. }) {
                return ready(Err(Error::Gone { what: "asset", state: "deleted" }.into()));
            }
            let before = std::mem::replace(&mut asset.owner, owner);
            asset.changed_at = self.store.now();
            let deed = AuditedAct::new(asset.tenant, actor, "asset.owner", audit::subject(&asset));
            let told = self.audit.audited(deed.before(json!({ "owner": before })).after(json!({ "owner": owner })));
            let tx = Tx::new().asset(&mut asset, EventKind::AssetChanged).with(told);
            ready(Ok(RowUpdate::Commit(tx, asset)))
        };
        self.rows.update_asset_for(actor, Action::EditAsset, id, change).await
    }
}
