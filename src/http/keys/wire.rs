//! Shapes of keys, and their way to and from domain values. Pure. A key's hash is in none of them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::query::{DurationInput, USUAL_PAGE, limit, pairs, parsed, time, unknown};
use crate::domain::ids::KeyId;
use crate::domain::key::{ApiKey, BadScopes, Scope, Scopes};
use crate::engine::{Error, KeyWish, MadeKey};

/// `POST /v1/keys`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What it is for, in your words.
    #[schemars(length(min = 1, max = 200))]
    name: Option<String>,
    /// What it allows.
    scopes: ScopeList,
    /// When it ends, in seconds or like `90d`; left out, never.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<Value>,
    /// For operators: the tenant that it acts in, by name or id.
    tenant: Option<String>,
}

/// `["upload", "read"]`, or `"upload,read"` as on the command line.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "scopes are a list of names, or a text like upload,read")]
enum ScopeList {
    Text(String),
    List(Vec<String>),
}

impl ScopeList {
    fn scopes(&self) -> Result<Scopes, Error> {
        let scopes: Result<Scopes, BadScopes> = match self {
            Self::Text(text) => text.parse(),
            Self::List(list) if list.is_empty() => "".parse(),
            Self::List(list) => list.iter().map(|name| name.parse::<Scope>()).collect(),
        };
        scopes.map_err(|error| Error::invalid("scopes", error))
    }
}

impl NewKey {
    /// The tenant that the body or the query names, and the wish.
    pub(super) fn wish(self, tenant: Option<String>) -> Result<(Option<String>, KeyWish), Error> {
        let Self { name, scopes, expires_in, tenant: named } = self;
        let tenant = match (tenant, named) {
            (Some(query), Some(body)) if query != body => {
                return Err(Error::invalid("tenant", "the address names another one"));
            }
            (query, body) => query.or(body),
        };
        let expires_in = time("expires_in", expires_in.as_ref())?;
        Ok((tenant, KeyWish { name, scopes: scopes.scopes()?, expires_in }))
    }
}

/// `POST /v1/keys/{id}/rotate`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RotateKey")]
pub(super) struct Rotate {
    /// For how long the old secret works as well, in seconds or like `24h`; left out, not at all.
    #[schemars(with = "Option<DurationInput>")]
    overlap: Option<Value>,
}

impl Rotate {
    /// For how long the old secret works as well.
    pub(super) fn overlap(&self) -> Result<Option<Duration>, Error> {
        time("overlap", self.overlap.as_ref())
    }
}

/// `GET /v1/keys`.
pub(super) struct List {
    pub(super) tenant: Option<String>,
    pub(super) after: Option<KeyId>,
    pub(super) limit: u32,
}

pub(super) fn list(query: Option<&str>) -> Result<List, Error> {
    let mut list = List { tenant: None, after: None, limit: USUAL_PAGE };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "tenant" => list.tenant = Some(value),
            "after" => list.after = Some(parsed("after", &value, "the id of a key")?),
            "limit" => list.limit = limit(&value)?,
            other => return Err(unknown(other)),
        }
    }
    Ok(list)
}

pub(super) fn key(of: &ApiKey) -> Value {
    json!({
        "id": of.id,
        "tenant_id": of.tenant,
        "name": of.name,
        "scopes": of.scopes.iter().map(Scope::name).collect::<Vec<_>>(),
        "created_at": of.created_at.to_string(),
        "expires_at": of.expires_at.map(|at| at.to_string()),
        "revoked_at": of.revoked_at.map(|at| at.to_string()),
        "last_used_at": of.last_used_at.map(|at| at.to_string()),
        "old_secret_until": of.old_secret.map(|(_, until)| until.to_string()),
    })
}

/// With what is shown only once.
pub(super) fn with_secret(made: &MadeKey) -> Value {
    let mut view = key(&made.key);
    if let Some(view) = view.as_object_mut() {
        view.insert("key".to_owned(), made.token.reveal().into());
    }
    view
}
