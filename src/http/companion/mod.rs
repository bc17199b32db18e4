//! Uppy's uploads to S3 (`@uppy/aws-s3` 5 and 6), unmodified: what its Companion serves at `/s3`, and the same at
//! `/u/{grant}/s3` because Uppy 6 sends no headers. The page names this origin, or `…/u/{grant}`, as its Companion.
//!
//! Keys and upload ids are ours, never the store's. Single files are sent as a form to an address of ours, which is also
//! there for pages without scripts: `<form method="post" action="/u/{grant}/form" enctype="multipart/form-data">` with an
//! `<input type="file" name="file">` that is the last of its fields.

use axum::Router;
use axum::routing::{get, post};

use super::Site;

mod error;
mod form;
mod handlers;
mod wire;

/// Every route of the contract, with and without a grant, and the forms.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/s3/form/{grant}", post(handlers::post_form))
        .route("/u/{grant}/form", post(handlers::post_plain_form))
        .nest("/s3", contract())
        .nest("/u/{grant}/s3", contract())
}

fn contract() -> Router<Site> {
    Router::new()
        .route("/params", get(handlers::single))
        .route("/sts", get(handlers::no_credentials))
        .route("/multipart", post(handlers::create))
        .route("/multipart/{id}", get(handlers::list_parts).delete(handlers::abort))
        .route("/multipart/{id}/batch", get(handlers::sign_many))
        .route("/multipart/{id}/complete", post(handlers::complete))
        .route("/multipart/{id}/{number}", get(handlers::sign))
}
