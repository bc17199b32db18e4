//! Identifiers: UUIDv7 everywhere, so that ids sort by creation and an id alone is a keyset cursor.
//!
//! Each entity has an id type of its own, so that the compiler keeps ids of uploads and assets apart.

use uuid::Uuid;

use super::clock::{Entropy, Timestamp};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

id! {
    /// A file that the service keeps.
    AssetId
}
id! {
    /// A transfer that brings an asset's bytes.
    UploadId
}
id! {
    /// A queued job.
    JobId
}
id! {
    /// A customer of the instance; the isolation boundary.
    TenantId
}
id! {
    /// An API key; the middle part of `gk_<id>.<secret>`.
    KeyId
}
id! {
    /// A narrow permission for a caller without an account.
    GrantId
}
id! {
    /// Assets that are delivered in a single archive.
    CollectionId
}
id! {
    /// A tenant's endpoint for events.
    WebhookId
}
id! {
    /// The delivery of an event to a webhook endpoint, with all attempts.
    DeliveryId
}

/// Generates an id at `now` (RFC 9562 §5.7: 48 bits of milliseconds, 74 random bits); wrap it in the entity's id type.
///
/// `now` is the time that the row carries, so that ids sort like the times of their rows.
#[must_use]
pub fn mint(now: Timestamp, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis(now), &random).into_uuid()
}

/// A lower bound of all ids that are generated at `time` or later.
#[must_use]
pub fn floor(time: Timestamp) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(millis(time), &[0; 10]).into_uuid()
}

fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{SeededEntropy, micros};

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let (dice, now) = (SeededEntropy::new(1), micros(1_700_000_000_000_000));
        let (first, second) = (mint(now, &dice), mint(micros(1_700_000_000_001_000), &dice));
        assert_eq!(first.get_version_num(), 7);
        assert!(floor(now) <= first && first < second);
    }

    #[test]
    fn text_survives_the_round_trip() {
        let id = AssetId(Uuid::from_u128(42));
        assert_eq!(id.to_string().parse::<AssetId>().unwrap(), id);
        assert!("not-an-id".parse::<AssetId>().is_err());
    }
}
