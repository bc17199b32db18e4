//! Answers to requests for many uploads or assets, from domain values. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use super::link_view::MadeLinkView;
use super::upload_view::OpenedUploadView;
use crate::http::openapi::absent_not_null;
use crate::http::problem::ProblemView;

/// Answer of `POST /v1/uploads/batch`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenedUploads")]
pub(super) struct OpenedUploadsView<'a> {
    /// Result for each upload of the request, in the same order.
    pub(super) results: Vec<OpenedResultView<'a>>,
}

/// Result for an upload of a batch: the upload, or the problem alone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenedOrNot")]
pub(super) struct OpenedResultView<'a> {
    #[serde(flatten)]
    pub(super) opened: Option<OpenedUploadView<'a>>,
    /// Problem with this upload; the other results stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProblemView")]
    pub(super) error: Option<ProblemView>,
}

/// Answer of `POST /v1/assets/bulk`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkResults")]
pub(super) struct BulkResultsView<'a> {
    /// Result for each asset, in the order of `ids` or of the filter's page.
    pub(super) results: Vec<BulkResultView<'a>>,
    /// Cursor of the filter's next page; null at its end, and with `ids`.
    pub(super) next: Option<String>,
    /// True if nothing was changed.
    pub(super) dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkResult", transform = absent_not_null)]
pub(super) struct BulkResultView<'a> {
    /// Id as it was sent, even if it is invalid.
    #[schemars(example = &"019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    pub(super) id: &'a str,
    /// The link, after `link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<MadeLinkView<'a>>,
    /// Problem with this asset; the other results stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ProblemView>,
}
