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
use crate::engine::{Error, Result};
use crate::store::{StoreError, Tx};

/// Longest reason in bytes.
const MAX_REASON_BYTES: usize = 500;
/// Shortest time that the bytes must still be kept: their removal must not begin while the release is committed.
const PURGE_MARGIN: Duration = Duration::from_secs(10);
const MAX_RELEASE_ATTEMPTS: u32 = 4;

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
        for _ in 0..MAX_RELEASE_ATTEMPTS {
            let asset = self.store.find_asset(id).await?.ok_or(Error::NotFound)?;
            self.check_kept(&asset).await?;
            let verdict = asset.state.verdict().map(|verdict| (verdict.code.clone(), verdict.sentence.clone()));
            let (code, sentence) = verdict.unwrap_or_default();
            let deed = AuditedAct::new(asset.tenant, actor, "asset.release", subject(&asset))
                .before(json!({ "state": asset.state.name(), "code": code, "detail": sentence }))
                .after(json!({ "state": "ready", "reason": reason }));
            let mut released = asset.release(self.store.now())?;
            let tx = Tx::new().asset(&mut released, EventKind::AssetReady).with(self.audit.audited(deed));
            match self.rows.commit_and_notify(tx, id).await {
                Ok(()) => {
                    tracing::warn!(asset = %id, code, reason, "an operator released a rejected asset");
                    return Ok(());
                }
                Err(StoreError::Conflict) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(Error::busy("other requests keep changing this asset"))
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
