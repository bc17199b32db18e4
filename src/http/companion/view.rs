//! Answers of Companion's API, from domain values. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::wire::{asset_key, asset_location};
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AssetId, UploadId};
use crate::domain::name::MediaType;
use crate::domain::plan::PartNumber;
use crate::domain::upload::Upload;
use crate::engine::{SignedUrl, StoredPart};

/// Value where the API wants the bucket's name, which is not published.
pub(super) const BUCKET_PLACEHOLDER: &str = "gantry";

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CreatedMultipart")]
pub(super) struct CreatedMultipartView {
    /// Key that Uppy sends again with every request for this upload.
    #[schemars(with = "AssetId")]
    key: String,
    /// Id of the upload.
    #[serde(rename = "uploadId")]
    upload_id: UploadId,
    /// Word where the contract wants the bucket's name.
    #[schemars(example = BUCKET_PLACEHOLDER)]
    bucket: &'static str,
}

pub(super) fn created_view(upload: &Upload) -> CreatedMultipartView {
    CreatedMultipartView { key: asset_key(upload.asset), upload_id: upload.id, bucket: BUCKET_PLACEHOLDER }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompanionPart")]
pub(super) struct CompanionPartView {
    /// Number of the part.
    #[serde(rename = "PartNumber")]
    #[schemars(example = 1)]
    number: u16,
    /// Size of the part in bytes.
    #[serde(rename = "Size")]
    #[schemars(example = 5_242_880)]
    size: u64,
    /// Entity tag of the part.
    #[serde(rename = "ETag")]
    #[schemars(regex(pattern = "^\"[^\"]+\"$"), example = &"\"5d41402abc4b2a76b9719d911017c592\"")]
    etag: String,
}

pub(super) fn parts_view(parts: &[StoredPart]) -> Vec<CompanionPartView> {
    let part = |part: &StoredPart| CompanionPartView {
        number: part.number.get(),
        size: part.size,
        etag: format!("\"{}\"", part.etag),
    };
    parts.iter().map(part).collect()
}

/// Whole seconds from `from` to `to`.
fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompanionUrl")]
pub(super) struct CompanionUrlView<'a> {
    /// Signed URL; its holder needs no other credential.
    #[schemars(url)]
    url: &'a str,
    /// Seconds for which the URL is valid.
    #[schemars(example = 3600)]
    expires: i64,
}

pub(super) fn signed_url_view(signed: &SignedUrl, now: Timestamp) -> CompanionUrlView<'_> {
    CompanionUrlView { url: &signed.url, expires: seconds_between(now, signed.expires_at) }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompanionUrls")]
pub(super) struct CompanionUrlsView {
    /// Signed URL for each part number.
    #[serde(rename = "presignedUrls")]
    #[schemars(example = BTreeMap::from([("1", "https://store.example/signed")]))]
    presigned_urls: BTreeMap<String, String>,
}

pub(super) fn signed_urls_view(parts: &[PartNumber], signed: Vec<SignedUrl>) -> CompanionUrlsView {
    let urls = parts.iter().zip(signed).map(|(part, signed)| (part.to_string(), signed.url));
    CompanionUrlsView { presigned_urls: urls.collect() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompletedMultipart")]
pub(super) struct CompletedMultipartView {
    /// URL of the file's content.
    #[schemars(url)]
    location: String,
    /// Key that Uppy sends again with every request for this upload.
    #[schemars(with = "AssetId")]
    key: String,
    /// Word where the contract wants the bucket's name.
    #[schemars(example = BUCKET_PLACEHOLDER)]
    bucket: &'static str,
}

pub(super) fn completed_view(asset: &Asset, public_url: &str) -> CompletedMultipartView {
    let (location, key) = (asset_location(public_url, asset.id), asset_key(asset.id));
    CompletedMultipartView { location, key, bucket: BUCKET_PLACEHOLDER }
}

/// `{}`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AbortedMultipart", extend("properties" = {}))]
pub(super) struct AbortedMultipartView {}

/// The form that Uppy is to send: these fields in any order, then the file.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadForm")]
pub(super) struct UploadFormView<'a> {
    /// HTTP method.
    #[schemars(example = &"POST")]
    method: &'static str,
    /// URL to which the form is sent.
    #[schemars(url)]
    url: &'a str,
    /// Fields of the form, to be sent before the file.
    fields: BTreeMap<&'static str, String>,
    /// Seconds for which the form is valid.
    #[schemars(example = 604_800)]
    expires: i64,
}

pub(super) fn form_view<'a>(upload: &Upload, url: &'a str, kind: &str, now: Timestamp) -> UploadFormView<'a> {
    let kind = if kind.parse::<MediaType>().is_ok() { kind } else { "application/octet-stream" };
    let fields = [
        ("key", asset_key(upload.asset)),
        ("success_action_status", "201".to_owned()),
        ("content-type", kind.to_owned()),
    ];
    UploadFormView { method: "POST", url, fields: fields.into(), expires: seconds_between(now, upload.expires_at) }
}
