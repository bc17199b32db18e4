//! An upload with what the store has of it, as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{AssetId, TenantId, UploadId};
use crate::domain::plan::PartNumber;
use crate::domain::upload::UploadState;
use crate::engine::{StoredPart, UploadDetail};
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadDetail")]
pub(super) struct UploadDetailView<'a> {
    /// Id of the upload.
    id: UploadId,
    /// Id of the asset that the file becomes.
    asset_id: AssetId,
    /// Tenant of the upload.
    tenant: TenantId,
    /// State; every state but `open` and `completing` is final.
    #[schemars(extend("enum" = UploadState::ALL.map(UploadState::name)))]
    state: &'static str,
    /// Way of the bytes: `put`, `multipart` or `append`.
    #[schemars(example = &"multipart")]
    method: &'static str,
    /// Process that opened the upload, or that last began to append to it or to complete it: host and process id; null
    /// if it is not known.
    #[schemars(example = &"node-1:4711")]
    node: Option<&'a str>,
    /// Program that opened the upload, from its User-Agent, at most 64 characters; null if it is not known.
    #[schemars(example = &"Firefox/133.0")]
    client: Option<&'a str>,
    /// Key of the object in the store's bucket.
    #[schemars(example = &"o/019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    object_key: &'a str,
    /// Id of the multipart upload in the store, `UploadId` of S3; null without one.
    #[schemars(example = &"2~vP3nq1Xx")]
    store_upload_id: Option<&'a str>,
    /// Time of the next check by the sweep; null if nothing is left to do.
    next_check_at: Option<SortableTime>,
    /// Parts in their order as the store lists them, a page of at most a thousand; empty for an upload that has ended.
    parts: Vec<StoredPartView<'a>>,
    /// Cursor of the next page of parts; null at the end of the list.
    next_after: Option<u16>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StoredPart")]
struct StoredPartView<'a> {
    /// Number of the part, from 1.
    #[schemars(example = 1)]
    part: u16,
    /// Size in bytes.
    #[schemars(example = 16_777_216)]
    size: u64,
    /// Entity tag of the store, without quotes.
    #[schemars(example = &"9a0364b9e99bb480dd25e1f0284c8555")]
    etag: &'a str,
}

fn part_view(part: &StoredPart) -> StoredPartView<'_> {
    StoredPartView { part: part.number.get(), size: part.size, etag: part.etag.trim_matches('"') }
}

pub(super) fn upload_detail_view(detail: &UploadDetail) -> UploadDetailView<'_> {
    let UploadDetail { upload, parts, next } = detail;
    UploadDetailView {
        id: upload.id,
        asset_id: upload.asset,
        tenant: upload.tenant,
        state: upload.state.name(),
        method: upload.transfer.method(),
        node: upload.node.as_deref(),
        client: upload.client.as_deref(),
        object_key: &upload.key,
        store_upload_id: upload.store_id(),
        next_check_at: upload.next_check_at.map(Into::into),
        parts: parts.iter().map(part_view).collect(),
        next_after: next.map(PartNumber::get),
    }
}
