//! Uploads as answers, from domain values. Pure: no engine, no headers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::asset_view::{AssetView, asset_view};
use super::grant_view::{GrantEndpointsView, grant_endpoints};
use super::limits_view::LimitsView;
use super::part_urls::{PartUrlList, PartUrlView, serialize_pairs};
use crate::domain::ids::{AssetId, UploadId};
use crate::domain::plan::PartPlan;
use crate::domain::upload::{Transfer, Upload, UploadState};
use crate::engine::{OpenedUpload, StoredPart};
use crate::http::openapi::absent_not_null;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Opened", transform = absent_not_null)]
pub(super) struct OpenedUploadView<'a> {
    /// The upload.
    upload: UploadView,
    /// The asset.
    asset: AssetView,
    /// Credential for this upload alone, to be handed to the client that sends the file.
    #[schemars(example = &"gu_AZqjwXxA")]
    grant: &'a str,
    /// URLs to which the holder of the grant sends the file, without any other credential.
    endpoints: GrantEndpointsView,
    /// Signed PUT for the whole file; absent if the file travels otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    put: Option<PutUrlView<'a>>,
    /// Plan of parts and the first URLs; absent if the file travels otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    multipart: Option<PartPlanView<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PutUrl")]
struct PutUrlView<'a> {
    /// Signed URL; its holder needs no other credential.
    #[schemars(url)]
    url: &'a str,
    /// HTTP method.
    #[schemars(example = &"PUT")]
    method: &'static str,
    /// Headers that must be sent as they are: the signature covers them.
    #[serde(serialize_with = "serialize_pairs")]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: &'a [(&'static str, String)],
    /// Time at which the URL expires.
    expires_at: SortableTime,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PartPlan")]
struct PartPlanView<'a> {
    /// Size in bytes of every part but the last.
    #[schemars(example = 16_777_216)]
    part_size: u64,
    /// Number of parts.
    #[schemars(example = 44)]
    part_count: u16,
    /// Signed URLs for missing parts; `signParts` gives more.
    #[schemars(with = "Vec<PartUrlView<'static>>")]
    urls: PartUrlList<'a>,
}

pub(super) fn opened_upload_view<'a>(opened: &'a OpenedUpload, public_url: &str) -> OpenedUploadView<'a> {
    OpenedUploadView {
        upload: upload_view(&opened.upload, &opened.received_parts),
        asset: asset_view(&opened.asset),
        grant: &opened.grant,
        endpoints: grant_endpoints(&opened.grant, public_url, true),
        put: opened.put_url.as_ref().map(|signed| PutUrlView {
            url: &signed.url,
            method: "PUT",
            headers: &signed.headers,
            expires_at: SortableTime(signed.expires_at),
        }),
        multipart: opened.part_urls.as_ref().map(|signed| PartPlanView {
            part_size: signed.plan().part_size(),
            part_count: signed.plan().count(),
            urls: PartUrlList(signed),
        }),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upload", transform = absent_not_null)]
pub(super) struct UploadView {
    /// Id of the upload.
    id: UploadId,
    /// Id of the asset that the file becomes.
    asset_id: AssetId,
    /// State; every state but `open` and `completing` is final.
    #[schemars(extend("enum" = UploadState::ALL.map(UploadState::name)))]
    state: &'static str,
    /// Protocol by which the upload was opened.
    #[schemars(example = &"native")]
    protocol: &'static str,
    /// Way of the bytes: `put`, `multipart` or `append`.
    #[schemars(example = &"multipart")]
    method: &'static str,
    /// Length of the file in bytes, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 734_003_200)]
    size: Option<u64>,
    /// Size limit in bytes of a file that is still to be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 734_003_200)]
    max_size: Option<u64>,
    /// Size in bytes of every part but the last; absent if the file does not travel in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 16_777_216)]
    part_size: Option<u64>,
    /// Number of parts; absent if the file does not travel in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 44)]
    part_count: Option<u16>,
    /// Parts that the store has.
    received: Vec<ReceivedPartView>,
    /// Number of bytes that are stored.
    #[schemars(example = 16_777_216)]
    received_bytes: u64,
    /// Id that the caller gave the upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"order-17")]
    external_id: Option<String>,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the upload expires unless it is complete.
    expires_at: SortableTime,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReceivedPart")]
struct ReceivedPartView {
    /// Number of the part, from 1.
    #[schemars(example = 1)]
    part: u16,
    /// Size in bytes.
    #[schemars(example = 16_777_216)]
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
        created_at: SortableTime(upload.created_at),
        expires_at: SortableTime(upload.expires_at),
    }
}

/// Answer of `POST /v1/uploads/check`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadCheck")]
pub(super) struct UploadCheckView {
    /// Always true: an upload that would not be accepted is a problem.
    pub(super) accepted: bool,
    /// Limits of every protocol.
    pub(super) limits: LimitsView,
}
