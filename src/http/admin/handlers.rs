//! Glue of the administration API: parse, call the engine, render.

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::Site;
use super::super::body::Json;
use super::super::context::{Authenticated, Named};
use super::super::problem::Problem;
use super::super::query::next_after;
use super::wire::{self, Reprocess, ReprocessMany, RetryDead, RunChore};
use crate::domain::access::Actor;
use crate::domain::ids::{AssetId, JobId};

type Answer<T = Rendered<Value>> = Result<T, Problem>;

pub(super) async fn jobs(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(query): RawQuery,
) -> Answer {
    let list = wire::list(query.as_deref())?;
    let jobs = site.engine.list_jobs(&actor, list).await?;
    let next = next_after(&jobs, list.limit, |entry| entry.job.id);
    Ok(Rendered(json!({ "jobs": jobs.iter().map(wire::job).collect::<Vec<_>>(), "next_after": next })))
}

pub(super) async fn retry_job(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(job): Named<JobId>,
) -> Answer<StatusCode> {
    site.engine.retry_job(&actor, job).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn discard_job(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(job): Named<JobId>,
) -> Answer<StatusCode> {
    site.engine.discard_job(&actor, job).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn retry_dead(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: Json<RetryDead>,
) -> Answer {
    let retried = site.engine.retry_dead(&actor, body.value.kind()?).await?;
    Ok(Rendered(json!({ "retried": retried })))
}

pub(super) async fn queues(Authenticated(actor): Authenticated, State(site): State<Site>) -> Answer {
    Ok(Rendered(wire::queues(&site.engine.queues(&actor).await?)))
}

pub(super) async fn pause(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(kind): Named<String>,
) -> Answer<StatusCode> {
    set_paused(&site, &actor, &kind, true).await
}

pub(super) async fn resume(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(kind): Named<String>,
) -> Answer<StatusCode> {
    set_paused(&site, &actor, &kind, false).await
}

async fn set_paused(site: &Site, actor: &Actor, kind: &str, paused: bool) -> Answer<StatusCode> {
    site.engine.pause(actor, wire::kind(kind)?, paused).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn chores(Authenticated(actor): Authenticated, State(site): State<Site>) -> Answer {
    let chores = site.engine.chores(&actor).await?;
    Ok(Rendered(json!({ "chores": chores.iter().map(wire::chore_view).collect::<Vec<_>>() })))
}

pub(super) async fn run_chore(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(name): Named<String>,
    body: Json<RunChore>,
) -> Answer<(StatusCode, Rendered<Value>)> {
    let chore = wire::chore(&name)?;
    if body.value.dry_run {
        let would = site.engine.dry_run(&actor, chore).await?;
        return Ok((StatusCode::OK, Rendered(json!({ "dry_run": true, "would": would }))));
    }
    let begins = site.engine.hurry_chore(&actor, chore).await?;
    Ok((StatusCode::ACCEPTED, Rendered(json!({ "begins": begins }))))
}

pub(super) async fn stats(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    RawQuery(query): RawQuery,
) -> Answer {
    let (from, to) = wire::span(query.as_deref(), site.engine.now())?;
    let hours = site.engine.hours(&actor, from, to).await?;
    Ok(Rendered(json!({ "hours": hours.iter().map(wire::hour).collect::<Vec<_>>() })))
}

pub(super) async fn alarms(Authenticated(actor): Authenticated, State(site): State<Site>) -> Answer {
    Ok(Rendered(json!({ "alarms": site.engine.alarms_for(&actor).await? })))
}

pub(super) async fn reprocess(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    Named(asset): Named<AssetId>,
    body: Json<Reprocess>,
) -> Answer<StatusCode> {
    site.engine.look_again(&actor, asset, body.value.again()).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn reprocess_many(
    Authenticated(actor): Authenticated,
    State(site): State<Site>,
    body: Json<ReprocessMany>,
) -> Answer<(StatusCode, Rendered<Value>)> {
    let (list, again) = body.value.command();
    let enqueued = site.engine.look_again_at(&actor, list, again).await?;
    Ok((StatusCode::ACCEPTED, Rendered(wire::enqueued(&enqueued))))
}
