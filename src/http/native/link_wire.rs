//! Requests of links, collections and galleries and their conversion to commands. Pure. Answers are in `link_view`.
//!
//! Unknown fields are refused: a misspelt option must not be ignored silently.

use schemars::JsonSchema;
use serde::Deserialize;

use super::wire::{DEFAULT_LINK_TTL, SecondsInput, parse_field, parse_optional_field, parse_variant};
use crate::domain::grant::AssetVariant;
use crate::domain::ids::AssetId;
use crate::engine::{CollectionWish, Error, ListLinks, RevokeLinks};
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
