//! Administration below `/v1/admin`: jobs and dead letters, queues, chores, counts, alarms, and reprocessing of assets.

use super::openapi::ApiRoutes;

mod handlers;
mod instance;
mod job_view;
mod maintenance;
mod overview_view;
mod performance;
mod queue_view;
mod routes;
mod storage_view;
mod upload_view;
mod view;
mod wire;

pub(super) fn routes() -> ApiRoutes {
    routes::job_routes()
        .merge(routes::instance_routes())
        .merge(routes::overview_routes())
        .merge(maintenance::routes())
        .merge(instance::routes())
        .merge(performance::routes())
        .merge(routes::upload_routes())
        .merge(routes::reprocess_routes())
}
