//! sign: URLs for parts, without writes. Each URL is bound to its part number, its exact length and, if given, its
//! checksum.

use super::UploadEngine;
use crate::blob::presign::PartUrls;
use crate::blob::{BlobError, SignedUrl, StoredPart};
use crate::domain::access::{Action, Actor, may, may_ask};
use crate::domain::asset::Asset;
use crate::domain::checksum::PartChecksum;
use crate::domain::clock::Timestamp;
use crate::domain::ids::UploadId;
use crate::domain::plan::{PartNumber, PartPlan, PartSet};
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::engine::rows::upload_target;
use crate::engine::{Error, Result};
use crate::metrics;

/// A request for part URLs.
#[derive(Clone, Debug, Default)]
pub struct SignParts {
    /// Part numbers.
    pub parts: PartSet,
    /// Checksums of some of the parts.
    pub checksums: Vec<(PartNumber, PartChecksum)>,
}

/// Signed URLs of parts. Each URL is built while it is rendered, so that ten thousand of them are never in memory.
pub struct SignedParts {
    plan: PartPlan,
    parts: PartSet,
    checksums: Vec<(PartNumber, PartChecksum)>,
    urls: PartUrls,
}

impl SignedParts {
    /// The requested parts with length and checksum, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (PartNumber, u64, Option<&PartChecksum>)> + '_ {
        self.parts.iter().map(|part| {
            let checksum = self.checksums.binary_search_by_key(&part, |(number, _)| *number);
            let checksum = checksum.ok().map(|at| &self.checksums[at].1);
            (part, self.plan.len_of(part).unwrap_or(0), checksum)
        })
    }

    /// Appends the URL of a part.
    pub fn write_url(&self, part: PartNumber, len: u64, checksum: Option<&PartChecksum>, out: &mut String) {
        self.urls.write(part, len, checksum, out);
    }

    /// Appends only the signature for a part without a checksum.
    pub fn write_signature(&self, part: PartNumber, len: u64, out: &mut String) {
        self.urls.write_signature(part, len, out);
    }

    /// URL template with the placeholders `{part}` and `{signature}`.
    #[must_use]
    pub fn template(&self) -> String {
        self.urls.template()
    }

    /// True if some of the URLs are bound to a checksum.
    #[must_use]
    pub fn has_checksums(&self) -> bool {
        !self.checksums.is_empty()
    }

    /// Number of parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// True if there are no parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Numbers of the requested parts.
    #[must_use]
    pub fn parts(&self) -> &PartSet {
        &self.parts
    }

    /// Plan of the upload.
    #[must_use]
    pub fn plan(&self) -> &PartPlan {
        &self.plan
    }

    /// Time at which the URLs expire.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.urls.expires_at()
    }
}

impl UploadEngine {
    /// Signs URLs for parts of an open upload.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn sign_parts(&self, actor: &Actor, id: UploadId, wish: SignParts) -> Result<SignedParts> {
        may_ask(actor, Action::DriveUpload)?;
        let upload = self.rows.load_recent_upload(id).await?.ok_or(Error::NotFound)?;
        may(actor, Action::DriveUpload, upload_target(&upload))?;
        metrics::blobs().record_presign_refresh();
        self.sign_parts_of(&upload, wish.parts, wish.checksums).await
    }

    /// Reads an upload, and the parts that the store has while the upload is open.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn load_upload_with_parts(&self, actor: &Actor, id: UploadId) -> Result<(Upload, Vec<StoredPart>)> {
        let upload = self.rows.load_upload_for(actor, Action::ReadUpload, id).await?;
        let received = match upload.state {
            UploadState::Open => self.list_and_note_parts(&upload).await?,
            _ => Vec::new(),
        };
        Ok((upload, received))
    }

    pub(in crate::engine) async fn sign_parts_of(
        &self,
        upload: &Upload,
        parts: PartSet,
        mut checksums: Vec<(PartNumber, PartChecksum)>,
    ) -> Result<SignedParts> {
        check_open_for_bytes(upload, self.store.now())?;
        let Transfer::Multipart { plan, store_id, checksum, .. } = &upload.transfer else {
            return Err(Error::invalid("parts", "this upload is a single PUT without parts"));
        };
        if parts.last().is_some_and(|last| last.get() > plan.count()) {
            return Err(Error::invalid("parts", format!("the plan has {} parts", plan.count())));
        }
        let foreign = checksums.iter().find(|(_, given)| checksum.is_some_and(|declared| declared != given.algorithm));
        if let Some((part, _)) = foreign {
            return Err(Error::invalid("checksums", format!("part {part} must use the algorithm of the upload")));
        }
        let capabilities = self.blobs.capabilities();
        if !checksums.is_empty() && checksum.is_none() && !capabilities.undeclared_checksums {
            return Err(Error::invalid("checksums", "this store requires \"checksum\" at creation"));
        }
        let store_id = store_id.as_deref().ok_or_else(|| Error::busy("the multipart upload is not created yet"))?;
        checksums.sort_unstable_by_key(|(part, _)| *part);
        let urls = self.blobs.sign_parts(&upload.key, store_id, self.rows.upload_timeouts().url_ttl).await?;
        self.rows.note_upload_activity(upload);
        Ok(SignedParts { plan: *plan, parts, checksums, urls })
    }

    /// Signs the URL of an upload that the client sends as a single PUT.
    pub(in crate::engine) async fn sign_whole_file(&self, upload: &Upload, asset: &Asset) -> Result<SignedUrl> {
        self.rows.note_upload_activity(upload);
        let ttl = self.rows.upload_timeouts().url_ttl;
        let digest = asset.declared_sha256.map(PartChecksum::from);
        let (plan, store_id) = match &upload.transfer {
            Transfer::Put { size } => {
                return Ok(self.blobs.sign_put(&upload.key, *size, digest.as_ref(), ttl).await?);
            }
            Transfer::Multipart { plan, store_id, .. } => (plan, store_id),
            Transfer::UnplannedMultipart { .. } => {
                return Err(Error::invalid("method", "the client chooses the parts of this upload"));
            }
            Transfer::Relayed(_) => {
                return Err(Error::invalid("method", "this upload takes its bytes in order, without signed URLs"));
            }
        };
        let store_id = store_id.as_deref().ok_or_else(|| Error::busy("the multipart upload is not created yet"))?;
        let digest = digest.filter(|_| self.blobs.capabilities().part_checksums);
        let urls = self.blobs.sign_parts(&upload.key, store_id, ttl).await?;
        let (only, mut url) = (plan.all().last().ok_or_else(no_part_error)?, String::new());
        urls.write(only, plan.total(), digest.as_ref(), &mut url);
        let mut headers = vec![("content-length", plan.total().to_string())];
        headers.extend(digest.map(|digest| (digest.algorithm.header(), digest.base64)));
        Ok(SignedUrl { url, headers, expires_at: urls.expires_at() })
    }

    /// Parts that our rows know: those of a ledger, and those of a completed multipart upload without a plan.
    pub(in crate::engine) async fn load_known_parts(&self, upload: &Upload) -> Result<Vec<StoredPart>> {
        let parts = self.store.list_relayed_parts(upload.id).await?.into_iter();
        let stored =
            parts.map(|part| StoredPart { number: part.number, size: part.size, etag: part.etag, checksum: None });
        Ok(stored.collect())
    }

    /// As [`Self::list_received_parts`], and notes how many bytes they are, so that lists of uploads can say so.
    pub(in crate::engine) async fn list_and_note_parts(&self, upload: &Upload) -> Result<Vec<StoredPart>> {
        let parts = self.list_received_parts(upload).await?;
        self.rows.note_stored_bytes(upload, parts.iter().map(|part| part.size).sum());
        Ok(parts)
    }

    /// Parts that the store has, in their planned size if there is a plan. A single PUT has no parts until it is
    /// complete.
    pub(in crate::engine) async fn list_received_parts(&self, upload: &Upload) -> Result<Vec<StoredPart>> {
        let (store_id, plan) = match &upload.transfer {
            Transfer::Multipart { plan, store_id: Some(store_id), .. } => (store_id, Some(plan)),
            Transfer::UnplannedMultipart { store_id: Some(store_id), .. } => (store_id, None),
            Transfer::Relayed(_) => return self.load_known_parts(upload).await,
            Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::UnplannedMultipart { .. } => {
                return Ok(Vec::new());
            }
        };
        let planned = |part: &StoredPart| plan.is_none_or(|plan| plan.len_of(part.number) == Some(part.size));
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let page = match self.blobs.list_parts(&upload.key, store_id, after).await {
                Ok(page) => page,
                // Completed or aborted meanwhile: no parts.
                Err(BlobError::NotFound) => return Ok(Vec::new()),
                Err(other) => return Err(other.into()),
            };
            parts.extend(page.items.into_iter().filter(planned));
            after = page.next;
            if after.is_none() {
                return Ok(parts);
            }
        }
    }
}

fn no_part_error() -> Error {
    Error::Internal("a plan without parts".into())
}

/// Checks that an upload still takes bytes.
pub(in crate::engine) fn check_open_for_bytes(upload: &Upload, now: Timestamp) -> Result<()> {
    match upload.state {
        UploadState::Open if upload.expires_at <= now => Err(Error::Gone { what: "upload", state: "expired" }),
        UploadState::Open => Ok(()),
        UploadState::Completing | UploadState::Completed => {
            Err(Error::WrongState { what: "upload", state: upload.state.name() })
        }
        UploadState::Failed | UploadState::Aborted | UploadState::Expired => {
            Err(Error::Gone { what: "upload", state: upload.state.name() })
        }
    }
}
