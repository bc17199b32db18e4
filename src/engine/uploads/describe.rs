//! Description of a file that the holder of an upload's grant chooses, within the limits set with the grant.
//!
//! The creator of the grant sets the largest size and the types; the holder declares name, length and type. Values that
//! the creator has set stay unchanged.

use std::future::ready;

use super::UploadEngine;
use crate::domain::asset::{Asset, AssetMetadata, AssetState};
use crate::domain::clock::Timestamp;
use crate::domain::event::EventKind;
use crate::domain::file_type::may_be_sent;
use crate::domain::name::{FileName, MediaType, TypePattern};
use crate::domain::reason::chain;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::limits::check_metadata_size;
use crate::engine::rows::update::RowUpdate;
use crate::engine::{Error, Result};
use crate::store::Tx;

/// Description of the file by the holder of the grant.
#[derive(Clone, Debug)]
pub struct GrantDescription {
    /// File name; [`FileName::nameless`] if none was given.
    pub name: FileName,
    /// Media type; `application/octet-stream` counts as not given.
    pub media_type: Option<MediaType>,
    /// Metadata, added to that of the grant's creator.
    pub metadata: AssetMetadata,
}

impl UploadEngine {
    /// Commits the description of a file by the holder of a grant, and returns the description that was replaced.
    /// `None`: a file that was named when its upload was created stays unchanged.
    pub(in crate::engine) async fn describe(
        &self,
        upload: &Upload,
        by: GrantDescription,
    ) -> Result<Option<ReplacedDescription>> {
        if !takes_description(upload) {
            return Ok(None);
        }
        let by = &by;
        self.rows
            .update_asset(upload.asset, |asset| async move {
                let Some(mut described) = self.apply_description(&asset, by).await? else {
                    return Ok(RowUpdate::Keep(None));
                };
                let tx = Tx::new().asset(&mut described, EventKind::AssetChanged);
                Ok(RowUpdate::Commit(tx, Some(ReplacedDescription { before: asset, after: described })))
            })
            .await
    }

    /// Checks that this description would be accepted.
    ///
    /// # Errors
    /// The description has a field that the grant's creator or the policy does not allow.
    pub(in crate::engine) async fn check_description(&self, upload: &Upload, by: &GrantDescription) -> Result<()> {
        if takes_description(upload) {
            self.apply_description(&self.rows.load_asset_of(upload).await?, by).await?;
        }
        Ok(())
    }

    /// The asset with this description. `None` if the description changes nothing.
    async fn apply_description(&self, asset: &Asset, by: &GrantDescription) -> Result<Option<Asset>> {
        if !by.name.is_nameless() && asset.name.is_nameless() {
            let rules = self.tenants.rules_of(asset).await?;
            self.tenants.admit_name(&rules, &by.name).await?;
        }
        let described = described(asset.clone(), by.clone(), self.store.now())?;
        Ok(if says_the_same(&described, asset) { None } else { Some(described) })
    }

    /// Restores the old description after a file did not arrive, since the next file may be different. The caller holds
    /// the lease under which the description was written. A description that was changed since is kept. Failures are
    /// only logged.
    pub(in crate::engine) async fn restore_description(&self, replaced: ReplacedDescription) {
        let ReplacedDescription { before, after } = &replaced;
        let restored = self.rows.update_asset(after.id, |asset| {
            ready(Ok(if asset.state != AssetState::Awaiting || !says_the_same(&asset, after) {
                RowUpdate::Keep(())
            } else {
                let Asset { name, media_type, metadata, .. } = before.clone();
                let mut restored = Asset { name, media_type, metadata, changed_at: self.store.now(), ..asset };
                RowUpdate::Commit(Tx::new().asset(&mut restored, EventKind::AssetChanged), ())
            }))
        });
        if let Err(error) = restored.await {
            tracing::warn!(asset = %after.id, error = %chain(&error), "a description could not be taken back");
        }
    }
}

/// True if the holder of the upload's grant may still describe its file.
fn takes_description(upload: &Upload) -> bool {
    upload.max_size.is_some() && upload.state == UploadState::Open
}

/// A description that was replaced, and its replacement.
pub(in crate::engine) struct ReplacedDescription {
    before: Asset,
    after: Asset,
}

fn says_the_same(one: &Asset, other: &Asset) -> bool {
    one.name == other.name && one.media_type == other.media_type && one.metadata == other.metadata
}

fn described(mut asset: Asset, by: GrantDescription, now: Timestamp) -> Result<Asset> {
    let media_type = by.media_type.filter(|said| *said != MediaType::octet_stream());
    if let Some(media_type) = &media_type {
        let name = if asset.name.is_nameless() { &by.name } else { &asset.name };
        allowed(&asset.allowed, media_type, name)?;
    }
    if asset.name.is_nameless() {
        asset.name = by.name;
    }
    asset.media_type = asset.media_type.or(media_type);
    for (name, value) in by.metadata {
        asset.metadata.entry(name).or_insert(value);
    }
    check_metadata_size(&asset.metadata)?;
    asset.changed_at = now;
    Ok(asset)
}

/// Refuses a declared type that `patterns` do not accept. The type of the bytes is detected later.
pub(in crate::engine) fn allowed(patterns: &[TypePattern], media_type: &MediaType, name: &FileName) -> Result<()> {
    if may_be_sent(patterns, media_type, name) {
        return Ok(());
    }
    let welcome: Vec<_> = patterns.iter().map(TypePattern::as_str).collect();
    Err(Error::invalid("content_type", format!("only {} is accepted", welcome.join(", "))))
}
