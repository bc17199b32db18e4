//! The shapes and examples that the document shows for answers of the native API.

use serde_json::{Value, json};

use crate::http::openapi::ApiRoutes;

pub(super) fn native_shapes() -> ApiRoutes {
    ApiRoutes::for_tag("Uploads")
        .define_shape("Problem", problem_shape())
        .define_shape("Limits", limits_shape())
        .define_shape("Opened", opened_upload_shape())
        .define_shape(
            "PartUrl",
            json!({ "part": "int", "url": "url", "headers": "map of text = {\"content-length\":\"5242880\"}",
            "expires_at": "time" }),
        )
        .define_shape("PartUrls", part_urls_shape())
        .define_shape("Upload", upload_shape())
        .define_shape("Asset", asset_shape())
        .define_shape("Link", link_shape())
        .define_shape(
            "MadeLink",
            merge_shapes(link_shape(), json!({ "url": "url = https://files.example/d/gl_AZqjwXxA" })),
        )
        .define_shape("LinkOrNot", link_result_shape())
}

/// Whole URLs, or a template and the signatures.
fn part_urls_shape() -> Value {
    let signed = "https://store.example/files/k?partNumber={part}&uploadId=u&X-Amz-Signature={signature}";
    json!({
        "urls*": ["@PartUrl"],
        "template*": format!("text = {signed}"),
        "parts*": "text = 1-3",
        "part_size*": "int = 5242880",
        "size*": "int = 734003200",
        "expires_at*": "time",
        "signatures*": ["text"],
    })
}

/// A link, or the reason why there is none.
fn link_result_shape() -> Value {
    let link = merge_shapes(link_shape(), json!({ "url": "url = https://files.example/d/gl_AZqjwXxA" }));
    let members = link.as_object().into_iter().flatten().map(|(name, shape)| (format!("{name}*"), shape.clone()));
    let mut members: serde_json::Map<_, _> = members.collect();
    members.insert("error*".to_owned(), "@Problem".into());
    Value::Object(members)
}

fn merge_shapes(mut shape: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (shape.as_object_mut(), more) {
        members.extend(more);
    }
    shape
}

fn problem_shape() -> Value {
    json!({
        "type": "text = urn:gantry:problem:not_ready",
        "title": "text = Conflict",
        "status": "int = 409",
        "detail": "text = The asset is processing.",
        "code": "text = not_ready",
        "request_id": "text = 9f1c2a7be04d5513",
        "retryable": "bool",
        "field": "text* = size",
        "limit": "int or text*",
        "state": "text* = processing",
        "missing": "text* = 3,7",
        "part": "int* = 3",
        "reason": "text* = infected",
        "offset": "int* = 4096",
        "expected-offset": "int* = 4096",
        "provided-offset": "int* = 0",
    })
}

fn limits_shape() -> Value {
    json!({
        "max_size": "int = 50000000000000",
        "max_put_size": "int = 5368709120",
        "max_append_size": "int = 52428800000",
        "max_append_request_size": "int* = 104857600",
        "min_part_size": "int = 5242880",
        "max_part_size": "int = 5368709120",
        "max_parts": "int = 10000",
        "max_filename_characters": "int = 255",
        "max_filename_bytes": "int = 1020",
        "max_metadata_bytes": "int = 16384",
        "upload_expires_in": "int = 604800",
        "url_expires_in": "int = 3600",
        "max_link_expires_in": "int = 2592000",
        "checksums": ["one of sha256|crc32c|crc64nvme"],
    })
}

fn opened_upload_shape() -> Value {
    let at = |door: &str| format!("url = https://files.example/u/gu_AZqjwXxA/{door}");
    json!({
        "upload": "@Upload",
        "asset": "@Asset",
        "grant": "text = gu_AZqjwXxA",
        "endpoints": { "tus": at("tus"), "files": at("files"), "companion": "url = https://files.example/u/gu_AZqjwXxA",
            "s3": at("s3"), "form": at("form"), "events": at("events") },
        "put*": { "url": "url", "method": "text = PUT", "headers": "map of text", "expires_at": "time" },
        "multipart*": { "part_size": "int = 16777216", "part_count": "int = 44", "urls": ["@PartUrl"] },
    })
}

fn upload_shape() -> Value {
    json!({
        "id": "uuid",
        "asset_id": "uuid",
        "state": "one of open|completing|completed|failed|aborted|expired",
        "protocol": "text = native",
        "method": "text = multipart",
        "size": "int* = 734003200",
        "max_size": "int* = 734003200",
        "part_size": "int* = 16777216",
        "part_count": "int* = 44",
        "received": [{ "part": "int", "size": "int = 16777216" }],
        "received_bytes": "int = 16777216",
        "external_id": "text* = order-17",
        "created_at": "time",
        "expires_at": "time",
    })
}

fn asset_shape() -> Value {
    let said = json!({ "code": "text = infected", "message": "text = A virus was found." });
    json!({
        "id": "uuid",
        "state": "one of ready|awaiting|stored|processing|rejected|failed|abandoned|deleted",
        "filename": "text = film.mp4",
        "size": "int = 734003200",
        "content_type": "text? = video/mp4",
        "declared_content_type": "text? = video/mp4",
        "charset": "text* = utf-8",
        "digest": "digest?",
        "sha256": "sha256?",
        "external_id": "text?",
        "policy": "text = default",
        "delete_at": "time*",
        "metadata": "map of any",
        "details": "map of any*",
        "scan*": { "engine": "text = ClamAV 1.4", "at": "time" },
        "problems*": [said],
        "derivatives*": [{ "variant": "text = thumb-256", "content_type": "text = image/webp", "size": "int = 8192",
            "width": "int* = 256", "height": "int* = 144" }],
        "reason?": said,
        "created_at": "time",
        "changed_at": "time",
    })
}

fn link_shape() -> Value {
    json!({
        "id": "uuid",
        "asset_id": "uuid?",
        "collection_id": "uuid?",
        "created_by": "uuid",
        "created_at": "time",
        "expires_at": "time",
        "revoked_at": "time?",
        "disposition": "one of attachment|inline",
        "filename": "text? = holiday.mp4",
        "variant": "text? = thumb-256",
        "format": "text? = webp",
        "uses": "int? = 3",
        "used": "int = 0",
        "last_used_at": "time?",
        "ip": "text? = 192.0.2.0/24",
    })
}
