//! Glue of tenants, policies and the audit trail: parse, call the engine, render.

use axum::Json as Rendered;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::Json;
use super::super::context::{Authenticated, Named};
use super::super::problem::Problem;
use super::super::query::{self, next_after};
use super::query::{Trail, page, trail};
use super::wire::{self, ChangeTenant, NewTenant};
use crate::domain::access::Actor;
use crate::domain::policy::Rules;
use crate::engine::Error;

type Answer<T = Rendered<Value>> = Result<T, Problem>;

/// Entries of one portion of an export.
const PORTION: u32 = 1000;

pub(super) async fn tenants(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(query): RawQuery,
) -> Answer {
    let page = page(query.as_deref())?;
    let tenants = site.engine.tenants(&actor, &page.after, page.limit).await?;
    let next = next_after(&tenants, page.limit, |tenant| tenant.name.clone());
    Ok(Rendered(json!({ "tenants": tenants, "next_after": next })))
}

pub(super) async fn create_tenant(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: Json<NewTenant>,
) -> Answer<Response> {
    let NewTenant { name, change } = body.value;
    let standing = site.engine.create_tenant(&actor, &name, change.command()).await?;
    let location = format!("{}/v1/tenants/{}", site.public_url, standing.tenant.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Rendered(json!(standing))).into_response())
}

pub(super) async fn tenant(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(named): Named<String>,
) -> Answer {
    Ok(Rendered(json!(site.engine.tenant(&actor, &named).await?)))
}

pub(super) async fn patch_tenant(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(named): Named<String>,
    body: Json<ChangeTenant>,
) -> Answer {
    Ok(Rendered(json!(site.engine.patch_tenant(&actor, &named, body.value.command()).await?)))
}

pub(super) async fn recompute(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(named): Named<String>,
) -> Answer {
    let (before, usage) = site.engine.recompute(&actor, &named).await?;
    Ok(Rendered(json!({ "before": before, "usage": usage })))
}

pub(super) async fn policies(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(query): RawQuery,
) -> Answer {
    let page = page(query.as_deref())?;
    let policies = site.engine.policies(&actor, page.tenant.as_deref(), &page.after, page.limit).await?;
    let next = next_after(&policies, page.limit, |policy| policy.name.clone());
    Ok(Rendered(json!({ "policies": policies.iter().map(wire::policy).collect::<Vec<_>>(), "next_after": next })))
}

pub(super) async fn policy(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let tenant = query::tenant(query.as_deref())?;
    Ok(Rendered(wire::policy(&site.engine.policy(&actor, tenant.as_deref(), &name).await?)))
}

pub(super) async fn put_policy(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
    body: Json<Rules>,
) -> Answer {
    let tenant = query::tenant(query.as_deref())?;
    Ok(Rendered(wire::policy(&site.engine.put_policy(&actor, tenant.as_deref(), &name, body.value).await?)))
}

pub(super) async fn drop_policy(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
) -> Answer<StatusCode> {
    let tenant = query::tenant(query.as_deref())?;
    site.engine.drop_policy(&actor, tenant.as_deref(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn audit(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let trail = trail(query.as_deref())?;
    if trail.export {
        return export(site, actor, trail).await;
    }
    let limit = trail.query.limit;
    let entries = site.engine.audit_trail(&actor, trail.tenant.as_deref(), trail.query).await?;
    let next = next_after(&entries, limit, |entry| entry.id);
    let entries: Vec<_> = entries.iter().map(wire::entry).collect();
    Ok(Rendered(json!({ "entries": entries, "next_after": next })).into_response())
}

/// Everything that the query asks for, one entry a line, a portion at a time as the client reads.
async fn export(site: Site, actor: Actor, mut trail: Trail) -> Answer<Response> {
    trail.query.limit = PORTION;
    // Whoever may not is told so, not cut off.
    let first = site.engine.audit_trail(&actor, trail.tenant.as_deref(), trail.query.clone()).await?;
    let rest = stream::try_unfold(Some((first, trail)), move |state| {
        let (engine, actor) = (site.engine.clone(), actor.clone());
        async move {
            let Some((entries, mut trail)) = state else { return Ok::<_, Error>(None) };
            let lines: String = entries.iter().map(|entry| format!("{}\n", wire::entry(entry))).collect();
            trail.query.after = entries.last().map(|entry| entry.id);
            let more = entries.len() == PORTION as usize;
            let next = if more {
                let entries = engine.audit_trail(&actor, trail.tenant.as_deref(), trail.query.clone()).await?;
                Some((entries, trail))
            } else {
                None
            };
            Ok(Some((Bytes::from(lines), next)))
        }
    });
    let body = Body::from_stream(rest.boxed().map_err(|error| error.to_string()));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}
