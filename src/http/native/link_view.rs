//! Links, collections and galleries as answers, from domain values. Pure: no engine, no headers.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::grant::{Link, LinkTarget};
use crate::domain::ids::{AssetId, CollectionId, GrantId, KeyId};
use crate::domain::name::FileName;
use crate::engine::{LinkList, MadeCollection, MadeLink, SignedThumbnail, ThumbnailLocation};
use crate::http::openapi::absent_not_null;
use crate::http::problem::ProblemView;
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Link")]
pub(super) struct LinkView<'a> {
    /// Id of the link.
    id: GrantId,
    /// Asset that the link opens; null for a link to a collection.
    asset_id: Option<AssetId>,
    /// Collection that the link opens; null for a link to an asset.
    collection_id: Option<CollectionId>,
    /// Id of the key that created the link.
    created_by: KeyId,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the link ends.
    expires_at: SortableTime,
    /// Time of revocation; null while the link is valid.
    revoked_at: Option<SortableTime>,
    /// `attachment` if browsers save the file, `inline` if they show it.
    #[schemars(extend("enum" = ["attachment", "inline"]))]
    disposition: &'static str,
    /// Name under which the file is saved; null for the asset's own.
    #[schemars(example = &"holiday.mp4")]
    filename: Option<&'a str>,
    /// Derivative that the link opens; null for the file itself.
    #[schemars(example = &"thumb-256")]
    variant: Option<&'a str>,
    /// Format of the derivative; null for the default format.
    #[schemars(example = &"webp")]
    format: Option<&'a str>,
    /// Number of times that the link may be used; null for any number.
    #[schemars(example = 3)]
    uses: Option<u32>,
    /// Number of times that the link was used.
    #[schemars(example = 0)]
    used: u32,
    /// Time of the last use; null for never.
    last_used_at: Option<SortableTime>,
    /// Network that may use the link; null for any.
    #[schemars(example = &"192.0.2.0/24")]
    ip: Option<String>,
}

pub(super) fn link_view(link: &Link) -> LinkView<'_> {
    let (asset_id, collection_id) = match link.target {
        LinkTarget::Asset(asset) => (Some(asset), None),
        LinkTarget::Collection(collection) => (None, Some(collection)),
    };
    LinkView {
        id: link.id,
        asset_id,
        collection_id,
        created_by: link.created_by,
        created_at: SortableTime(link.created_at),
        expires_at: SortableTime(link.expires_at),
        revoked_at: link.revoked_at.map(SortableTime),
        disposition: link.disposition.name(),
        filename: link.filename.as_ref().map(FileName::as_str),
        variant: link.variant.as_ref().map(|variant| variant.name.as_str()),
        format: link.variant.as_ref().and_then(|variant| variant.format.as_deref()),
        uses: link.max_uses,
        used: link.used,
        last_used_at: link.last_used_at.map(SortableTime),
        ip: link.network.map(|network| network.to_string()),
    }
}

/// A link that was just created, with its URL.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeLink")]
pub(super) struct MadeLinkView<'a> {
    #[serde(flatten)]
    link: LinkView<'a>,
    /// URL of the link; shown when the link is created and never again.
    #[schemars(url, example = &"https://files.example/d/gl_AZqjwXxA")]
    url: String,
}

pub(super) fn made_link_view<'a>(made: &'a MadeLink, content_url: &str) -> MadeLinkView<'a> {
    MadeLinkView { url: link_url(made, content_url), link: link_view(&made.link) }
}

fn link_url(made: &MadeLink, content_url: &str) -> String {
    format!("{content_url}/d/{}", made.token)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LinkResults")]
pub(super) struct LinkResultsView<'a> {
    /// A link or a problem for each wish, in the same order.
    pub(super) links: Vec<LinkResultView<'a>>,
}

/// Result for a link of a batch: the link, or the problem alone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LinkOrNot")]
pub(super) struct LinkResultView<'a> {
    #[serde(flatten)]
    pub(super) made: Option<MadeLinkView<'a>>,
    /// Problem with this wish; the other results stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProblemView")]
    pub(super) error: Option<ProblemView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LinkPage")]
pub(super) struct LinkPageView<'a> {
    /// Links, oldest first.
    links: Vec<LinkView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    #[schemars(with = "Option<String>")]
    next: Option<GrantId>,
}

pub(super) fn link_page_view(list: &LinkList) -> LinkPageView<'_> {
    LinkPageView { links: list.links.iter().map(link_view).collect(), next: list.next }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevokedLinks")]
pub(super) struct RevokedLinksView {
    /// Number of links that were revoked.
    #[schemars(example = 3)]
    pub(super) revoked: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Collection")]
pub(super) struct CollectionView<'a> {
    /// Id of the collection.
    id: CollectionId,
    /// Name of the archive.
    #[schemars(example = &"holiday.zip")]
    name: String,
    /// Number of assets.
    #[schemars(example = 12)]
    count: usize,
    /// Size of the archive in bytes.
    #[schemars(example = 734_003_200)]
    size: u64,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the collection ends.
    expires_at: SortableTime,
    /// URL of the link; its holder needs no other credential.
    #[schemars(url)]
    url: String,
    /// Link that opens the collection.
    link: LinkView<'a>,
}

pub(super) fn collection_view<'a>(made: &'a MadeCollection, content_url: &str) -> CollectionView<'a> {
    let collection = &made.collection;
    CollectionView {
        id: collection.id,
        name: collection.name.to_string(),
        count: collection.items.len(),
        size: made.size,
        created_at: SortableTime(collection.created_at),
        expires_at: SortableTime(collection.expires_at),
        url: link_url(&made.link, content_url),
        link: link_view(&made.link.link),
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ThumbnailResults")]
pub(super) struct ThumbnailResultsView<'a> {
    /// Result for each id of the request, in the same order.
    pub(super) results: Vec<ThumbnailResultView<'a>>,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ThumbnailResult", transform = absent_not_null)]
pub(super) struct ThumbnailResultView<'a> {
    /// Id as it was sent, even if it is invalid.
    #[schemars(example = &"019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")]
    id: std::borrow::Cow<'a, str>,
    /// URL of the picture; its holder needs no other credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(url)]
    url: Option<String>,
    /// Time at which the URL expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<SortableTime>,
    /// Media type of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"image/webp")]
    content_type: Option<String>,
    /// Size of the picture in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 8192)]
    size: Option<u64>,
    /// Problem with this id; the other results stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ProblemView>,
}

pub(super) fn thumbnail_view(thumbnail: SignedThumbnail, content_url: &str) -> ThumbnailResultView<'static> {
    let expires_at = Some(SortableTime(thumbnail.at.expires_at()));
    let url = match thumbnail.at {
        ThumbnailLocation::Signed(signed) => signed.url,
        ThumbnailLocation::Link(made) => link_url(&made, content_url),
    };
    ThumbnailResultView {
        id: thumbnail.asset.to_string().into(),
        url: Some(url),
        expires_at,
        content_type: Some(thumbnail.media_type),
        size: Some(thumbnail.size),
        error: None,
    }
}

/// The result for an id without a thumbnail.
pub(super) fn missing_thumbnail_view(id: &str, error: ProblemView) -> ThumbnailResultView<'_> {
    ThumbnailResultView { id: id.into(), error: Some(error), ..ThumbnailResultView::default() }
}
