//! Requests for many uploads or assets and their conversion to commands. Pure. Answers are in `bulk_view`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::query::TIME_EXPECTED;
use super::wire::{CreateUploadBody, DEFAULT_LINK_TTL, SecondsInput, parse_optional_field};
use crate::domain::access::Action;
use crate::domain::asset::AssetMetadata;
use crate::domain::ids::KeyId;
use crate::engine::{Error, ListAssets, PatchAsset};
use crate::http::query::{DEFAULT_PAGE_LIMIT, DurationInput, parse_parameter, unknown_parameter};

/// Most uploads or assets of a request.
const MAX_BULK_ITEMS: usize = 1000;

/// `POST /v1/uploads/batch`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UploadBatch")]
pub(super) struct CreateUploadsBody {
    /// Uploads to open; a thousand at most.
    #[schemars(length(max = 1000))]
    pub(super) uploads: Vec<CreateUploadBody>,
}

impl CreateUploadsBody {
    pub(super) fn check_length(&self) -> Result<(), Error> {
        check_length("uploads", self.uploads.len())
    }
}

fn check_length(field: &'static str, length: usize) -> Result<(), Error> {
    if length <= MAX_BULK_ITEMS { Ok(()) } else { Err(Error::invalid(field, format!("at most {MAX_BULK_ITEMS}"))) }
}

/// `POST /v1/assets/bulk`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssetBulk")]
pub(super) struct BulkAssetsBody {
    /// What is done to each asset.
    action: BulkActionInput,
    /// Ids of the assets, a thousand at most; or `filter`.
    #[schemars(length(max = 1000))]
    ids: Option<Vec<String>>,
    /// The assets of a filter, page by page; or `ids`.
    filter: Option<AssetFilterInput>,
    /// With `filter`: the `next` of the previous answer.
    #[schemars(length(min = 1, max = 512))]
    cursor: Option<String>,
    /// With `filter`: assets of a page; 100 by default.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// True to change nothing: the answer says which assets would be changed, and which may not be.
    #[serde(default)]
    dry_run: bool,
    /// With `tag`: metadata to merge; null removes a member.
    metadata: Option<AssetMetadata>,
    /// With `owner`: the key of the tenant that owns the assets from now on. For administrators.
    owner: Option<String>,
    /// With `link`: lifetime of each link in seconds, or like `1h`; 1 hour by default.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<SecondsInput>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "BulkAction")]
enum BulkActionInput {
    Delete,
    Tag,
    Owner,
    Reprocess,
    Link,
}

/// Members as the parameters of `listAssets`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssetFilter")]
struct AssetFilterInput {
    /// Only in this state.
    state: Option<String>,
    /// Only with this id of yours.
    external_id: Option<String>,
    /// Only of this type.
    content_type: Option<String>,
    /// Only those made later.
    created_after: Option<String>,
    /// Only those made earlier.
    created_before: Option<String>,
    /// Only those of at least so many bytes.
    size_from: Option<u64>,
    /// Only those of at most so many bytes.
    size_to: Option<u64>,
    /// Only those with this text anywhere in the name, in any case.
    name: Option<String>,
    /// Only with these values of the metadata's members.
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, String>,
}

/// A change of an asset.
pub(super) enum BulkAction {
    /// Delete it.
    Delete,
    /// Merge metadata.
    Tag(PatchAsset),
    /// Give it to a key.
    SetOwner(KeyId),
    /// Process it again.
    Reprocess,
    /// Make a link.
    Link {
        /// Life of the link.
        expires_in: Duration,
    },
}

impl BulkAction {
    /// The action that the caller must be permitted.
    pub(super) fn permission(&self) -> Action {
        match self {
            Self::Delete | Self::Tag(_) => Action::EditAsset,
            Self::SetOwner(_) => Action::Administer,
            Self::Reprocess => Action::ProcessAsset,
            Self::Link { .. } => Action::LinkAsset,
        }
    }
}

/// The assets of a request.
pub(super) enum BulkTarget {
    /// By id, as sent.
    Ids(Vec<String>),
    /// A page of a filter.
    Filter(Box<ListAssets>),
}

/// A parsed request.
pub(super) struct BulkCommand {
    pub(super) action: BulkAction,
    pub(super) target: BulkTarget,
    pub(super) dry_run: bool,
}

impl BulkAssetsBody {
    pub(super) fn into_command(self) -> Result<BulkCommand, Error> {
        let dry_run = self.dry_run;
        let target = match (self.ids, self.filter) {
            (Some(ids), None) if self.cursor.is_none() && self.limit.is_none() => {
                check_length("ids", ids.len())?;
                BulkTarget::Ids(ids)
            }
            (None, Some(filter)) => BulkTarget::Filter(Box::new(filter.into_list(self.cursor, self.limit)?)),
            (None, None) => return Err(Error::invalid("ids", "required (or filter)")),
            (Some(_), Some(_)) => return Err(Error::invalid("filter", "cannot be combined with ids")),
            (Some(_), None) => return Err(Error::invalid("cursor", "only with filter, as limit")),
        };
        let action = match self.action {
            BulkActionInput::Delete => BulkAction::Delete,
            BulkActionInput::Tag => {
                let metadata = self.metadata.ok_or_else(|| Error::invalid("metadata", "required for tag"))?;
                BulkAction::Tag(PatchAsset { name: None, metadata: Some(metadata) })
            }
            BulkActionInput::Owner => {
                let owner: Option<KeyId> = parse_optional_field("owner", self.owner.as_deref())?;
                BulkAction::SetOwner(owner.ok_or_else(|| Error::invalid("owner", "required for owner"))?)
            }
            BulkActionInput::Reprocess => BulkAction::Reprocess,
            BulkActionInput::Link => {
                let life = self.expires_in.map_or(Ok(DEFAULT_LINK_TTL), |life| life.into_duration("expires_in"));
                BulkAction::Link { expires_in: life? }
            }
        };
        Ok(BulkCommand { action, target, dry_run })
    }
}

impl AssetFilterInput {
    fn into_list(self, cursor: Option<String>, limit: Option<u32>) -> Result<ListAssets, Error> {
        if self.metadata.contains_key("") {
            return Err(unknown_parameter("metadata."));
        }
        let time = |field, text: Option<&str>| text.map(|text| parse_parameter(field, text, TIME_EXPECTED)).transpose();
        let Self { state, external_id, content_type, size_from, size_to, name, .. } = self;
        let list = ListAssets {
            created_after: time("created_after", self.created_after.as_deref())?,
            created_before: time("created_before", self.created_before.as_deref())?,
            metadata: self.metadata.into_iter().collect(),
            cursor,
            limit: limit.unwrap_or(DEFAULT_PAGE_LIMIT),
            state,
            external_id,
            content_type,
            size_from,
            size_to,
            name,
            ..ListAssets::default()
        };
        if list.is_unfiltered() {
            return Err(Error::invalid("filter", "must name at least one member: an empty filter is every asset"));
        }
        Ok(list)
    }
}
