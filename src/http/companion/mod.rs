//! Uppy's uploads to S3 (`@uppy/aws-s3` 5 and 6), unmodified: the API that Uppy's Companion serves at `/s3`, and the
//! same at `/u/{grant}/s3` because Uppy 6 sends no headers. The page names this origin, or `…/u/{grant}`, as its
//! Companion.
//!
//! Keys and upload ids are those of this service, never the store's. Single files are sent as a form to an address of
//! this service, which also serves pages without scripts:
//! `<form method="post" action="/u/{grant}/form" enctype="multipart/form-data">` with a single
//! `<input type="file" name="file">`.

use super::openapi::ApiRoutes;

mod body_stream;
mod disposition;
mod error;
mod form;
mod handlers;
mod routes;
mod view;
mod wire;

/// Every route of Companion's API, with and without a grant, and the forms.
pub(super) fn routes() -> ApiRoutes {
    routes::form_routes()
        .merge(routes::companion_routes("/s3", false))
        .merge(routes::companion_routes("/u/{grant}/s3", true))
}
