//! The row of `asset`.

use sqlx::types::Json;
use uuid::Uuid;

use super::{CellDecode, InvalidCell, bad, decodes, digest, parse, parse_opt, required, size};
use crate::domain::asset::{Asset, AssetContent, AssetMetadata, AssetState, AssetVerdict, LeftoverBytes};
use crate::domain::clock::micros;
use crate::domain::findings::AssetFindings;
use crate::domain::ids::{AssetId, KeyId, TenantId};
use crate::store::StoreError;

#[derive(sqlx::FromRow)]
pub(in crate::store) struct AssetRow {
    id: Uuid,
    tenant_id: Uuid,
    owner_id: Uuid,
    revision: i64,
    state: String,
    name: String,
    size: i64,
    media_type: Option<String>,
    declared_sha256: Option<Vec<u8>>,
    external_id: Option<String>,
    metadata: Json<AssetMetadata>,
    allowed: Json<Vec<String>>,
    partial: i64,
    quota_charge: Option<i64>,
    policy: String,
    delete_at: Option<i64>,
    object_key: Option<String>,
    etag: Option<String>,
    version_id: Option<String>,
    stored_at: Option<i64>,
    detected_type: Option<String>,
    sha256: Option<Vec<u8>>,
    findings: Option<Json<AssetFindings>>,
    verdict_code: Option<String>,
    verdict_sentence: Option<String>,
    purge_at: Option<i64>,
    created_at: i64,
    changed_at: i64,
}

impl AssetRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn content(&mut self) -> CellDecode<AssetContent> {
        Ok(AssetContent {
            key: required("object_key", self.object_key.take())?,
            etag: required("etag", self.etag.take())?,
            version: self.version_id.take(),
            stored_at: micros(required("stored_at", self.stored_at)?),
            detected: parse_opt("detected_type", self.detected_type.as_deref())?,
            sha256: digest("sha256", self.sha256.take())?,
            findings: self.findings.take().map(|found| found.0).unwrap_or_default(),
        })
    }

    fn verdict(&mut self) -> CellDecode<AssetVerdict> {
        let code = required("verdict_code", self.verdict_code.take())?;
        let sentence = required("verdict_sentence", self.verdict_sentence.take())?;
        Ok(AssetVerdict { code, sentence })
    }

    fn state(&mut self) -> CellDecode<AssetState> {
        let bytes = self.purge_at.map_or(LeftoverBytes::Gone, |at| LeftoverBytes::Until(micros(at)));
        Ok(match self.state.as_str() {
            "awaiting" => AssetState::Awaiting,
            "abandoned" => AssetState::Abandoned,
            "stored" => AssetState::Stored(self.content()?),
            "processing" => AssetState::Processing(self.content()?),
            "ready" => AssetState::Ready(self.content()?),
            "rejected" => AssetState::Rejected { content: self.content()?, verdict: self.verdict()?, bytes },
            "failed" => AssetState::Failed { content: self.content()?, verdict: self.verdict()? },
            "deleted" => AssetState::Deleted { content: self.content()?, bytes },
            other => return Err(bad("state", other)),
        })
    }

    fn decode(mut self) -> CellDecode<Asset> {
        Ok(Asset {
            state: self.state()?,
            id: AssetId(self.id),
            tenant: TenantId(self.tenant_id),
            owner: KeyId(self.owner_id),
            revision: self.revision,
            name: parse("name", &self.name)?,
            size: size("size", self.size)?,
            media_type: parse_opt("media_type", self.media_type.as_deref())?,
            declared_sha256: digest("declared_sha256", self.declared_sha256)?,
            external_id: self.external_id,
            metadata: self.metadata.0,
            allowed: self.allowed.0.iter().map(|text| parse("allowed", text)).collect::<CellDecode<_>>()?,
            partial: self.partial != 0,
            quota_charge: self.quota_charge.map(|bytes| size("quota_charge", bytes)).transpose()?,
            policy: self.policy,
            delete_at: self.delete_at.map(micros),
            created_at: micros(self.created_at),
            changed_at: micros(self.changed_at),
        })
    }
}

decodes!(AssetRow in "asset" as Asset);
