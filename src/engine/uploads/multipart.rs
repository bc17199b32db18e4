//! CreateMultipartUpload, idempotent: the store creates the multipart upload, and its id is written to the row.
//!
//! A node may die between the two steps. The next attempt then finds the multipart upload under the upload's key and
//! adopts it. Must not decide the transfer of an upload; `create` and `unplanned` do.

use super::UploadEngine;
use crate::crash;
use crate::domain::upload::{Transfer, Upload};
use crate::engine::Result;
use crate::store::Tx;

impl UploadEngine {
    /// Ensures that the store has a multipart upload for `upload` and that its id is in the row. `fresh`: there was no
    /// earlier attempt.
    ///
    /// An earlier attempt may have died before it wrote the id. The key belongs to this upload alone, so a multipart
    /// upload under the key can be adopted.
    pub(in crate::engine) async fn ensure_multipart(&self, upload: Upload, fresh: bool) -> Result<Upload> {
        let checksum = match &upload.transfer {
            Transfer::Multipart { store_id: None, checksum, .. } => *checksum,
            Transfer::UnplannedMultipart { store_id: None, .. } => None,
            _ => return Ok(upload),
        };
        let max_bytes = Some(self.load_byte_limit(&upload).await?.bytes);
        let adopted = if fresh { None } else { self.list_multiparts_under(&upload.key).await?.into_iter().next() };
        let store_id = match adopted {
            Some(id) => id,
            None => self.blobs.create_multipart(&upload.key, &upload.write_token, checksum, max_bytes).await?,
        };
        crash::point("after_create_multipart");
        let mut begun = upload.clone();
        if let Transfer::Multipart { store_id: slot, .. } | Transfer::UnplannedMultipart { store_id: slot, .. } =
            &mut begun.transfer
        {
            *slot = Some(store_id.clone());
        }
        if self.rows.commit_if_unchanged(Tx::new().quietly(&mut begun)).await? {
            crash::point("after_store_id");
            return Ok(begun);
        }
        // Another caller was faster: its multipart upload counts, and ours is aborted unless it is the same.
        let current = self.rows.reload_upload(upload.id).await?;
        if current.store_id() != Some(&store_id) {
            self.blobs.abort_multipart(&upload.key, &store_id).await?;
        }
        Ok(current)
    }

    /// The store's ids of every unfinished multipart upload under a key.
    pub(in crate::engine) async fn list_multiparts_under(&self, key: &str) -> Result<Vec<String>> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = self.blobs.list_multiparts(key, after.as_ref()).await?;
            ids.extend(page.items.into_iter().filter(|upload| upload.key == key).map(|upload| upload.store_id));
            after = page.next;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }
}
