//! API keys: `gk_<id>.<secret>`, looked up by id and compared in constant time by the SHA-256 of the secret.
//!
//! The secret has 256 random bits, so a fast hash is sufficient; a slow hash would only let callers consume CPU time.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::clock::{Entropy, Timestamp, random_hex};
use super::ids::{KeyId, TenantId};

/// Permission of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Create uploads; change and delete what this key created.
    Upload,
    /// Read assets and fetch their bytes.
    Read,
    /// Create and revoke links.
    Link,
    /// Report results of processing.
    Process,
    /// All operations in the tenant.
    Admin,
}

impl KeyScope {
    /// Every scope, in canonical order.
    pub const ALL: [Self; 5] = [Self::Upload, Self::Read, Self::Link, Self::Process, Self::Admin];

    /// The scope's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Read => "read",
            Self::Link => "link",
            Self::Process => "process",
            Self::Admin => "admin",
        }
    }
}

/// A set of scopes, written `upload,read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyScopes(u8);

impl KeyScopes {
    /// The set with `admin`, which includes all scopes.
    pub const ADMIN: Self = Self(1 << KeyScope::Admin as u8);

    /// True if the set grants `scope`, by itself or by `admin`.
    #[must_use]
    pub fn allow(self, scope: KeyScope) -> bool {
        self.0 & (1 << scope as u8 | Self::ADMIN.0) != 0
    }

    /// True if `other` grants everything that this set grants.
    #[must_use]
    pub fn within(self, other: Self) -> bool {
        KeyScope::ALL.into_iter().all(|scope| !self.allow(scope) || other.allow(scope))
    }

    /// The scopes in the set, in canonical order.
    pub fn iter(self) -> impl Iterator<Item = KeyScope> {
        KeyScope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// True if the set contains exactly this scope; `admin` does not imply the other scopes here.
    #[must_use]
    pub fn contains(self, scope: KeyScope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }
}

impl fmt::Display for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(KeyScope::name).collect();
        f.write_str(&names.join(","))
    }
}

impl FromIterator<KeyScope> for KeyScopes {
    fn from_iter<T: IntoIterator<Item = KeyScope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }
}

impl FromStr for KeyScope {
    type Err = BadScopes;

    fn from_str(text: &str) -> Result<Self, BadScopes> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| BadScopes(text.to_owned()))
    }
}

/// The text is not a list of scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a scope; known are upload, read, link, process and admin, separated by commas")]
pub struct BadScopes(String);

impl FromStr for KeyScopes {
    type Err = BadScopes;

    fn from_str(text: &str) -> Result<Self, BadScopes> {
        text.split(',').map(|name| name.trim().parse::<KeyScope>()).collect()
    }
}

/// An API key as stored: without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Identity, part of the token.
    pub id: KeyId,
    /// The tenant of the key.
    pub tenant: TenantId,
    /// Description, for people.
    pub name: Option<String>,
    /// The scopes.
    pub scopes: KeyScopes,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// SHA-256 of the secret before the last rotation, and the end of its overlap.
    pub old_secret: Option<([u8; 32], Timestamp)>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Approximate time of the last use: written at most once a minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// True if `secret` is valid for this key at `now`. Takes the same time for every wrong secret.
    #[must_use]
    pub fn opens(&self, secret: &KeySecret, now: Timestamp) -> bool {
        self.knows(secret, now) && self.is_live(now)
    }

    /// True if the key is neither revoked nor expired at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// True if `secret` is the key's secret, or its secret before a rotation whose overlap has not ended at `now`.
    /// Takes the same time for every wrong secret.
    #[must_use]
    pub fn knows(&self, secret: &KeySecret, now: Timestamp) -> bool {
        let hash = secret.hash();
        let old = self.old_secret.filter(|(_, until)| now < *until).map(|(hash, _)| hash);
        let same = hash.ct_eq(&self.secret_hash) | hash.ct_eq(&old.unwrap_or(self.secret_hash));
        same.into()
    }
}

/// The secret part of a key. Never printed by `Debug`, never stored.
#[derive(Clone)]
pub struct KeySecret(String);

impl KeySecret {
    /// Generates a 256-bit secret.
    pub fn mint(entropy: &dyn Entropy) -> Self {
        Self(random_hex(entropy, 32))
    }

    /// The secret with these 256 bits.
    #[must_use]
    pub fn derived(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The hash that the database stores.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// A key as its holder sends it.
#[derive(Clone, Debug)]
pub struct KeyToken {
    /// The key.
    pub id: KeyId,
    /// The secret.
    pub secret: KeySecret,
}

impl KeyToken {
    /// The text that the holder keeps. Show it once, and to the holder only.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("gk_{}.{}", self.id.0.simple(), self.secret.0)
    }
}

/// The text is not an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key looks like gk_<id>.<secret>")]
pub struct BadKeyToken;

impl FromStr for KeyToken {
    type Err = BadKeyToken;

    fn from_str(text: &str) -> Result<Self, BadKeyToken> {
        let (id, secret) = text.strip_prefix("gk_").and_then(|rest| rest.split_once('.')).ok_or(BadKeyToken)?;
        let id = Uuid::try_parse(id).map_err(|_| BadKeyToken)?;
        if secret.len() != 64 {
            return Err(BadKeyToken);
        }
        Ok(Self { id: KeyId(id), secret: KeySecret(secret.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};

    #[test]
    fn scopes_read_and_write() {
        let scopes: KeyScopes = "read, upload".parse().unwrap();
        assert_eq!(scopes.to_string(), "upload,read");
        assert!(scopes.allow(KeyScope::Read) && !scopes.allow(KeyScope::Link));
        assert!(KeyScopes::ADMIN.allow(KeyScope::Process) && !KeyScopes::ADMIN.contains(KeyScope::Process));
        assert!("".parse::<KeyScopes>().is_err() && "root".parse::<KeyScopes>().is_err());
        assert!(scopes.within(KeyScopes::ADMIN) && scopes.within(scopes) && !KeyScopes::ADMIN.within(scopes));
        let all: KeyScopes = "upload,read,link,process".parse().unwrap();
        assert!(!KeyScopes::ADMIN.within(all) && all.within(KeyScopes::ADMIN) && !all.within(scopes));
    }

    #[test]
    fn a_key_opens_with_its_own_secret_until_it_ends() {
        let token = KeyToken { id: KeyId(Uuid::from_u128(5)), secret: KeySecret::mint(&SeededEntropy::new(1)) };
        let read: KeyToken = token.reveal().parse().unwrap();
        let mut key = ApiKey {
            id: read.id,
            tenant: TenantId(Uuid::from_u128(1)),
            name: None,
            scopes: KeyScopes::ADMIN,
            secret_hash: token.secret.hash(),
            old_secret: None,
            created_at: micros(0),
            expires_at: Some(micros(10)),
            revoked_at: None,
            last_used_at: None,
        };
        assert!(key.opens(&read.secret, micros(9)));
        assert!(!key.opens(&read.secret, micros(10)));
        let other = KeySecret::mint(&SeededEntropy::new(2));
        assert!(!key.opens(&other, micros(9)));
        key.old_secret = Some((other.hash(), micros(5)));
        assert!(key.opens(&other, micros(4)) && key.opens(&read.secret, micros(4)));
        assert!(!key.opens(&other, micros(5)) && key.opens(&read.secret, micros(5)));
        key.revoked_at = Some(micros(1));
        assert!(!key.opens(&read.secret, micros(9)));
    }

    #[test]
    fn a_secret_never_shows_itself() {
        let token = KeyToken { id: KeyId(Uuid::from_u128(5)), secret: KeySecret::mint(&SeededEntropy::new(1)) };
        let secret = token.reveal().split_once('.').unwrap().1.to_owned();
        assert!(!format!("{token:?}").contains(&secret));
        assert!("gk_5.short".parse::<KeyToken>().is_err() && "gk_".parse::<KeyToken>().is_err());
    }
}
