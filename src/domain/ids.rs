//! Identities: UUIDv7 everywhere, so that ids sort by creation and a key alone can be a keyset cursor.
//!
//! Each noun has its own type; an upload's id can never be handed to a function that wants an asset's.

use std::sync::Arc;

use uuid::Uuid;

use super::clock::{Clock, Entropy};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
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
    /// One attempt to bring an asset's bytes in.
    UploadId
}
id! {
    /// Work owed for an asset.
    JobId
}
id! {
    /// The isolation boundary.
    TenantId
}
id! {
    /// An API key; the middle part of `gk_<id>.<secret>`.
    KeyId
}
id! {
    /// A narrow permission handed to somebody without an account.
    GrantId
}

/// Mints ids from the injected clock and entropy (RFC 9562 §5.7: 48 bits of milliseconds, 74 random bits).
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Ids {
    /// Ids stamped by `clock` and made unguessable by `entropy`.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// A fresh UUIDv7; wrap it in the noun's own type.
    #[must_use]
    pub fn mint(&self) -> Uuid {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        let millis = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{ManualClock, SeededEntropy, micros};
    use std::time::Duration;

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let clock = Arc::new(ManualClock::at(micros(1_700_000_000_000_000)));
        let ids = Ids::new(clock.clone(), Arc::new(SeededEntropy::new(1)));
        let first = ids.mint();
        clock.advance(Duration::from_millis(1));
        let second = ids.mint();
        assert_eq!(first.get_version_num(), 7);
        assert!(first < second);
    }

    #[test]
    fn text_survives_the_round_trip() {
        let id = AssetId(Uuid::from_u128(42));
        assert_eq!(id.to_string().parse::<AssetId>().unwrap(), id);
        assert!("not-an-id".parse::<AssetId>().is_err());
    }
}
