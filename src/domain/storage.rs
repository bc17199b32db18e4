//! What takes up space: sums of assets by tenant, family of types and age.

use std::time::Duration;

use super::clock::Timestamp;
use super::ids::TenantId;

const ONE_DAY: Duration = Duration::from_secs(24 * 3600);

/// Family of media types: what is before the slash.
pub const TYPE_FAMILIES: [&str; 7] = ["image", "video", "audio", "text", "application", "font", "model"];
/// Name of the family of assets with another type, or without any.
pub const OTHER_FAMILY: &str = "other";

/// Age of an asset, by the time of its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageAge {
    /// Less than a day.
    Day,
    /// Less than 7 days.
    Week,
    /// Less than 30 days.
    Month,
    /// Less than 365 days.
    Year,
    /// All that are older.
    Older,
}

impl StorageAge {
    /// Every age, the youngest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Year, Self::Older];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::Older => "older",
        }
    }

    /// Assets of this age are younger than that; `None`: as old as can be.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Day => Some(ONE_DAY),
            Self::Week => Some(7 * ONE_DAY),
            Self::Month => Some(30 * ONE_DAY),
            Self::Year => Some(365 * ONE_DAY),
            Self::Older => None,
        }
    }

    /// Assets of this age are at least so old; `None`: from their creation on.
    #[must_use]
    pub fn least(self) -> Option<Duration> {
        let before = Self::ALL.into_iter().take_while(|age| *age != self).last();
        before.and_then(Self::limit)
    }
}

/// Files and their bytes, as quotas count them, without pieces of other files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageSum {
    /// Number of files.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// What a pass over all assets found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageMeasure {
    /// Start of the pass, as of which ages count.
    pub started_at: Timestamp,
    /// End of the pass.
    pub finished_at: Timestamp,
    /// Sums by family of types and by name of the age, in no particular order.
    pub sums: Vec<(String, String, StorageSum)>,
    /// The tenants with the most bytes, by id and name, the largest first.
    pub tenants: Vec<(TenantId, String, StorageSum)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_follow_each_other_without_a_gap() {
        assert_eq!((StorageAge::Day.least(), StorageAge::Older.limit()), (None, None));
        for pair in StorageAge::ALL.windows(2) {
            assert!(pair[0].limit() == pair[1].least() && pair[0].limit().is_some());
        }
    }
}
