//! Shapes of links, collections and galleries and their conversion to commands and from domain values. Pure.
//!
//! Unknown fields are refused: a misspelt option must not be ignored silently.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::view::timestamp_text;
use super::wire::{DEFAULT_LINK_TTL, SecondsInput, parse_field, parse_optional_field, parse_variant};
use crate::domain::grant::{AssetVariant, Link, LinkTarget};
use crate::domain::ids::{AssetId, CollectionId, GrantId, KeyId};
use crate::domain::name::FileName;
use crate::engine::{
    CollectionWish, Error, ListLinks, MadeCollection, MadeLink, RevokeLinks, SignedThumbnail, ThumbnailLocation,
};
use crate::http::query::{DEFAULT_PAGE_LIMIT, DurationInput, parse_limit, query_pairs, unknown_parameter};

/// `?cursor=&limit=`, and `?asset=&created_by=` where the path names no asset.
pub(super) fn parse_links_query(query: Option<&str>, of: Option<AssetId>) -> Result<ListLinks, Error> {
    let mut list = ListLinks { asset: of, maker: None, after: None, limit: DEFAULT_PAGE_LIMIT };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "cursor" => {
                list.after = Some(
                    value.parse().map_err(|_| Error::invalid("cursor", "must be the cursor of a previous answer"))?,
                );
            }
            "limit" => list.limit = parse_limit(&value)?,
            "asset" if of.is_none() => list.asset = Some(value.parse().map_err(|_| Error::NotFound)?),
            "created_by" => list.maker = Some(parse_field("created_by", &value)?),
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Revocation")]
pub(super) struct RevokeLinksBody {
    /// The asset whose links are withdrawn.
    asset: Option<String>,
    /// The key whose links are withdrawn.
    created_by: Option<String>,
}

impl RevokeLinksBody {
    pub(super) fn to_command(&self) -> Result<RevokeLinks, Error> {
        let asset = self.asset.as_deref().map(|text| text.parse().map_err(|_| Error::NotFound)).transpose()?;
        Ok(RevokeLinks { asset, maker: parse_optional_field("created_by", self.created_by.as_deref())? })
    }
}

/// A link; with its token and URL only where it was just created.
#[derive(Serialize)]
pub(super) struct LinkView<'a> {
    id: GrantId,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    asset_id: Option<AssetId>,
    collection_id: Option<CollectionId>,
    created_by: KeyId,
    created_at: String,
    expires_at: String,
    revoked_at: Option<String>,
    disposition: &'static str,
    filename: Option<&'a str>,
    variant: Option<&'a str>,
    format: Option<&'a str>,
    uses: Option<u32>,
    used: u32,
    last_used_at: Option<String>,
    ip: Option<String>,
}

pub(super) fn link_view(link: &Link) -> LinkView<'_> {
    let (asset_id, collection_id) = match link.target {
        LinkTarget::Asset(asset) => (Some(asset), None),
        LinkTarget::Collection(collection) => (None, Some(collection)),
    };
    LinkView {
        id: link.id,
        url: None,
        asset_id,
        collection_id,
        created_by: link.created_by,
        created_at: timestamp_text(link.created_at),
        expires_at: timestamp_text(link.expires_at),
        revoked_at: link.revoked_at.map(timestamp_text),
        disposition: link.disposition.name(),
        filename: link.filename.as_ref().map(FileName::as_str),
        variant: link.variant.as_ref().map(|variant| variant.name.as_str()),
        format: link.variant.as_ref().and_then(|variant| variant.format.as_deref()),
        uses: link.max_uses,
        used: link.used,
        last_used_at: link.last_used_at.map(timestamp_text),
        ip: link.network.map(|network| network.to_string()),
    }
}

pub(super) fn made_link_view<'a>(made: &'a MadeLink, content_url: &str) -> LinkView<'a> {
    LinkView { url: Some(link_url(made, content_url)), ..link_view(&made.link) }
}

/// Result for a link of a batch.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum LinkResultView<'a> {
    Made(Box<LinkView<'a>>),
    Not { error: Value },
}

fn link_url(made: &MadeLink, content_url: &str) -> String {
    format!("{content_url}/d/{}", made.token)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewCollection")]
pub(super) struct CreateCollectionBody {
    /// The archive's name.
    #[schemars(length(min = 1))]
    name: String,
    /// Ids of the assets, in the order of the archive; 10 000 at most.
    #[schemars(length(min = 1, max = 10_000))]
    assets: Vec<String>,
    /// Lifetime of the link in seconds, or like `1h`; 1 hour by default.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<SecondsInput>,
    /// Number of permitted uses; unlimited by default.
    #[schemars(range(min = 1))]
    uses: Option<u32>,
    /// The only network that may use the link; any by default.
    ip: Option<String>,
}

impl CreateCollectionBody {
    pub(super) fn into_command(self) -> Result<CollectionWish, Error> {
        let id = |(i, text): (usize, &String)| {
            text.parse().map_err(|_| Error::invalid("assets", format!("entry {} is not a valid id", i + 1)))
        };
        Ok(CollectionWish {
            name: parse_field("name", &self.name)?,
            assets: self.assets.iter().enumerate().map(id).collect::<Result<_, _>>()?,
            expires_in: self.expires_in.map_or(Ok(DEFAULT_LINK_TTL), |life| life.into_duration("expires_in"))?,
            uses: self.uses,
            network: parse_optional_field("ip", self.ip.as_deref())?,
        })
    }
}

pub(super) fn collection_view(made: &MadeCollection, content_url: &str) -> Value {
    let collection = &made.collection;
    json!({
        "id": collection.id,
        "name": collection.name.to_string(),
        "count": collection.items.len(),
        "size": made.size,
        "created_at": timestamp_text(collection.created_at),
        "expires_at": timestamp_text(collection.expires_at),
        "url": link_url(&made.link, content_url),
        "link": link_view(&made.link.link),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Gallery")]
pub(super) struct CreateThumbnailUrlsBody {
    /// Ids of assets; a thousand at most.
    #[schemars(length(max = 1000))]
    pub(super) ids: Vec<String>,
    /// The derivative, like `thumb-256`.
    #[schemars(length(min = 1, max = 64))]
    variant: String,
    /// Format of the variant, like `webp`; the default format if left out.
    #[schemars(length(min = 1, max = 64))]
    format: Option<String>,
}

impl CreateThumbnailUrlsBody {
    pub(super) fn to_variant(&self) -> Result<AssetVariant, Error> {
        parse_variant(Some(&self.variant), self.format.as_deref())?.ok_or_else(|| Error::invalid("variant", "required"))
    }
}

pub(super) fn thumbnail_view(thumbnail: &SignedThumbnail, content_url: &str) -> Value {
    let url = match &thumbnail.at {
        ThumbnailLocation::Signed(signed) => signed.url.clone(),
        ThumbnailLocation::Link(made) => link_url(made, content_url),
    };
    json!({
        "id": thumbnail.asset,
        "url": url,
        "expires_at": timestamp_text(thumbnail.at.expires_at()),
        "content_type": thumbnail.media_type,
        "size": thumbnail.size,
    })
}
