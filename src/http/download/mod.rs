//! Downloads: `GET` and `HEAD` of an asset's content and of the content behind a link (RFC 9110).
//!
//! Every delivery mode has the same permission check, and ranges and conditions mean the same in each. `If-Range` is
//! evaluated here, because no store does it. Answers never carry a type that a browser would run, and no proxy may
//! change the bytes.

use super::openapi::access::{PUBLIC_ACCESS, READ_CONTENT_ACCESS};
use super::openapi::{ApiRoutes, OperationSpec, op};

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
            describe_download(link).error_codes(&["not_found", "unavailable", "rate_limited"]),
        )
}

/// Description that content and links have in common.
fn describe_download(op: OperationSpec) -> OperationSpec {
    op.query("disposition", "one of attachment|inline*", "`inline` only for types that are safe to show.")
        .query("variant", "text*", "A derivative, like `thumb-256`, instead of the file.")
        .query("format", "text*", "The derivative's format, like `webp`.")
        .query("delivery", "one of redirect|stream|accel|sendfile|cdn*", "Narrows how the bytes come.")
        .header("Range", "text* = bytes=0-1023", "RFC 9110: one range or several.")
        .header("If-None-Match", "text*", "304 if it is still that.")
        .header("If-Range", "text*", "The range only if it is still that.")
        .media_response(200, "application/octet-stream", "The bytes.")
        .response_header("ETag", "text*", "Of these bytes.")
        .response_header("Content-Disposition", "text*", "Whether to show or to save them, and their name.")
        .response_header("Accept-Ranges", "one of bytes*", "Ranges may be asked for.")
        .media_response(206, "application/octet-stream", "The ranges that were asked for.")
        .response_header(
            "Content-Range",
            "text*",
            "Which, and the size of the whole; of several ranges each has its own.",
        )
        .empty_response(302, "They are elsewhere for a short while.")
        .response_header("Location", "url", "Where.")
        .empty_response(304, "Unchanged.")
        .empty_response(416, "No such range.")
        .response_header("Content-Range", "text", "The size of the whole.")
        .error_codes(&["not_ready", "rejected", "gone", "precondition_failed", "bytes_missing"])
}
