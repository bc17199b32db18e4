//! tus 1.0.0 at `/tus`, and at `/u/{grant}/tus` for clients that cannot send headers of their own.
//!
//! Core, creation with and without bytes, deferred lengths, expiration, checksums in headers and trailers, termination,
//! concatenation. A URL is no permission: every request needs a key or a grant.

use http::Method;

use super::openapi::access::{Cells, DRIVES, GRANTED, GRANTED_ONE, OPENS, PUBLIC, WATCHES};
use super::openapi::{Dialect, Op, Routes, op};
use super::pieces::CODE;

mod error;
mod handlers;
mod wire;

static DIALECT: Dialect = Dialect::of_problems("tus", |error| error::Refusal::from(error).problem());

/// Every route of tus. Methods are told apart by the handlers: `X-HTTP-Method-Override` may name another one.
pub(super) fn routes() -> Routes {
    Routes::speaking("tus 1.0", &DIALECT)
        .any("/tus", handlers::collection, collection("", OPENS))
        .also("/tus/", handlers::collection)
        .any("/tus/{id}", handlers::upload, upload("", WATCHES, DRIVES))
        .any("/u/{grant}/tus", handlers::collection, collection("ByGrant", GRANTED))
        .any("/u/{grant}/tus/{id}", handlers::upload, upload("ByGrant", GRANTED_ONE, GRANTED_ONE))
}

fn spoken(op: Op) -> Op {
    let op = op.header("Tus-Resumable", "one of 1.0.0", "The version.").fails(&["unsupported_version", "invalid"]);
    op.fails(&["storage_full", "locked", "forbidden"])
}

fn collection(by: &str, creates: Cells) -> [(Method, Op); 2] {
    let create = spoken(op("Begin an upload").named(format!("createTusUpload{by}")).may(creates))
        .header("Upload-Length", "int* = 5", "How many bytes; or `Upload-Defer-Length: 1`.")
        .header("Upload-Metadata", "text* = filename YS50eHQ=", "Pairs of a name and a value in base64.")
        .header("Upload-Concat", "text*", "`partial`, or `final;` and the pieces.")
        .done(201, "It is there.")
        .with("Location", "text", "The upload's address.")
        .fails(&[
            "too_large",
            "quota_exceeded",
            "unsupported_media_type",
            "checksum_mismatch",
            "body_broke_off",
            "conflict",
            "gone",
            CODE,
        ]);
    [(Method::OPTIONS, options(format!("getTusOptions{by}"))), (Method::POST, create)]
}

fn upload(by: &str, watches: Cells, drives: Cells) -> [(Method, Op); 4] {
    let append = spoken(op("Append bytes").named(format!("appendToTusUpload{by}")).may(drives))
        .takes_bytes("application/offset+octet-stream", "hel");
    let append = append
        .header("Upload-Offset", "int = 0", "Where they belong.")
        .header("Upload-Checksum", "text*", "An algorithm and a digest in base64.")
        .done(204, "They are safe.")
        .with("Upload-Offset", "int = 5", "How many bytes are safe.")
        .fails(&[
            "offset_mismatch",
            "checksum_mismatch",
            "unsupported_media_type",
            "body_broke_off",
            "too_large",
            "gone",
        ])
        .fails(&["wrong_state", "quota_exceeded", "incomplete", "wrong_bytes"]);
    let look = spoken(op("How far it is").named(format!("getTusOffset{by}")).may(watches))
        .done(200, "It goes on behind what is safe.")
        .with(
            "Upload-Offset",
            "int* = 5",
            "How many bytes are safe; not of an upload that is put together from others, until it is.",
        )
        .with("Upload-Length", "int* = 5", "How many there will be, once that is known.");
    let end = spoken(op("Give an upload up").named(format!("deleteTusUpload{by}")).may(drives))
        .done(204, "It is gone.")
        .fails(&["gone", "wrong_state"]);
    let options = options(format!("getTusUploadOptions{by}"));
    [(Method::OPTIONS, options), (Method::HEAD, look), (Method::PATCH, append), (Method::DELETE, end)]
}

fn options(id: String) -> Op {
    op("What the server can do")
        .named(id)
        .may(PUBLIC)
        .done(204, "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size` say it.")
}
