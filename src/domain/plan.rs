//! The part plan: part size and count, fixed at creation from the declared size and the store's limits.
//!
//! All parts but the last have the same size: R2 demands it, and other stores accept it. Arithmetic is 64-bit; the
//! largest plan is 10 000 parts of 5 GiB, the S3 limit of 48.8 TiB.

use std::fmt;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::str::FromStr;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Limits of a store, in bytes. The defaults are those of Amazon S3 (2025-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreProfile {
    /// Smallest part, the last part excepted.
    pub min_part: u64,
    /// Largest part.
    pub max_part: u64,
    /// Parts per upload, at most.
    pub max_parts: u16,
    /// Largest object of a single PutObject.
    pub max_put: u64,
    /// Part size while it results in at most `max_parts` parts.
    pub usual_part: u64,
}

impl Default for StoreProfile {
    fn default() -> Self {
        Self { min_part: 5 * MIB, max_part: 5 * GIB, max_parts: 10_000, max_put: 5 * GIB, usual_part: 16 * MIB }
    }
}

impl StoreProfile {
    /// The largest object for which a plan exists.
    #[must_use]
    pub fn max_object(&self) -> u64 {
        self.max_part.saturating_mul(u64::from(self.max_parts))
    }
}

/// Reason why no plan exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The declared size exceeds the store's limit.
    #[error("the size is over the store's limit of {limit} bytes")]
    TooLarge {
        /// The store's largest object in bytes.
        limit: u64,
    },
    /// The requested part size is outside the store's limits.
    #[error("the part size must be between {min} and {max} bytes")]
    PartSize {
        /// Smallest allowed part size in bytes.
        min: u64,
        /// Largest allowed part size in bytes.
        max: u64,
    },
    /// The requested part size results in more parts than the store accepts.
    #[error("the part size would need more than {limit} parts")]
    TooManyParts {
        /// Parts per upload, at most.
        limit: u16,
    },
}

/// The number of a part: 1 to 10 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(NonZeroU16);

impl PartNumber {
    /// The highest part number of S3.
    pub const MAX: u16 = 10_000;

    /// `None` outside 1..=10 000.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        let number = u16::try_from(number).ok().filter(|n| *n <= Self::MAX)?;
        NonZeroU16::new(number).map(Self)
    }

    /// The number as an integer.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parts of an object: all have `part_size` bytes, except the last, which has the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    total: u64,
    part_size: u64,
    count: u16,
}

impl PartPlan {
    /// Chooses the part size: `wanted` if the client requested a size; otherwise the usual size, increased in whole MiB
    /// until the number of parts is within the limit. An empty object has a single empty part.
    pub fn choose(total: u64, wanted: Option<u64>, profile: &StoreProfile) -> Result<Self, PlanError> {
        if total > profile.max_object() {
            return Err(PlanError::TooLarge { limit: profile.max_object() });
        }
        let part_size = match wanted {
            Some(size) if !(profile.min_part..=profile.max_part).contains(&size) => {
                return Err(PlanError::PartSize { min: profile.min_part, max: profile.max_part });
            }
            Some(size) => size,
            None => {
                let needed = total.div_ceil(u64::from(profile.max_parts)).next_multiple_of(MIB);
                needed.max(profile.usual_part).clamp(profile.min_part, profile.max_part)
            }
        };
        Self::exact(total, part_size)
            .filter(|plan| plan.count <= profile.max_parts)
            .ok_or(PlanError::TooManyParts { limit: profile.max_parts })
    }

    /// The plan with exactly this part size, as stored in a row; `None` if it is impossible.
    #[must_use]
    pub fn exact(total: u64, part_size: u64) -> Option<Self> {
        let count = if part_size == 0 { return None } else { total.div_ceil(part_size).max(1) };
        let count = u16::try_from(count).ok().filter(|n| *n <= PartNumber::MAX)?;
        Some(Self { total, part_size, count })
    }

    /// Size of the object in bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Size of every part but the last, in bytes.
    #[must_use]
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// Number of parts, at least 1.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Offset of a part in the object; `None` if the plan has no such part.
    #[must_use]
    pub fn offset_of(&self, part: PartNumber) -> Option<u64> {
        (part.get() <= self.count).then(|| u64::from(part.get() - 1) * self.part_size)
    }

    /// Exact size of a part in bytes; `None` if the plan has no such part.
    #[must_use]
    pub fn len_of(&self, part: PartNumber) -> Option<u64> {
        self.offset_of(part).map(|offset| (self.total - offset).min(self.part_size))
    }

    /// All parts of the plan, in order.
    pub fn parts(&self) -> impl Iterator<Item = PartNumber> + use<> {
        (1..=self.count).filter_map(|n| PartNumber::new(u64::from(n)))
    }

    /// All parts of the plan, as a set.
    #[must_use]
    pub fn all(&self) -> PartSet {
        PartSet(vec![1..=self.count])
    }
}

/// Part numbers as ascending ranges, written `1-200,512`. Its size is bounded by the number of parts, not by the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartSet(Vec<RangeInclusive<u16>>);

/// The text is not a list of part numbers between 1 and 10 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parts are written like 1-200,512, each between 1 and 10000")]
pub struct BadPartSet;

impl PartSet {
    /// A set of numbers, given in any order; duplicates are allowed.
    pub fn from_numbers(numbers: impl IntoIterator<Item = PartNumber>) -> Self {
        let mut numbers: Vec<u16> = numbers.into_iter().map(PartNumber::get).collect();
        numbers.sort_unstable();
        Self::from_sorted(numbers.into_iter().map(|n| n..=n))
    }

    fn from_sorted(ranges: impl Iterator<Item = RangeInclusive<u16>>) -> Self {
        let mut merged: Vec<RangeInclusive<u16>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// The part numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = PartNumber> + '_ {
        self.0.iter().cloned().flatten().filter_map(|n| PartNumber::new(u64::from(n)))
    }

    /// Number of parts in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// True if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest part number; `None` if the set is empty.
    #[must_use]
    pub fn last(&self) -> Option<PartNumber> {
        self.0.last().and_then(|range| PartNumber::new(u64::from(*range.end())))
    }
}

impl FromStr for PartSet {
    type Err = BadPartSet;

    fn from_str(text: &str) -> Result<Self, BadPartSet> {
        let number = |text: &str| -> Result<u16, BadPartSet> {
            let number = text.trim().parse::<u64>().map_err(|_| BadPartSet)?;
            PartNumber::new(number).map(PartNumber::get).ok_or(BadPartSet)
        };
        let mut ranges = Vec::new();
        for item in text.split(',') {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let range = number(first)?..=number(last)?;
            if range.is_empty() {
                return Err(BadPartSet);
            }
            ranges.push(range);
        }
        ranges.sort_unstable_by_key(|range| *range.start());
        Ok(Self::from_sorted(ranges.into_iter()))
    }
}

impl fmt::Display for PartSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(total: u64) -> PartPlan {
        PartPlan::choose(total, None, &StoreProfile::default()).unwrap()
    }

    #[test]
    fn the_edges_of_a_part() {
        let part = 16 * MIB;
        assert_eq!((plan(0).count(), plan(1).count(), plan(part).count(), plan(part + 1).count()), (1, 1, 1, 2));
        let first = PartNumber::new(1).unwrap();
        let second = PartNumber::new(2).unwrap();
        assert_eq!(plan(0).len_of(first), Some(0));
        assert_eq!(plan(part + 1).len_of(second), Some(1));
        assert_eq!(plan(part).len_of(second), None);
        assert_eq!(plan(5 * GIB).count(), 320);
    }

    #[test]
    fn fifty_terabytes_fit_and_one_byte_over_the_limit_does_not() {
        let profile = StoreProfile::default();
        let fifty = plan(50_000_000_000_000);
        assert!(fifty.count() <= 10_000 && fifty.part_size() <= profile.max_part);
        assert_eq!(plan(profile.max_object()).count(), 10_000);
        let over = PartPlan::choose(profile.max_object() + 1, None, &profile);
        assert_eq!(over, Err(PlanError::TooLarge { limit: profile.max_object() }));
    }

    #[test]
    fn a_wanted_part_size_is_kept_or_refused() {
        let profile = StoreProfile::default();
        assert_eq!(PartPlan::choose(20 * MIB, Some(5 * MIB), &profile).unwrap().count(), 4);
        assert!(matches!(PartPlan::choose(1, Some(5 * MIB - 1), &profile), Err(PlanError::PartSize { .. })));
        assert!(matches!(PartPlan::choose(u64::MAX, Some(5 * MIB), &profile), Err(PlanError::TooLarge { .. })));
        assert!(matches!(PartPlan::choose(100 * GIB, Some(5 * MIB), &profile), Err(PlanError::TooManyParts { .. })));
    }

    #[test]
    fn part_sets_read_and_write_ranges() {
        let set: PartSet = "512, 1-3,3-5,6".parse().unwrap();
        assert_eq!(set.to_string(), "1-6,512");
        assert_eq!(set.len(), 7);
        assert_eq!(set.last().unwrap().get(), 512);
        for bad in ["", "0", "10001", "3-1", "a", "1-", "-1", "1,,2", "99999999999999999999"] {
            assert_eq!(bad.parse::<PartSet>(), Err(BadPartSet), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parts_tile_the_object(total in 0u64..=StoreProfile::default().max_object()) {
            let plan = plan(total);
            let profile = StoreProfile::default();
            prop_assert!(plan.count() <= profile.max_parts);
            let mut next = 0;
            for part in plan.parts() {
                prop_assert_eq!(plan.offset_of(part), Some(next));
                let len = plan.len_of(part).unwrap();
                prop_assert!(len <= profile.max_part);
                next += len;
            }
            prop_assert_eq!(next, total);
        }
    }
}
