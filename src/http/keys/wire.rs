//! Requests of API keys and their conversion to commands. Pure. Answers are in `view`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::ids::KeyId;
use crate::domain::key::{BadScopes, KeyScope, KeyScopes};
use crate::engine::{Error, KeyWish};
use crate::http::query::{
    DEFAULT_PAGE_LIMIT, DurationInput, parse_duration_member, parse_limit, parse_parameter, query_pairs,
    unknown_parameter,
};

/// `POST /v1/keys`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewKey")]
pub(super) struct CreateApiKeyBody {
    /// Purpose of the key, in your words.
    #[schemars(length(min = 1, max = 200))]
    name: Option<String>,
    /// Scopes that the key grants.
    scopes: ScopesInput,
    /// Lifetime of the key in seconds, or like `90d`; by default the key does not expire.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<Value>,
    /// The tenant of the key, by name or id; for operators only.
    tenant: Option<String>,
}

/// `["upload", "read"]`, or `"upload,read"` as on the command line.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "scopes are a list of names, or a text like upload,read")]
#[schemars(rename = "ScopeList")]
enum ScopesInput {
    Text(String),
    List(Vec<String>),
}

impl ScopesInput {
    fn parse_scopes(&self) -> Result<KeyScopes, Error> {
        let scopes: Result<KeyScopes, BadScopes> = match self {
            Self::Text(text) => text.parse(),
            Self::List(list) if list.is_empty() => "".parse(),
            Self::List(list) => list.iter().map(|name| name.parse::<KeyScope>()).collect(),
        };
        scopes.map_err(|error| Error::invalid("scopes", error))
    }
}

impl CreateApiKeyBody {
    /// The tenant that the body or the query names, and the command.
    pub(super) fn into_command(self, tenant: Option<String>) -> Result<(Option<String>, KeyWish), Error> {
        let Self { name, scopes, expires_in, tenant: named } = self;
        let tenant = match (tenant, named) {
            (Some(query), Some(body)) if query != body => {
                return Err(Error::invalid("tenant", "differs from the tenant in the address"));
            }
            (query, body) => query.or(body),
        };
        let expires_in = parse_duration_member("expires_in", expires_in.as_ref())?;
        Ok((tenant, KeyWish { name, scopes: scopes.parse_scopes()?, expires_in }))
    }
}

/// `POST /v1/keys/{id}/rotate`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RotateKey")]
pub(super) struct RotateApiKeyBody {
    /// Time for which the old secret stays valid, in seconds or like `24h`; not at all by default.
    #[schemars(with = "Option<DurationInput>")]
    overlap: Option<Value>,
}

impl RotateApiKeyBody {
    /// Time for which the old secret stays valid.
    pub(super) fn parse_overlap(&self) -> Result<Option<Duration>, Error> {
        parse_duration_member("overlap", self.overlap.as_ref())
    }
}

/// `GET /v1/keys`.
pub(super) struct ListApiKeysQuery {
    pub(super) tenant: Option<String>,
    pub(super) after: Option<KeyId>,
    pub(super) limit: u32,
}

pub(super) fn parse_keys_query(query: Option<&str>) -> Result<ListApiKeysQuery, Error> {
    let mut list = ListApiKeysQuery { tenant: None, after: None, limit: DEFAULT_PAGE_LIMIT };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "tenant" => list.tenant = Some(value),
            "after" => list.after = Some(parse_parameter("after", &value, "must be the id of a key")?),
            "limit" => list.limit = parse_limit(&value)?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(list)
}
