//! Answers of a tenant's deletion. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::TenantId;
use crate::domain::tenant_deletion::TenantContents;
use crate::engine::TenantErasure;
use crate::http::time_text::SortableTime;

/// A tenant before its deletion, or during it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TenantErasure")]
pub(super) struct TenantErasureView<'a> {
    /// Id of the tenant.
    tenant: TenantId,
    /// Name of the tenant.
    #[schemars(example = &"acme")]
    name: &'a str,
    /// What the tenant has now.
    contents: TenantContentsView,
    /// How far the deletion is; null: nothing was changed.
    deletion: Option<TenantDeletionView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TenantContents")]
struct TenantContentsView {
    /// Bytes of all files and of uploads under way.
    bytes: u64,
    /// Number of assets in every state.
    assets: u64,
    /// Number of uploads in every state.
    uploads: u64,
    /// Number of links.
    links: u64,
    /// Number of API keys.
    keys: u64,
    /// Number of webhook endpoints.
    webhooks: u64,
    /// Number of rows in all tables.
    rows: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TenantDeletion")]
struct TenantDeletionView {
    /// Time at which it began.
    started_at: SortableTime,
    /// Phase of the deletion: uploads, objects, rows or urls (all is deleted, but signed URLs may still bring bytes).
    #[schemars(example = &"objects")]
    phase: &'static str,
    /// What the tenant had when it began.
    found: TenantContentsView,
    /// Objects deleted so far.
    deleted_objects: u64,
    /// Bytes of these objects.
    deleted_bytes: u64,
    /// Rows deleted so far.
    deleted_rows: u64,
    /// Time until which signed URLs may bring bytes. The deletion ends after it.
    urls_until: Option<SortableTime>,
}

fn contents_view(contents: &TenantContents) -> TenantContentsView {
    let TenantContents { bytes, assets, uploads, links, keys, webhooks, rows } = *contents;
    TenantContentsView { bytes, assets, uploads, links, keys, webhooks, rows }
}

pub(super) fn erasure_view(erasure: &TenantErasure) -> TenantErasureView<'_> {
    let deletion = erasure.deletion.as_ref().map(|deletion| TenantDeletionView {
        started_at: deletion.started_at.into(),
        phase: deletion.phase.name(),
        found: contents_view(&deletion.found),
        deleted_objects: deletion.objects,
        deleted_bytes: deletion.bytes,
        deleted_rows: deletion.rows,
        urls_until: erasure.urls_until.map(Into::into),
    });
    TenantErasureView {
        tenant: erasure.tenant.id,
        name: &erasure.tenant.name,
        contents: contents_view(&erasure.contents),
        deletion,
    }
}
