//! Tokens that we issue and verify: upload grants, links, cursors.
//!
//! Each is `<prefix><payload>.<mac>`, both in base64url; the MAC is HMAC-SHA256 over a label of the kind of token and
//! the payload, so that a token is never valid as another kind. The payload begins with a version and the id of
//! the signing key, so that keys can rotate.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::domain::asset_order::{AssetPosition, SortKey};
use crate::domain::clock::{Timestamp, micros};
use crate::domain::ids::{AssetId, GrantId, JobId, TenantId, UploadId};
use crate::domain::key::KeySecret;

const TOKEN_VERSION: u8 = 1;
/// Shortest accepted secret in bytes; the configuration refuses shorter secrets.
pub const MIN_SECRET_BYTES: usize = 32;

/// Kind of a token, which also determines its prefix.
#[derive(Clone, Copy)]
enum TokenKind {
    UploadGrant,
    /// A grant for many files: an upload grant for its holder, with another label.
    DropBox,
    Link,
    Cursor,
    Processing,
    /// Never issued as a token: label for the derivation of API keys' secrets.
    KeySecret,
}

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::UploadGrant | Self::DropBox => "gu_",
            Self::Link => "gd_",
            Self::Cursor => "gc_",
            Self::Processing => "gp_",
            Self::KeySecret => "gk_",
        }
    }

    /// What the MAC covers beside the payload; unlike the prefix, different for every kind.
    fn label(self) -> &'static str {
        match self {
            Self::DropBox => "gu_many",
            Self::UploadGrant | Self::Link | Self::Cursor | Self::Processing | Self::KeySecret => self.prefix(),
        }
    }
}

/// A secret, found by the first bytes of its hash.
type SigningKey = ([u8; 4], Hmac<Sha256>);

/// Signs and verifies tokens. The first secret signs; the remaining secrets only verify.
pub struct TokenSigner {
    keys: RwLock<Arc<[SigningKey]>>,
}

impl TokenSigner {
    /// From secrets of at least [`MIN_SECRET_BYTES`] bytes; `None` if there is no secret, or a secret is too short.
    #[must_use]
    pub fn new(secrets: &[Vec<u8>]) -> Option<Self> {
        let key = |secret: &Vec<u8>| {
            let hash: [u8; 32] = Sha256::digest(secret).into();
            let hmac = Hmac::new_from_slice(secret).ok().filter(|_| secret.len() >= MIN_SECRET_BYTES)?;
            Some(([hash[0], hash[1], hash[2], hash[3]], hmac))
        };
        let keys = secrets.iter().map(key).collect::<Option<Arc<[_]>>>()?;
        (!keys.is_empty()).then(|| Self { keys: RwLock::new(keys) })
    }

    /// Takes the secrets of another signer instead, for tokens that are issued or verified from now on.
    pub fn replace(&self, other: &Self) {
        let keys = other.keys();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn keys(&self) -> Arc<[SigningKey]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn sign(&self, kind: TokenKind, body: &[u8]) -> String {
        let keys = self.keys();
        let (id, key) = &keys[0];
        let payload = [&[TOKEN_VERSION][..], id, body].concat();
        let mac = mac(key, kind, &payload);
        format!("{}{}.{}", kind.prefix(), BASE64.encode(&payload), BASE64.encode(mac))
    }

    fn open(&self, kind: TokenKind, token: &str) -> Option<Vec<u8>> {
        let (payload, given) = token.strip_prefix(kind.prefix())?.split_once('.')?;
        let (payload, given) = (BASE64.decode(payload).ok()?, BASE64.decode(given).ok()?);
        let (&version, rest) = payload.split_first()?;
        let (id, body) = rest.split_at_checked(4)?;
        let keys = self.keys();
        let (_, key) = keys.iter().find(|(known, _)| known == id && version == TOKEN_VERSION)?;
        let same: bool = mac(key, kind, &payload).ct_eq(&given).into();
        same.then(|| body.to_vec())
    }

    /// Issues a grant to drive an upload until `expires_at`.
    #[must_use]
    pub fn upload_grant(&self, upload: UploadId, expires_at: Timestamp) -> String {
        let until = expires_at.as_microsecond().to_be_bytes();
        self.sign(TokenKind::UploadGrant, &[&upload.0.as_bytes()[..], &until].concat())
    }

    /// Verifies a grant; returns its upload and the time at which the grant ends.
    #[must_use]
    pub fn open_upload_grant(&self, token: &str) -> Option<(UploadId, Timestamp)> {
        let body = self.open(TokenKind::UploadGrant, token)?;
        let (id, until) = body.split_at_checked(16)?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        Some((UploadId(Uuid::from_slice(id).ok()?), micros(until)))
    }

    /// Issues the token of a grant for many files.
    #[must_use]
    pub fn drop_box(&self, id: GrantId) -> String {
        self.sign(TokenKind::DropBox, id.0.as_bytes())
    }

    /// Verifies the token of a grant for many files.
    #[must_use]
    pub fn open_drop_box(&self, token: &str) -> Option<GrantId> {
        let body = self.open(TokenKind::DropBox, token)?;
        Uuid::from_slice(&body).ok().map(GrantId)
    }

    /// Issues the token of a link.
    #[must_use]
    pub fn link(&self, id: GrantId) -> String {
        self.sign(TokenKind::Link, id.0.as_bytes())
    }

    /// Verifies the token of a link.
    #[must_use]
    pub fn open_link(&self, token: &str) -> Option<GrantId> {
        let body = self.open(TokenKind::Link, token)?;
        Uuid::from_slice(&body).ok().map(GrantId)
    }

    /// Issues the token with which an external processor reports on an asset, for a job.
    #[must_use]
    pub fn processing(&self, asset: AssetId, job: JobId) -> String {
        self.sign(TokenKind::Processing, &[&asset.0.as_bytes()[..], job.0.as_bytes()].concat())
    }

    /// Verifies a processor's token.
    #[must_use]
    pub fn open_processing(&self, token: &str) -> Option<(AssetId, JobId)> {
        let body = self.open(TokenKind::Processing, token)?;
        let (asset, job) = body.split_at_checked(16)?;
        Some((AssetId(Uuid::from_slice(asset).ok()?), JobId(Uuid::from_slice(job).ok()?)))
    }

    /// Secrets derived from this salt, with every known signing key, the present key first. A secret can thus be shown
    /// again without being stored.
    pub(super) fn key_secrets(&self, salt: &[u8]) -> Vec<KeySecret> {
        self.keys().iter().map(|(_, key)| KeySecret::derived(mac(key, TokenKind::KeySecret, salt))).collect()
    }

    /// Issues a cursor into a list of a tenant's assets; `None`: of all tenants' assets.
    #[must_use]
    pub fn cursor(&self, tenant: Option<TenantId>, after: &AssetPosition) -> String {
        let mut body = [cursor_owner(tenant).as_bytes(), &after.id.0.as_bytes()[..]].concat();
        match &after.key {
            SortKey::Created => {}
            SortKey::Name(name) => {
                body.push(CURSOR_BY_NAME);
                body.extend_from_slice(name.as_bytes());
            }
            SortKey::Size(size) => {
                body.push(CURSOR_BY_SIZE);
                body.extend_from_slice(&size.to_be_bytes());
            }
        }
        self.sign(TokenKind::Cursor, &body)
    }

    /// Position of a cursor, if it is into a list of the same tenants.
    #[must_use]
    pub fn open_cursor(&self, tenant: Option<TenantId>, token: &str) -> Option<AssetPosition> {
        let body = self.open(TokenKind::Cursor, token)?;
        let (owner, rest) = body.split_at_checked(16)?;
        let (after, key) = rest.split_at_checked(16)?;
        if owner != cursor_owner(tenant).as_bytes() {
            return None;
        }
        let key = match key.split_first() {
            None => SortKey::Created,
            Some((&CURSOR_BY_NAME, name)) => SortKey::Name(String::from_utf8(name.to_vec()).ok()?),
            Some((&CURSOR_BY_SIZE, size)) => SortKey::Size(u64::from_be_bytes(size.try_into().ok()?)),
            Some(_) => return None,
        };
        Some(AssetPosition { id: AssetId(Uuid::from_slice(after).ok()?), key })
    }
}

/// First byte of what a cursor says behind the id.
const CURSOR_BY_NAME: u8 = 1;
const CURSOR_BY_SIZE: u8 = 2;

/// Tenant in a cursor; no tenant has the nil UUID.
fn cursor_owner(tenant: Option<TenantId>) -> Uuid {
    tenant.map_or(Uuid::nil(), |tenant| tenant.0)
}

fn mac(key: &Hmac<Sha256>, kind: TokenKind, payload: &[u8]) -> [u8; 32] {
    let label = kind.label().as_bytes();
    let framed = key.clone().chain_update([label.len() as u8]).chain_update(label);
    framed.chain_update(payload).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secrets: &[&str]) -> TokenSigner {
        TokenSigner::new(&secrets.iter().map(|s| s.repeat(8).into_bytes()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn tokens_open_what_they_were_made_for() {
        let tokens = tokens(&["secret-one"]);
        let upload = UploadId(Uuid::from_u128(1));
        let grant = tokens.upload_grant(upload, micros(5));
        assert_eq!(tokens.open_upload_grant(&grant), Some((upload, micros(5))));
        let drop_box = tokens.drop_box(GrantId(Uuid::from_u128(7)));
        assert_eq!(tokens.open_drop_box(&drop_box), Some(GrantId(Uuid::from_u128(7))));
        assert!(tokens.open_drop_box(&grant).is_none() && tokens.open_upload_grant(&drop_box).is_none());
        let link = GrantId(Uuid::from_u128(2));
        assert_eq!(tokens.open_link(&tokens.link(link)), Some(link));
        let (tenant, asset) = (TenantId(Uuid::from_u128(3)), AssetId(Uuid::from_u128(4)));
        for key in [SortKey::Created, SortKey::Name("漢字.txt".to_owned()), SortKey::Size(u64::MAX)] {
            let position = AssetPosition { id: asset, key };
            let cursor = tokens.cursor(Some(tenant), &position);
            assert_eq!(tokens.open_cursor(Some(tenant), &cursor), Some(position));
            assert_eq!(tokens.open_cursor(Some(TenantId(Uuid::from_u128(9))), &cursor), None);
            assert_eq!(tokens.open_cursor(None, &cursor), None);
        }
    }

    #[test]
    fn one_kind_is_never_good_for_another() {
        let tokens = tokens(&["secret-one"]);
        let link = tokens.link(GrantId(Uuid::from_u128(2)));
        assert_eq!(tokens.open_upload_grant(&link.replace("gd_", "gu_")), None);
        let grant = tokens.upload_grant(UploadId(Uuid::from_u128(1)), micros(5));
        assert_eq!(tokens.open_link(&grant.replace("gu_", "gd_")), None);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let tokens = tokens(&["secret-one"]);
        let token = tokens.link(GrantId(Uuid::from_u128(2)));
        for (at, _) in token.char_indices() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(tokens.open_link(&forged), None, "{forged}");
        }
        for cut in 0..token.len() {
            assert_eq!(tokens.open_link(&token[..cut]), None);
        }
    }

    #[test]
    fn secrets_rotate_and_short_ones_are_refused() {
        let old = tokens(&["secret-old"]).link(GrantId(Uuid::from_u128(2)));
        assert!(tokens(&["secret-new", "secret-old"]).open_link(&old).is_some());
        assert!(tokens(&["secret-new"]).open_link(&old).is_none());
        let signer = tokens(&["secret-old"]);
        signer.replace(&tokens(&["secret-new", "secret-old"]));
        assert!(signer.open_link(&old).is_some());
        let new = signer.link(GrantId(Uuid::from_u128(2)));
        assert!(tokens(&["secret-new"]).open_link(&new).is_some() && new != old);
        assert!(TokenSigner::new(&[]).is_none() && TokenSigner::new(&[vec![0; 31]]).is_none());
    }
}
