//! Downloads: `GET` and `HEAD` of an asset's content and of the content behind a link (RFC 9110).
//!
//! Every delivery mode has the same permission check, and ranges and conditions mean the same in each. `If-Range` is
//! evaluated here, because no store does it. Answers never carry a type that a browser would run, and no proxy may
//! change the bytes.

use super::openapi::access::{PUBLIC_ACCESS, READ_CONTENT_ACCESS};
use super::openapi::{ApiRoutes, OperationSpec, one_of, op, string_type, url_type};

mod accel;
mod conditions;
mod handlers;
mod ranges;
mod stream;

/// Routes of content and links.
pub(super) fn routes() -> ApiRoutes {
    let content = op("The bytes of an asset").operation_id("getAssetContent").access(READ_CONTENT_ACCESS).description(
        "Without a credential only where the policy's visibility is `public`. By the configured delivery: a redirect to \
         a signed URL, or the bytes themselves with ranges and conditions.",
    );
    let link = op("What a link opens")
        .operation_id("getLinkContent")
        .access(PUBLIC_ACCESS)
        .description("The grant in the path is all that is needed.");
    ApiRoutes::for_tag("Downloads")
        .get_and_head("/v1/assets/{id}/content", handlers::get_content, describe_download(content))
        .get_and_head(
            "/d/{grant}",
            handlers::get_link_content,
            describe_download(link).error_codes(&["not_found", "unavailable", "rate_limited"]).with_error_pages(),
        )
}

/// Description that content and links have in common.
fn describe_download(op: OperationSpec) -> OperationSpec {
    op.query(
        "disposition",
        one_of(["attachment", "inline"]).optional(),
        "`inline` only for types that are safe to show.",
    )
    .query("variant", string_type().optional(), "A derivative, like `thumb-256`, instead of the file.")
    .query("format", string_type().optional(), "The derivative's format, like `webp`.")
    .query(
        "delivery",
        one_of(["redirect", "stream", "accel", "sendfile", "cdn"]).optional(),
        "Narrows how the bytes come.",
    )
    .header("Range", string_type().optional().example("bytes=0-1023"), "RFC 9110: one range or several.")
    .header("If-None-Match", string_type().optional(), "304 if it is still that.")
    .header("If-Range", string_type().optional(), "The range only if it is still that.")
    .media_response(200, "application/octet-stream", "The bytes.")
    .response_header("ETag", string_type().optional(), "Of these bytes.")
    .response_header(
        "Content-Disposition",
        string_type().optional(),
        "Whether to show or to save them, and their name.",
    )
    .response_header("Accept-Ranges", one_of(["bytes"]).optional(), "Ranges may be asked for.")
    .media_response(206, "application/octet-stream", "The ranges that were asked for.")
    .response_header(
        "Content-Range",
        string_type().optional(),
        "Which, and the size of the whole; of several ranges each has its own.",
    )
    .empty_response(302, "They are elsewhere for a short while.")
    .response_header("Location", url_type(), "Where.")
    .empty_response(304, "Unchanged.")
    .empty_response(416, "No such range.")
    .response_header("Content-Range", string_type(), "The size of the whole.")
    .error_codes(&["not_ready", "rejected", "gone", "precondition_failed", "bytes_missing"])
}
