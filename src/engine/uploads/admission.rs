//! Admission of uploads: what a tenant's policy and quota allow.

use std::time::Duration;

use super::UploadEngine;
use super::create::{CreateUpload, UploadCreator, UploadSize};
use super::describe::allowed;
use crate::domain::access::Actor;
use crate::domain::ids::{GrantId, TenantId};
use crate::domain::name::{MediaType, TypePattern};
use crate::domain::policy::{DEFAULT_POLICY, narrow_types};
use crate::domain::quota::QuotaUsage;
use crate::domain::upload::Upload;
use crate::engine::limits::check_metadata_size;
use crate::engine::request_context::RequestContext;
use crate::engine::{Error, Result};
use crate::store::StoreError;

impl UploadEngine {
    /// Refuses a new upload while the service is in maintenance or its disk is full.
    ///
    /// # Errors
    /// [`Error::Maintenance`], [`Error::StorageFull`].
    pub(in crate::engine) async fn admit_new_upload(&self, actor: &Actor, tenant: TenantId) -> Result<()> {
        self.tenants.refuse_during_maintenance(actor, tenant).await?;
        self.disk.require_space(self.store.now())
    }

    /// Refuses a creation early if the tenant's quota was exhausted a moment ago and still is.
    pub(in crate::engine) async fn still_has_room(&self, tenant: TenantId, wish: &CreateUpload) -> Result<()> {
        // A possible repeat is let through: its quota is charged already.
        let new = wish.idempotency.is_none() && wish.external_id.is_none();
        let is_full = new && self.tenants.tenancy.was_full(tenant).await;
        if is_full { self.has_room(tenant, wish).await } else { Ok(()) }
    }

    /// Remembers that a tenant's quota is exhausted, if that is why a commit was refused.
    pub(in crate::engine) async fn note_refusal(&self, tenant: TenantId, error: &StoreError) {
        if matches!(error, StoreError::OverQuota(_)) {
            self.tenants.tenancy.note_full(tenant).await;
        }
    }

    /// Checks that a tenant has quota for this upload. Advisory; the commit of the creation decides.
    pub(in crate::engine) async fn has_room(&self, tenant: TenantId, wish: &CreateUpload) -> Result<()> {
        let Some((quota, mut used)) = self.store.find_quota(tenant).await? else { return Ok(()) };
        let (UploadSize::Exact(size) | UploadSize::AtMost(size)) = wish.size;
        used += QuotaUsage { bytes: i64::try_from(size).unwrap_or(i64::MAX), files: 1, uploads: 1 };
        quota.exceeded_by(used).map_or(Ok(()), |limit| Err(Error::OverQuota { limit: limit.name() }))
    }

    /// Checks a request against its policy, and narrows the allowed types to those of the policy.
    pub(in crate::engine) async fn by_policy(
        &self,
        by: UploadCreator,
        wish: &mut CreateUpload,
        partial: bool,
    ) -> Result<()> {
        if let Some(grant) = by.drop_box {
            self.apply_drop_box(grant, wish).await?;
        }
        let rules = self.tenants.tenancy.rules(by.tenant, &wish.policy).await?;
        let rules = rules.ok_or_else(|| Error::invalid("policy", "this policy does not exist"))?;
        let (UploadSize::Exact(size) | UploadSize::AtMost(size)) = wish.size;
        if let Some(limit) = rules.max_size
            && size > limit
        {
            return Err(Error::TooLarge { limit });
        }
        if let Some(origin) = RequestContext::current().origin
            && !rules.admits_origin(&origin)
        {
            return Err(Error::Forbidden);
        }
        if partial {
            return Ok(());
        }
        if !wish.name.is_nameless() {
            self.tenants.admit_name(&rules, &wish.name).await?;
        }
        wish.allowed = rules.narrow(&wish.allowed)?;
        Ok(())
    }

    /// Applies the limits and the settings of a grant for many files. Its count of files and bytes is checked by the
    /// commit.
    async fn apply_drop_box(&self, grant: GrantId, wish: &mut CreateUpload) -> Result<()> {
        let found = self.tenants.load_drop_box(grant).await?;
        let terms = &found.terms;
        if wish.policy != DEFAULT_POLICY && wish.policy != terms.policy {
            return Err(Error::invalid("policy", "the grant has set the policy"));
        }
        wish.policy.clone_from(&terms.policy);
        let (UploadSize::Exact(size) | UploadSize::AtMost(size)) = wish.size;
        if let Some(limit) = terms.max_size.filter(|limit| size > *limit) {
            return Err(Error::TooLarge { limit });
        }
        wish.allowed = narrow_types(&terms.allowed, &wish.allowed).ok_or_else(|| {
            let welcome: Vec<_> = terms.allowed.iter().map(TypePattern::as_str).collect();
            Error::invalid("content_types", format!("the policy accepts {} only", welcome.join(", ")))
        })?;
        if let Some(media_type) = wish.media_type.as_ref().filter(|said| **said != MediaType::octet_stream()) {
            allowed(&wish.allowed, media_type, &wish.name)?;
        }
        wish.metadata.extend(terms.metadata.clone());
        check_metadata_size(&wish.metadata)?;
        let left = Duration::try_from(found.expires_at.duration_since(self.store.now())).unwrap_or_default();
        let life = wish.expires_in.unwrap_or(self.rows.upload_timeouts().upload_ttl);
        wish.expires_in = Some(life.min(left).max(Duration::from_secs(1)));
        Ok(())
    }

    /// Most bytes that an upload may have. If its grant sets no limit, its policy does: the default policy, or that of
    /// its grant for many files, since only protocols without a choice of policy leave the length open.
    pub(in crate::engine) async fn most(&self, upload: &Upload) -> Result<u64> {
        let found = match upload.drop_box {
            Some(grant) => Some(self.tenants.load_drop_box(grant).await?),
            None => None,
        };
        let terms = found.as_ref().map(|found| &found.terms);
        let policy = terms.map_or(DEFAULT_POLICY, |terms| &terms.policy);
        let most = match upload.max_size {
            Some(most) => Some(most),
            None => self.tenants.tenancy.rules(upload.tenant, policy).await?.and_then(|rules| rules.max_size),
        };
        let by_grant = terms.and_then(|terms| terms.max_size);
        let most = most.into_iter().chain(by_grant).min();
        Ok(most.unwrap_or(u64::MAX).min(self.limits().max_size))
    }
}
