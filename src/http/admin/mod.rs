//! Administration below `/v1/admin`: jobs and dead letters, queues, chores, counts, alarms; and having assets looked at
//! again.

use super::openapi::Routes;

mod handlers;
mod routes;
mod wire;

pub(super) fn routes() -> Routes {
    routes::jobs().and(routes::instance()).and(routes::again())
}
