//! tus 1.0.0 at `/tus`, and at `/u/{grant}/tus` for clients that cannot send headers of their own.
//!
//! Core, creation with and without bytes, deferred lengths, expiration, checksums in headers and trailers, termination,
//! concatenation. A URL is no permission: every request needs a key or a grant.

use http::Method;

use super::chunk_detection::PARTIAL_FILE_CODE;
use super::openapi::access::{
    AccessCells, DRIVE_UPLOAD_ACCESS, GRANT_ACCESS, GRANT_UPLOAD_ACCESS, OPEN_UPLOAD_ACCESS, PUBLIC_ACCESS, VIEW_ACCESS,
};
use super::openapi::{ApiRoutes, ErrorDialect, OperationSpec, integer_type, one_of, op, string_type};

mod error;
mod handlers;
mod wire;

static TUS_DIALECT: ErrorDialect =
    ErrorDialect::of_problems("tus", |error| error::TusError::from(error).into_problem());

/// Every route of tus. The handlers tell methods apart, because `X-HTTP-Method-Override` may replace the method.
pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::with_dialect("tus 1.0", &TUS_DIALECT)
        .any("/tus", handlers::handle_collection, collection_operations("", OPEN_UPLOAD_ACCESS))
        .alias("/tus/", handlers::handle_collection)
        .any("/tus/{id}", handlers::handle_upload, upload_operations("", VIEW_ACCESS, DRIVE_UPLOAD_ACCESS))
        .any("/u/{grant}/tus", handlers::handle_collection, collection_operations("ByGrant", GRANT_ACCESS))
        .any(
            "/u/{grant}/tus/{id}",
            handlers::handle_upload,
            upload_operations("ByGrant", GRANT_UPLOAD_ACCESS, GRANT_UPLOAD_ACCESS),
        )
}

fn with_tus_headers(op: OperationSpec) -> OperationSpec {
    let op =
        op.header("Tus-Resumable", one_of(["1.0.0"]), "The version.").error_codes(&["unsupported_version", "invalid"]);
    op.error_codes(&["storage_full", "locked", "forbidden", "maintenance"])
}

fn collection_operations(by: &str, creates: AccessCells) -> [(Method, OperationSpec); 2] {
    let create = with_tus_headers(op("Begin an upload").operation_id(format!("createTusUpload{by}")).access(creates))
        .header("Upload-Length", integer_type().optional().example(5), "How many bytes; or `Upload-Defer-Length: 1`.")
        .header(
            "Upload-Metadata",
            string_type().optional().example("filename YS50eHQ="),
            "Pairs of a name and a value in base64.",
        )
        .header("Upload-Concat", string_type().optional(), "`partial`, or `final;` and the pieces.")
        .empty_response(201, "It is there.")
        .response_header("Location", string_type(), "The upload's address.")
        .error_codes(&[
            "too_large",
            "quota_exceeded",
            "unsupported_media_type",
            "checksum_mismatch",
            "body_broke_off",
            "conflict",
            "gone",
            PARTIAL_FILE_CODE,
        ]);
    [(Method::OPTIONS, options_operation(format!("getTusOptions{by}"))), (Method::POST, create)]
}

fn upload_operations(by: &str, watches: AccessCells, drives: AccessCells) -> [(Method, OperationSpec); 4] {
    let append = with_tus_headers(op("Append bytes").operation_id(format!("appendToTusUpload{by}")).access(drives))
        .bytes_body("application/offset+octet-stream", "hel");
    let append = append
        .header("Upload-Offset", integer_type().example(0), "Where they belong.")
        .header("Upload-Checksum", string_type().optional(), "An algorithm and a digest in base64.")
        .empty_response(204, "They are safe.")
        .response_header("Upload-Offset", integer_type().example(5), "How many bytes are safe.")
        .error_codes(&[
            "offset_mismatch",
            "checksum_mismatch",
            "unsupported_media_type",
            "body_broke_off",
            "too_large",
            "gone",
        ])
        .error_codes(&["wrong_state", "quota_exceeded", "incomplete", "wrong_bytes"]);
    let look = with_tus_headers(op("How far it is").operation_id(format!("getTusOffset{by}")).access(watches))
        .empty_response(200, "It goes on behind what is safe.")
        .response_header(
            "Upload-Offset",
            integer_type().optional().example(5),
            "How many bytes are safe; not of an upload that is put together from others, until it is.",
        )
        .response_header(
            "Upload-Length",
            integer_type().optional().example(5),
            "How many there will be, once that is known.",
        );
    let end = with_tus_headers(op("Give an upload up").operation_id(format!("deleteTusUpload{by}")).access(drives))
        .empty_response(204, "It is gone.")
        .error_codes(&["gone", "wrong_state"]);
    let options = options_operation(format!("getTusUploadOptions{by}"));
    [(Method::OPTIONS, options), (Method::HEAD, look), (Method::PATCH, append), (Method::DELETE, end)]
}

fn options_operation(id: String) -> OperationSpec {
    op("What the server can do")
        .operation_id(id)
        .access(PUBLIC_ACCESS)
        .empty_response(204, "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size` say it.")
}
