//! Glue of the administration API: parse, call the engine, render.

use std::time::Duration;

use axum::Json as Rendered;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::job_view::{AssetJobsView, job_history_view};
use super::overview_view::{FailureListView, OverviewView, failure_list_view, overview_view};
use super::queue_view::{QueueListView, queue_list_view};
use super::view::{
    self, AlarmListView, ChoreDryRunView, ChoreStartView, ExtendedUploadView, LogLevelView, RetriedJobsView,
};
use super::wire::{
    self, DiscardJobBody, ExtendUploadBody, LogLevelBody, QueueConcurrencyBody, ReleaseAssetBody, ReprocessAssetBody,
    ReprocessAssetsBody, RetryDeadJobsBody, RunChoreBody,
};
use crate::domain::access::Actor;
use crate::domain::ids::{AssetId, JobId, UploadId};
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{AuthenticatedActor, PathId};
use crate::http::json_body::JsonBody;
use crate::http::problem::ProblemDetails;
use crate::http::query::{next_cursor, parse_tenant};

type AdminResult<T = Response> = Result<T, ProblemDetails>;

pub(super) async fn list_jobs(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> AdminResult {
    let list = wire::parse_jobs_query(query.as_deref())?;
    let limit = list.limit;
    let jobs = site.engine.operations().list_jobs(&actor, list).await?;
    let next = next_cursor(&jobs, limit, |entry| entry.job.id);
    Ok(Rendered(view::job_page_view(&jobs, next)).into_response())
}

pub(super) async fn get_job(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(job): PathId<JobId>,
) -> AdminResult {
    let history = site.engine.operations().load_job(&actor, job).await?;
    let view = job_history_view(&history).ok_or(Error::NotFound)?;
    Ok(Rendered(view).into_response())
}

pub(super) async fn list_asset_jobs(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
) -> AdminResult {
    let histories = site.engine.operations().list_asset_jobs(&actor, asset).await?;
    let jobs = histories.iter().filter_map(job_history_view).collect();
    Ok(Rendered(AssetJobsView { jobs }).into_response())
}

pub(super) async fn abort_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(upload): PathId<UploadId>,
) -> AdminResult<StatusCode> {
    site.engine.operations().abort_upload_of_any(&actor, upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn extend_upload(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(upload): PathId<UploadId>,
    body: JsonBody<ExtendUploadBody>,
) -> AdminResult<Rendered<ExtendedUploadView>> {
    let expires_in = Duration::from_secs(body.value.expires_in);
    let (upload, grant) = site.engine.operations().extend_upload(&actor, upload, expires_in).await?;
    Ok(Rendered(ExtendedUploadView { upload: upload.id, expires_at: upload.expires_at.into(), grant }))
}

pub(super) async fn get_overview(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> AdminResult<Rendered<OverviewView>> {
    let tenant = parse_tenant(query.as_deref())?;
    Ok(Rendered(overview_view(&site.engine.operations().overview(&actor, tenant.as_deref()).await?)))
}

pub(super) async fn list_failures(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> AdminResult<Rendered<FailureListView>> {
    let tenant = parse_tenant(query.as_deref())?;
    let failures = site.engine.operations().list_failures(&actor, tenant.as_deref()).await?;
    Ok(Rendered(failure_list_view(failures)))
}

pub(super) async fn retry_job(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(job): PathId<JobId>,
) -> AdminResult<StatusCode> {
    site.engine.operations().retry_job(&actor, job).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn discard_job(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(job): PathId<JobId>,
    body: JsonBody<DiscardJobBody>,
) -> AdminResult<StatusCode> {
    site.engine.operations().discard_job(&actor, job, body.value.reason.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn retry_dead_jobs(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<RetryDeadJobsBody>,
) -> AdminResult<Rendered<RetriedJobsView>> {
    let retried = site.engine.operations().retry_dead_jobs(&actor, body.value.kind()?).await?;
    Ok(Rendered(RetriedJobsView { retried }))
}

pub(super) async fn list_queues(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> AdminResult<Rendered<QueueListView>> {
    Ok(Rendered(queue_list_view(&site.engine.operations().count_queues(&actor).await?)))
}

pub(super) async fn pause_queue(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(kind): PathId<String>,
) -> AdminResult<StatusCode> {
    set_queue_paused(&site, &actor, &kind, true).await
}

pub(super) async fn resume_queue(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(kind): PathId<String>,
) -> AdminResult<StatusCode> {
    set_queue_paused(&site, &actor, &kind, false).await
}

pub(super) async fn set_queue_concurrency(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(kind): PathId<String>,
    body: JsonBody<QueueConcurrencyBody>,
) -> AdminResult<StatusCode> {
    let kind = wire::parse_job_kind(&kind)?;
    site.engine.operations().set_queue_concurrency(&actor, kind, body.value.concurrency).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_queue_paused(site: &AppState, actor: &Actor, kind: &str, paused: bool) -> AdminResult<StatusCode> {
    site.engine.operations().pause_jobs(actor, wire::parse_job_kind(kind)?, paused).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_chores(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> AdminResult {
    let chores = site.engine.operations().list_chores(&actor).await?;
    Ok(Rendered(view::chore_list_view(&chores)).into_response())
}

pub(super) async fn run_chore(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(name): PathId<String>,
    body: JsonBody<RunChoreBody>,
) -> AdminResult {
    let chore = wire::parse_chore(&name)?;
    if body.value.dry_run {
        let would = site.engine.operations().dry_run_chore(&actor, chore).await?;
        return Ok(Rendered(ChoreDryRunView { dry_run: true, would }).into_response());
    }
    let begins = site.engine.operations().hurry_chore(&actor, chore).await?;
    Ok((StatusCode::ACCEPTED, Rendered(ChoreStartView { begins })).into_response())
}

pub(super) async fn get_stats(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    RawQuery(query): RawQuery,
) -> AdminResult {
    let (from, to) = wire::parse_stats_query(query.as_deref(), site.engine.now())?;
    let hours = site.engine.operations().list_hourly_counts(&actor, from, to).await?;
    Ok(Rendered(view::hourly_stats_view(&hours)).into_response())
}

pub(super) async fn list_alarms(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> AdminResult<Rendered<AlarmListView>> {
    Ok(Rendered(view::alarm_list_view(site.engine.operations().list_alarms(&actor).await?)))
}

pub(super) async fn get_log_level(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
) -> AdminResult<Rendered<LogLevelView>> {
    Ok(Rendered(LogLevelView { filter: site.engine.operations().log_filter(&actor).await? }))
}

pub(super) async fn set_log_level(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<LogLevelBody>,
) -> AdminResult<Rendered<LogLevelView>> {
    let filter = body.value.filter;
    site.engine.operations().set_log_filter(&actor, &filter).await?;
    Ok(Rendered(LogLevelView { filter: filter.trim().to_owned() }))
}

pub(super) async fn release_asset(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<ReleaseAssetBody>,
) -> AdminResult<StatusCode> {
    site.engine.operations().release_asset(&actor, asset, &body.value.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn reprocess_asset(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    PathId(asset): PathId<AssetId>,
    body: JsonBody<ReprocessAssetBody>,
) -> AdminResult<StatusCode> {
    site.engine.processing().look_again(&actor, asset, body.value.reprocess_scope()).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn reprocess_assets(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<ReprocessAssetsBody>,
) -> AdminResult {
    let (list, again) = body.value.into_command();
    let enqueued = site.engine.processing().look_again_at(&actor, list, again).await?;
    Ok((StatusCode::ACCEPTED, Rendered(view::reprocess_view(&enqueued))).into_response())
}
