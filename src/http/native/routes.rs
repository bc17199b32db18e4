//! The routes of the native API, each with what is said of it.

use serde_json::{Value, json};

use super::super::openapi::access::{CREATES, DRIVES, EDITS, LINKS, LINKS_ONE, PUBLIC, READS, WATCHES};
use super::super::openapi::{Op, Routes, one_of, op};
use super::super::pieces::CODE;
use super::link_wire::{Gallery, NewCollection, Revocation};
use super::wire::{AssetBatch, AssetPatch, Completion, NewLink, NewLinks, NewUpload, WantedParts};
use super::{handlers, links};
use crate::domain::asset::AssetState;

const ID: &str = "019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11";

pub(super) fn uploads() -> Routes {
    let refused = ["too_large", "quota_exceeded", "not_found", "storage_full"];
    let create = op("Open an upload, or find it again").named("createUpload").may(CREATES).tells(
        "The same `external_id`, or the same `Idempotency-Key`, gives the open upload with the parts that the store \
         already has (200). `put` has one signed URL for the whole file; `multipart` has the plan and the first URLs.",
    );
    let create =
        create.takes::<NewUpload>(json!({ "filename": "film.mp4", "size": 734_003_200, "content_type": "video/mp4" }));
    let create =
        create.repeats().gives(201, "@Opened").gives(200, "@Opened").fails(&refused).fails(&["conflict", "gone"]);
    let check = op("Would it be accepted?")
        .named("checkUpload")
        .may(CREATES)
        .takes::<NewUpload>(json!({ "filename": "film.mp4", "size": 734_003_200 }));
    let check = check.gives(200, json!({ "accepted": "bool", "limits": "@Limits" })).fails(&refused);
    let sign = op("Signed URLs for parts").named("signParts").may(DRIVES).tells(
        "`parts` is a list like `1-200,512` or an array; up to 10 000 at once. `\"form\": \"compact\"` answers with one \
         template and the signatures: `{template, parts, part_size, size, expires_at, signatures}`, without `urls`.",
    );
    let sign = sign.takes::<WantedParts>(json!({ "parts": "1-3" })).gives(200, "@PartUrls");
    Routes::of("Uploads")
        .get(
            "/v1/limits",
            handlers::limits,
            op("What every protocol goes by").named("getLimits").may(PUBLIC).kept().gives(200, "@Limits"),
        )
        .post("/v1/uploads", handlers::create_upload, create)
        .post("/v1/uploads/check", handlers::check_upload, check)
        .get(
            "/v1/uploads/{id}",
            handlers::look_at_upload,
            op("An upload, and the parts that the store has")
                .named("getUpload")
                .may(WATCHES)
                .kept()
                .gives(200, "@Upload"),
        )
        .post("/v1/uploads/{id}/urls", handlers::sign_parts, sign.fails(&["wrong_state", "gone"]))
        .and(endings())
        .and(shapes())
}

fn endings() -> Routes {
    let put = op("The whole file as the body")
        .named("putUploadContent")
        .may(DRIVES)
        .takes_bytes("application/octet-stream", "hello")
        .with_any_parameters()
        .tells("For clients that know nothing of signed URLs. The upload is complete when this answers.");
    let put = put.gives(200, "@Asset").fails(&["too_large", "length_differs", "wrong_state", "gone", "locked"]);
    let complete = op("Say that every byte is sent").named("completeUpload").may(DRIVES).takes::<Completion>(json!({})).tells(
        "What the store has is asked of the store: no part list is needed. Repeatable, with the same answer always.",
    );
    let complete = complete.gives(200, "@Asset").fails(&["incomplete", "parts_differ", "wrong_bytes", "wrong_state"]);
    Routes::of("Uploads")
        .put(
            "/v1/uploads/{id}/content",
            handlers::put_content,
            put.fails(&[
                "wrong_bytes",
                "body_broke_off",
                "storage_full",
                "quota_exceeded",
                "invalid",
                "conflict",
                CODE,
            ]),
        )
        .post("/v1/uploads/{id}/complete", handlers::complete_upload, complete.fails(&["gone"]))
        .delete(
            "/v1/uploads/{id}",
            handlers::abort_upload,
            op("Give an upload up")
                .named("abortUpload")
                .may(DRIVES)
                .done(204, "It is aborted.")
                .fails(&["wrong_state"]),
        )
}

pub(super) fn assets() -> Routes {
    let list = op("A page of assets, newest first").named("listAssets").may(READS).paged("cursor");
    let list = list
        .tells(
            "The list ends where `next` is null. A filter that no index serves (`content_type`, `metadata.k`) looks at 10 000 \
             assets per page: a page may be short or empty and still have a `next`.",
        )
        .query("state", one_of(AssetState::NAMES) + "*", "Only in this state.")
        .query("external_id", "text*", "Only with this id of yours.")
        .query("created_after", "time*", "Only those made later.")
        .query("content_type", "text*", "Only of this type.")
        .query("metadata.k", "text*", "Only with this value of the metadata's member `k`; any name for `k`.");
    let see =
        op("An asset").named("getAsset").may(WATCHES).kept().query("wait", "text* = 30s", "Waits for so long at most.");
    let see = see.query("until", one_of(AssetState::NAMES) + "* = ready", "Waits until it is in this state.");
    let gallery = op("Short-lived URLs of thumbnails, many at once").named("createThumbnailUrls").may(READS);
    let gallery = gallery.takes::<Gallery>(json!({ "ids": [ID], "variant": "thumb-256" }));
    let batch =
        op("Many assets by their ids").named("getAssets").may(READS).takes::<AssetBatch>(json!({ "ids": [ID] }));
    let change = op("Rename or describe an asset")
        .named("updateAsset")
        .may(EDITS)
        .takes::<AssetPatch>(json!({ "filename": "holiday.mp4" }));
    // As it was asked for, even if it is no id at all.
    let asked = format!("text = {ID}");
    let results = json!({ "id": &asked, "asset*": "@Asset", "error*": "@Problem" });
    let thumbnails = json!({ "id": &asked, "url*": "url", "expires_at*": "time", "content_type*": "text = image/webp",
        "size*": "int = 8192", "error*": "@Problem" });
    Routes::of("Assets")
        .get("/v1/assets", handlers::list_assets, list.gives(200, json!({ "assets": ["@Asset"], "next": "text?" })))
        .post("/v1/assets/batch", handlers::batch_assets, batch.gives(200, json!({ "results": [results] })))
        .get("/v1/assets/{id}", handlers::get_asset, see.gives(200, "@Asset"))
        .patch("/v1/assets/{id}", handlers::patch_asset, change.gives(200, "@Asset").fails(&["gone", "wrong_state"]))
        .delete(
            "/v1/assets/{id}",
            handlers::delete_asset,
            op("Delete an asset and its bytes")
                .named("deleteAsset")
                .may(EDITS)
                .done(204, "It is deleted.")
                .fails(&["wrong_state"]),
        )
        .post("/v1/assets/thumbnails", links::gallery, gallery.gives(200, json!({ "results": [thumbnails] })))
}

pub(super) fn links() -> Routes {
    let page = || json!({ "links": ["@Link"], "next": "text?" });
    let revoked = || json!({ "revoked": "int = 3" });
    let make = op("A link to an asset, for somebody without a credential").named("createLink").may(LINKS_ONE).repeats();
    let make = make.takes::<NewLink>(json!({ "expires_in": "1h", "filename": "holiday.mp4", "uses": 3 })).or_nothing();
    let many = op("Up to 1000 links at once").named("createLinks").may(LINKS).repeats();
    let many = many.takes::<NewLinks>(json!({ "links": [{ "asset": ID, "expires_in": 3600 }] }));
    let revoke = op("Revoke every link of an asset or an issuer").named("revokeLinks").may(LINKS);
    let revoke = revoke.takes::<Revocation>(json!({ "created_by": "019aa3c1-0000-7000-8000-000000000001" }));
    let list = op("A page of links").named("listLinks").may(LINKS).paged("cursor").query(
        "asset",
        "uuid*",
        "Only of this asset.",
    );
    let of_one = op("A page of an asset's links").named("listAssetLinks").may(LINKS_ONE).paged("cursor");
    Routes::of("Links")
        .post(
            "/v1/assets/{id}/links",
            links::make_link,
            make.gives(201, "@MadeLink").fails(&["not_ready", "rejected", "gone"]),
        )
        .get("/v1/assets/{id}/links", links::links_of_asset, by(of_one).gives(200, page()))
        .delete(
            "/v1/assets/{id}/links",
            links::revoke_links_of_asset,
            op("Revoke every link of an asset").named("revokeAssetLinks").may(LINKS_ONE).gives(200, revoked()),
        )
        .post("/v1/links", links::make_links, many.gives(200, json!({ "links": ["@LinkOrNot"] })))
        .get("/v1/links", links::list_links, by(list).gives(200, page()).fails(&["not_found"]))
        .post("/v1/links/revoke", links::revoke_links, revoke.gives(200, revoked()).fails(&["not_found"]))
        .delete(
            "/v1/links/{id}",
            links::revoke_link,
            op("Revoke a link")
                .named("revokeLink")
                .may(LINKS_ONE)
                .done(204, "It opens nothing any more, on every node within seconds."),
        )
        .post("/v1/collections", links::make_collection, collection())
}

fn by(op: Op) -> Op {
    op.query("created_by", "uuid*", "Only those that this key made.")
}

fn collection() -> Op {
    let wish = json!({ "name": "holiday.zip", "assets": [ID], "expires_in": "1d" });
    let made = json!({ "id": "uuid", "name": "text = holiday.zip", "count": "int = 12", "size": "int = 734003200",
        "created_at": "time", "expires_at": "time", "url": "url", "link": "@Link" });
    let op = op("One link to many assets, as a ZIP")
        .named("createCollection")
        .may(LINKS)
        .repeats()
        .takes::<NewCollection>(wish);
    op.gives(201, made).fails(&["not_found", "not_ready"])
}

fn shapes() -> Routes {
    Routes::of("Uploads")
        .names("Problem", problem())
        .names("Limits", limits())
        .names("Opened", opened())
        .names(
            "PartUrl",
            json!({ "part": "int", "url": "url", "headers": "map of text = {\"content-length\":\"5242880\"}",
            "expires_at": "time" }),
        )
        .names("PartUrls", part_urls())
        .names("Upload", upload())
        .names("Asset", asset())
        .names("Link", link())
        .names("MadeLink", with(link(), json!({ "url": "url = https://files.example/d/gl_AZqjwXxA" })))
        .names("LinkOrNot", link_or_not())
}

/// Whole URLs, or what they are put together from.
fn part_urls() -> Value {
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

/// A link, or why there is none.
fn link_or_not() -> Value {
    let link = with(link(), json!({ "url": "url = https://files.example/d/gl_AZqjwXxA" }));
    let members = link.as_object().into_iter().flatten().map(|(name, shape)| (format!("{name}*"), shape.clone()));
    let mut members: serde_json::Map<_, _> = members.collect();
    members.insert("error*".to_owned(), "@Problem".into());
    Value::Object(members)
}

fn with(mut shape: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (shape.as_object_mut(), more) {
        members.extend(more);
    }
    shape
}

fn problem() -> Value {
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

fn limits() -> Value {
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

fn opened() -> Value {
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

fn upload() -> Value {
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

fn asset() -> Value {
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

fn link() -> Value {
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
