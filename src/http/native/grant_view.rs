//! Grants as answers, from domain values. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::asset::AssetMetadata;
use crate::domain::drop_box::{DropBox, SenderField};
use crate::domain::ids::{GrantId, KeyId};
use crate::domain::name::TypePattern;
use crate::engine::MadeDropBox;
use crate::http::openapi::absent_not_null;
use crate::http::time_text::SortableTime;

/// URLs of a grant, whatever it is for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GrantEndpoints")]
pub(super) struct GrantEndpointsView {
    /// URL for tus 1.0 clients.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA/tus")]
    tus: String,
    /// URL for clients of the IETF's resumable uploads.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA/files")]
    files: String,
    /// `companionEndpoint` of Uppy's S3 plugin, which appends `/s3/…` itself.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA")]
    companion: String,
    /// URL of the requests that Uppy's S3 plugin sends to its Companion.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA/s3")]
    s3: String,
    /// URL for forms.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA/form")]
    form: String,
    /// URL for a plain PUT of the whole file, to which the client appends the file's name: `curl -T film.mp4 <url>`.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA/put/")]
    put: String,
    /// Events of the upload, for `EventSource`; absent for a grant for many files.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA/events")]
    events: Option<String>,
}

/// The URLs of a grant; `one_file`: it is for a single upload, whose events its holder may follow.
pub(super) fn grant_endpoints(token: &str, public_url: &str, one_file: bool) -> GrantEndpointsView {
    let at = |door: &str| format!("{public_url}/u/{token}/{door}");
    GrantEndpointsView {
        tus: at("tus"),
        files: at("files"),
        companion: format!("{public_url}/u/{token}"),
        s3: at("s3"),
        form: at("form"),
        put: at("put/"),
        events: one_file.then(|| at("events")),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant", transform = absent_not_null)]
pub(super) struct GrantView<'a> {
    /// Id of the grant.
    id: GrantId,
    /// The key that created it, which owns the files.
    created_by: KeyId,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the grant expires.
    expires_at: SortableTime,
    /// Time of revocation; null while the grant is not revoked.
    revoked_at: Option<SortableTime>,
    /// Number of files that may be sent; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    max_files: Option<u64>,
    /// Bytes of all files together; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 10_000_000_000_u64)]
    max_bytes: Option<u64>,
    /// Bytes of a single file; absent for no limit but that of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 734_003_200)]
    max_size: Option<u64>,
    /// Types that the files may have; empty for any type.
    content_types: Vec<&'a str>,
    /// The policy that applies to the files.
    #[schemars(example = &"default")]
    policy: &'a str,
    /// Properties that every file gets.
    metadata: &'a AssetMetadata,
    /// Questions of the upload page to the person who sends.
    #[schemars(extend("items" = { "type": "string", "enum": SenderField::ALL.map(SenderField::name) }))]
    sender: Vec<&'static str>,
    /// Number of files that were sent or are being sent.
    #[schemars(example = 3)]
    files: i64,
    /// Bytes of these files.
    #[schemars(example = 1200)]
    bytes: i64,
}

pub(super) fn grant_view(drop_box: &DropBox) -> GrantView<'_> {
    let terms = &drop_box.terms;
    GrantView {
        id: drop_box.id,
        created_by: drop_box.created_by,
        created_at: SortableTime(drop_box.created_at),
        expires_at: SortableTime(drop_box.expires_at),
        revoked_at: drop_box.revoked_at.map(SortableTime),
        max_files: terms.limits.files,
        max_bytes: terms.limits.bytes,
        max_size: terms.max_size,
        content_types: terms.allowed.iter().map(TypePattern::as_str).collect(),
        policy: &terms.policy,
        metadata: &terms.metadata,
        sender: terms.sender.iter().map(|field| field.name()).collect(),
        files: drop_box.used.files,
        bytes: drop_box.used.bytes,
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeGrant")]
pub(super) struct MadeGrantView<'a> {
    #[serde(flatten)]
    of: GrantView<'a>,
    /// Credential for its holders, who may send files and see what they sent. It is shown this once.
    #[schemars(example = &"gu_AZqjwXxA")]
    grant: &'a str,
    /// Address of the upload page, for people without an account.
    #[schemars(url, example = &"https://files.example/u/gu_AZqjwXxA")]
    url: String,
    /// URLs to which holders send files, without any other credential.
    endpoints: GrantEndpointsView,
}

pub(super) fn made_grant_view<'a>(made: &'a MadeDropBox, public_url: &str) -> MadeGrantView<'a> {
    MadeGrantView {
        of: grant_view(&made.drop_box),
        grant: &made.token,
        url: format!("{public_url}/u/{}", made.token),
        endpoints: grant_endpoints(&made.token, public_url, false),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GrantPage")]
pub(super) struct GrantPageView<'a> {
    /// Grants, newest first.
    grants: Vec<GrantView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next: Option<GrantId>,
}

pub(super) fn grant_page_view(grants: &[DropBox], next: Option<GrantId>) -> GrantPageView<'_> {
    GrantPageView { grants: grants.iter().map(grant_view).collect(), next }
}
