//! What the holder of an upload's grant brings: a file of their own choice, within what the grant's giver allowed.
//!
//! The giver said how large it may be and of which types; the holder says what it is called, how long and of what type it
//! is. Whatever the giver has said already stays as it is.

use super::create::check_metadata_size;
use super::{Engine, Error, Result};
use crate::domain::asset::{Asset, AssetMetadata, AssetState};
use crate::domain::clock::Timestamp;
use crate::domain::event::EventKind;
use crate::domain::file_type::may_be_sent;
use crate::domain::name::{FileName, MediaType, TypePattern};
use crate::domain::upload::{Upload, UploadState};
use crate::store::{StoreError, Tx};

/// Races that a description may lose before it gives up.
const MAX_DESCRIBE_ATTEMPTS: u32 = 4;

/// What the holder says of the file.
#[derive(Clone, Debug)]
pub struct GrantDescription {
    /// Its name; [`FileName::nameless`] if none was said.
    pub name: FileName,
    /// Its type. One that says nothing counts as not said.
    pub media_type: Option<MediaType>,
    /// Properties beside those that the giver knows.
    pub metadata: AssetMetadata,
}

impl Engine {
    /// Takes down what the holder of a grant says of the file that it chose, and returns what that replaced. Of a file that
    /// was named when its upload was created, nothing changes.
    pub(super) async fn describe(&self, upload: &Upload, by: GrantDescription) -> Result<Option<ReplacedDescription>> {
        for _ in 0..MAX_DESCRIBE_ATTEMPTS {
            let Some((asset, mut described)) = self.check_description(upload, &by).await? else { return Ok(None) };
            match self.commit_and_notify(Tx::new().asset(&mut described, EventKind::AssetChanged), upload.asset).await {
                Ok(()) => return Ok(Some(ReplacedDescription { before: asset, after: described })),
                Err(StoreError::Conflict) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(Error::busy("others describe this file"))
    }

    /// The asset as it is, and as this description would make it. `None`: it changes nothing.
    ///
    /// # Errors
    /// Those of a description that the grant's giver or the policy does not allow.
    pub(super) async fn check_description(
        &self,
        upload: &Upload,
        by: &GrantDescription,
    ) -> Result<Option<(Asset, Asset)>> {
        if upload.max_size.is_none() || upload.state != UploadState::Open {
            return Ok(None);
        }
        let asset = self.load_asset_of(upload).await?;
        if !by.name.is_nameless() && asset.name.is_nameless() {
            let rules = self.rules_of(&asset).await?;
            self.admit_name(&rules, &by.name).await?;
        }
        let described = described(asset.clone(), by.clone(), self.0.store.now())?;
        Ok(if says_the_same(&described, &asset) { None } else { Some((asset, described)) })
    }

    /// Takes the description of a file back that did not arrive: the next one may be another. The caller holds the lease
    /// under which it was written. A description that was changed since stays, and so does one that cannot be taken back
    /// now.
    pub(super) async fn restore_description(&self, replaced: ReplacedDescription) {
        let ReplacedDescription { before, after } = replaced;
        for _ in 0..MAX_DESCRIBE_ATTEMPTS {
            let Ok(Some(asset)) = self.0.store.find_asset(after.id).await else { return };
            if asset.state != AssetState::Awaiting || !says_the_same(&asset, &after) {
                return;
            }
            let Asset { name, media_type, metadata, .. } = before.clone();
            let mut restored = Asset { name, media_type, metadata, changed_at: self.0.store.now(), ..asset };
            match self.commit_and_notify(Tx::new().asset(&mut restored, EventKind::AssetChanged), after.id).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return tracing::warn!(asset = %after.id, %error, "a description could not be taken back"),
                Ok(()) => return,
            }
        }
    }
}

/// A description that was replaced, and the one that replaced it.
pub(super) struct ReplacedDescription {
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

/// Refuses a type that is said to be what nobody wants here. What the bytes are is found out later.
pub(super) fn allowed(patterns: &[TypePattern], media_type: &MediaType, name: &FileName) -> Result<()> {
    if may_be_sent(patterns, media_type, name) {
        return Ok(());
    }
    let welcome: Vec<_> = patterns.iter().map(TypePattern::as_str).collect();
    Err(Error::invalid("content_type", format!("only {} is accepted here", welcome.join(", "))))
}
