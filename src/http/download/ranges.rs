//! The `Range` header (RFC 9110 §14.2), bounded.
//!
//! A header that cannot be parsed is ignored, as the RFC requires. Overlapping and adjacent ranges are merged; more
//! than [`MAX_RANGES`] ranges are answered with the whole file, so that a small request cannot multiply the size of the
//! answer.

use std::ops::Range;

/// Maximum number of ranges in an answer.
const MAX_RANGES: usize = 16;

/// A `Range` header, applied to a file of `size` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ParsedRanges {
    /// No range, a range that cannot be parsed, or too many ranges.
    Whole,
    /// Ranges in order, without overlap.
    Ranges(Vec<Range<u64>>),
    /// None of the ranges exists.
    NotSatisfiable,
}

/// Parses a `Range` header.
pub(super) fn parse_range_header(header: &str, size: u64) -> ParsedRanges {
    let Some(list) = header.trim().strip_prefix("bytes=") else { return ParsedRanges::Whole };
    let mut ranges = Vec::new();
    for (i, item) in list.split(',').map(str::trim).filter(|item| !item.is_empty()).enumerate() {
        // Counted before merging, so that parsing has a bound as well.
        if i >= 4 * MAX_RANGES {
            return ParsedRanges::Whole;
        }
        match parse_byte_range(item, size) {
            Some(Some(range)) => ranges.push(range),
            Some(None) => {}
            None => return ParsedRanges::Whole,
        }
    }
    let merged = merge_ranges(ranges);
    match merged.len() {
        0 => ParsedRanges::NotSatisfiable,
        1..=MAX_RANGES => ParsedRanges::Ranges(merged),
        _ => ParsedRanges::Whole,
    }
}

/// `None`: not a range. `Some(None)`: a range of bytes that do not exist.
fn parse_byte_range(item: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = item.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // More digits than the type holds mean an offset beyond the end.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let suffix = number(last)?;
        return Some((suffix > 0 && size > 0).then(|| size.saturating_sub(suffix)..size));
    }
    let first = number(first)?;
    let end = if last.is_empty() { size } else { number(last)?.saturating_add(1).min(size) };
    if !last.is_empty() && number(last)? < first {
        return None;
    }
    Some((first < size).then_some(first..end))
}

fn merge_ranges(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges<const N: usize>(list: [(u64, u64); N]) -> ParsedRanges {
        ParsedRanges::Ranges(list.into_iter().map(|(start, end)| start..end).collect())
    }

    #[test]
    fn the_forms_of_a_range() {
        assert_eq!(parse_range_header("bytes=0-0", 10), ranges([(0, 1)]));
        assert_eq!(parse_range_header("bytes=2-", 10), ranges([(2, 10)]));
        assert_eq!(parse_range_header("bytes=2-99999999999999999999", 10), ranges([(2, 10)]));
        assert_eq!(parse_range_header("bytes=-3", 10), ranges([(7, 10)]));
        assert_eq!(parse_range_header("bytes=-30", 10), ranges([(0, 10)]));
        assert_eq!(parse_range_header("bytes=8-9, 0-1", 10), ranges([(0, 2), (8, 10)]));
        assert_eq!(parse_range_header("bytes=0-4,3-5,6-7", 10), ranges([(0, 8)]));
        assert_eq!(parse_range_header("bytes=0-1,50-60", 10), ranges([(0, 2)]));
    }

    #[test]
    fn what_does_not_exist() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(parse_range_header(header, 10), ParsedRanges::NotSatisfiable, "{header}");
        }
        assert_eq!(parse_range_header("bytes=0-", 0), ParsedRanges::NotSatisfiable);
        assert_eq!(parse_range_header("bytes=-5", 0), ParsedRanges::NotSatisfiable);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for header in ["", "bytes", "items=0-1", "bytes=a-b", "bytes=5-2", "bytes=--1", "bytes=1", "bytes=+1-2"] {
            assert_eq!(parse_range_header(header, 10), ParsedRanges::Whole, "{header}");
        }
    }

    #[test]
    fn a_thousand_tiny_ranges_are_the_whole() {
        let many: Vec<String> = (0..1000).map(|i| format!("{}-{}", 3 * i, 3 * i)).collect();
        assert_eq!(parse_range_header(&format!("bytes={}", many.join(",")), 10_000), ParsedRanges::Whole);
        assert_eq!(parse_range_header(&format!("bytes={}", many[..17].join(",")), 10_000), ParsedRanges::Whole);
        assert!(
            matches!(parse_range_header(&format!("bytes={}", many[..16].join(",")), 10_000), ParsedRanges::Ranges(r) if r.len() == 16)
        );
    }

    proptest! {
        #[test]
        fn ranges_are_ordered_disjoint_and_inside(header in "bytes=[0-9,\\- ]{0,40}", size in 0u64..100) {
            if let ParsedRanges::Ranges(ranges) = parse_range_header(&header, size) {
                let mut end = 0;
                for (i, range) in ranges.iter().enumerate() {
                    prop_assert!(!range.is_empty() && range.end <= size);
                    prop_assert!(i == 0 || range.start > end);
                    end = range.end;
                }
            }
        }
    }
}
