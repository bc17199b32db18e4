//! Checks of a completed upload against what a client declares of its file.

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::UploadEngine;
use super::complete::CompleteUpload;
use crate::domain::asset::{Asset, AssetState, LeftoverBytes};
use crate::domain::checksum::Sha256Digest;
use crate::domain::upload::{Transfer, Upload};
use crate::engine::{Error, Result};

impl UploadEngine {
    /// The asset of an ended upload, if the client's declarations match the stored file.
    pub(in crate::engine) async fn verify_completed_asset(
        &self,
        upload: &Upload,
        wish: &CompleteUpload,
    ) -> Result<Asset> {
        let asset = self.rows.load_asset_of(upload).await?;
        if matches!(upload.transfer, Transfer::UnplannedMultipart { .. }) && wish.parts.is_some() {
            let known = self.load_known_parts(upload).await?;
            if !known.is_empty() {
                crate::engine::uploads::unplanned::check_claimed_parts(&known, wish)?;
            }
        }
        match wish.sha256.filter(|given| asset.declared_sha256 != Some(*given)) {
            Some(given) if self.load_or_compute_digest(&asset).await? != Some(given) => {
                Err(Error::Taken("a file with a different SHA-256 was uploaded"))
            }
            _ => Ok(asset),
        }
    }

    /// SHA-256 of the stored bytes, recorded or computed by reading them. `None` if the bytes are gone and no digest
    /// was recorded.
    pub(in crate::engine) async fn load_or_compute_digest(&self, asset: &Asset) -> Result<Option<Sha256Digest>> {
        let gone = match &asset.state {
            AssetState::Deleted { .. } | AssetState::Abandoned => {
                return Err(Error::Gone { what: "asset", state: asset.state.name() });
            }
            AssetState::Awaiting => return Err(Error::WrongState { what: "asset", state: asset.state.name() }),
            AssetState::Rejected { bytes, .. } => *bytes == LeftoverBytes::Gone,
            AssetState::Stored(_) | AssetState::Processing(_) | AssetState::Ready(_) | AssetState::Failed { .. } => {
                false
            }
        };
        let Some(content) = asset.state.content() else { return Ok(None) };
        if content.sha256.is_some() || gone {
            return Ok(content.sha256);
        }
        let mut stored = self.content.read_content(content, 0..asset.size).await?;
        let mut hasher = Sha256::new();
        while let Some(bytes) = stored.try_next().await? {
            hasher.update(&bytes);
        }
        Ok(Some(Sha256Digest(hasher.finalize().into())))
    }
}
