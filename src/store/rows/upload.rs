//! The row of `upload`.

use uuid::Uuid;

use super::ledger::LedgerRow;
use super::{CellDecode, InvalidCell, bad, decodes, parse, parse_opt, required, size};
use crate::domain::checksum::ChecksumAlgorithm;
use crate::domain::clock::micros;
use crate::domain::ids::{AssetId, GrantId, KeyId, TenantId, UploadId};
use crate::domain::plan::PartPlan;
use crate::domain::upload::{Transfer, Upload, UploadProtocol, UploadState};
use crate::store::{StoreError, UploadEntry};

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
    size: Option<i64>,
    part_size: Option<i64>,
    store_id: Option<String>,
    checksum: Option<String>,
    object_key: String,
    write_token: String,
    external_id: Option<String>,
    node: Option<String>,
    client: Option<String>,
    created_at: i64,
    changed_at: i64,
    last_activity_at: i64,
    seen_bytes: i64,
    expires_at: i64,
    next_check_at: Option<i64>,
    max_size: Option<i64>,
    quota_charge: Option<i64>,
    reserved: Option<i64>,
    drop_box_id: Option<Uuid>,
    drop_box_bytes: Option<i64>,
    #[sqlx(flatten)]
    ledger: LedgerRow,
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
        Transfer::UnplannedMultipart { store_id, .. } => ("client_cut", None, store_id.as_deref(), None),
        Transfer::Relayed(ledger) => {
            ("relayed", Some(ledger.part_size.cast_signed()), ledger.store_id.as_deref(), None)
        }
    }
}

impl UploadRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn total(&self) -> CellDecode<u64> {
        size("size", required("size", self.size)?)
    }

    fn said_total(&self) -> CellDecode<Option<u64>> {
        self.size.map(|total| size("size", total)).transpose()
    }

    fn part_size(&self) -> CellDecode<u64> {
        size("part_size", required("part_size", self.part_size)?)
    }

    fn planned(&mut self, as_put: bool) -> CellDecode<Transfer> {
        let (total, part_size) = (self.total()?, self.part_size()?);
        Ok(Transfer::Multipart {
            plan: PartPlan::exact(total, part_size).ok_or_else(|| bad("part_size", part_size))?,
            store_id: self.store_id.take(),
            checksum: parse_opt("checksum", self.checksum.as_deref())?,
            as_put,
        })
    }

    fn state(&self) -> CellDecode<UploadState> {
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

    fn protocol(&self) -> CellDecode<UploadProtocol> {
        Ok(match self.protocol.as_str() {
            "native" => UploadProtocol::Native,
            "tus" => UploadProtocol::Tus,
            "companion" => UploadProtocol::Companion,
            "ietf" => UploadProtocol::Ietf,
            other => return Err(bad("protocol", other)),
        })
    }

    fn decode(mut self) -> CellDecode<Upload> {
        let (state, protocol) = (self.state()?, self.protocol()?);
        let transfer = match self.transfer.as_str() {
            "put" => Transfer::Put { size: self.total()? },
            "single_part" => self.planned(true)?,
            "multipart" => self.planned(false)?,
            "client_cut" => Transfer::UnplannedMultipart { store_id: self.store_id.take(), total: self.said_total()? },
            "relayed" => {
                let (length, part_size) = (self.said_total()?, self.part_size()?);
                Transfer::Relayed(Box::new(self.ledger.decode(length, part_size, self.store_id.take())?))
            }
            other => return Err(bad("transfer", other)),
        };
        Ok(Upload {
            state,
            transfer,
            protocol,
            id: UploadId(self.id),
            tenant: TenantId(self.tenant_id),
            asset: AssetId(self.asset_id),
            owner: KeyId(self.owner_id),
            revision: self.revision,
            max_size: self.max_size.map(|bytes| size("max_size", bytes)).transpose()?,
            quota_charge: self.quota_charge.map(|bytes| size("quota_charge", bytes)).transpose()?,
            reserved: self.reserved.map(|bytes| size("reserved", bytes)).transpose()?,
            drop_box: self.drop_box_id.map(GrantId),
            drop_box_bytes: self.drop_box_bytes.map(|bytes| size("drop_box_bytes", bytes)).transpose()?,
            key: self.object_key,
            write_token: self.write_token,
            external_id: self.external_id,
            node: self.node,
            client: self.client,
            created_at: micros(self.created_at),
            changed_at: micros(self.changed_at),
            last_activity_at: micros(self.last_activity_at),
            seen_bytes: size("seen_bytes", self.seen_bytes)?,
            expires_at: micros(self.expires_at),
            next_check_at: self.next_check_at.map(micros),
        })
    }
}

decodes!(UploadRow in "upload" as Upload);

/// A row of a list of uploads: the upload, and the name of its file.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct UploadEntryRow {
    #[sqlx(flatten)]
    upload: UploadRow,
    filename: String,
}

impl TryFrom<UploadEntryRow> for UploadEntry {
    type Error = StoreError;
    fn try_from(row: UploadEntryRow) -> Result<Self, StoreError> {
        let name = row.upload.name();
        let filename = parse("filename", &row.filename).map_err(|InvalidCell(problem)| StoreError::Corrupt {
            table: "asset",
            row: name,
            problem,
        })?;
        Ok(Self { upload: row.upload.try_into()?, filename })
    }
}
