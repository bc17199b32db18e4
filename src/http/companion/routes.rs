//! The routes of Companion's contract, each with what is said of it.

use serde_json::json;

use super::super::openapi::access::{Cells, DRIVES, GRANTED, GRANTED_ONE, NOT_OFFERED, OPENS, WATCHES};
use super::super::openapi::{Dialect, Op, Routes, op};
use super::super::pieces::CODE;
use super::error::Refusal;
use super::handlers;
use super::wire::{Completion, NewMultipart};

const TAG: &str = "Uppy Companion";

static DIALECT: Dialect = Dialect {
    name: "companion",
    media_type: "application/json",
    schema: "CompanionError",
    engine: |error| Refusal::from(error).problem(),
    request: |problem| Refusal::from(problem).problem(),
    body: Refusal::body,
    own: Vec::new,
};

pub(super) fn forms() -> Routes {
    let form = |id, summary| {
        let boundary = "multipart/form-data; boundary=x";
        let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--x--\r\n";
        let form = op(summary).named(id).may(GRANTED).takes_bytes(boundary, file).fails(&[
            "invalid",
            "too_large",
            "not_found",
        ]);
        form.fails(&["quota_exceeded", "wrong_state", "gone", "locked", "body_broke_off", "storage_full"])
            .fails(&["conflict", CODE])
    };
    let s3 = form("postS3Form", "A file as a form, as S3 takes it").done(200, "As `success_action_status` wishes.");
    let s3 = s3.sends(201, "application/xml", "With the answer of S3.").done(204, "It is here.");
    let plain = form("postForm", "A file as a form of a page without scripts").done(204, "It is here.");
    let plain =
        plain.sends(201, "application/xml", "With the answer of S3.").sends(200, "text/html", "A page that says so.");
    let link = op("The file that Uppy has sent as a form").named("getFormFile").tells(
        "Uppy 6 makes the link to its result itself: the form's address, and the key. It leads to the asset's content, which \
         asks for a credential as ever.",
    );
    let link = link.done(302, "There.").with("Location", "url", "The asset's content.").fails(&["not_found"]);
    Routes::speaking(TAG, &DIALECT)
        .names(
            "CompanionError",
            json!({ "error": "text = not_found", "message": "text = There is no such thing.",
            "requestId": "text = 9f1c2a7be04d5513" }),
        )
        .post("/s3/form/{grant}", handlers::post_form, s3)
        .get("/s3/form/{grant}/{key}", handlers::redirect_to_content, link)
        .post("/u/{grant}/form", handlers::post_plain_form, plain)
}

/// The contract below `at`; `granted` where the grant is in the path.
pub(super) fn contract(at: &str, granted: bool) -> Routes {
    let may = |usual: Cells, granted_one: Cells| if granted { granted_one } else { usual };
    let path = |rest: &str| format!("{at}{rest}");
    let by = if granted { "ByGrant" } else { "" };
    let single = op("A form for a small file").named(format!("getUppyForm{by}")).may(may(OPENS, GRANTED));
    let single = single.query("filename", "text = a.txt", "Its name.").query("type", "text*", "Its type.");
    let create = op("Begin an upload in parts").named(format!("createUppyMultipart{by}")).may(may(OPENS, GRANTED));
    let create = create.takes::<NewMultipart>(json!({ "filename": "film.mp4", "type": "video/mp4" }));
    let created = json!({ "key": "uuid", "uploadId": "uuid", "bucket": "text = gantry" });
    let form = json!({ "method": "text = POST", "url": "url", "fields": "map of text", "expires": "int = 604800" });
    let sts = op("Temporary credentials, which are not offered")
        .named(format!("getUppyCredentials{by}"))
        .may(NOT_OFFERED)
        .fails(&["not_offered"]);
    Routes::speaking(TAG, &DIALECT)
        .get(&path("/params"), handlers::single, single.gives(200, form).fails(&["quota_exceeded", "too_large"]))
        .get(&path("/sts"), handlers::no_credentials, sts)
        .post(&path("/multipart"), handlers::create, create.gives(200, created).fails(&["quota_exceeded", "conflict"]))
        .and(parts(&path("/multipart/{id}"), by, may(WATCHES, GRANTED_ONE), may(DRIVES, GRANTED_ONE)))
}

fn parts(at: &str, by: &str, watches: Cells, drives: Cells) -> Routes {
    let one = |op: Op| op.query("key", "uuid", "The key that came with the upload.").fails(&["wrong_state", "gone"]);
    let list = json!([{ "PartNumber": "int", "Size": "int = 5242880", "ETag": "etag" }]);
    let many = one(op("Signed URLs for parts").named(format!("signUppyParts{by}")).may(drives)).query(
        "partNumbers",
        "text = 1",
        "A list of part numbers.",
    );
    let complete = one(op("Say that every part is sent").named(format!("completeUppyMultipart{by}")).may(drives))
        .takes::<Completion>(
        json!({ "parts": [{ "PartNumber": 1, "ETag": "\"5d41402abc4b2a76b9719d911017c592\"" }] }),
    );
    let complete = complete.gives(200, json!({ "location": "url", "key": "uuid", "bucket": "text = gantry" }));
    let sign = one(op("A signed URL for a part").named(format!("signUppyPart{by}")).may(drives))
        .gives(200, json!({ "url": "url", "expires": "int = 3600" }));
    Routes::speaking(TAG, &DIALECT)
        .get(
            at,
            handlers::list_parts,
            one(op("The parts that the store has").named(format!("listUppyParts{by}")).may(watches)).gives(200, list),
        )
        .delete(
            at,
            handlers::abort,
            one(op("Give an upload up").named(format!("abortUppyMultipart{by}")).may(drives)).gives(200, json!({})),
        )
        .get(
            &format!("{at}/batch"),
            handlers::sign_many,
            many.gives(200, json!({ "presignedUrls": "map of text = {\"1\":\"https://store.example/signed\"}" })),
        )
        .post(
            &format!("{at}/complete"),
            handlers::complete,
            complete.fails(&["incomplete", "parts_differ", "wrong_bytes"]),
        )
        .get(&format!("{at}/{{number}}"), handlers::sign, sign)
}
