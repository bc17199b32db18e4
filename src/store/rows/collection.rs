//! The row of `collection`.

use uuid::Uuid;

use super::{CellDecode, InvalidCell, bad, decodes};
use crate::domain::clock::micros;
use crate::domain::collection::Collection;
use crate::domain::ids::{CollectionId, KeyId, TenantId};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(in crate::store) struct CollectionRow {
    id: Uuid,
    tenant_id: Uuid,
    created_by: Uuid,
    created_at: i64,
    expires_at: i64,
    name: String,
    items: String,
}

impl CollectionRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn decode(self) -> CellDecode<Collection> {
        Ok(Collection {
            id: CollectionId(self.id),
            tenant: TenantId(self.tenant_id),
            created_by: KeyId(self.created_by),
            created_at: micros(self.created_at),
            expires_at: micros(self.expires_at),
            name: self.name.parse().map_err(|_| bad("name", &self.name))?,
            items: serde_json::from_str(&self.items).map_err(|error| bad("items", error.to_string()))?,
        })
    }
}

decodes!(CollectionRow in "collection" as Collection);
