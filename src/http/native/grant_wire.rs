//! Requests of grants for many files and their conversion to commands. Pure. Answers are in `grant_view`.
//!
//! Unknown fields are refused: a misspelt limit must not be ignored silently.

use schemars::JsonSchema;
use serde::Deserialize;

use super::wire::{SecondsInput, parse_content_types};
use crate::domain::asset::AssetMetadata;
use crate::domain::drop_box::{DropBoxLimits, DropBoxTerms, SenderField};
use crate::domain::policy::DEFAULT_POLICY;
use crate::engine::{DropBoxWish, Error, ListDropBoxes};
use crate::http::query::{DEFAULT_PAGE_LIMIT, DurationInput, parse_limit, query_pairs, unknown_parameter};

/// `POST /v1/grants`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewGrant")]
pub(super) struct CreateGrantBody {
    /// Number of files that the holders may send together; unlimited by default.
    #[schemars(range(min = 1))]
    max_files: Option<u64>,
    /// Bytes of all files together; unlimited by default.
    #[schemars(range(min = 1))]
    max_bytes: Option<u64>,
    /// Bytes of a single file; as much as the policy allows by default.
    #[schemars(range(min = 1))]
    max_size: Option<u64>,
    /// Types that the files may have, like `image/*`; any that the policy allows by default.
    #[serde(default)]
    #[schemars(length(max = 64))]
    content_types: Vec<String>,
    /// The name of the policy that applies to the files; `default` by default.
    policy: Option<String>,
    /// Properties that every file gets, up to `max_metadata_bytes`.
    #[serde(default)]
    metadata: AssetMetadata,
    /// Lifetime of the grant in seconds, or like `7d`.
    #[schemars(with = "DurationInput")]
    expires_in: SecondsInput,
    /// Questions of the upload page to the person who sends; kept in the files' metadata as `sender_name`,
    /// `sender_email` and `sender_note`.
    #[serde(default)]
    #[schemars(length(max = 3), extend("items" = { "type": "string", "enum": SenderField::ALL.map(SenderField::name) }))]
    sender: Vec<String>,
}

impl CreateGrantBody {
    pub(super) fn into_command(self) -> Result<DropBoxWish, Error> {
        let allowed = parse_content_types(&self.content_types)?;
        let mut sender: Vec<SenderField> = Vec::new();
        for text in &self.sender {
            let field = text.parse().map_err(|()| Error::invalid("sender", "must be name, email or note"))?;
            if !sender.contains(&field) {
                sender.push(field);
            }
        }
        let terms = DropBoxTerms {
            limits: DropBoxLimits { files: self.max_files, bytes: self.max_bytes },
            max_size: self.max_size,
            allowed,
            policy: self.policy.unwrap_or_else(|| DEFAULT_POLICY.to_owned()),
            metadata: self.metadata,
            sender,
        };
        Ok(DropBoxWish { terms, expires_in: self.expires_in.into_duration("expires_in")? })
    }
}

/// `?cursor=&limit=`.
pub(super) fn parse_grants_query(query: Option<&str>) -> Result<ListDropBoxes, Error> {
    let mut list = ListDropBoxes { before: None, limit: DEFAULT_PAGE_LIMIT };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "cursor" => {
                let before = value.parse();
                list.before =
                    Some(before.map_err(|_| Error::invalid("cursor", "must be the cursor of a previous answer"))?);
            }
            "limit" => list.limit = parse_limit(&value)?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(list)
}
