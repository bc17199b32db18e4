//! The answer to the request that completes an upload. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{AssetId, UploadId};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Completed")]
pub(super) struct CompletedUploadView {
    /// The upload, which is complete.
    pub(super) upload: EndedUploadView,
    /// The asset that the file became.
    pub(super) asset: EndedAssetView,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompletedUpload")]
pub(super) struct EndedUploadView {
    /// Id of the upload.
    pub(super) id: UploadId,
    /// State of the upload.
    #[schemars(example = &"completed")]
    pub(super) state: &'static str,
    /// Length of the file in bytes.
    #[schemars(example = 3)]
    pub(super) size: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompletedAsset")]
pub(super) struct EndedAssetView {
    /// Id of the asset.
    pub(super) id: AssetId,
}
