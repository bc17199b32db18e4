//! The row of `drop_box`.

use sqlx::types::Json;
use uuid::Uuid;

use super::{CellDecode, InvalidCell, bad, decodes, parse, size};
use crate::domain::asset::AssetMetadata;
use crate::domain::clock::micros;
use crate::domain::drop_box::{DropBox, DropBoxLimits, DropBoxTerms, DropBoxUsage};
use crate::domain::ids::{GrantId, KeyId, TenantId};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(in crate::store) struct DropBoxRow {
    id: Uuid,
    tenant_id: Uuid,
    created_by: Uuid,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    max_files: Option<i64>,
    max_bytes: Option<i64>,
    max_size: Option<i64>,
    allowed: Json<Vec<String>>,
    policy: String,
    metadata: Json<AssetMetadata>,
    sender: String,
    files: i64,
    bytes: i64,
}

impl DropBoxRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn decode(self) -> CellDecode<DropBox> {
        let most = |column, most: Option<i64>| most.map(|most| size(column, most)).transpose();
        let asked = self.sender.split(',').filter(|field| !field.is_empty());
        Ok(DropBox {
            id: GrantId(self.id),
            tenant: TenantId(self.tenant_id),
            created_by: KeyId(self.created_by),
            created_at: micros(self.created_at),
            expires_at: micros(self.expires_at),
            revoked_at: self.revoked_at.map(micros),
            terms: DropBoxTerms {
                limits: DropBoxLimits {
                    files: most("max_files", self.max_files)?,
                    bytes: most("max_bytes", self.max_bytes)?,
                },
                max_size: most("max_size", self.max_size)?,
                allowed: self.allowed.0.iter().map(|text| parse("allowed", text)).collect::<CellDecode<_>>()?,
                sender: asked
                    .map(|field| field.parse().map_err(|()| bad("sender", field)))
                    .collect::<CellDecode<_>>()?,
                policy: self.policy,
                metadata: self.metadata.0,
            },
            used: DropBoxUsage { files: self.files, bytes: self.bytes },
        })
    }
}

decodes!(DropBoxRow in "drop_box" as DropBox);
