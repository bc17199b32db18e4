//! Limits of uploads: of this instance, and as far as they go for a caller.

use std::time::Duration;

use super::UploadEngine;
use crate::domain::access::Actor;
use crate::domain::append::max_relayed;
use crate::domain::checksum::ChecksumAlgorithm;
use crate::domain::ids::TenantId;
use crate::domain::name::FileName;
use crate::domain::policy::DEFAULT_POLICY;
use crate::engine::limits::{MAX_METADATA_BYTES, UploadLimits};
use crate::engine::{Error, Result};

impl UploadEngine {
    /// Limits of this instance.
    #[must_use]
    pub fn limits(&self) -> UploadLimits {
        const PART_CHECKSUM_ALGORITHMS: [ChecksumAlgorithm; 3] =
            [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme];
        let (profile, settings) = (self.blobs.profile(), &self.settings);
        UploadLimits {
            max_size: settings.max_size.min(profile.max_object()),
            max_put: profile.max_put.min(settings.max_size),
            max_append: max_relayed(&profile).min(settings.max_size),
            max_request_body: settings.max_request_body,
            min_part: profile.min_part,
            max_part: profile.max_part,
            max_parts: profile.max_parts,
            max_name_chars: FileName::MAX_CHARS,
            max_name_bytes: FileName::MAX_BYTES,
            max_metadata: MAX_METADATA_BYTES,
            upload_ttl: settings.upload_timeouts.upload_ttl,
            url_ttl: settings.upload_timeouts.url_ttl,
            link_ttl: settings.link_ttl,
            checksums: if self.blobs.capabilities().part_checksums { &PART_CHECKSUM_ALGORITHMS } else { &[] },
            content_types: Vec::new(),
            quota_left: None,
        }
    }

    /// Limits for this actor: with an API key, those of the tenant's default policy and quota; with a grant, those of its
    /// file or files and its remaining life.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the grant's upload is gone.
    #[tracing::instrument(skip_all)]
    pub async fn load_limits_for(&self, actor: &Actor) -> Result<UploadLimits> {
        let mut limits = self.limits();
        let max_size = match actor {
            Actor::Nobody => None,
            Actor::Key { tenant, .. } => {
                let rules = self.tenants.tenancy.rules(*tenant, DEFAULT_POLICY).await?;
                limits.content_types = rules.as_ref().map(|rules| rules.content_types.clone()).unwrap_or_default();
                limits.quota_left = self.load_quota_left(*tenant).await?;
                rules.and_then(|rules| rules.max_size)
            }
            Actor::Uploader { upload } => {
                let upload = self.store.find_upload(*upload).await?.ok_or(Error::NotFound)?;
                let left = upload.expires_at.duration_since(self.store.now());
                limits.upload_ttl = Duration::try_from(left).unwrap_or_default();
                upload.transfer.size().or(upload.max_size)
            }
            Actor::Sender { drop_box, tenant, .. } => {
                let found = self.tenants.load_drop_box(*drop_box).await?;
                let left = Duration::try_from(found.expires_at.duration_since(self.store.now())).unwrap_or_default();
                limits.upload_ttl = limits.upload_ttl.min(left);
                limits.content_types = found.terms.allowed.iter().map(|pattern| pattern.as_str().to_owned()).collect();
                let rules = self.tenants.tenancy.rules(*tenant, &found.terms.policy).await?;
                found.terms.max_size.into_iter().chain(rules.and_then(|rules| rules.max_size)).min()
            }
        };
        if let Some(max_size) = max_size {
            limits.max_size = limits.max_size.min(max_size);
            limits.max_put = limits.max_put.min(max_size);
            limits.max_append = limits.max_append.min(max_size);
        }
        Ok(limits)
    }

    /// Bytes that a tenant's quota still has; `None` without a quota of bytes.
    async fn load_quota_left(&self, tenant: TenantId) -> Result<Option<u64>> {
        let Some((quota, used)) = self.store.find_quota(tenant).await? else { return Ok(None) };
        let used = u64::try_from(used.bytes).unwrap_or(0);
        Ok(quota.bytes.map(|most| most.saturating_sub(used)))
    }
}
