//! A list of uploads as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{AssetId, KeyId, TenantId, UploadId};
use crate::domain::plan::PartPlan;
use crate::domain::upload::{Transfer, UploadProtocol, UploadState};
use crate::engine::{UploadEntry, UploadPage};
use crate::http::openapi::absent_not_null;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadPage")]
pub(super) struct UploadPageView {
    /// Uploads, newest first.
    uploads: Vec<UploadEntryView>,
    /// Cursor of the next page; null at the end of the list.
    next: Option<UploadId>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadEntry", transform = absent_not_null)]
struct UploadEntryView {
    /// Id of the upload.
    id: UploadId,
    /// Id of the asset that the file becomes.
    asset: AssetId,
    /// Name of the file.
    #[schemars(example = &"film.mp4")]
    filename: String,
    /// State; every state but `open` and `completing` is final.
    #[schemars(extend("enum" = UploadState::ALL.map(UploadState::name)))]
    state: &'static str,
    /// Protocol by which the upload was opened.
    #[schemars(extend("enum" = UploadProtocol::ALL.map(UploadProtocol::name)))]
    protocol: &'static str,
    /// Key that created the upload.
    owner: KeyId,
    /// Tenant of the upload.
    tenant: TenantId,
    /// Bytes that are confirmed. Exact for bytes that pass through the service. Of uploads by signed URLs, the bytes
    /// that the store had when it was last asked: it may have more by now; `getUpload` asks it.
    #[schemars(example = 16_777_216)]
    offset: u64,
    /// Length of the file in bytes, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 734_003_200)]
    size: Option<u64>,
    /// Size in bytes of every part but the last; absent if the file does not travel in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 16_777_216)]
    part_size: Option<u64>,
    /// Number of parts; absent if the file does not travel in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 44)]
    parts: Option<u16>,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the client was last seen to work on the upload: it asked for signed URLs, sent bytes through the
    /// service, asked for completion, or the store was found to have more bytes. Parts that go to the store by URLs
    /// that were signed before are seen when the store is asked the next time.
    last_activity_at: SortableTime,
    /// End of the lease of the request that appends to the upload, which renews it while bytes come. A time that is
    /// past: that request's process vanished, and the next one takes over. Absent: no request appends.
    #[serde(skip_serializing_if = "Option::is_none")]
    leased_until: Option<SortableTime>,
    /// Time at which the upload expires unless it is complete.
    expires_at: SortableTime,
    /// Process that opened the upload, or that last began to append to it or to complete it: host and process. Shown
    /// to operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"node-1:4711")]
    node: Option<String>,
    /// Program that opened the upload, from its User-Agent, at most 64 characters. Shown to administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Firefox/133.0")]
    client: Option<String>,
}

fn entry_view(entry: &UploadEntry) -> UploadEntryView {
    let UploadEntry { upload, filename } = entry;
    let plan = match &upload.transfer {
        Transfer::Multipart { plan, as_put: false, .. } => Some(plan),
        Transfer::Multipart { .. }
        | Transfer::Put { .. }
        | Transfer::UnplannedMultipart { .. }
        | Transfer::Relayed(_) => None,
    };
    let lease = match &upload.transfer {
        Transfer::Relayed(ledger) => ledger.lease,
        Transfer::Multipart { .. } | Transfer::Put { .. } | Transfer::UnplannedMultipart { .. } => None,
    };
    UploadEntryView {
        id: upload.id,
        asset: upload.asset,
        filename: filename.to_string(),
        state: upload.state.name(),
        protocol: upload.protocol.name(),
        owner: upload.owner,
        tenant: upload.tenant,
        offset: upload.confirmed_bytes(),
        size: upload.transfer.size(),
        part_size: plan.map(PartPlan::part_size),
        parts: plan.map(PartPlan::count),
        created_at: SortableTime(upload.created_at),
        last_activity_at: SortableTime(upload.last_activity_at),
        leased_until: lease.map(|lease| SortableTime(lease.until)),
        expires_at: SortableTime(upload.expires_at),
        node: upload.node.clone(),
        client: upload.client.clone(),
    }
}

pub(super) fn upload_page_view(page: &UploadPage) -> UploadPageView {
    UploadPageView { uploads: page.uploads.iter().map(entry_view).collect(), next: page.next }
}
