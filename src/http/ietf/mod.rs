//! IETF resumable uploads (draft-ietf-httpbis-resumable-upload) at `/files`, and at `/u/{grant}/files` for clients that
//! cannot send headers of their own.
//!
//! Interop numbers 3 to 10 and no number at all. A POST without a word of the drafts is an ordinary upload of its content.
//! Whoever sends `Tus-Resumable` speaks tus, whatever URLSession adds to it. A URL is no permission: every request needs
//! a key or a grant.

use http::Method;
use serde_json::json;

use super::openapi::access::{Cells, DRIVES, GRANTED, GRANTED_ONE, OPENS, PUBLIC, WATCHES};
use super::openapi::{Dialect, Op, Routes, op};
use super::pieces::CODE;

mod digest;
mod draft;
mod error;
mod fields;
mod handlers;
mod wire;

static DIALECT: Dialect = Dialect::of_problems("ietf", |error| error::Refusal::from(error).problem());

/// Every route. Methods are told apart by the handlers: `X-HTTP-Method-Override` may name another one.
pub(super) fn routes() -> Routes {
    let completed = json!({ "upload": { "id": "uuid", "state": "text = completed", "size": "int? = 3" },
        "asset": { "id": "uuid" } });
    Routes::speaking("IETF resumable uploads", &DIALECT)
        .names("Completed", completed)
        .any("/files", handlers::collection, collection("", OPENS))
        .also("/files/", handlers::collection)
        .any("/files/{id}", handlers::upload, upload("", WATCHES, DRIVES))
        .any("/u/{grant}/files", handlers::collection, collection("ByGrant", GRANTED))
        .any("/u/{grant}/files/{id}", handlers::upload, upload("ByGrant", GRANTED_ONE, GRANTED_ONE))
}

fn collection(by: &str, creates: Cells) -> [(Method, Op); 2] {
    let create = op("Begin an upload, or send a whole file").named(format!("createResumableUpload{by}")).may(creates).tells(
        "Without `Upload-Complete` the content is the file. With `?0` it is its beginning, and more follows by PATCH. \
         104 says where it is while the content is still coming.",
    );
    let create = create
        .takes_bytes("application/octet-stream", "hel")
        .or_nothing()
        .header("Upload-Complete", "one of ?0|?1* = ?0", "Whether the content ends the file.")
        .header("Upload-Length", "int* = 5", "How many bytes there will be.")
        .header("Repr-Digest", "text*", "The digest of the whole file.")
        .header("Want-Repr-Digest", "text* = sha-256=10", "Asks for `Repr-Digest` once the file is here.")
        .header("Content-Disposition", "text* = attachment; filename=\"a.txt\"", "Names the file.")
        .done(201, "It is there. If that was all of it, the body is as PATCH answers then; otherwise it is empty.")
        .with("Location", "text", "The upload's address.")
        .with("Repr-Digest", "text*", "The whole file's digest, if it is wanted and established.");
    let options = options(format!("getResumableOptions{by}"));
    let create = sends(create).fails(&["quota_exceeded", "conflict", "gone", CODE]);
    [(Method::OPTIONS, options), (Method::POST, create)]
}

fn sends(op: Op) -> Op {
    op.fails(&["invalid", "other_protocol", "too_large", "length_differs", "offset_mismatch", "checksum_mismatch"])
        .fails(&["body_broke_off", "locked", "storage_full", "wrong_bytes", "completed", "forbidden"])
}

fn upload(by: &str, watches: Cells, drives: Cells) -> [(Method, Op); 5] {
    let append = op("Append bytes")
        .named(format!("appendToResumableUpload{by}"))
        .may(drives)
        .takes_bytes("application/partial-upload", "hel");
    let append = append
        .header("Upload-Offset", "int = 0", "Where they belong.")
        .header("Upload-Complete", "one of ?0|?1", "Whether they end the file.")
        .header("Want-Repr-Digest", "text* = sha-256=10", "Asks for `Repr-Digest` once the file is here.")
        .gives(200, "@Completed")
        .with("Repr-Digest", "text*", "The whole file's digest, if it is wanted and established.")
        .done(204, "They are safe.")
        .with("Upload-Offset", "int = 5", "How many bytes are safe.");
    let append = sends(append).fails(&["wrong_state", "gone", "quota_exceeded", "unsupported_media_type"]);
    let look = |id: &str, summary| {
        let look = op(summary)
            .named(format!("{id}{by}"))
            .may(watches)
            .header("Want-Repr-Digest", "text* = sha-256=10", "Asks for `Repr-Digest` once the file is here.")
            .done(204, "It goes on behind what is safe.")
            .with("Repr-Digest", "text*", "The whole file's digest, if it is wanted and established.")
            .with("Upload-Offset", "int = 5", "How many bytes are safe.")
            .with("Upload-Complete", "one of ?0|?1", "Whether that is all of it.");
        look.fails(&["gone", "invalid", "other_protocol"])
    };
    let end = op("Give an upload up").named(format!("deleteResumableUpload{by}")).may(drives).done(204, "It is gone.");
    [
        (Method::OPTIONS, options(format!("getResumableUploadOptions{by}"))),
        (Method::HEAD, look("headResumableUpload", "How far it is")),
        (Method::GET, look("getResumableUpload", "How far it is, for those who cannot send HEAD")),
        (Method::PATCH, append),
        (Method::DELETE, end.fails(&["gone", "wrong_state", "invalid", "other_protocol"])),
    ]
}

fn options(id: String) -> Op {
    op("What the server can do").named(id).may(PUBLIC).done(204, "`Upload-Limit` says how much.")
}
