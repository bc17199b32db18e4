//! Minimum pace of request bodies, by the same limits as for appends ([`BodyPaceLimits`]): a maximum silence and a
//! minimum rate.
//!
//! Time counts only while the server waits for the client: a slow handler or disk is not the client's fault.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::engine::BodyPaceLimits;

/// Monitors the pace of a body.
#[derive(Debug)]
pub(super) struct BodyPaceMonitor {
    pace: BodyPaceLimits,
    /// Since when the server has been waiting for the client.
    waiting_since: Option<Instant>,
    /// Created at the first wait: most bodies arrive together with their head.
    timer: Option<Pin<Box<Sleep>>>,
    /// Time waited and bytes received since the pace was last checked.
    waited: Duration,
    bytes: u64,
}

impl BodyPaceMonitor {
    pub(super) fn new(pace: BodyPaceLimits) -> Self {
        Self { pace, waiting_since: None, timer: None, waited: Duration::ZERO, bytes: 0 }
    }

    /// Records received bytes. Returns true if the body is too slow: too few bytes came within the observed time.
    pub(super) fn record_bytes(&mut self, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        if self.waited < self.pace.window {
            return false;
        }
        let drips = self.bytes < self.pace.min_rate.saturating_mul(self.waited.as_secs());
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        drips
    }

    /// Ready once the client has been silent for too long. Must be polled whenever no data is available.
    pub(super) fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waits = self.waiting_since.is_some();
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let until = since + self.pace.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if !waits {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PACE: BodyPaceLimits =
        BodyPaceLimits { idle: Duration::from_secs(60), min_rate: 1024, window: Duration::from_secs(60) };

    /// How many pieces of `bytes`, each after `pause`, are taken before the body is too slow.
    async fn taken(bytes: usize, pause: Duration, pieces: usize) -> usize {
        let mut slowness = BodyPaceMonitor::new(PACE);
        for piece in 0..pieces {
            let silent = tokio::time::timeout(pause, poll_fn(|cx| slowness.poll_silence(cx))).await.is_ok();
            if silent || slowness.record_bytes(bytes) {
                return piece;
            }
        }
        pieces
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_no_drips() {
        let secs = Duration::from_secs;
        assert_eq!(taken(100_000, secs(50), 5).await, 5);
        assert_eq!(taken(100_000, secs(61), 5).await, 0);
        assert_eq!(taken(1, secs(4), 100).await, 14);
        let mut slowness = BodyPaceMonitor::new(PACE);
        tokio::time::sleep(secs(1000)).await;
        assert!(!slowness.record_bytes(1), "nobody waited for the client");
    }
}
