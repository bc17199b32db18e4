//! Grants for many files: made, listed and revoked by keys; looked up with every request of their holders.
//!
//! A revoked grant stops working within [`DROP_BOX_CACHE_TTL`] on every node, and at once on the node that revokes it.
//! Its limits are counted by the database, in the transaction that creates an upload.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::TenantEngine;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::after;
use crate::domain::drop_box::{DropBox, DropBoxTerms, DropBoxUsage};
use crate::domain::ids::{GrantId, KeyId};
use crate::domain::key::KeyScope;
use crate::engine::audit::AuditedAct;
use crate::engine::idempotency::RepeatableRequest;
use crate::engine::limits::{check_metadata_size, check_page_limit};
use crate::engine::ttl_cache::TtlCache;
use crate::engine::{Error, IdempotencyKey, Result};
use crate::store::{Store, StoreError, TenancyWrite, Tx};

/// Longest age of a cached grant.
const DROP_BOX_CACHE_TTL: Duration = Duration::from_secs(4);
const MAX_CACHED_DROP_BOXES: u64 = 10_000;
/// Longest life of a grant for many files.
const MAX_DROP_BOX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);
/// Route under which idempotency keys of grants are stored.
const REPLAY_ROUTE: &str = "grants";

/// A request for a grant for many files.
#[derive(Clone, Debug)]
pub struct DropBoxWish {
    /// What may be sent, and how it is treated.
    pub terms: DropBoxTerms,
    /// Life of the grant.
    pub expires_in: Duration,
}

/// A grant for many files and its token.
#[derive(Clone, Debug)]
pub struct MadeDropBox {
    /// True if this request made it; false if the grant existed.
    pub is_new: bool,
    /// The grant.
    pub drop_box: DropBox,
    /// Token that opens it. A secret of its holders: never logged.
    pub token: String,
}

/// Filter and page of a list of grants.
#[derive(Clone, Copy, Debug)]
pub struct ListDropBoxes {
    /// Last grant of the previous page.
    pub before: Option<GrantId>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

/// Grants for many files as cached on this node.
pub(in crate::engine) struct DropBoxCache {
    store: Arc<dyn Store>,
    known: TtlCache<GrantId, Option<Arc<DropBox>>>,
}

impl DropBoxCache {
    pub(in crate::engine) fn new(store: Arc<dyn Store>) -> Self {
        let known = TtlCache::new(MAX_CACHED_DROP_BOXES, DROP_BOX_CACHE_TTL).with_name("grants");
        Self { store, known }
    }

    async fn get(&self, id: GrantId) -> Result<Option<Arc<DropBox>>> {
        let look = async { Ok(self.store.find_drop_box(id).await?.map(Arc::new)) };
        self.known.get(&id, self.store.now(), look).await
    }
}

/// Remembered result of a request that made a grant.
#[derive(serde::Serialize, serde::Deserialize)]
struct CreatedDropBox {
    grant: GrantId,
}

impl TenantEngine {
    /// Makes a grant for many files.
    ///
    /// # Errors
    /// [`Error::Invalid`] for invalid limits, an unknown policy, or types that the policy does not allow.
    #[tracing::instrument(skip_all)]
    pub async fn make_drop_box(
        &self,
        actor: &Actor,
        wish: DropBoxWish,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<MadeDropBox> {
        may_ask(actor, Action::CreateUpload)?;
        let Actor::Key { id: key, tenant, .. } = actor else { return Err(Error::Forbidden) };
        check_wish(&wish)?;
        let DropBoxWish { terms, expires_in } = wish;
        let rules = self.tenancy.rules(*tenant, &terms.policy).await?;
        let rules = rules.ok_or_else(|| Error::invalid("policy", "this policy does not exist"))?;
        let now = self.store.now();
        let drop_box = DropBox {
            id: GrantId(self.rows.new_id()),
            tenant: *tenant,
            created_by: *key,
            created_at: now,
            expires_at: after(now, expires_in),
            revoked_at: None,
            terms: DropBoxTerms { allowed: rules.narrow(&terms.allowed)?, ..terms },
            used: DropBoxUsage::default(),
        };
        let request = RepeatableRequest { by: *key, route: REPLAY_ROUTE, idempotency: idempotency.as_ref() };
        let told = self.audit.audited(creation_of(actor, &drop_box));
        let tx = Tx::new().with(TenancyWrite::InsertDropBox(Box::new(drop_box.clone()))).with(told);
        let tx = self.idempotency.remember(tx, &request, &CreatedDropBox { grant: drop_box.id })?;
        if self.rows.commit_if_unchanged(tx).await? {
            return Ok(self.with_token(drop_box, true));
        }
        let CreatedDropBox { grant } = self.idempotency.recall_rival(&request).await?;
        let earlier = self.store.find_drop_box(grant).await?;
        Ok(self.with_token(earlier.ok_or(Error::Gone { what: "grant", state: "expired" })?, false))
    }

    fn with_token(&self, drop_box: DropBox, is_new: bool) -> MadeDropBox {
        MadeDropBox { token: self.tokens.drop_box(drop_box.id), drop_box, is_new }
    }

    /// A grant for many files, with what was sent so far. Its token is not shown again.
    #[tracing::instrument(skip_all, fields(grant = %id))]
    pub async fn drop_box(&self, actor: &Actor, id: GrantId) -> Result<DropBox> {
        may_ask(actor, Action::CreateUpload)?;
        let found = self.store.find_drop_box(id).await?.ok_or(Error::NotFound)?;
        match actor {
            Actor::Key { tenant, .. } if *tenant != found.tenant => Err(Error::NotFound),
            Actor::Key { id, scopes, .. } if *id == found.created_by || scopes.allow(KeyScope::Admin) => Ok(found),
            _ => Err(Error::Forbidden),
        }
    }

    /// A page of grants for many files, newest first: of the caller's key, or for administrators of the tenant.
    #[tracing::instrument(skip_all)]
    pub async fn list_drop_boxes(&self, actor: &Actor, list: ListDropBoxes) -> Result<(Vec<DropBox>, Option<GrantId>)> {
        may_ask(actor, Action::CreateUpload)?;
        let Actor::Key { id: key, tenant, scopes } = actor else { return Err(Error::Forbidden) };
        check_page_limit(list.limit)?;
        let maker: Option<KeyId> = (!scopes.allow(KeyScope::Admin)).then_some(*key);
        let more = list.limit.saturating_add(1);
        let mut found = self.store.list_drop_boxes(*tenant, maker, list.before, more).await?;
        let is_last = found.len() <= list.limit as usize;
        found.truncate(list.limit as usize);
        let next = found.last().map(|last| last.id).filter(|_| !is_last);
        Ok((found, next))
    }

    /// Revokes a grant for many files. Its uploads under way can no longer be continued by its holders, and expire.
    /// Idempotent.
    #[tracing::instrument(skip_all, fields(grant = %id))]
    pub async fn revoke_drop_box(&self, actor: &Actor, id: GrantId) -> Result<()> {
        let found = self.drop_box(actor, id).await?;
        let told = self.audit.audited(AuditedAct::new(found.tenant, actor, "grant.revoke", format!("grant:{id}")));
        let write = TenancyWrite::RevokeDropBox(found.tenant, id, self.store.now());
        match self.rows.commit(Tx::new().with(write).with(told)).await {
            // It was deleted a moment ago, after its time.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(other) => return Err(other.into()),
        }
        self.drop_boxes.known.invalidate(&id).await;
        Ok(())
    }

    /// The actor of a token of a grant for many files; `None` if it is none, or is not open any more.
    pub(in crate::engine) async fn identify_sender(&self, token: &str) -> Result<Option<Actor>> {
        let Some(id) = self.tokens.open_drop_box(token) else { return Ok(None) };
        let found = self.drop_boxes.get(id).await?.filter(|found| found.is_open(self.store.now()));
        Ok(found.map(|found| Actor::Sender { drop_box: id, tenant: found.tenant, key: found.created_by }))
    }

    /// The grant of a holder, as it was a few seconds ago at most.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if it is gone.
    pub(in crate::engine) async fn load_drop_box(&self, id: GrantId) -> Result<Arc<DropBox>> {
        self.drop_boxes.get(id).await?.ok_or(Error::Unauthenticated)
    }

    /// The grant that its holder uses, to be described to the holder.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for other callers.
    pub async fn describe_drop_box(&self, actor: &Actor) -> Result<DropBox> {
        let Actor::Sender { drop_box, .. } = actor else { return Err(Error::Forbidden) };
        self.store.find_drop_box(*drop_box).await?.ok_or(Error::Unauthenticated)
    }
}

fn check_wish(wish: &DropBoxWish) -> Result<()> {
    let terms = &wish.terms;
    check_metadata_size(&terms.metadata)?;
    if wish.expires_in.is_zero() || wish.expires_in > MAX_DROP_BOX_LIFETIME {
        let longest = MAX_DROP_BOX_LIFETIME.as_secs();
        return Err(Error::invalid("expires_in", format!("must be 1 to {longest} seconds")));
    }
    let limits = [("max_files", terms.limits.files), ("max_bytes", terms.limits.bytes), ("max_size", terms.max_size)];
    match limits.into_iter().find(|(_, limit)| *limit == Some(0)) {
        Some((field, _)) => Err(Error::invalid(field, "must be at least 1")),
        None => Ok(()),
    }
}

fn creation_of(actor: &Actor, made: &DropBox) -> AuditedAct {
    let facts = json!({
        "max_files": made.terms.limits.files,
        "max_bytes": made.terms.limits.bytes,
        "max_size": made.terms.max_size,
        "policy": made.terms.policy,
        "expires_at": made.expires_at.to_string(),
    });
    AuditedAct::new(made.tenant, actor, "grant.create", format!("grant:{}", made.id)).after(facts)
}
