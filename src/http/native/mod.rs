//! The native JSON API below `/v1`: uploads by signed URLs, assets, links, limits.

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::Site;

mod handlers;
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
        .route("/v1/assets/{id}/links", post(handlers::make_link))
        .route("/v1/links", post(handlers::make_links))
        .route("/v1/links/{id}", delete(handlers::revoke_link))
}
