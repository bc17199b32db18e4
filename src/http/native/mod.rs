//! The native JSON API below `/v1`: uploads by signed URLs, assets, links, limits.

use super::openapi::Routes;

mod handlers;
mod link_wire;
mod links;
mod parts;
mod query;
mod routes;
mod view;
mod wire;

/// Every route of the native API but content, which is in `download`.
pub(super) fn routes() -> Routes {
    routes::uploads().and(routes::assets()).and(routes::links())
}
