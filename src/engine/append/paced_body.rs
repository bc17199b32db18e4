//! The body of an append as it arrives, with limits on its pace.
//!
//! A client may pause (a phone in a tunnel) for up to [`BodyPaceLimits::idle`]. A body that drips, with a few bytes now
//! and then, is cut off, because it would hold a connection and a lease for ever.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::digest::ExpectedDigest;

/// An item of a body.
#[derive(Clone, Debug)]
pub enum BodyFrame {
    /// Bytes of the file.
    Bytes(Bytes),
    /// Checksum in a trailer.
    Checksum(ExpectedDigest),
}

/// The body was cut before its end.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedBody;

/// A body as it arrives.
pub type AppendBody = BoxStream<'static, Result<BodyFrame, TruncatedBody>>;

/// Limits on the pace of a body.
#[derive(Clone, Copy, Debug)]
pub struct BodyPaceLimits {
    /// Longest silence.
    pub idle: Duration,
    /// Lowest rate in bytes per second of waiting, measured over [`Self::window`].
    pub min_rate: u64,
    /// Period of measurement of [`Self::min_rate`].
    pub window: Duration,
}

/// Next event of a body.
pub(super) enum BodyEvent {
    Frame(BodyFrame),
    /// No bytes for [`IDLE_FLUSH_DELAY`]: the bytes in memory should be stored.
    Idle,
    Ended,
    Truncated,
    TooSlow,
}

/// Silence after which bytes in memory are stored.
const IDLE_FLUSH_DELAY: Duration = Duration::from_secs(3);

/// A body with the measurement of its pace.
pub(super) struct PacedBody {
    incoming: AppendBody,
    pace: BodyPaceLimits,
    silent_since: Instant,
    idle_reported: bool,
    waited_for: Duration,
    received_bytes: u64,
}

impl PacedBody {
    pub(super) fn new(incoming: AppendBody, pace: BodyPaceLimits) -> Self {
        Self {
            incoming,
            pace,
            silent_since: Instant::now(),
            idle_reported: false,
            waited_for: Duration::ZERO,
            received_bytes: 0,
        }
    }

    /// The next event. Cancel safe: dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> BodyEvent {
        let began = Instant::now();
        let until = if self.idle_reported { self.pace.idle } else { IDLE_FLUSH_DELAY.min(self.pace.idle) };
        let next = tokio::time::timeout_at(self.silent_since + until, self.incoming.next()).await;
        self.waited_for += began.elapsed();
        match next {
            Ok(None) => BodyEvent::Ended,
            Ok(Some(Err(TruncatedBody))) => BodyEvent::Truncated,
            Ok(Some(Ok(arrival))) => self.check_rate(arrival),
            Err(_) if self.idle_reported || self.pace.idle <= IDLE_FLUSH_DELAY => BodyEvent::TooSlow,
            Err(_) => {
                self.idle_reported = true;
                BodyEvent::Idle
            }
        }
    }

    fn check_rate(&mut self, arrival: BodyFrame) -> BodyEvent {
        if let BodyFrame::Bytes(bytes) = &arrival {
            self.received_bytes += bytes.len() as u64;
        }
        if self.waited_for >= self.pace.window {
            if self.received_bytes < self.pace.min_rate.saturating_mul(self.waited_for.as_secs()) {
                return BodyEvent::TooSlow;
            }
            (self.waited_for, self.received_bytes) = (Duration::ZERO, 0);
        }
        BodyEvent::Frame(arrival)
    }

    /// Restarts the measurement of silence once the received bytes are processed, so that only the client's delay
    /// counts.
    pub(super) fn reset_idle(&mut self) {
        self.silent_since = Instant::now();
        self.idle_reported = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const PACE: BodyPaceLimits =
        BodyPaceLimits { idle: Duration::from_secs(60), min_rate: 1024, window: Duration::from_secs(60) };

    /// Body that sends `size` bytes, `times` times, each after `pause`.
    fn body(size: usize, pause: Duration, times: usize) -> PacedBody {
        let chunks = stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(BodyFrame::Bytes(Bytes::from(vec![0; size])))
        });
        PacedBody::new(chunks.boxed(), PACE)
    }

    async fn ending(mut body: PacedBody) -> (usize, &'static str) {
        let mut arrivals = 0;
        loop {
            match body.next().await {
                BodyEvent::Frame(_) => {
                    arrivals += 1;
                    body.reset_idle();
                }
                BodyEvent::Idle => {}
                BodyEvent::Ended => return (arrivals, "ended"),
                BodyEvent::Truncated => return (arrivals, "broke"),
                BodyEvent::TooSlow => return (arrivals, "too slow"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_no_drips() {
        let secs = Duration::from_secs;
        assert_eq!(ending(body(100_000, secs(50), 5)).await, (5, "ended"));
        assert_eq!(ending(body(100_000, secs(61), 5)).await, (0, "too slow"));
        let (arrivals, how) = ending(body(1, secs(1), 1000)).await;
        assert!((55..65).contains(&arrivals) && how == "too slow", "{arrivals} {how}");
    }
}
