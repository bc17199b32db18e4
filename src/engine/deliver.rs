//! deliver: may they, is it ready, and how do the bytes get there.
//!
//! Bytes leave in the state `ready` and in no other, by whatever route. Reads are pinned to the entity tag that was
//! recorded at completion: what replaced the object since, should anything have, is never served.

use std::net::IpAddr;
use std::ops::Range;

use futures_util::{StreamExt, stream};

use super::{Engine, Error, Result, content_disposition};
use crate::blob::{BlobError, Blobs, ByteStream, Presentation, SignedUrl};
use crate::domain::access::{Action, Actor};
use crate::domain::asset::{Asset, AssetState, Content};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::grant::Disposition;
use crate::domain::ids::AssetId;
use crate::domain::name::{FileName, MediaType};

/// How bytes are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// 302 to a URL signed for a short while.
    #[default]
    Redirect,
    /// Through this service.
    Stream,
}

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
    key: String,
}

impl Engine {
    /// How downloads are delivered unless a request narrows it.
    #[must_use]
    pub fn delivery(&self) -> DeliveryMode {
        self.0.settings.delivery
    }

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
        let download = download(&asset, link.disposition, link.filename.as_ref(), form)?;
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

    /// A URL at the store, for a GET and for a short while.
    pub async fn redirect(&self, download: &Download) -> Result<SignedUrl> {
        let shown = Presentation {
            content_type: Some(download.media_type.to_string()),
            disposition: Some(download.disposition.clone()),
            cache_control: Some("private, no-transform".to_owned()),
        };
        Ok(self.0.blobs.sign_get(&download.key, &shown, self.0.settings.redirect_ttl).await?)
    }

    /// The bytes of a range, through this service. If the store breaks off, reading goes on where it stopped; if that
    /// does not help, the stream ends with an error, never early.
    pub async fn stream(&self, download: &Download, range: Range<u64>) -> Result<ByteStream> {
        self.read(&download.key, &download.etag, range).await
    }

    /// The bytes of stored content, for processing.
    pub async fn read_content(&self, content: &Content, range: Range<u64>) -> Result<ByteStream> {
        match self.0.fresh.get(&content.key, &content.etag, &range).await {
            Some(bytes) => Ok(stream::once(async { Ok(bytes) }).boxed()),
            None => self.read(&content.key, &content.etag, range).await,
        }
    }

    async fn read(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let first = self.0.blobs.get(key, etag, range.clone()).await?;
        let reading = Reading {
            blobs: std::sync::Arc::clone(&self.0.blobs),
            key: key.to_owned(),
            etag: etag.to_owned(),
            left: range,
            current: Some(first),
            failures: 0,
        };
        Ok(stream::unfold(reading, Reading::step).boxed())
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
        key: made.key.clone(),
    })
}

/// A range being read, across as many requests as the store makes necessary.
struct Reading {
    blobs: std::sync::Arc<dyn Blobs>,
    key: String,
    etag: String,
    left: Range<u64>,
    current: Option<ByteStream>,
    failures: u32,
}

impl Reading {
    /// Failures in a row without a byte between them.
    const PATIENCE: u32 = 4;

    async fn step(mut self) -> Option<(crate::blob::Result<bytes::Bytes>, Self)> {
        loop {
            if self.left.is_empty() {
                return None;
            }
            let chunk = match &mut self.current {
                Some(stream) => stream.next().await,
                None => Some(Err(BlobError::Unavailable("given up".to_owned()))),
            };
            match chunk {
                Some(Ok(chunk)) => {
                    self.left.start += chunk.len() as u64;
                    self.failures = 0;
                    return Some((Ok(chunk), self));
                }
                Some(Err(error)) if !self.resume().await => {
                    // The next poll ends the stream; what was sent so far is cut off visibly.
                    self.left = 0..0;
                    return Some((Err(error), self));
                }
                Some(Err(_)) => {}
                None if !self.resume().await => {
                    self.left = 0..0;
                    return Some((Err(BlobError::Unavailable("the store ended early".to_owned())), self));
                }
                None => {}
            }
        }
    }

    async fn resume(&mut self) -> bool {
        while self.failures < Self::PATIENCE {
            self.failures += 1;
            tokio::time::sleep(std::time::Duration::from_millis(100) * 2u32.pow(self.failures)).await;
            match self.blobs.get(&self.key, &self.etag, self.left.clone()).await {
                Ok(stream) => {
                    self.current = Some(stream);
                    return true;
                }
                Err(BlobError::Unavailable(_)) => {}
                Err(_) => return false,
            }
        }
        false
    }
}
