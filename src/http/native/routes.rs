//! The routes of the native API, each with its description for the contract.

use serde_json::json;

use super::asset_view::{AssetPageView, AssetResultsView, AssetView};
use super::limits_view::LimitsView;
use super::link_view::{
    CollectionView, LinkPageView, LinkResultsView, MadeLinkView, RevokedLinksView, ThumbnailResultsView,
};
use super::link_wire::{CreateCollectionBody, CreateThumbnailUrlsBody, RevokeLinksBody};
use super::part_urls::PartUrlsView;
use super::upload_list_view::UploadPageView;
use super::upload_view::{OpenedUploadView, UploadCheckView, UploadView};
use super::wire::{
    BatchAssetsBody, CompleteUploadBody, CreateLinkBody, CreateLinksBody, CreateUploadBody, PatchAssetBody,
    SignPartsBody,
};
use super::{handlers, link_handlers};
use crate::domain::asset::AssetState;
use crate::domain::asset_order::{AssetSort, SortDirection};
use crate::domain::upload::{UploadProtocol, UploadState};
use crate::http::chunk_detection::PARTIAL_FILE_CODE;
use crate::http::openapi::access::{
    CREATE_UPLOAD_ACCESS, DRIVE_UPLOAD_ACCESS, EDIT_ASSET_ACCESS, LINK_ACCESS, LINK_ASSET_ACCESS, PUBLIC_ACCESS,
    READ_TENANT_ACCESS, VIEW_ACCESS,
};
use crate::http::openapi::{ApiRoutes, OperationSpec, integer_type, one_of, op, string_type, time_type, uuid_type};

/// Description of `tenant` at lists that administrators may read for other tenants.
const TENANT_PARAMETER: &str = "Another tenant, by name or id, or `*` for all. For administrators of the tenant \
    `default`.";
const EXAMPLE_ID: &str = "019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11";

pub(super) fn upload_routes() -> ApiRoutes {
    let refused = ["too_large", "quota_exceeded", "not_found", "storage_full", "maintenance"];
    let create = op("Open an upload, or find it again").operation_id("createUpload").access(CREATE_UPLOAD_ACCESS).description(
        "The same `external_id`, or the same `Idempotency-Key`, gives the open upload with the parts that the store \
         already has (200). `put` has one signed URL for the whole file; `multipart` has the plan and the first URLs.",
    );
    let create = create.json_body::<CreateUploadBody>(
        json!({ "filename": "film.mp4", "size": 734_003_200, "content_type": "video/mp4" }),
    );
    let create = create
        .idempotent()
        .json_response::<OpenedUploadView<'_>>(201)
        .json_response::<OpenedUploadView<'_>>(200)
        .error_codes(&refused)
        .error_codes(&["conflict", "gone"]);
    let check = op("Would it be accepted?")
        .operation_id("checkUpload")
        .access(CREATE_UPLOAD_ACCESS)
        .json_body::<CreateUploadBody>(json!({ "filename": "film.mp4", "size": 734_003_200 }));
    let check = check.json_response::<UploadCheckView>(200).error_codes(&refused);
    let sign = op("Signed URLs for parts").operation_id("signParts").access(DRIVE_UPLOAD_ACCESS).description(
        "`parts` is a list like `1-200,512` or an array; up to 10 000 at once. `\"form\": \"compact\"` answers with one \
         template and the signatures: `{template, parts, part_size, size, expires_at, signatures}`, without `urls`.",
    );
    let sign = sign.json_body::<SignPartsBody>(json!({ "parts": "1-3" })).json_response::<PartUrlsView<'_>>(200);
    ApiRoutes::for_tag("Uploads")
        .get(
            "/v1/limits",
            handlers::get_limits,
            op("What every protocol goes by")
                .operation_id("getLimits")
                .access(PUBLIC_ACCESS)
                .cacheable()
                .json_response::<LimitsView>(200),
        )
        .post("/v1/uploads", handlers::create_upload, create)
        .get("/v1/uploads", handlers::list_uploads, list_uploads_operation())
        .post("/v1/uploads/check", handlers::check_upload, check)
        .get(
            "/v1/uploads/{id}",
            handlers::get_upload,
            op("An upload, and the parts that the store has")
                .operation_id("getUpload")
                .access(VIEW_ACCESS)
                .cacheable()
                .json_response::<UploadView>(200),
        )
        .post("/v1/uploads/{id}/urls", handlers::sign_parts, sign.error_codes(&["wrong_state", "gone"]))
        .merge(upload_end_routes())
}

fn list_uploads_operation() -> OperationSpec {
    op("A page of uploads, newest first")
        .operation_id("listUploads")
        .access(READ_TENANT_ACCESS)
        .paged("after")
        .description(
            "The list ends where `next` is null. It says what the rows say: no store is asked. A filter that no index \
             serves looks at 10 000 uploads per page: a page may be short or empty and still have a `next`.",
        )
        .query("state", one_of(UploadState::ALL.map(UploadState::name)).optional(), "Only in this state.")
        .query("asset", uuid_type().optional(), "Only those of this asset.")
        .query("owner", uuid_type().optional(), "Only those that this key created.")
        .query("protocol", one_of(UploadProtocol::ALL.map(UploadProtocol::name)).optional(), "Only of this protocol.")
        .query(
            "idle_for",
            string_type().optional(),
            "Only those without activity for so long, like `10m`; those that have ended only if `state` says so.",
        )
        .query("created_after", time_type().optional(), "Only those made later.")
        .query("tenant", string_type().optional(), TENANT_PARAMETER)
        .json_response::<UploadPageView>(200)
        .error_codes(&["not_found"])
}

fn upload_end_routes() -> ApiRoutes {
    let put = op("The whole file as the body")
        .operation_id("putUploadContent")
        .access(DRIVE_UPLOAD_ACCESS)
        .bytes_body("application/octet-stream", "hello")
        .with_any_parameters()
        .description("For clients that know nothing of signed URLs. The upload is complete when this answers.");
    let put = put.json_response::<AssetView>(200).error_codes(&[
        "too_large",
        "length_differs",
        "wrong_state",
        "gone",
        "locked",
    ]);
    let complete = op("Say that every byte is sent").operation_id("completeUpload").access(DRIVE_UPLOAD_ACCESS).json_body::<CompleteUploadBody>(json!({})).description(
        "What the store has is asked of the store: no part list is needed. Repeatable, with the same answer always.",
    );
    let complete = complete.json_response::<AssetView>(200).error_codes(&[
        "incomplete",
        "parts_differ",
        "wrong_bytes",
        "wrong_state",
    ]);
    ApiRoutes::for_tag("Uploads")
        .put(
            "/v1/uploads/{id}/content",
            handlers::put_content,
            put.error_codes(&[
                "wrong_bytes",
                "body_broke_off",
                "storage_full",
                "quota_exceeded",
                "invalid",
                "conflict",
                PARTIAL_FILE_CODE,
            ]),
        )
        .post("/v1/uploads/{id}/complete", handlers::complete_upload, complete.error_codes(&["gone"]))
        .delete(
            "/v1/uploads/{id}",
            handlers::abort_upload,
            op("Give an upload up")
                .operation_id("abortUpload")
                .access(DRIVE_UPLOAD_ACCESS)
                .empty_response(204, "It is aborted.")
                .error_codes(&["wrong_state"]),
        )
}

pub(super) fn asset_routes() -> ApiRoutes {
    let list = list_assets_operation();
    let see = op("An asset").operation_id("getAsset").access(VIEW_ACCESS).cacheable().query(
        "wait",
        string_type().optional().example("30s"),
        "Waits for so long at most.",
    );
    let see =
        see.query("until", one_of(AssetState::NAMES).optional().example("ready"), "Waits until it is in this state.");
    let gallery = op("Short-lived URLs of thumbnails, many at once")
        .operation_id("createThumbnailUrls")
        .access(READ_TENANT_ACCESS);
    let gallery = gallery.json_body::<CreateThumbnailUrlsBody>(json!({ "ids": [EXAMPLE_ID], "variant": "thumb-256" }));
    let batch = op("Many assets by their ids")
        .operation_id("getAssets")
        .access(READ_TENANT_ACCESS)
        .json_body::<BatchAssetsBody>(json!({ "ids": [EXAMPLE_ID] }));
    let change = op("Rename or describe an asset")
        .operation_id("updateAsset")
        .access(EDIT_ASSET_ACCESS)
        .json_body::<PatchAssetBody>(json!({ "filename": "holiday.mp4" }));
    ApiRoutes::for_tag("Assets")
        .get("/v1/assets", handlers::list_assets, list.json_response::<AssetPageView>(200))
        .post("/v1/assets/batch", handlers::batch_assets, batch.json_response::<AssetResultsView<'_>>(200))
        .get("/v1/assets/{id}", handlers::get_asset, see.json_response::<AssetView>(200))
        .patch(
            "/v1/assets/{id}",
            handlers::patch_asset,
            change.json_response::<AssetView>(200).error_codes(&["gone", "wrong_state"]),
        )
        .delete(
            "/v1/assets/{id}",
            handlers::delete_asset,
            op("Delete an asset and its bytes")
                .operation_id("deleteAsset")
                .access(EDIT_ASSET_ACCESS)
                .empty_response(204, "It is deleted.")
                .error_codes(&["wrong_state"]),
        )
        .post(
            "/v1/assets/thumbnails",
            link_handlers::create_thumbnail_urls,
            gallery.json_response::<ThumbnailResultsView<'_>>(200),
        )
}

fn list_assets_operation() -> OperationSpec {
    let list = op("A page of assets").operation_id("listAssets").access(READ_TENANT_ACCESS).paged("cursor");
    list.description(
        "The list ends where `next` is null. It is ordered by `sort` and then by id: newest first by default. A \
             cursor goes on in the order in which it was given. A filter that no index serves (`content_type`, \
             `metadata.k`, text of one or two characters, size or time in another order) looks at 10 000 assets per \
             page: a page may be short or empty and still have a `next`. A list of all tenants is ordered by creation.",
    )
    .query("state", one_of(AssetState::NAMES).optional(), "Only in this state.")
    .query("external_id", string_type().optional(), "Only with this id of yours.")
    .query("created_after", time_type().optional(), "Only those made later.")
    .query("created_before", time_type().optional(), "Only those made earlier.")
    .query("size_from", integer_type().optional(), "Only those of at least so many bytes.")
    .query("size_to", integer_type().optional(), "Only those of at most so many bytes.")
    .query(
        "name",
        string_type().length(1, Some(255)).optional(),
        "Only those with this text anywhere in the name, in any case.",
    )
    .query("sort", one_of(AssetSort::ALL.map(AssetSort::name)).optional(), "Order by this; `created` by default.")
    .query(
        "order",
        one_of(SortDirection::ALL.map(SortDirection::name)).optional(),
        "By default `asc` for names, otherwise `desc`.",
    )
    .query("tenant", string_type().optional(), TENANT_PARAMETER)
    .error_codes(&["not_found"])
    .query("content_type", string_type().optional(), "Only of this type.")
    .query(
        "metadata.k",
        string_type().optional(),
        "Only with this value of the metadata's member `k`; any name for `k`.",
    )
}

pub(super) fn link_routes() -> ApiRoutes {
    let many = create_links_operation();
    let revoke = op("Revoke every link of an asset or an issuer").operation_id("revokeLinks").access(LINK_ACCESS);
    let revoke = revoke.json_body::<RevokeLinksBody>(json!({ "created_by": "019aa3c1-0000-7000-8000-000000000001" }));
    let list = op("A page of links").operation_id("listLinks").access(LINK_ACCESS).paged("cursor").query(
        "asset",
        uuid_type().optional(),
        "Only of this asset.",
    );
    ApiRoutes::for_tag("Links")
        .post("/v1/links", link_handlers::create_links, many.json_response::<LinkResultsView<'_>>(200))
        .get(
            "/v1/links",
            link_handlers::list_links,
            with_created_by(list).json_response::<LinkPageView<'_>>(200).error_codes(&["not_found"]),
        )
        .post(
            "/v1/links/revoke",
            link_handlers::revoke_links,
            revoke.json_response::<RevokedLinksView>(200).error_codes(&["not_found"]),
        )
        .delete(
            "/v1/links/{id}",
            link_handlers::revoke_link,
            op("Revoke a link")
                .operation_id("revokeLink")
                .access(LINK_ASSET_ACCESS)
                .empty_response(204, "It opens nothing any more, on every node within seconds."),
        )
        .post("/v1/collections", link_handlers::create_collection, collection_operation())
        .merge(asset_link_routes())
}

fn asset_link_routes() -> ApiRoutes {
    let make = op("A link to an asset, for somebody without a credential")
        .operation_id("createLink")
        .access(LINK_ASSET_ACCESS)
        .idempotent();
    let make = make
        .json_body::<CreateLinkBody>(json!({ "expires_in": "1h", "filename": "holiday.mp4", "uses": 3 }))
        .body_optional();
    let of_one =
        op("A page of an asset's links").operation_id("listAssetLinks").access(LINK_ASSET_ACCESS).paged("cursor");
    ApiRoutes::for_tag("Links")
        .post(
            "/v1/assets/{id}/links",
            link_handlers::create_link,
            make.json_response::<MadeLinkView<'_>>(201).error_codes(&["not_ready", "rejected", "gone"]),
        )
        .get(
            "/v1/assets/{id}/links",
            link_handlers::list_asset_links,
            with_created_by(of_one).json_response::<LinkPageView<'_>>(200),
        )
        .delete(
            "/v1/assets/{id}/links",
            link_handlers::revoke_asset_links,
            op("Revoke every link of an asset")
                .operation_id("revokeAssetLinks")
                .access(LINK_ASSET_ACCESS)
                .json_response::<RevokedLinksView>(200),
        )
}

fn create_links_operation() -> OperationSpec {
    let many = op("Up to 1000 links at once").operation_id("createLinks").access(LINK_ACCESS).idempotent();
    many.json_body::<CreateLinksBody>(json!({ "links": [{ "asset": EXAMPLE_ID, "expires_in": 3600 }] }))
}

fn with_created_by(op: OperationSpec) -> OperationSpec {
    op.query("created_by", uuid_type().optional(), "Only those that this key made.")
}

fn collection_operation() -> OperationSpec {
    let wish = json!({ "name": "holiday.zip", "assets": [EXAMPLE_ID], "expires_in": "1d" });
    let op = op("One link to many assets, as a ZIP")
        .operation_id("createCollection")
        .access(LINK_ACCESS)
        .idempotent()
        .json_body::<CreateCollectionBody>(wish);
    op.json_response::<CollectionView<'_>>(201).error_codes(&["not_found", "not_ready"])
}
