//! Answers of API keys, from domain values. Pure. No answer contains a key's hash.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::{ApiKey, KeyScope};
use crate::engine::{CallerIdentity, MadeKey};
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(super) struct ApiKeyView<'a> {
    /// Id of the key.
    id: KeyId,
    /// Tenant of the key.
    tenant_id: TenantId,
    /// Purpose of the key, in the caller's words.
    #[schemars(example = &"shop")]
    name: Option<&'a str>,
    /// Scopes that the key grants.
    #[schemars(extend("items" = { "type": "string", "enum": KeyScope::ALL.map(KeyScope::name) }))]
    scopes: Vec<&'static str>,
    /// Time of creation.
    created_at: SortableTime,
    /// Time at which the key ends; null for never.
    expires_at: Option<SortableTime>,
    /// Time of revocation; null while the key is valid.
    revoked_at: Option<SortableTime>,
    /// Time of the last use, to the minute; null for never.
    last_used_at: Option<SortableTime>,
    /// Time until which the secret before the last rotation is valid as well; null if there is none.
    old_secret_until: Option<SortableTime>,
}

pub(super) fn key_view(of: &ApiKey) -> ApiKeyView<'_> {
    ApiKeyView {
        id: of.id,
        tenant_id: of.tenant,
        name: of.name.as_deref(),
        scopes: of.scopes.iter().map(KeyScope::name).collect(),
        created_at: of.created_at.into(),
        expires_at: of.expires_at.map(Into::into),
        revoked_at: of.revoked_at.map(Into::into),
        last_used_at: of.last_used_at.map(Into::into),
        old_secret_until: of.old_secret.map(|(_, until)| until.into()),
    }
}

/// The caller of `GET /v1/whoami`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Caller")]
pub(super) struct CallerView<'a> {
    /// Id of the key; for the subject of a JSON Web Token, the id under which it owns what it makes.
    key_id: KeyId,
    /// Id of the tenant.
    tenant_id: TenantId,
    /// Name of the tenant.
    #[schemars(example = &"acme")]
    tenant: &'a str,
    /// Scopes of the key.
    #[schemars(extend("items" = { "type": "string", "enum": KeyScope::ALL.map(KeyScope::name) }))]
    scopes: Vec<&'static str>,
}

pub(super) fn caller_view(caller: &CallerIdentity) -> CallerView<'_> {
    CallerView {
        key_id: caller.key,
        tenant_id: caller.tenant.id,
        tenant: &caller.tenant.name,
        scopes: caller.scopes.iter().map(KeyScope::name).collect(),
    }
}

/// The key with its secret, which is shown only once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyWithSecret")]
pub(super) struct ApiKeyWithSecretView<'a> {
    #[serde(flatten)]
    view: ApiKeyView<'a>,
    /// The key itself; shown only this once.
    #[schemars(example = &"gk_019aa3c17c407d2e9f310b5f6f0c2a11.0123456789abcdef")]
    key: String,
}

pub(super) fn key_with_secret_view(made: &MadeKey) -> ApiKeyWithSecretView<'_> {
    ApiKeyWithSecretView { view: key_view(&made.key), key: made.token.reveal() }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyPage")]
pub(super) struct ApiKeyPageView<'a> {
    /// Keys, without their secrets.
    keys: Vec<ApiKeyView<'a>>,
    /// Cursor of the next page; null at the end of the list.
    next_after: Option<KeyId>,
}

pub(super) fn key_page_view(keys: &[ApiKey], next_after: Option<KeyId>) -> ApiKeyPageView<'_> {
    ApiKeyPageView { keys: keys.iter().map(key_view).collect(), next_after }
}
