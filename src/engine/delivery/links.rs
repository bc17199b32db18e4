//! Links: permissions to download an asset, for people without an account.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::DeliveryEngine;
use crate::domain::access::{AccessTarget, Action, Actor, may, may_ask};
use crate::domain::asset::{Asset, AssetState};
use crate::domain::clock::after;
use crate::domain::grant::{AssetVariant, ClientNetwork, Disposition, Link, LinkTarget};
use crate::domain::ids::{AssetId, GrantId, KeyId, TenantId};
use crate::domain::name::FileName;
use crate::engine::assets::MAX_BATCH_IDS;
use crate::engine::audit::AuditedAct;
use crate::engine::idempotency::RepeatableRequest;
use crate::engine::limits::check_page_limit;
use crate::engine::rows::tenant_of;
use crate::engine::{Error, IdempotencyKey, Result};
use crate::store::{LinkQuery, LinksOf, NewRow, RowChange, Tx};

/// Route under which idempotency keys of links are stored.
const REPLAY_ROUTE: &str = "links";

/// A request for a link.
#[derive(Clone, Debug)]
pub struct LinkWish {
    /// Asset that the link opens.
    pub asset: AssetId,
    /// Life of the link.
    pub expires_in: Duration,
    /// Save or display.
    pub disposition: Disposition,
    /// File name, if different from the asset's.
    pub filename: Option<FileName>,
    /// Derivative to deliver instead of the original.
    pub variant: Option<AssetVariant>,
    /// Number of times that the link may be opened; `None`: without limit.
    pub uses: Option<u32>,
    /// The only network that may open the link.
    pub network: Option<ClientNetwork>,
}

impl LinkWish {
    /// Request for a link that saves the asset, valid for an hour.
    #[must_use]
    pub fn to(asset: AssetId) -> Self {
        Self {
            asset,
            expires_in: Duration::from_secs(3600),
            disposition: Disposition::Attachment,
            filename: None,
            variant: None,
            uses: None,
            network: None,
        }
    }
}

/// Filter and page of a list of links.
#[derive(Clone, Copy, Debug)]
pub struct ListLinks {
    /// Only links to this asset.
    pub asset: Option<AssetId>,
    /// Only links that this key made.
    pub maker: Option<KeyId>,
    /// Last link of the previous page.
    pub after: Option<GrantId>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

/// A page of links.
#[derive(Clone, Debug)]
pub struct LinkList {
    /// The links, oldest first.
    pub links: Vec<Link>,
    /// Last link of this page, if there is a next page; `None` at the end.
    pub next: Option<GrantId>,
}

/// Filter of links to revoke; links must match all given fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct RevokeLinks {
    /// Only links to this asset.
    pub asset: Option<AssetId>,
    /// Only links that this key made.
    pub maker: Option<KeyId>,
}

/// Remembered result of a request for links. `None`: the link failed.
#[derive(Serialize, Deserialize)]
struct CreatedLinks {
    links: Vec<Option<GrantId>>,
}

/// A link and the token that opens it.
#[derive(Clone, Debug)]
pub struct MadeLink {
    /// The link.
    pub link: Link,
    /// Token of the link. A secret of its holder: never logged.
    pub token: String,
}

impl DeliveryEngine {
    /// Makes links in a single commit. A link that fails does not affect the rest.
    #[tracing::instrument(skip_all)]
    pub async fn make_links(
        &self,
        actor: &Actor,
        wishes: Vec<LinkWish>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Vec<Result<MadeLink>>> {
        may_ask(actor, Action::LinkAsset)?;
        let Actor::Key { id: key, .. } = actor else { return Err(Error::Forbidden) };
        if wishes.len() > MAX_BATCH_IDS as usize {
            return Err(Error::invalid("links", format!("at most {MAX_BATCH_IDS} links")));
        }
        let ids: Vec<AssetId> = wishes.iter().map(|wish| wish.asset).collect();
        let assets = self.store.find_assets(&ids).await?;
        let assets: HashMap<AssetId, &Asset> = assets.iter().map(|asset| (asset.id, asset)).collect();
        let links: Vec<Result<Link>> = wishes.iter().map(|wish| self.link(actor, *key, wish, &assets)).collect();
        let mut tx = Tx::new();
        for link in links.iter().flatten() {
            tx = tx.with(NewRow::Link(Box::new(link.clone())));
        }
        let request = RepeatableRequest { by: *key, route: REPLAY_ROUTE, idempotency: idempotency.as_ref() };
        let made = links.iter().map(|link| link.as_ref().ok().map(|link| link.id)).collect();
        let tx = self.idempotency.remember(tx, &request, &CreatedLinks { links: made })?;
        let tx = match told_of(actor, &links) {
            Some(deed) => tx.with(self.audit.audited(deed)),
            None => tx,
        };
        if self.rows.commit_if_unchanged(tx).await? {
            return Ok(links.into_iter().map(|link| link.map(|link| self.with_token(link))).collect());
        }
        self.load_links_again(self.idempotency.recall_rival(&request).await?, links).await
    }

    pub(in crate::engine) fn with_token(&self, link: Link) -> MadeLink {
        MadeLink { token: self.tokens.link(link.id), link }
    }

    fn link(&self, actor: &Actor, key: KeyId, wish: &LinkWish, assets: &HashMap<AssetId, &Asset>) -> Result<Link> {
        let asset = assets.get(&wish.asset).copied().ok_or(Error::NotFound)?;
        let target =
            AccessTarget { tenant: asset.tenant, owner: asset.owner, upload: None, drop_box: None, asset: asset.id };
        may(actor, Action::LinkAsset, target)?;
        match &asset.state {
            AssetState::Abandoned | AssetState::Deleted { .. } => {
                return Err(Error::Gone { what: "asset", state: asset.state.name() });
            }
            AssetState::Rejected { verdict, .. } => return Err(Error::Rejected { code: verdict.code.clone() }),
            AssetState::Ready(content) => {
                let made =
                    |form: &AssetVariant| content.findings.derivative(&form.name, form.format.as_deref()).is_some();
                if !wish.variant.as_ref().is_none_or(made) {
                    return Err(Error::invalid("variant", "this asset has no such variant"));
                }
            }
            AssetState::Awaiting | AssetState::Stored(_) | AssetState::Processing(_) | AssetState::Failed { .. } => {}
        }
        self.new_link(asset.tenant, key, LinkTarget::Asset(asset.id), wish)
    }

    /// Builds the link of a request, to any kind of target.
    pub(in crate::engine) fn new_link(
        &self,
        tenant: TenantId,
        key: KeyId,
        target: LinkTarget,
        wish: &LinkWish,
    ) -> Result<Link> {
        let longest = self.settings.link_ttl;
        if wish.expires_in > longest || wish.expires_in.is_zero() {
            return Err(Error::invalid("expires_in", format!("must be 1 to {} seconds", longest.as_secs())));
        }
        if wish.uses == Some(0) {
            return Err(Error::invalid("uses", "must be at least 1"));
        }
        let now = self.store.now();
        Ok(Link {
            id: GrantId(self.rows.new_id()),
            tenant,
            target,
            created_by: key,
            created_at: now,
            expires_at: after(now, wish.expires_in),
            revoked_at: None,
            disposition: wish.disposition,
            filename: wish.filename.clone(),
            variant: wish.variant.clone(),
            max_uses: wish.uses,
            used: 0,
            last_used_at: None,
            network: wish.network,
        })
    }

    /// The links that an earlier request made. Links that failed then return their error in `now`.
    async fn load_links_again(
        &self,
        CreatedLinks { links: ids }: CreatedLinks,
        now: Vec<Result<Link>>,
    ) -> Result<Vec<Result<MadeLink>>> {
        let mut answers = Vec::with_capacity(ids.len());
        for (id, now) in ids.into_iter().zip(now) {
            let made = match id {
                Some(id) => self.store.find_link(id).await?.ok_or(Error::Gone { what: "link", state: "expired" }),
                None => now.and_then(|_| {
                    Err(Error::busy("the first request with this Idempotency-Key did not create this link"))
                }),
            };
            answers.push(made.map(|link| self.with_token(link)));
        }
        Ok(answers)
    }

    /// Revokes a link on every node at once. Idempotent.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_link(&self, actor: &Actor, id: GrantId) -> Result<()> {
        may_ask(actor, Action::LinkAsset)?;
        let link = self.store.find_link(id).await?.ok_or(Error::NotFound)?;
        if link.tenant != tenant_of(actor)? {
            return Err(Error::NotFound);
        }
        let told = self.audit.audited(AuditedAct::new(link.tenant, actor, "link.revoke", format!("link:{id}")));
        Ok(self.rows.commit(Tx::new().with(RowChange::RevokeLink(id, self.store.now())).with(told)).await?)
    }

    /// A page of the tenant's links, including ended links until they are deleted. Tokens are not shown again.
    #[tracing::instrument(skip_all)]
    pub async fn list_links(&self, actor: &Actor, list: ListLinks) -> Result<LinkList> {
        may_ask(actor, Action::LinkAsset)?;
        check_page_limit(list.limit)?;
        if let Some(asset) = list.asset {
            self.rows.load_asset_for(actor, Action::LinkAsset, asset).await?;
        }
        let of = LinksOf { tenant: tenant_of(actor)?, asset: list.asset, maker: list.maker };
        let query = LinkQuery { of, after: list.after, limit: list.limit.saturating_add(1) };
        let mut links = self.store.list_links(&query).await?;
        let more = links.len() > list.limit as usize;
        links.truncate(list.limit as usize);
        let next = links.last().map(|link| link.id).filter(|_| more);
        Ok(LinkList { links, next })
    }

    /// Revokes many links on every node at once, and returns how many were valid. Idempotent.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_links(&self, actor: &Actor, which: RevokeLinks) -> Result<u64> {
        may_ask(actor, Action::LinkAsset)?;
        if which.asset.is_none() && which.maker.is_none() {
            return Err(Error::invalid("asset", "required (or created_by, for the links of a key)"));
        }
        if let Some(asset) = which.asset {
            self.rows.load_asset_for(actor, Action::LinkAsset, asset).await?;
        }
        let of = LinksOf { tenant: tenant_of(actor)?, asset: which.asset, maker: which.maker };
        let what = which.asset.map_or_else(|| "links".to_owned(), |asset| format!("asset:{asset}"));
        let (id, now) = (self.rows.new_id(), self.store.now());
        let mut told = AuditedAct::new(of.tenant, actor, "links.revoke", what).entry(id, now);
        let told = move |revoked| {
            told.after = Some(json!({ "created_by": which.maker, "revoked": revoked }));
            told
        };
        Ok(self.store.revoke_links(of, now, Box::new(told)).await?)
    }
}

/// Audit entry for the links of a request: about its asset, or about many.
fn told_of(actor: &Actor, links: &[Result<Link>]) -> Option<AuditedAct> {
    let made: Vec<&Link> = links.iter().flatten().collect();
    let first = made.first()?;
    let LinkTarget::Asset(asset) = first.target else { return None };
    let subject = if made.len() == 1 { format!("asset:{asset}") } else { "links".to_owned() };
    let ids: Vec<_> = made.iter().map(|link| link.id).collect();
    let after = json!({ "links": ids, "expires_at": first.expires_at.to_string(), "uses": first.max_uses });
    Some(AuditedAct::new(first.tenant, actor, "link.create", subject).after(after))
}
