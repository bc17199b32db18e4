//! A limit of bytes per second, shared by all transfers of a command.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Pieces per second that a sender gets at least, however low the rate: a transfer that moves is not taken for stalled.
const PIECES_PER_SECOND: u64 = 4;
const MIN_PIECE_BYTES: u64 = 1 << 10;

/// A limit of bytes per second.
#[derive(Debug)]
pub struct RateLimiter {
    bytes_per_second: u64,
    /// Time at which the next byte may pass.
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// A limit; a rate of 0 is taken for 1 byte per second.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), next: Mutex::default() }
    }

    /// Bytes of a piece of which each of `senders` gets some every second, at most `most`.
    #[must_use]
    pub fn piece_bytes(&self, senders: usize, most: usize) -> usize {
        let senders = u64::try_from(senders.max(1)).unwrap_or(1);
        let piece = (self.bytes_per_second / (senders * PIECES_PER_SECOND)).max(MIN_PIECE_BYTES);
        usize::try_from(piece).unwrap_or(most).min(most)
    }

    /// Bytes that pass within `seconds`.
    #[must_use]
    pub fn bytes_within(&self, seconds: u64) -> usize {
        usize::try_from(self.bytes_per_second.saturating_mul(seconds)).unwrap_or(usize::MAX)
    }

    /// Reserves `bytes` at `now`; returns the time to wait before they may pass.
    fn reserve(&self, bytes: u64, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        *next = Some(at + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        at - now
    }

    /// Waits until the last of `bytes` may pass. They pass in pieces, for the network may deliver seconds' worth at once.
    pub async fn wait(&self, bytes: u64) {
        let (piece, mut left) = ((self.bytes_per_second / PIECES_PER_SECOND).max(1), bytes);
        while left > 0 {
            let passing = left.min(piece);
            tokio::time::sleep(self.reserve(passing, Instant::now())).await;
            left -= passing;
        }
    }

    /// Waits until `bytes` may pass, on a thread that may block.
    pub fn wait_blocking(&self, bytes: u64) {
        std::thread::sleep(self.reserve(bytes, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_pass_at_the_rate_and_a_pause_is_no_credit() {
        let (limit, start) = (RateLimiter::new(1000), Instant::now());
        assert_eq!(limit.reserve(500, start), Duration::ZERO);
        assert_eq!(limit.reserve(500, start), Duration::from_millis(500));
        assert_eq!(limit.reserve(1000, start), Duration::from_secs(1));
        let later = start + Duration::from_secs(60);
        assert_eq!(limit.reserve(1000, later), Duration::ZERO);
        assert_eq!(limit.reserve(1, later), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_at_once_passes_at_the_rate() {
        let (limit, start) = (RateLimiter::new(1000), Instant::now());
        limit.wait(2000).await;
        assert_eq!(start.elapsed(), Duration::from_millis(1750));
        limit.wait(0).await;
        assert_eq!(start.elapsed(), Duration::from_millis(1750));
    }

    #[test]
    fn low_rates_have_small_pieces() {
        assert_eq!(RateLimiter::new(100 << 20).piece_bytes(4, 256 << 10), 256 << 10);
        assert_eq!(RateLimiter::new(1 << 20).piece_bytes(4, 256 << 10), 64 << 10);
        assert_eq!(RateLimiter::new(1).piece_bytes(4, 256 << 10), 1 << 10);
    }
}
