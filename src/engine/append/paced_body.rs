//! The client's side of an append: its bytes as they come, and how long a silence is still a pause.
//!
//! A phone in a tunnel pauses, and is not cut off before [`BodyPaceLimits::idle`]. A body that drips, a few bytes now and then, is:
//! it would hold a connection and a lease for ever.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::digest::ExpectedDigest;

/// What a body consists of.
#[derive(Clone, Debug)]
pub enum BodyFrame {
    /// Bytes of the file.
    Bytes(Bytes),
    /// A checksum that comes behind them.
    Checksum(ExpectedDigest),
}

/// The body broke off before its end.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedBody;

/// A body as it arrives.
pub type AppendBody = BoxStream<'static, Result<BodyFrame, TruncatedBody>>;

/// How slow a body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyPaceLimits {
    /// Longest silence.
    pub idle: Duration,
    /// Fewest bytes per second of waiting, over [`Self::window`].
    pub min_rate: u64,
    /// How long is looked at before a body is called a drip.
    pub window: Duration,
}

/// What the body did next.
pub(super) enum BodyEvent {
    Frame(BodyFrame),
    /// Nothing for a while: what is in memory had better be made safe.
    Idle,
    Ended,
    Truncated,
    TooSlow,
}

/// A silence after which bytes in memory are made safe.
const IDLE_FLUSH_DELAY: Duration = Duration::from_secs(3);

/// A body and how fast it came so far.
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

    /// What comes next. May be dropped and asked again without losing anything.
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

    /// The bytes that came were dealt with; only from now on does the client keep us waiting.
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

    /// A body that sends `size` bytes, `times` over, each after `pause`.
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
