//! Answers of the native API, from domain values. Pure: no engine, no headers.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::domain::asset::{Asset, AssetMetadata};
use crate::domain::clock::Timestamp;
use crate::domain::findings::Derivative;
use crate::domain::ids::{AssetId, UploadId};
use crate::domain::plan::PartPlan;
use crate::domain::upload::{Transfer, Upload};
use crate::engine::{OpenedUpload, StoredPart, UploadLimits};

#[derive(Serialize)]
pub(super) struct OpenedUploadView<'a> {
    upload: UploadView,
    asset: AssetView,
    grant: &'a str,
    endpoints: GrantEndpointsView,
    #[serde(skip_serializing_if = "Option::is_none")]
    put: Option<PutUrlView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multipart: Option<PartUrlsView>,
}

/// URLs to which the holder of the grant sends the file, without any other credential.
#[derive(Serialize)]
struct GrantEndpointsView {
    tus: String,
    files: String,
    /// Companion URL for Uppy, which appends `/s3/…` itself.
    companion: String,
    s3: String,
    form: String,
    events: String,
}

#[derive(Serialize)]
struct PutUrlView<'a> {
    url: &'a str,
    method: &'static str,
    #[serde(serialize_with = "as_object")]
    headers: &'a [(&'static str, String)],
    expires_at: String,
}

#[derive(Serialize)]
pub(super) struct PartUrlsView {
    pub(super) part_size: u64,
    pub(super) part_count: u16,
    /// The URLs as serialized JSON.
    pub(super) urls: Box<RawValue>,
}

fn as_object<S: Serializer>(pairs: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

pub(super) fn opened_upload_view<'a>(
    opened: &'a OpenedUpload,
    multipart: Option<PartUrlsView>,
    public_url: &str,
) -> OpenedUploadView<'a> {
    let at = |door: &str| format!("{public_url}/u/{}/{door}", opened.grant);
    OpenedUploadView {
        upload: upload_view(&opened.upload, &opened.received_parts),
        asset: asset_view(&opened.asset),
        grant: &opened.grant,
        endpoints: GrantEndpointsView {
            tus: at("tus"),
            files: at("files"),
            companion: format!("{public_url}/u/{}", opened.grant),
            s3: at("s3"),
            form: at("form"),
            events: at("events"),
        },
        put: opened.put_url.as_ref().map(|signed| PutUrlView {
            url: &signed.url,
            method: "PUT",
            headers: &signed.headers,
            expires_at: timestamp_text(signed.expires_at),
        }),
        multipart,
    }
}

pub(super) fn limits_view(limits: &UploadLimits) -> Value {
    let checksums: Vec<_> = limits.checksums.iter().map(|algorithm| algorithm.name()).collect();
    let mut view = json!({
        "max_size": limits.max_size,
        "max_put_size": limits.max_put,
        "max_append_size": limits.max_append,
        "min_part_size": limits.min_part,
        "max_part_size": limits.max_part,
        "max_parts": limits.max_parts,
        "max_filename_characters": limits.max_name_chars,
        "max_filename_bytes": limits.max_name_bytes,
        "max_metadata_bytes": limits.max_metadata,
        "upload_expires_in": limits.upload_ttl.as_secs(),
        "url_expires_in": limits.url_ttl.as_secs(),
        "max_link_expires_in": limits.link_ttl.as_secs(),
        "checksums": checksums,
    });
    if let Some(bytes) = limits.max_request_body {
        view["max_append_request_size"] = bytes.into();
    }
    view
}

pub(super) fn timestamp_text(instant: Timestamp) -> String {
    // Always six digits: texts of equal length sort as the times do.
    instant.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[derive(Serialize)]
pub(super) struct UploadView {
    id: UploadId,
    asset_id: AssetId,
    state: &'static str,
    protocol: &'static str,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Size limit of a file that is still to be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_count: Option<u16>,
    received: Vec<ReceivedPartView>,
    received_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize)]
struct ReceivedPartView {
    part: u16,
    size: u64,
}

pub(super) fn upload_view(upload: &Upload, received: &[StoredPart]) -> UploadView {
    let plan = match &upload.transfer {
        Transfer::Multipart { plan, as_put: false, .. } => Some(plan),
        Transfer::Multipart { .. }
        | Transfer::Put { .. }
        | Transfer::UnplannedMultipart { .. }
        | Transfer::Relayed(_) => None,
    };
    UploadView {
        id: upload.id,
        asset_id: upload.asset,
        state: upload.state.name(),
        protocol: upload.protocol.name(),
        method: upload.transfer.method(),
        size: upload.transfer.size(),
        max_size: upload.max_size,
        part_size: plan.map(PartPlan::part_size),
        part_count: plan.map(PartPlan::count),
        received: received.iter().map(|part| ReceivedPartView { part: part.number.get(), size: part.size }).collect(),
        received_bytes: upload.ledger().map_or_else(|| received.iter().map(|p| p.size).sum(), |ledger| ledger.offset),
        external_id: upload.external_id.clone(),
        created_at: timestamp_text(upload.created_at),
        expires_at: timestamp_text(upload.expires_at),
    }
}

#[derive(Serialize)]
pub(super) struct AssetView {
    id: AssetId,
    state: &'static str,
    filename: String,
    size: u64,
    content_type: Option<String>,
    declared_content_type: Option<String>,
    /// Detected encoding of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<String>,
    digest: Option<String>,
    sha256: Option<String>,
    external_id: Option<String>,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_at: Option<String>,
    metadata: AssetMetadata,
    /// Facts found by processing.
    #[serde(skip_serializing_if = "AssetMetadata::is_empty")]
    details: AssetMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    derivatives: Vec<DerivativeView>,
    reason: Option<Value>,
    created_at: String,
    changed_at: String,
}

#[derive(Serialize)]
struct DerivativeView {
    variant: String,
    content_type: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
}

fn derivative_view(made: &Derivative) -> DerivativeView {
    let (variant, content_type) = (made.variant.clone(), made.media_type.clone());
    DerivativeView { variant, content_type, size: made.size, width: made.width, height: made.height }
}

pub(super) fn asset_view(asset: &Asset) -> AssetView {
    let content = asset.state.content();
    let declared = asset.media_type.as_ref().map(ToString::to_string);
    let detected = content.and_then(|content| content.detected.as_ref()).map(ToString::to_string);
    let sha256 = content.and_then(|content| content.sha256).or(asset.declared_sha256);
    let found = content.map(|content| content.findings.clone()).unwrap_or_default();
    AssetView {
        id: asset.id,
        state: asset.state.name(),
        filename: asset.name.to_string(),
        size: asset.size,
        content_type: detected.or_else(|| declared.clone()),
        declared_content_type: declared,
        charset: found.charset,
        digest: sha256.map(|digest| digest.to_string()),
        sha256: sha256.map(|digest| hex::encode(digest.0)),
        external_id: asset.external_id.clone(),
        policy: asset.policy.clone(),
        delete_at: asset.delete_at.map(timestamp_text),
        metadata: asset.metadata.clone(),
        derivatives: found.derivatives.iter().map(derivative_view).collect(),
        details: found.details,
        scan: found.scan.map(|scan| json!({ "engine": scan.engine, "at": timestamp_text(scan.at) })),
        problems: found.problems.iter().map(|p| json!({ "code": p.code, "message": p.sentence })).collect(),
        reason: asset.state.verdict().map(|why| json!({ "code": why.code, "message": why.sentence })),
        created_at: timestamp_text(asset.created_at),
        changed_at: timestamp_text(asset.changed_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        use crate::domain::clock::micros;
        assert_eq!(timestamp_text(micros(1_700_000_000_000_000)), "2023-11-14T22:13:20.000000Z");
        assert!(timestamp_text(micros(1_700_000_000_999_999)) < timestamp_text(micros(1_700_000_001_000_000)));
    }
}
