//! The row of `upload`.

use uuid::Uuid;

use super::{Cell, Nonsense, bad, decodes, parse_opt, required, size};
use crate::domain::checksum::ChecksumAlgorithm;
use crate::domain::clock::micros;
use crate::domain::ids::{AssetId, KeyId, TenantId, UploadId};
use crate::domain::plan::PartPlan;
use crate::domain::upload::{Protocol, Transfer, Upload, UploadState};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(in crate::store) struct UploadRow {
    id: Uuid,
    tenant_id: Uuid,
    asset_id: Uuid,
    owner_id: Uuid,
    revision: i64,
    state: String,
    protocol: String,
    transfer: String,
    size: i64,
    part_size: Option<i64>,
    store_id: Option<String>,
    checksum: Option<String>,
    object_key: String,
    write_token: String,
    external_id: Option<String>,
    created_at: i64,
    changed_at: i64,
    expires_at: i64,
    look_at: Option<i64>,
}

/// The values of the columns `transfer`, `part_size`, `store_id` and `checksum`.
pub(in crate::store) fn transfer_cells(
    transfer: &Transfer,
) -> (&'static str, Option<i64>, Option<&str>, Option<&'static str>) {
    match transfer {
        Transfer::Put { .. } => ("put", None, None, None),
        Transfer::Multipart { plan, store_id, checksum, as_put } => (
            if *as_put { "single_part" } else { "multipart" },
            Some(plan.part_size().cast_signed()),
            store_id.as_deref(),
            checksum.map(ChecksumAlgorithm::name),
        ),
    }
}

impl UploadRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn transfer(&mut self) -> Cell<Transfer> {
        let total = size("size", self.size)?;
        let as_put = match self.transfer.as_str() {
            "put" => return Ok(Transfer::Put { size: total }),
            "single_part" => true,
            "multipart" => false,
            other => return Err(bad("transfer", other)),
        };
        let part_size = size("part_size", required("part_size", self.part_size)?)?;
        Ok(Transfer::Multipart {
            plan: PartPlan::exact(total, part_size).ok_or_else(|| bad("part_size", part_size))?,
            store_id: self.store_id.take(),
            checksum: parse_opt("checksum", self.checksum.as_deref())?,
            as_put,
        })
    }

    fn state(&self) -> Cell<UploadState> {
        Ok(match self.state.as_str() {
            "open" => UploadState::Open,
            "completing" => UploadState::Completing,
            "completed" => UploadState::Completed,
            "failed" => UploadState::Failed,
            "aborted" => UploadState::Aborted,
            "expired" => UploadState::Expired,
            other => return Err(bad("state", other)),
        })
    }

    fn decode(mut self) -> Cell<Upload> {
        let protocol = match self.protocol.as_str() {
            "native" => Protocol::Native,
            other => return Err(bad("protocol", other)),
        };
        Ok(Upload {
            state: self.state()?,
            transfer: self.transfer()?,
            protocol,
            id: UploadId(self.id),
            tenant: TenantId(self.tenant_id),
            asset: AssetId(self.asset_id),
            owner: KeyId(self.owner_id),
            revision: self.revision,
            key: self.object_key,
            write_token: self.write_token,
            external_id: self.external_id,
            created_at: micros(self.created_at),
            changed_at: micros(self.changed_at),
            expires_at: micros(self.expires_at),
            look_at: self.look_at.map(micros),
        })
    }
}

decodes!(UploadRow in "upload" as Upload);
