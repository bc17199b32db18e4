//! list: pages of uploads, of a tenant or of all tenants.

use std::time::Duration;

use super::UploadEngine;
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::{Timestamp, before};
use crate::domain::ids::{AssetId, KeyId, UploadId};
use crate::domain::upload::{Upload, UploadProtocol, UploadState};
use crate::engine::Result;
use crate::engine::limits::check_page_limit;
use crate::store::{UploadPage, UploadQuery};

/// Filter and page of a list of uploads.
#[derive(Clone, Debug, Default)]
pub struct ListUploads {
    /// Tenant by name or id; `*`: all tenants; `None`: the caller's.
    pub tenant: Option<String>,
    /// Only uploads of this asset.
    pub asset: Option<AssetId>,
    /// Only uploads in this state.
    pub state: Option<UploadState>,
    /// Only uploads that this key created.
    pub owner: Option<KeyId>,
    /// Only uploads of this protocol.
    pub protocol: Option<UploadProtocol>,
    /// Only uploads without activity for this long; those that have ended only if `state` says so.
    pub idle_for: Option<Duration>,
    /// Only uploads created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Last upload of the previous page.
    pub after: Option<UploadId>,
    /// Page size: 1 to 1000.
    pub limit: u32,
}

impl UploadEngine {
    /// A page of uploads, newest first. The store is not asked: what it has may be more than the rows say. Only
    /// operators see the process that serves an upload, and only administrators the program of its client.
    #[tracing::instrument(skip_all)]
    pub async fn list_uploads(&self, actor: &Actor, list: ListUploads) -> Result<UploadPage> {
        may_ask(actor, Action::ListAssets)?;
        let tenant = self.tenants.load_listed_tenant(actor, list.tenant.as_deref()).await?;
        check_page_limit(list.limit)?;
        let query = UploadQuery {
            tenant,
            asset: list.asset,
            state: list.state,
            owner: list.owner,
            protocol: list.protocol,
            idle_since: list.idle_for.map(|pause| before(self.store.now(), pause)),
            created_after: list.created_after,
            after: list.after,
            limit: list.limit,
        };
        let mut page = self.store.list_uploads(&query).await?;
        // As the list of processes is for operators alone.
        let (administers, operates) =
            (may_ask(actor, Action::Administer).is_ok(), self.tenants.require_operator(actor).await.is_ok());
        for Upload { node, client, .. } in page.uploads.iter_mut().map(|entry| &mut entry.upload) {
            *node = node.take().filter(|_| operates);
            *client = client.take().filter(|_| administers);
        }
        Ok(page)
    }
}
