//! begin: the store is told that parts will come, and its id for them is stored.
//!
//! Between our intent and the store's answer lies a gap into which a node may fall: what the store has under the upload's key
//! is then found and adopted. Must not decide what an upload is; `create` and its likes do.

use super::{Engine, Error, Result};
use crate::crash;
use crate::domain::upload::{Transfer, Upload};
use crate::store::{StoreError, Tx};

impl Engine {
    /// Makes sure that a multipart upload has been begun at the store and its id is stored.
    ///
    /// A repeat may find that the id was lost between the store's answer and our row. The key is this upload's alone,
    /// so what the store has under it is ours to adopt.
    pub(super) async fn ensure_multipart(&self, upload: Upload, fresh: bool) -> Result<Upload> {
        let checksum = match &upload.transfer {
            Transfer::Multipart { store_id: None, checksum, .. } => *checksum,
            Transfer::UnplannedMultipart { store_id: None, .. } => None,
            _ => return Ok(upload),
        };
        let max_bytes = Some(self.load_byte_limit(&upload).await?.bytes);
        let adopted = if fresh { None } else { self.list_multiparts_under(&upload.key).await?.into_iter().next() };
        let store_id = match adopted {
            Some(id) => id,
            None => self.0.blobs.create_multipart(&upload.key, &upload.write_token, checksum, max_bytes).await?,
        };
        crash::point("after_create_multipart");
        let mut begun = upload.clone();
        if let Transfer::Multipart { store_id: slot, .. } | Transfer::UnplannedMultipart { store_id: slot, .. } =
            &mut begun.transfer
        {
            *slot = Some(store_id.clone());
        }
        match self.0.store.commit(Tx::new().quietly(&mut begun)).await {
            Ok(()) => {
                crash::point("after_store_id");
                Ok(begun)
            }
            Err(StoreError::Conflict) => {
                // Another caller was faster: its upload counts, ours is given up unless it is the same.
                let current = self.0.store.find_upload(upload.id).await?.ok_or(Error::NotFound)?;
                if current.store_id() != Some(&store_id) {
                    self.0.blobs.abort_multipart(&upload.key, &store_id).await?;
                }
                Ok(current)
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The store's ids of every unfinished multipart upload under a key.
    pub(super) async fn list_multiparts_under(&self, key: &str) -> Result<Vec<String>> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = self.0.blobs.list_multiparts(key, after.as_ref()).await?;
            ids.extend(page.items.into_iter().filter(|upload| upload.key == key).map(|upload| upload.store_id));
            after = page.next;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }
}
