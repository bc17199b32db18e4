//! The native JSON API below `/v1`: uploads by signed URLs, assets, links, limits.

use super::openapi::ApiRoutes;

mod asset_view;
mod bulk_handlers;
mod bulk_routes;
mod bulk_view;
mod bulk_wire;
mod grant_handlers;
mod grant_routes;
mod grant_view;
mod grant_wire;
mod handlers;
mod limits_view;
mod link_handlers;
mod link_view;
mod link_wire;
mod part_urls;
mod query;
mod routes;
mod upload_list_view;
mod upload_view;
mod whole_file;
mod wire;

/// Every route of the native API except content, which is in `download`.
pub(super) fn routes() -> ApiRoutes {
    routes::upload_routes()
        .merge(routes::asset_routes())
        .merge(routes::link_routes())
        .merge(grant_routes::grant_routes())
        .merge(bulk_routes::bulk_routes())
}
