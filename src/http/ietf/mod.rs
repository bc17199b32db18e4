//! IETF resumable uploads (draft-ietf-httpbis-resumable-upload) at `/files`, and at `/u/{grant}/files` for clients that
//! cannot send headers of their own.
//!
//! Interop numbers 3 to 10 and no number at all. A POST without any header of the drafts is an ordinary upload of its
//! content. A client that sends `Tus-Resumable` is a tus client, whatever URLSession adds to its request. A URL is no
//! permission: every request needs a key or a grant.

use http::Method;

use super::chunk_detection::PARTIAL_FILE_CODE;
use super::openapi::access::{
    AccessCells, DRIVE_UPLOAD_ACCESS, GRANT_ACCESS, GRANT_UPLOAD_ACCESS, OPEN_UPLOAD_ACCESS, PUBLIC_ACCESS, VIEW_ACCESS,
};
use super::openapi::{ApiRoutes, ErrorDialect, OperationSpec, ParameterType, integer_type, one_of, op, string_type};

mod digest;
mod draft;
mod error;
mod handlers;
mod structured_fields;
mod view;
mod wire;

use view::CompletedUploadView;

static IETF_DIALECT: ErrorDialect =
    ErrorDialect::of_problems("ietf", |error| error::IetfError::from(error).into_problem());

/// Every route. The handlers tell methods apart, because `X-HTTP-Method-Override` may replace the method.
pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::with_dialect("IETF resumable uploads", &IETF_DIALECT)
        .any("/files", handlers::handle_collection, collection_operations("", OPEN_UPLOAD_ACCESS))
        .alias("/files/", handlers::handle_collection)
        .any("/files/{id}", handlers::handle_upload, upload_operations("", VIEW_ACCESS, DRIVE_UPLOAD_ACCESS))
        .any("/u/{grant}/files", handlers::handle_collection, collection_operations("ByGrant", GRANT_ACCESS))
        .any(
            "/u/{grant}/files/{id}",
            handlers::handle_upload,
            upload_operations("ByGrant", GRANT_UPLOAD_ACCESS, GRANT_UPLOAD_ACCESS),
        )
}

const WANTED_DIGEST_DESCRIPTION: &str = "Asks for `Repr-Digest` once the file is here.";
const DIGEST_DESCRIPTION: &str = "The whole file's digest, if it is wanted and established.";

fn wanted_digest() -> ParameterType {
    string_type().optional().example("sha-256=10")
}

fn collection_operations(by: &str, creates: AccessCells) -> [(Method, OperationSpec); 2] {
    let create = op("Begin an upload, or send a whole file").operation_id(format!("createResumableUpload{by}")).access(creates).description(
        "Without `Upload-Complete` the content is the file. With `?0` it is its beginning, and more follows by PATCH. \
         104 says where it is while the content is still coming.",
    );
    let create = create
        .bytes_body("application/octet-stream", "hel")
        .body_optional()
        .header("Upload-Complete", one_of(["?0", "?1"]).optional().example("?0"), "Whether the content ends the file.")
        .header("Upload-Length", integer_type().optional().example(5), "How many bytes there will be.")
        .header("Repr-Digest", string_type().optional(), "The digest of the whole file.")
        .header("Want-Repr-Digest", wanted_digest(), WANTED_DIGEST_DESCRIPTION)
        .header(
            "Content-Disposition",
            string_type().optional().example("attachment; filename=\"a.txt\""),
            "Names the file.",
        )
        .empty_response(
            201,
            "It is there. If that was all of it, the body is as PATCH answers then; otherwise it is empty.",
        )
        .response_header("Location", string_type(), "The upload's address.")
        .response_header("Repr-Digest", string_type().optional(), DIGEST_DESCRIPTION);
    let options = options_operation(format!("getResumableOptions{by}"));
    let create = with_content_errors(create).error_codes(&[
        "quota_exceeded",
        "maintenance",
        "conflict",
        "gone",
        PARTIAL_FILE_CODE,
    ]);
    [(Method::OPTIONS, options), (Method::POST, create)]
}

fn with_content_errors(op: OperationSpec) -> OperationSpec {
    op.error_codes(&[
        "invalid",
        "other_protocol",
        "too_large",
        "length_differs",
        "offset_mismatch",
        "checksum_mismatch",
    ])
    .error_codes(&["body_broke_off", "locked", "storage_full", "wrong_bytes", "completed", "forbidden"])
}

fn upload_operations(by: &str, watches: AccessCells, drives: AccessCells) -> [(Method, OperationSpec); 5] {
    let append = op("Append bytes")
        .operation_id(format!("appendToResumableUpload{by}"))
        .access(drives)
        .bytes_body("application/partial-upload", "hel");
    let append = append
        .header("Upload-Offset", integer_type().example(0), "Where they belong.")
        .header("Upload-Complete", one_of(["?0", "?1"]), "Whether they end the file.")
        .header("Want-Repr-Digest", wanted_digest(), WANTED_DIGEST_DESCRIPTION)
        .json_response::<CompletedUploadView>(200)
        .response_header("Repr-Digest", string_type().optional(), DIGEST_DESCRIPTION)
        .empty_response(204, "They are safe.")
        .response_header("Upload-Offset", integer_type().example(5), "How many bytes are safe.");
    let append =
        with_content_errors(append).error_codes(&["wrong_state", "gone", "quota_exceeded", "unsupported_media_type"]);
    let look = |id: &str, summary| {
        let look = op(summary)
            .operation_id(format!("{id}{by}"))
            .access(watches)
            .header("Want-Repr-Digest", wanted_digest(), WANTED_DIGEST_DESCRIPTION)
            .empty_response(204, "It goes on behind what is safe.")
            .response_header("Repr-Digest", string_type().optional(), DIGEST_DESCRIPTION)
            .response_header("Upload-Offset", integer_type().example(5), "How many bytes are safe.")
            .response_header("Upload-Complete", one_of(["?0", "?1"]), "Whether that is all of it.");
        look.error_codes(&["gone", "invalid", "other_protocol"])
    };
    let end = op("Give an upload up")
        .operation_id(format!("deleteResumableUpload{by}"))
        .access(drives)
        .empty_response(204, "It is gone.");
    [
        (Method::OPTIONS, options_operation(format!("getResumableUploadOptions{by}"))),
        (Method::HEAD, look("headResumableUpload", "How far it is")),
        (Method::GET, look("getResumableUpload", "How far it is, for those who cannot send HEAD")),
        (Method::PATCH, append),
        (Method::DELETE, end.error_codes(&["gone", "wrong_state", "invalid", "other_protocol"])),
    ]
}

fn options_operation(id: String) -> OperationSpec {
    op("What the server can do")
        .operation_id(id)
        .access(PUBLIC_ACCESS)
        .empty_response(204, "`Upload-Limit` says how much.")
}
