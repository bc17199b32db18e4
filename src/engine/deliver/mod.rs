//! deliver: may they, is it ready, and how do the bytes get there.
//!
//! Bytes leave in the state `ready` and in no other, by whatever route. Reads are pinned to the entity tag that was
//! recorded at completion: what replaced the object since, should anything have, is never served.

use std::net::IpAddr;

use super::{Engine, Error, Result, content_disposition};
use crate::domain::access::{Action, Actor};
use crate::domain::asset::{Asset, AssetState, Content};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::grant::{Disposition, Network};
use crate::domain::ids::AssetId;
use crate::domain::name::{FileName, MediaType};

mod read;
mod ways;

pub use ways::{Cache, Deliveries, DeliveryMode, StoreRequest, TrustedProxy};

/// Which form of an asset: a derivative instead of the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its name.
    pub variant: String,
    /// The second half of its type, where it exists in several; the smallest otherwise.
    pub format: Option<String>,
}

/// Permission to fetch one asset's bytes, with everything that an answer's head needs.
#[derive(Clone, Debug)]
pub struct Download {
    /// Which asset.
    pub asset: AssetId,
    /// Its exact size in bytes.
    pub size: u64,
    /// Strong entity tag without quotes, the store's own, so that every delivery says the same.
    pub etag: String,
    /// When the bytes were stored.
    pub modified: Timestamp,
    /// The detected type.
    pub media_type: MediaType,
    /// `Content-Disposition`.
    pub disposition: String,
    /// The digest of the whole, where one was computed.
    pub sha256: Option<Sha256Digest>,
    /// The only network that it may go to: the link's.
    network: Option<Network>,
    key: String,
}

impl Engine {
    /// Permission for somebody with a credential.
    pub async fn download(
        &self,
        actor: &Actor,
        id: AssetId,
        disposition: Disposition,
        form: Option<&Form>,
    ) -> Result<Download> {
        let asset = self.asset_for(actor, Action::FetchContent, id).await?;
        download(&asset, disposition, None, form)
    }

    /// Permission for whoever holds a link. `opens`: this counts as a use; looking does not.
    pub async fn download_by_link(
        &self,
        token: &str,
        peer: Option<IpAddr>,
        opens: bool,
        form: Option<&Form>,
    ) -> Result<Download> {
        let id = self.0.tokens.open_link(token).ok_or(Error::Hidden)?;
        let link = self.0.store.link(id).await?.ok_or(Error::Hidden)?;
        if !link.opens(self.0.store.now(), peer) {
            return Err(Error::Gone { what: "link", state: "expired or revoked" });
        }
        let asset = self.0.store.asset(link.asset).await?.ok_or(Error::Hidden)?;
        let mut download = download(&asset, link.disposition, link.filename.as_ref(), form)?;
        download.network = link.network;
        let exhausted = match link.max_uses {
            Some(most) if !opens => link.used >= most,
            Some(_) => !self.0.store.use_link(id).await?,
            None => false,
        };
        if exhausted {
            return Err(Error::Gone { what: "link", state: "used up" });
        }
        Ok(download)
    }
}

fn download(asset: &Asset, disposition: Disposition, name: Option<&FileName>, form: Option<&Form>) -> Result<Download> {
    let content = match &asset.state {
        AssetState::Ready(content) => content,
        AssetState::Awaiting | AssetState::Stored(_) | AssetState::Processing(_) | AssetState::Failed { .. } => {
            return Err(Error::NotReady { state: asset.state.name() });
        }
        AssetState::Rejected { verdict, .. } => return Err(Error::Rejected { code: verdict.code.clone() }),
        AssetState::Abandoned | AssetState::Deleted { .. } => {
            return Err(Error::Gone { what: "asset", state: asset.state.name() });
        }
    };
    let name = name.unwrap_or(&asset.name);
    if let Some(form) = form {
        return derived(asset, content, disposition, name, form);
    }
    let media_type = content.detected.clone().unwrap_or_else(MediaType::octet_stream);
    let shown = if media_type.is_inert() { disposition } else { Disposition::Attachment };
    Ok(Download {
        asset: asset.id,
        size: asset.size,
        etag: content.etag.clone(),
        modified: content.stored_at,
        disposition: content_disposition(shown, name),
        media_type,
        sha256: content.sha256,
        network: None,
        key: content.key.clone(),
    })
}

/// The same permission, for a derivative of the asset.
fn derived(
    asset: &Asset,
    content: &Content,
    disposition: Disposition,
    name: &FileName,
    form: &Form,
) -> Result<Download> {
    let made = content.findings.derivative(&form.variant, form.format.as_deref()).ok_or(Error::Hidden)?;
    let media_type = made.media_type.parse().unwrap_or_else(|_| MediaType::octet_stream());
    let shown = if media_type.is_inert() { disposition } else { Disposition::Attachment };
    let extended = format!("{}.{}.{}", name.as_str(), made.variant, made.format());
    Ok(Download {
        asset: asset.id,
        size: made.size,
        etag: made.etag.clone(),
        modified: content.stored_at,
        disposition: content_disposition(shown, extended.parse().as_ref().unwrap_or(name)),
        media_type,
        sha256: None,
        network: None,
        key: made.key.clone(),
    })
}
