//! Answers of the API for external processors. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::asset::{Asset, AssetMetadata};
use crate::domain::ids::AssetId;
use crate::engine::{ProcessingTask, SignedUrl};
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedUrl")]
pub(super) struct SignedUrlView<'a> {
    /// Signed URL, which is valid until `expires_at`.
    #[schemars(url)]
    url: &'a str,
    /// HTTP method.
    #[schemars(example = &"PUT")]
    method: &'static str,
    /// Headers that must be sent as they are: the signature covers them.
    headers: BTreeMap<&'static str, &'a str>,
    /// Time at which the URL expires.
    expires_at: SortableTime,
}

pub(super) fn signed_url_view<'a>(signed: &'a SignedUrl, method: &'static str) -> SignedUrlView<'a> {
    let headers = signed.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    SignedUrlView { url: &signed.url, method, headers, expires_at: signed.expires_at.into() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProcessingTask")]
pub(super) struct ProcessingTaskView<'a> {
    /// Id of the asset.
    asset_id: AssetId,
    /// Name of the file.
    #[schemars(example = &"film.mp4")]
    filename: String,
    /// Length of the file in bytes.
    #[schemars(example = 734_003_200)]
    size: u64,
    /// Media type as detected in the bytes.
    #[schemars(example = &"video/mp4")]
    content_type: Option<&'a str>,
    /// SHA-256 of the bytes with the name of the algorithm.
    digest: Option<&'a str>,
    /// Properties that the caller keeps with the asset.
    metadata: &'a AssetMetadata,
    /// Time until which a report counts; afterwards the asset is offered again.
    report_until: Option<SortableTime>,
    /// Number of times that the asset was offered.
    #[schemars(example = 1)]
    offers: u32,
    /// URL of the bytes.
    content: SignedUrlView<'a>,
}

pub(super) fn task_view(task: &ProcessingTask) -> ProcessingTaskView<'_> {
    ProcessingTaskView {
        asset_id: task.asset.id,
        filename: task.asset.name.to_string(),
        size: task.asset.size,
        content_type: task.progress.detected.as_deref(),
        digest: task.progress.sha256.as_deref(),
        metadata: &task.asset.metadata,
        report_until: task.progress.offered_until.map(Into::into),
        offers: task.progress.offers,
        content: signed_url_view(&task.content, "GET"),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReportedAsset")]
pub(super) struct ReportedAssetView {
    /// Id of the asset.
    asset_id: AssetId,
    /// State of the asset after the report.
    #[schemars(example = &"ready")]
    state: &'static str,
}

pub(super) fn reported_view(asset: &Asset) -> ReportedAssetView {
    ReportedAssetView { asset_id: asset.id, state: asset.state.name() }
}
