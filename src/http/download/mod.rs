//! Downloads: `GET` and `HEAD` of an asset's content and of what a link opens (RFC 9110).
//!
//! The same permission leads to every delivery; ranges and conditions mean the same in each. `If-Range` is
//! decided here, because no store does it. Answers never carry a type that a browser would run, and no proxy may change
//! the bytes.

use super::openapi::access::{FETCHES, PUBLIC};
use super::openapi::{Op, Routes, op};

mod conditions;
mod handed;
mod handlers;
mod ranges;
mod stream;

/// Content and links.
pub(super) fn routes() -> Routes {
    let content = op("The bytes of an asset").named("getAssetContent").may(FETCHES).tells(
        "Without a credential only where the policy's visibility is `public`. By the configured delivery: a redirect to \
         a signed URL, or the bytes themselves with ranges and conditions.",
    );
    let link = op("What a link opens")
        .named("getLinkContent")
        .may(PUBLIC)
        .tells("The grant in the path is all that is needed.");
    Routes::of("Downloads").get_and_head("/v1/assets/{id}/content", handlers::content, asked(content)).get_and_head(
        "/d/{grant}",
        handlers::link,
        asked(link).fails(&["not_found", "unavailable", "rate_limited"]),
    )
}

/// What both have in common.
fn asked(op: Op) -> Op {
    op.query("disposition", "one of attachment|inline*", "`inline` only for types that are safe to show.")
        .query("variant", "text*", "A derivative, like `thumb-256`, instead of the file.")
        .query("format", "text*", "The derivative's format, like `webp`.")
        .query("delivery", "one of redirect|stream|accel|sendfile|cdn*", "Narrows how the bytes come.")
        .header("Range", "text* = bytes=0-1023", "RFC 9110: one range or several.")
        .header("If-None-Match", "text*", "304 if it is still that.")
        .header("If-Range", "text*", "The range only if it is still that.")
        .sends(200, "application/octet-stream", "The bytes.")
        .with("ETag", "text*", "Of these bytes.")
        .with("Content-Disposition", "text*", "Whether to show or to save them, and their name.")
        .with("Accept-Ranges", "one of bytes*", "Ranges may be asked for.")
        .sends(206, "application/octet-stream", "The ranges that were asked for.")
        .with("Content-Range", "text*", "Which, and the size of the whole; of several ranges each has its own.")
        .done(302, "They are elsewhere for a short while.")
        .with("Location", "url", "Where.")
        .done(304, "Unchanged.")
        .done(416, "No such range.")
        .with("Content-Range", "text", "The size of the whole.")
        .fails(&["not_ready", "rejected", "gone", "precondition_failed", "bytes_missing"])
}
