//! Administration below `/v1/admin`: jobs and dead letters, queues, chores, counts, alarms; and having assets looked at
//! again.

use axum::Router;
use axum::routing::{delete, get, post};

use super::Site;

mod handlers;
mod wire;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/admin/jobs", get(handlers::jobs))
        .route("/v1/admin/jobs/retry", post(handlers::retry_dead))
        .route("/v1/admin/jobs/{id}", delete(handlers::discard_job))
        .route("/v1/admin/jobs/{id}/retry", post(handlers::retry_job))
        .route("/v1/admin/queues", get(handlers::queues))
        .route("/v1/admin/queues/{kind}/pause", post(handlers::pause))
        .route("/v1/admin/queues/{kind}/resume", post(handlers::resume))
        .route("/v1/admin/chores", get(handlers::chores))
        .route("/v1/admin/chores/{name}/run", post(handlers::run_chore))
        .route("/v1/admin/stats", get(handlers::stats))
        .route("/v1/admin/alarms", get(handlers::alarms))
        .route("/v1/admin/reprocess", post(handlers::reprocess_many))
        .route("/v1/assets/{id}/reprocess", post(handlers::reprocess))
}
