//! The multipart upload of an append, created before its first part.

use super::writer::AppendWriter;
use crate::crash;
use crate::engine::Result;
use crate::store::Tx;

impl AppendWriter {
    /// Creates the multipart upload before the first part, unless an earlier append did.
    pub(super) async fn ensure_multipart(&mut self) -> Result<String> {
        if let Some(store_id) = &self.ledger()?.store_id {
            return Ok(store_id.clone());
        }
        if self.fence() > 1 {
            // A holder that died may have created an upload without recording its id; its content is unknown.
            for lost in self.engine.uploads.list_multiparts_under(&self.upload.key).await? {
                self.engine.uploads.abort_until_gone(&self.upload.key, &lost).await?;
            }
        }
        let (key, token) = (self.upload.key.clone(), self.upload.write_token.clone());
        let store_id = self.engine.blobs.create_multipart(&key, &token, None, None).await?;
        crash::point("after_create_multipart");
        let id = store_id.clone();
        if let Err(error) = self.commit_ledger(Tx::new(), move |ledger| ledger.store_id = Some(id.clone())).await {
            self.engine.blobs.abort_multipart(&key, &store_id).await?;
            return Err(error);
        }
        Ok(store_id)
    }
}
