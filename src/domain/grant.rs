//! Grants: narrow, expiring, revocable permissions for callers without an account.
//!
//! There are two kinds, whose tokens are not interchangeable: an **upload grant** drives a single upload, a **link**
//! downloads a single asset or collection. Tokens are opaque outside [`crate::engine`], which signs them.

use std::net::IpAddr;
use std::str::FromStr;

use uuid::Uuid;

use super::clock::Timestamp;
use super::ids::{AssetId, CollectionId, GrantId, KeyId, TenantId};
use super::name::FileName;

/// Value of `Content-Disposition`: a browser shows the bytes or saves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Disposition {
    /// Save.
    #[default]
    Attachment,
    /// Show, if the detected type is inert; otherwise save.
    Inline,
}

impl Disposition {
    /// The name, as in JSON, rows and `Content-Disposition`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Inline => "inline",
        }
    }
}

impl FromStr for Disposition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "attachment" => Ok(Self::Attachment),
            "inline" => Ok(Self::Inline),
            _ => Err(()),
        }
    }
}

/// Object of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// A single asset.
    Asset(AssetId),
    /// A collection, delivered as an archive.
    Collection(CollectionId),
}

impl LinkTarget {
    /// The kind's name, as in rows.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Asset(_) => "asset",
            Self::Collection(_) => "collection",
        }
    }

    /// The id of the asset or collection.
    #[must_use]
    pub fn id(self) -> Uuid {
        match self {
            Self::Asset(id) => id.0,
            Self::Collection(id) => id.0,
        }
    }

    /// The asset, if the object is an asset.
    #[must_use]
    pub fn asset(self) -> Option<AssetId> {
        match self {
            Self::Asset(id) => Some(id),
            Self::Collection(_) => None,
        }
    }

    /// The inverse of [`Self::kind`] and [`Self::id`].
    #[must_use]
    pub fn of(kind: &str, id: Uuid) -> Option<Self> {
        match kind {
            "asset" => Some(Self::Asset(AssetId(id))),
            "collection" => Some(Self::Collection(CollectionId(id))),
            _ => None,
        }
    }
}

/// A link: permission to download a single asset or collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Identity.
    pub id: GrantId,
    /// The tenant of the object.
    pub tenant: TenantId,
    /// The object.
    pub target: LinkTarget,
    /// The key that created it.
    pub created_by: KeyId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Disposition of the download.
    pub disposition: Disposition,
    /// File name for the download, instead of the asset's own.
    pub filename: Option<FileName>,
    /// The derivative to deliver instead of the original.
    pub variant: Option<AssetVariant>,
    /// Number of permitted uses.
    pub max_uses: Option<u32>,
    /// Number of uses. Exact if the number is limited; otherwise up to a second late, and uses that a crashed node had
    /// not yet written are lost.
    pub used: u32,
    /// Time of the last use; with the delays of [`Self::used`].
    pub last_used_at: Option<Timestamp>,
    /// The network from which the link may be used.
    pub network: Option<ClientNetwork>,
}

impl Link {
    /// True if the link is valid at `now` for a caller at `peer`. The limit of uses is checked by the database.
    #[must_use]
    pub fn opens(&self, now: Timestamp, peer: Option<IpAddr>) -> bool {
        let here = match (&self.network, peer) {
            (None, _) => true,
            (Some(network), Some(peer)) => network.contains(peer),
            (Some(_), None) => false,
        };
        here && self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Selects a derivative instead of the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetVariant {
    /// Name of the derivative.
    pub name: String,
    /// The subtype of its media type, if it exists in several; the smallest file otherwise.
    pub format: Option<String>,
}

impl AssetVariant {
    /// Longest name and format, in bytes.
    pub const MAX_VARIANT_BYTES: usize = 64;

    /// Parses a caller's input; `None`: no derivative can have this name.
    #[must_use]
    pub fn read(name: &str, format: Option<&str>) -> Option<Self> {
        let plain = |text: &str| {
            let sane = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
            (1..=Self::MAX_VARIANT_BYTES).contains(&text.len()) && text.bytes().all(sane)
        };
        (plain(name) && format.is_none_or(plain))
            .then(|| Self { name: name.to_owned(), format: format.map(ToOwned::to_owned) })
    }
}

/// A network, written `192.0.2.0/24`, or as a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNetwork {
    base: IpAddr,
    prefix: u8,
}

/// The text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is written like 192.0.2.0/24 or 2001:db8::/32")]
pub struct BadNetwork;

impl ClientNetwork {
    /// True if the address is in the network. IPv4-mapped IPv6 addresses count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                base.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl ClientNetwork {
    /// True for an IPv6 network.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.base.is_ipv6()
    }
}

impl FromStr for ClientNetwork {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix.parse::<u8>().map_err(|_| BadNetwork)?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| BadNetwork)?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        if prefix > widest {
            return Err(BadNetwork);
        }
        Ok(Self { base, prefix })
    }
}

impl std::fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(network: &str, address: &str) -> bool {
        network.parse::<ClientNetwork>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn networks() {
        assert!(within("192.0.2.0/24", "192.0.2.255") && !within("192.0.2.0/24", "192.0.3.0"));
        assert!(within("192.0.2.7", "192.0.2.7") && !within("192.0.2.7", "192.0.2.8"));
        assert!(within("0.0.0.0/0", "203.0.113.9") && within("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(within("2001:db8::/32", "2001:db8:1::1") && !within("2001:db8::/32", "2001:db9::"));
        assert!(within("::/0", "::1") && !within("::/0", "192.0.2.1"));
        for bad in ["", "192.0.2.0/33", "a/8", "192.0.2.0/", "::/129"] {
            assert_eq!(bad.parse::<ClientNetwork>(), Err(BadNetwork), "{bad}");
        }
    }
}
