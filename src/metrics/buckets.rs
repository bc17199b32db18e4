//! Buckets of histograms: the preferred numbers R5 (ISO 3), 1, 1.6, 2.5, 4 and 6.3 times a power of ten. Neighbours
//! differ by a factor of 1.6 at most, so that a p99 is off by less than that.

use prometheus_client::metrics::histogram::Histogram;

const MANTISSAS: [&str; 5] = ["1", "1.6", "2.5", "4", "6.3"];

/// Preferred numbers from 10^`from` up to, but without, 10^`to`.
fn preferred_numbers(from: i32, to: i32) -> impl Iterator<Item = f64> {
    // Parsed from their decimal form, so that they are written as such.
    (from..to).flat_map(|power| MANTISSAS.iter().filter_map(move |digits| format!("{digits}e{power}").parse().ok()))
}

/// Requests and queries: 0.4 ms to 63 s.
pub(super) fn request_histogram() -> Histogram {
    Histogram::new(preferred_numbers(-4, 2).skip(3))
}

/// Jobs: 1 ms to 6300 s.
pub(super) fn job_histogram() -> Histogram {
    Histogram::new(preferred_numbers(-3, 4))
}

/// Uploads from creation to completion: 10 ms to a week.
pub(super) fn upload_histogram() -> Histogram {
    Histogram::new(preferred_numbers(-2, 6))
}

/// Waits for a connection of the database: 0.1 ms to 63 s.
pub(super) fn wait_histogram() -> Histogram {
    Histogram::new(preferred_numbers(-4, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_by_1_6_at_most() {
        let numbers: Vec<f64> = preferred_numbers(-4, 6).collect();
        assert_eq!(numbers.len(), 50);
        assert!(numbers.windows(2).all(|pair| pair[1] > pair[0] && pair[1] / pair[0] < 1.600_001), "{numbers:?}");
        let requests: Vec<f64> = preferred_numbers(-4, 2).skip(3).collect();
        assert!(requests[0] <= 0.0005 && *requests.last().unwrap() >= 60.0, "{requests:?}");
    }
}
