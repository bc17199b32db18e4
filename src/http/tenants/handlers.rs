//! Glue of tenants, policies and the audit trail: parse, call the engine, render.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use axum::Json as Rendered;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{StatusCode, header};

use super::erasure_view::erasure_view;
use super::query::{AuditTrailQuery, parse_audit_query, parse_deletion_query, parse_list_query};
use super::view::{self, RecomputedUsageView};
use super::wire::{CreateTenantBody, UpdateTenantBody};
use crate::domain::access::Actor;
use crate::domain::audit::AuditEntry;
use crate::domain::audit_report::AuditReportFormat;
use crate::domain::policy::PolicyRules;
use crate::engine::{Engine, Error};
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::JsonBody;
use crate::http::problem::ProblemDetails;
use crate::http::query::{self, next_cursor};

type TenantsResult<T = Response> = Result<T, ProblemDetails>;

/// Entries per batch of a report.
const REPORT_BATCH_ENTRIES: u32 = 1000;

pub(super) async fn list_tenants(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> TenantsResult {
    let page = parse_list_query(query.as_deref())?;
    let tenants = site.engine.tenants().list_tenants(&actor, &page.after, page.limit).await?;
    let next = next_cursor(&tenants, page.limit, |tenant| tenant.name.clone());
    Ok(Rendered(view::tenant_page_view(&tenants, next)).into_response())
}

pub(super) async fn create_tenant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<CreateTenantBody>,
) -> TenantsResult {
    let CreateTenantBody { name, change } = body.value;
    let standing = site.engine.tenants().create_tenant(&actor, &name, change.to_command()).await?;
    let location = format!("{}/v1/tenants/{}", site.public_url, standing.tenant.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Rendered(view::standing_view(&standing))).into_response())
}

pub(super) async fn get_tenant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(named): PathId<String>,
) -> TenantsResult {
    let standing = site.engine.tenants().tenant(&actor, &named).await?;
    Ok(Rendered(view::standing_view(&standing)).into_response())
}

pub(super) async fn update_tenant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(named): PathId<String>,
    body: JsonBody<UpdateTenantBody>,
) -> TenantsResult {
    let standing = site.engine.tenants().patch_tenant(&actor, &named, body.value.to_command()).await?;
    Ok(Rendered(view::standing_view(&standing)).into_response())
}

pub(super) async fn delete_tenant(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(named): PathId<String>,
    RawQuery(query): RawQuery,
) -> TenantsResult {
    let confirm = parse_deletion_query(query.as_deref())?;
    let erasure = site.engine.operations().erase_tenant(&actor, &named, confirm.as_deref()).await?;
    let status = if erasure.deletion.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Rendered(erasure_view(&erasure))).into_response())
}

pub(super) async fn recompute_usage(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(named): PathId<String>,
) -> TenantsResult<Rendered<RecomputedUsageView>> {
    let (before, usage) = site.engine.tenants().recompute(&actor, &named).await?;
    Ok(Rendered(view::recomputed_view(before, usage)))
}

pub(super) async fn list_policies(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> TenantsResult {
    let page = parse_list_query(query.as_deref())?;
    let policies = site.engine.tenants().policies(&actor, page.tenant.as_deref(), &page.after, page.limit).await?;
    let next = next_cursor(&policies, page.limit, |policy| policy.name.clone());
    Ok(Rendered(view::policy_page_view(&policies, next)).into_response())
}

pub(super) async fn get_policy(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(name): PathId<String>,
    RawQuery(query): RawQuery,
) -> TenantsResult {
    let tenant = query::parse_tenant(query.as_deref())?;
    let policy = site.engine.tenants().policy(&actor, tenant.as_deref(), &name).await?;
    Ok(Rendered(view::policy_view(&policy)).into_response())
}

pub(super) async fn put_policy(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(name): PathId<String>,
    RawQuery(query): RawQuery,
    body: JsonBody<PolicyRules>,
) -> TenantsResult {
    let tenant = query::parse_tenant(query.as_deref())?;
    let policy = site.engine.tenants().put_policy(&actor, tenant.as_deref(), &name, body.value).await?;
    Ok(Rendered(view::policy_view(&policy)).into_response())
}

pub(super) async fn delete_policy(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(name): PathId<String>,
    RawQuery(query): RawQuery,
) -> TenantsResult<StatusCode> {
    let tenant = query::parse_tenant(query.as_deref())?;
    site.engine.tenants().drop_policy(&actor, tenant.as_deref(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_audit_entries(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> TenantsResult {
    let trail = parse_audit_query(query.as_deref())?;
    if let Some(format) = trail.report {
        return stream_audit_report(site, actor, trail, format).await;
    }
    let limit = trail.query.limit;
    let entries = site.engine.tenants().audit_trail(&actor, trail.tenant.as_deref(), trail.query).await?;
    let next = next_cursor(&entries, limit, |entry| entry.id);
    Ok(Rendered(view::audit_page_view(&entries, next)).into_response())
}

/// The whole selection of the query, an entry per line, read in batches as the client reads.
async fn stream_audit_report(
    site: AppState,
    actor: Actor,
    mut trail: AuditTrailQuery,
    format: AuditReportFormat,
) -> TenantsResult {
    trail.query.limit = REPORT_BATCH_ENTRIES;
    // The first batch is read before the answer begins: a caller without permission gets an error, not a truncated
    // answer.
    let first = site.engine.tenants().audit_trail(&actor, trail.tenant.as_deref(), trail.query.clone()).await?;
    let heading = format.heading().map(|heading| Ok(Bytes::from(heading + "\n")));
    let rest = stream::try_unfold(Some((first, trail)), move |state| {
        let (engine, actor) = (site.engine.clone(), actor.clone());
        async move {
            let Some((entries, mut trail)) = state else { return Ok::<_, Error>(None) };
            let lines = report_lines(&engine, &entries, format).await?;
            trail.query.after = entries.last().map(|entry| entry.id);
            let more = entries.len() == REPORT_BATCH_ENTRIES as usize;
            let next = if more {
                let entries =
                    engine.tenants().audit_trail(&actor, trail.tenant.as_deref(), trail.query.clone()).await?;
                Some((entries, trail))
            } else {
                None
            };
            Ok(Some((Bytes::from(lines), next)))
        }
    });
    let body = Body::from_stream(stream::iter(heading).chain(rest).boxed());
    let headers = [(header::CONTENT_TYPE, format.media_type()), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Entries of the audit trail, each as a line.
async fn report_lines(engine: &Engine, entries: &[AuditEntry], format: AuditReportFormat) -> Result<String, Error> {
    let (mut names, mut lines) = (HashMap::new(), String::new());
    for entry in entries {
        let name = match names.entry(entry.tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(engine.tenants().tenant_name(entry.tenant).await?),
        };
        lines += &format.line(entry, name);
        lines.push('\n');
    }
    Ok(lines)
}
