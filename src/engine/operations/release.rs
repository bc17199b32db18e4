//! release: an operator lets a rejected asset out of quarantine.

use std::time::Duration;

use serde_json::json;

use super::OperationEngine;
use crate::domain::access::Actor;
use crate::domain::asset::{Asset, LeftoverBytes};
use crate::domain::clock::after;
use crate::domain::event::EventKind;
use crate::domain::ids::AssetId;
use crate::engine::audit::{AuditedAct, subject};
use crate::engine::rows::update::{RowUpdate, UpdateResult};
use crate::engine::{Error, Result};
use crate::store::Tx;

/// Longest reason in bytes.
const MAX_REASON_BYTES: usize = 500;
/// Shortest time that the bytes must still be kept: their removal must not begin while the release is committed.
const PURGE_MARGIN: Duration = Duration::from_secs(10);

impl OperationEngine {
    /// Makes a rejected asset of any tenant ready, if the store still has its bytes.
    ///
    /// # Errors
    /// [`Error::WrongState`] for an asset that is not rejected; [`Error::Gone`] when the bytes are removed, or will be
    /// at any moment.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn release_asset(&self, actor: &Actor, id: AssetId, reason: &str) -> Result<()> {
        self.tenants.require_operator(actor).await?;
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
            return Err(Error::invalid("reason", format!("must be 1 to {MAX_REASON_BYTES} bytes of text")));
        }
        let code = self.rows.update_asset(id, |asset| self.decide_release(actor, asset, reason)).await?;
        tracing::warn!(asset = %id, code, reason, "an operator released a rejected asset");
        Ok(())
    }

    /// Returns the code of the verdict that is overruled.
    async fn decide_release(&self, actor: &Actor, asset: Asset, reason: &str) -> UpdateResult<RowUpdate<String>> {
        self.check_kept(&asset).await?;
        let verdict = asset.state.verdict().map(|verdict| (verdict.code.clone(), verdict.sentence.clone()));
        let (code, sentence) = verdict.unwrap_or_default();
        let deed = AuditedAct::new(asset.tenant, actor, "asset.release", subject(&asset))
            .before(json!({ "state": asset.state.name(), "code": code, "detail": sentence }))
            .after(json!({ "state": "ready", "reason": reason }));
        let mut released = asset.release(self.store.now())?;
        let tx = Tx::new().asset(&mut released, EventKind::AssetReady).with(self.audit.audited(deed));
        Ok(RowUpdate::Commit(tx, code))
    }

    /// Checks that the store has the very bytes that were rejected, and will have them for a while.
    async fn check_kept(&self, asset: &Asset) -> Result<()> {
        let gone = Error::Gone { what: "asset", state: "purged" };
        match asset.state.leftover() {
            Some(LeftoverBytes::Until(at)) if asset.state.verdict().is_some() => {
                if at <= after(self.store.now(), PURGE_MARGIN) {
                    return Err(gone);
                }
            }
            Some(LeftoverBytes::Gone) if asset.state.verdict().is_some() => return Err(gone),
            Some(_) | None => return Err(Error::WrongState { what: "asset", state: asset.state.name() }),
        }
        let Some(content) = asset.state.content() else { return Err(gone) };
        let facts = self.blobs.head(&content.key).await?;
        if facts.is_some_and(|facts| facts.etag == content.etag && facts.size == asset.size) {
            Ok(())
        } else {
            Err(gone)
        }
    }
}
