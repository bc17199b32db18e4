//! The native JSON API below `/v1`: uploads by signed URLs, assets, links, limits.

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::Site;

mod handlers;
mod link_wire;
mod links;
mod parts;
mod query;
mod view;
mod wire;

/// Every route of the native API but content, which is in `download`.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/v1/limits", get(handlers::limits))
        .route("/v1/uploads", post(handlers::create_upload))
        .route("/v1/uploads/check", post(handlers::check_upload))
        .route("/v1/uploads/{id}", get(handlers::look_at_upload).delete(handlers::abort_upload))
        .route("/v1/uploads/{id}/urls", post(handlers::sign_parts))
        .route("/v1/uploads/{id}/content", put(handlers::put_content))
        .route("/v1/uploads/{id}/complete", post(handlers::complete_upload))
        .route("/v1/assets", get(handlers::list_assets))
        .route("/v1/assets/batch", post(handlers::batch_assets))
        .route("/v1/assets/{id}", get(handlers::get_asset).patch(handlers::patch_asset).delete(handlers::delete_asset))
        .route("/v1/assets/thumbnails", post(links::gallery))
        .route(
            "/v1/assets/{id}/links",
            post(links::make_link).get(links::links_of_asset).delete(links::revoke_links_of_asset),
        )
        .route("/v1/links", post(links::make_links).get(links::list_links))
        .route("/v1/links/revoke", post(links::revoke_links))
        .route("/v1/links/{id}", delete(links::revoke_link))
        .route("/v1/collections", post(links::make_collection))
}
