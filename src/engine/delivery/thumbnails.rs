//! URLs of many thumbnails at once, for galleries: a single request instead of a request per picture.

use std::collections::HashMap;
use std::time::Duration;

use super::links::LinkWish;
use super::{DeliveryEngine, DeliveryMode, MadeLink, OpenedDownload, download};
use crate::blob::SignedUrl;
use crate::domain::access::{AccessTarget, Action, Actor, may, may_ask};
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::grant::{AssetVariant, Disposition, LinkTarget};
use crate::domain::ids::AssetId;
use crate::engine::{Error, Result};
use crate::store::{NewRow, Tx};

/// Most assets per gallery.
const MAX_THUMBNAIL_IDS: usize = 1000;
/// Life of links that replace signed URLs where clients cannot reach the store: as long as a page is viewed.
const THUMBNAIL_LINK_TTL: Duration = Duration::from_secs(900);

/// A picture of a gallery.
#[derive(Clone, Debug)]
pub struct SignedThumbnail {
    /// Id of the asset.
    pub asset: AssetId,
    /// Location of the picture.
    pub at: ThumbnailLocation,
    /// Media type.
    pub media_type: String,
    /// Size in bytes.
    pub size: u64,
}

/// Location at which any holder of the URL can download a picture.
#[derive(Clone, Debug)]
pub enum ThumbnailLocation {
    /// URL at the store or the content delivery network. A secret: never logged.
    Signed(SignedUrl),
    /// Link to this service.
    Link(Box<MadeLink>),
}

impl ThumbnailLocation {
    /// Time at which the location expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        match self {
            Self::Signed(signed) => signed.expires_at,
            Self::Link(made) => made.link.expires_at,
        }
    }
}

impl DeliveryEngine {
    /// Locations of a derivative of many assets, in the order of `ids`. An asset that fails does not affect the rest.
    #[tracing::instrument(skip_all)]
    pub async fn gallery(
        &self,
        actor: &Actor,
        ids: &[AssetId],
        form: &AssetVariant,
    ) -> Result<Vec<Result<SignedThumbnail>>> {
        may_ask(actor, Action::FetchContent)?;
        if ids.len() > MAX_THUMBNAIL_IDS {
            return Err(Error::invalid("ids", format!("at most {MAX_THUMBNAIL_IDS} ids")));
        }
        let assets = self.store.find_assets(ids).await?;
        let found: HashMap<AssetId, &Asset> = assets.iter().map(|asset| (asset.id, asset)).collect();
        let mut links = Tx::new();
        let mut made = Vec::with_capacity(ids.len());
        for id in ids {
            let shown = match found.get(id) {
                Some(asset) => shown(actor, asset, form).map(|download| (*asset, download)),
                None => Err(Error::NotFound),
            };
            let placed = match shown {
                Ok((asset, download)) => match self.picture(actor, asset, &download, form).await? {
                    (place, None) => Ok((place, download)),
                    (place, Some(write)) => {
                        links = links.with(write);
                        Ok((place, download))
                    }
                },
                Err(error) => Err(error),
            };
            made.push(placed.map(|(at, download)| SignedThumbnail {
                asset: *id,
                at,
                media_type: download.media_type.to_string(),
                size: download.size,
            }));
        }
        self.rows.commit(links).await?;
        Ok(made)
    }

    /// Location of a picture, and the write that creates its link if necessary.
    async fn picture(
        &self,
        actor: &Actor,
        asset: &Asset,
        download: &OpenedDownload,
        form: &AssetVariant,
    ) -> Result<(ThumbnailLocation, Option<NewRow>)> {
        let offers = |mode| self.delivery(Some(mode)).is_ok();
        if offers(DeliveryMode::Cdn)
            && let Some(signed) = self.at_the_edge(download)
        {
            return Ok((ThumbnailLocation::Signed(signed), None));
        }
        if offers(DeliveryMode::Redirect)
            && let Some(signed) = self.redirect(download).await?
        {
            return Ok((ThumbnailLocation::Signed(signed), None));
        }
        let Actor::Key { id: key, .. } = actor else { return Err(Error::Forbidden) };
        let wish = LinkWish {
            expires_in: THUMBNAIL_LINK_TTL.min(self.settings.link_ttl),
            disposition: Disposition::Inline,
            variant: Some(form.clone()),
            ..LinkWish::to(asset.id)
        };
        let link = self.new_link(asset.tenant, *key, LinkTarget::Asset(asset.id), &wish)?;
        let write = NewRow::Link(Box::new(link.clone()));
        Ok((ThumbnailLocation::Link(Box::new(self.with_token(link))), Some(write)))
    }
}

fn shown(actor: &Actor, asset: &Asset, form: &AssetVariant) -> Result<OpenedDownload> {
    let target =
        AccessTarget { tenant: asset.tenant, owner: asset.owner, upload: None, drop_box: None, asset: asset.id };
    may(actor, Action::FetchContent, target)?;
    download(asset, Disposition::Inline, None, Some(form))
}
