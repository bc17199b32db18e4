//! Assets as answers, from domain values. Pure: no engine, no headers.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::asset::{Asset, AssetMetadata, AssetState};
use crate::domain::findings::Derivative;
use crate::domain::ids::AssetId;
use crate::engine::AssetList;
use crate::http::openapi::absent_not_null;
use crate::http::problem::ProblemView;
use crate::http::time_text::SortableTime;

const DIGEST_PATTERN: &str = "^sha256:[0-9a-f]{64}$";
const SHA256_PATTERN: &str = "^[0-9a-f]{64}$";
/// SHA-256 of `hello`.
const EXAMPLE_DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Asset", transform = absent_not_null)]
pub(super) struct AssetView {
    /// Id of the asset.
    id: AssetId,
    /// State; only a `ready` asset is handed out.
    #[schemars(extend("enum" = AssetState::NAMES), example = &"ready")]
    state: &'static str,
    /// Name of the file.
    #[schemars(example = &"film.mp4")]
    filename: String,
    /// Length of the file in bytes.
    #[schemars(example = 734_003_200)]
    size: u64,
    /// Media type as detected in the bytes, or as declared while none is detected.
    #[schemars(example = &"video/mp4")]
    content_type: Option<String>,
    /// Media type that the sender declared.
    #[schemars(example = &"video/mp4")]
    declared_content_type: Option<String>,
    /// Encoding of a text, as detected in the bytes or declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"utf-8")]
    charset: Option<String>,
    /// SHA-256 of the bytes with the name of the algorithm, once it is known or declared.
    #[schemars(regex(pattern = DIGEST_PATTERN), example = EXAMPLE_DIGEST)]
    digest: Option<String>,
    /// The same SHA-256 as hexadecimal digits alone.
    #[schemars(regex(pattern = SHA256_PATTERN), example = &EXAMPLE_DIGEST["sha256:".len()..])]
    sha256: Option<String>,
    /// Id that the caller gave the asset.
    external_id: Option<String>,
    /// Name of the policy under which the asset was created.
    #[schemars(example = &"default")]
    policy: String,
    /// Time at which the asset will be deleted by its policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_at: Option<SortableTime>,
    /// Properties that the caller keeps with the asset: any JSON, up to `max_metadata_bytes`.
    metadata: AssetMetadata,
    /// Facts that processing found: width, height, duration, pages and the like, by type.
    #[serde(skip_serializing_if = "AssetMetadata::is_empty")]
    details: AssetMetadata,
    /// Scan for viruses, if there was a scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<ScanNoteView>,
    /// Steps of processing that were not possible although the asset is ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<AssetReasonView>,
    /// Smaller forms that were made of the asset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    derivatives: Vec<DerivativeView>,
    /// Reason of the state; null unless the asset was rejected or failed.
    reason: Option<AssetReasonView>,
    /// Time of creation.
    created_at: SortableTime,
    /// Time of the last change.
    changed_at: SortableTime,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Scan")]
struct ScanNoteView {
    /// Scanner and its version.
    #[schemars(example = &"ClamAV 1.4")]
    engine: String,
    /// Time of the scan.
    at: SortableTime,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AssetReason")]
struct AssetReasonView {
    /// Code for programs.
    #[schemars(example = &"infected")]
    code: String,
    /// Sentence for people.
    #[schemars(example = &"A virus was found.")]
    message: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Derivative", transform = absent_not_null)]
struct DerivativeView {
    /// Name of the derivative.
    #[schemars(example = &"thumb-256")]
    variant: String,
    /// Media type.
    #[schemars(example = &"image/webp")]
    content_type: String,
    /// Size in bytes.
    #[schemars(example = 8192)]
    size: u64,
    /// Width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 256)]
    width: Option<u32>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 144)]
    height: Option<u32>,
}

fn derivative_view(made: &Derivative) -> DerivativeView {
    let (variant, content_type) = (made.variant.clone(), made.media_type.clone());
    DerivativeView { variant, content_type, size: made.size, width: made.width, height: made.height }
}

fn reason_view(code: &str, sentence: &str) -> AssetReasonView {
    AssetReasonView { code: code.to_owned(), message: sentence.to_owned() }
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
        delete_at: asset.delete_at.map(SortableTime),
        metadata: asset.metadata.clone(),
        derivatives: found.derivatives.iter().map(derivative_view).collect(),
        details: found.details,
        scan: found.scan.map(|scan| ScanNoteView { engine: scan.engine, at: SortableTime(scan.at) }),
        problems: found.problems.iter().map(|problem| reason_view(&problem.code, &problem.sentence)).collect(),
        reason: asset.state.verdict().map(|why| reason_view(&why.code, &why.sentence)),
        created_at: SortableTime(asset.created_at),
        changed_at: SortableTime(asset.changed_at),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AssetPage")]
pub(super) struct AssetPageView {
    /// Assets in the order of the list.
    assets: Vec<AssetView>,
    /// Cursor of the next page; null at the end of the list.
    next: Option<String>,
}

pub(super) fn asset_page_view(list: AssetList) -> AssetPageView {
    AssetPageView { assets: list.assets.iter().map(asset_view).collect(), next: list.next }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AssetResults")]
pub(super) struct AssetResultsView<'a> {
    /// Result for each id of the request, in the same order.
    pub(super) results: Vec<AssetResultView<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AssetResult", transform = absent_not_null)]
pub(super) struct AssetResultView<'a> {
    /// Id as it was sent, even if it is invalid.
    #[schemars(example = &"019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    pub(super) id: &'a str,
    /// The asset, if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asset: Option<AssetView>,
    /// Problem with this id; the other results stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ProblemView>,
}
