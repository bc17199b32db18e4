//! The routes of Companion's API, each with its description for the contract.

use schemars::SchemaGenerator;
use serde_json::json;

use super::error::{CompanionError, CompanionErrorView};
use super::handlers;
use super::view::{
    AbortedMultipartView, CompanionPartView, CompanionUrlView, CompanionUrlsView, CompletedMultipartView,
    CreatedMultipartView, UploadFormView,
};
use super::wire::{CompleteMultipartBody, CreateMultipartBody};
use crate::http::chunk_detection::PARTIAL_FILE_CODE;
use crate::http::openapi::access::{
    AccessCells, DRIVE_UPLOAD_ACCESS, GRANT_ACCESS, GRANT_UPLOAD_ACCESS, NO_ACCESS, OPEN_UPLOAD_ACCESS, VIEW_ACCESS,
};
use crate::http::openapi::{ApiRoutes, ErrorDialect, OperationSpec, op, string_type, url_type, uuid_type};

const COMPANION_TAG: &str = "Uppy Companion";

static COMPANION_DIALECT: ErrorDialect = ErrorDialect {
    name: "companion",
    media_type: "application/json",
    schema: SchemaGenerator::subschema_for::<CompanionErrorView>,
    from_engine_error: |error| CompanionError::from(error).into_problem(),
    from_request_problem: |problem| CompanionError::from(problem).into_problem(),
    render_body: |problem| serde_json::to_value(CompanionError::view(problem)).unwrap_or_default(),
    own_problems: Vec::new,
};

pub(super) fn form_routes() -> ApiRoutes {
    let form = |id, summary| {
        let boundary = "multipart/form-data; boundary=x";
        let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--x--\r\n";
        let form = op(summary).operation_id(id).access(GRANT_ACCESS).bytes_body(boundary, file).error_codes(&[
            "invalid",
            "too_large",
            "not_found",
        ]);
        form.error_codes(&["quota_exceeded", "wrong_state", "gone", "locked", "body_broke_off", "storage_full"])
            .error_codes(&["conflict", PARTIAL_FILE_CODE])
    };
    let s3 = form("postS3Form", "A file as a form, as S3 takes it")
        .empty_response(200, "As `success_action_status` wishes.");
    let s3 = s3.media_response(201, "application/xml", "With the answer of S3.").empty_response(204, "It is here.");
    let plain = form("postForm", "A file as a form of a page without scripts").empty_response(204, "It is here.");
    let plain = plain.media_response(201, "application/xml", "With the answer of S3.").media_response(
        200,
        "text/html",
        "A page that says so.",
    );
    let plain = plain.with_error_pages();
    let link = op("The file that Uppy has sent as a form").operation_id("getFormFile").description(
        "Uppy 6 makes the link to its result itself: the form's address, and the key. It leads to the asset's content, which \
         asks for a credential as ever.",
    );
    let link = link
        .empty_response(302, "There.")
        .response_header("Location", url_type(), "The asset's content.")
        .error_codes(&["not_found"]);
    ApiRoutes::with_dialect(COMPANION_TAG, &COMPANION_DIALECT)
        .post("/s3/form/{grant}", handlers::post_form, s3)
        .get("/s3/form/{grant}/{key}", handlers::redirect_to_content, link)
        .post("/u/{grant}/form", handlers::post_plain_form, plain)
}

/// Companion's API below `at`; `granted`: the grant is in the path.
pub(super) fn companion_routes(at: &str, granted: bool) -> ApiRoutes {
    let may = |usual: AccessCells, granted_one: AccessCells| if granted { granted_one } else { usual };
    let path = |rest: &str| format!("{at}{rest}");
    let by = if granted { "ByGrant" } else { "" };
    let single = op("A form for a small file")
        .operation_id(format!("getUppyForm{by}"))
        .access(may(OPEN_UPLOAD_ACCESS, GRANT_ACCESS));
    let single = single.query("filename", string_type().example("a.txt"), "Its name.").query(
        "type",
        string_type().optional(),
        "Its type.",
    );
    let create = op("Begin an upload in parts")
        .operation_id(format!("createUppyMultipart{by}"))
        .access(may(OPEN_UPLOAD_ACCESS, GRANT_ACCESS));
    let create = create.json_body::<CreateMultipartBody>(json!({ "filename": "film.mp4", "type": "video/mp4" }));
    let sts = op("Temporary credentials, which are not offered")
        .operation_id(format!("getUppyCredentials{by}"))
        .access(NO_ACCESS)
        .error_codes(&["not_offered"]);
    ApiRoutes::with_dialect(COMPANION_TAG, &COMPANION_DIALECT)
        .get(
            &path("/params"),
            handlers::get_upload_form,
            single.json_response::<UploadFormView<'_>>(200).error_codes(&[
                "quota_exceeded",
                "too_large",
                "maintenance",
            ]),
        )
        .get(&path("/sts"), handlers::refuse_credentials, sts)
        .post(
            &path("/multipart"),
            handlers::create_multipart,
            create.json_response::<CreatedMultipartView>(200).error_codes(&[
                "quota_exceeded",
                "conflict",
                "maintenance",
            ]),
        )
        .merge(part_routes(
            &path("/multipart/{id}"),
            by,
            may(VIEW_ACCESS, GRANT_UPLOAD_ACCESS),
            may(DRIVE_UPLOAD_ACCESS, GRANT_UPLOAD_ACCESS),
        ))
}

fn part_routes(at: &str, by: &str, watches: AccessCells, drives: AccessCells) -> ApiRoutes {
    let one = |op: OperationSpec| {
        op.query("key", uuid_type(), "The key that came with the upload.").error_codes(&["wrong_state", "gone"])
    };
    let many = one(op("Signed URLs for parts").operation_id(format!("signUppyParts{by}")).access(drives)).query(
        "partNumbers",
        string_type().example("1"),
        "A list of part numbers.",
    );
    let complete =
        one(op("Say that every part is sent").operation_id(format!("completeUppyMultipart{by}")).access(drives))
            .json_body::<CompleteMultipartBody>(
            json!({ "parts": [{ "PartNumber": 1, "ETag": "\"5d41402abc4b2a76b9719d911017c592\"" }] }),
        );
    let complete = complete.json_response::<CompletedMultipartView>(200);
    let sign = one(op("A signed URL for a part").operation_id(format!("signUppyPart{by}")).access(drives))
        .json_response::<CompanionUrlView<'_>>(200);
    ApiRoutes::with_dialect(COMPANION_TAG, &COMPANION_DIALECT)
        .get(
            at,
            handlers::list_parts,
            one(op("The parts that the store has").operation_id(format!("listUppyParts{by}")).access(watches))
                .json_response::<Vec<CompanionPartView>>(200),
        )
        .delete(
            at,
            handlers::abort_multipart,
            one(op("Give an upload up").operation_id(format!("abortUppyMultipart{by}")).access(drives))
                .json_response::<AbortedMultipartView>(200),
        )
        .get(&format!("{at}/batch"), handlers::sign_parts, many.json_response::<CompanionUrlsView>(200))
        .post(
            &format!("{at}/complete"),
            handlers::complete_multipart,
            complete.error_codes(&["incomplete", "parts_differ", "wrong_bytes"]),
        )
        .get(&format!("{at}/{{number}}"), handlers::sign_part, sign)
}
