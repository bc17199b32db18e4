//! What administrators see of uploads of others, and do with them: end one that stands still, or give it more time.

use std::time::Duration;

use serde_json::json;

use super::OperationEngine;
use crate::blob::{BlobError, StoredPart};
use crate::domain::access::{Action, Actor, may_ask};
use crate::domain::clock::after;
use crate::domain::ids::UploadId;
use crate::domain::plan::PartNumber;
use crate::domain::upload::Upload;
use crate::engine::audit::AuditedAct;
use crate::engine::rows::update::{RowUpdate, UpdateResult};
use crate::engine::{Error, Result};
use crate::store::Tx;

/// An upload as operators see it, with what the store has of it.
#[derive(Clone, Debug)]
pub struct UploadDetail {
    /// The upload.
    pub upload: Upload,
    /// Parts in their order, as the store lists them; none of an upload that has ended or that travels without parts.
    pub parts: Vec<StoredPart>,
    /// Last part of this page; `None` at the end of the list.
    pub next: Option<PartNumber>,
}

impl OperationEngine {
    /// An upload of the administrator's tenant, or for an operator of any tenant, with a page of the store's list of its
    /// parts after `after`: as long as the store makes it, a thousand parts on S3.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn load_upload_detail(
        &self,
        actor: &Actor,
        id: UploadId,
        after: Option<PartNumber>,
    ) -> Result<UploadDetail> {
        let mut upload = self.load_administered_upload(actor, id).await?;
        if self.tenants.require_operator(actor).await.is_err() {
            upload.node = None;
        }
        let store_id = upload.store_id().filter(|_| upload.state.is_live());
        let Some(store_id) = store_id else { return Ok(UploadDetail { upload, parts: Vec::new(), next: None }) };
        match self.blobs.list_parts(&upload.key, store_id, after).await {
            Ok(page) => Ok(UploadDetail { upload, parts: page.items, next: page.next }),
            // Completed or aborted since the row was read.
            Err(BlobError::NotFound) => Ok(UploadDetail { upload, parts: Vec::new(), next: None }),
            Err(other) => Err(other.into()),
        }
    }

    /// Aborts an upload of the administrator's tenant, or for an operator of any tenant.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn abort_upload_of_any(&self, actor: &Actor, id: UploadId) -> Result<()> {
        let upload = self.load_administered_upload(actor, id).await?;
        self.uploads.abort_upload(upload, Some(actor)).await
    }

    /// Lets an open upload expire `expires_in` from now, if that is later than before. Returns the upload with a new
    /// grant: grants that were made before keep their own expiry.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a time of zero, or beyond `uploads.expires_in`; [`Error::WrongState`] for an upload that
    /// is not open; [`Error::Gone`] for one that has expired.
    #[tracing::instrument(skip_all, fields(upload = %id))]
    pub async fn extend_upload(&self, actor: &Actor, id: UploadId, expires_in: Duration) -> Result<(Upload, String)> {
        let upload = self.load_administered_upload(actor, id).await?;
        let longest = self.rows.upload_timeouts().upload_ttl;
        if expires_in.is_zero() || expires_in > longest {
            return Err(Error::invalid("expires_in", format!("must be 1 to {} seconds", longest.as_secs())));
        }
        let extended =
            self.rows.update_upload(upload, |upload| self.decide_extension(actor, upload, expires_in)).await?;
        let grant = self.tokens.upload_grant(extended.id, extended.expires_at);
        Ok((extended, grant))
    }

    async fn decide_extension(
        &self,
        actor: &Actor,
        upload: Upload,
        expires_in: Duration,
    ) -> UpdateResult<RowUpdate<Upload>> {
        let (now, earlier) = (self.store.now(), upload.expires_at);
        if earlier <= now && upload.state.is_live() {
            return Err(Error::Gone { what: "upload", state: "expired" }.into());
        }
        let mut extended = upload.extend(after(now, expires_in))?;
        if extended.expires_at == earlier {
            return Ok(RowUpdate::Keep(extended));
        }
        let deed = AuditedAct::new(extended.tenant, actor, "upload.extend", format!("upload:{}", extended.id))
            .before(json!({ "expires_at": earlier }))
            .after(json!({ "expires_at": extended.expires_at }));
        let tx = Tx::new().quietly(&mut extended).with(self.audit.audited(deed));
        Ok(RowUpdate::Commit(tx, extended))
    }

    /// An upload of the administrator's tenant, or for an operator of any tenant.
    async fn load_administered_upload(&self, actor: &Actor, id: UploadId) -> Result<Upload> {
        may_ask(actor, Action::Administer)?;
        let upload = self.store.find_upload(id).await?.ok_or(Error::NotFound)?;
        self.tenants.load_administered_tenant(actor, Some(&upload.tenant.to_string())).await?;
        Ok(upload)
    }
}
