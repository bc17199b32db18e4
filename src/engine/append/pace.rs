//! The client's side of an append: its bytes as they come, and how long a silence is still a pause.
//!
//! A phone in a tunnel pauses, and is not cut off before [`Pace::idle`]. A body that drips, a few bytes now and then, is:
//! it would hold a connection and a lease for ever.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::digest::Expected;

/// What a body consists of.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// Bytes of the file.
    Bytes(Bytes),
    /// A checksum that comes behind them.
    Checksum(Expected),
}

/// The body broke off before its end.
#[derive(Clone, Copy, Debug)]
pub struct BrokenOff;

/// A body as it arrives.
pub type Incoming = BoxStream<'static, Result<Arrival, BrokenOff>>;

/// How slow a body may be.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Longest silence.
    pub idle: Duration,
    /// Fewest bytes per second of waiting, over [`Self::window`].
    pub min_rate: u64,
    /// How long is looked at before a body is called a drip.
    pub window: Duration,
}

/// What the body did next.
pub(super) enum Next {
    Arrived(Arrival),
    /// Nothing for a while: what is in memory had better be made safe.
    Silent,
    Ended,
    Broke,
    TooSlow,
}

/// A silence after which bytes in memory are made safe.
const LULL: Duration = Duration::from_secs(3);

/// A body and how fast it came so far.
pub(super) struct Body {
    incoming: Incoming,
    pace: Pace,
    silent_since: Instant,
    told: bool,
    waited: Duration,
    got: u64,
}

impl Body {
    pub(super) fn new(incoming: Incoming, pace: Pace) -> Self {
        Self { incoming, pace, silent_since: Instant::now(), told: false, waited: Duration::ZERO, got: 0 }
    }

    /// What comes next. May be dropped and asked again without losing anything.
    pub(super) async fn next(&mut self) -> Next {
        let began = Instant::now();
        let until = if self.told { self.pace.idle } else { LULL.min(self.pace.idle) };
        let next = tokio::time::timeout_at(self.silent_since + until, self.incoming.next()).await;
        self.waited += began.elapsed();
        match next {
            Ok(None) => Next::Ended,
            Ok(Some(Err(BrokenOff))) => Next::Broke,
            Ok(Some(Ok(arrival))) => self.arrived(arrival),
            Err(_) if self.told || self.pace.idle <= LULL => Next::TooSlow,
            Err(_) => {
                self.told = true;
                Next::Silent
            }
        }
    }

    fn arrived(&mut self, arrival: Arrival) -> Next {
        if let Arrival::Bytes(bytes) = &arrival {
            self.got += bytes.len() as u64;
        }
        if self.waited >= self.pace.window {
            if self.got < self.pace.min_rate.saturating_mul(self.waited.as_secs()) {
                return Next::TooSlow;
            }
            (self.waited, self.got) = (Duration::ZERO, 0);
        }
        Next::Arrived(arrival)
    }

    /// The bytes that came were dealt with; only from now on does the client keep us waiting.
    pub(super) fn resume(&mut self) {
        self.silent_since = Instant::now();
        self.told = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const PACE: Pace = Pace { idle: Duration::from_secs(60), min_rate: 1024, window: Duration::from_secs(60) };

    /// A body that sends `size` bytes, `times` over, each after `pause`.
    fn body(size: usize, pause: Duration, times: usize) -> Body {
        let chunks = stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Arrival::Bytes(Bytes::from(vec![0; size])))
        });
        Body::new(chunks.boxed(), PACE)
    }

    async fn ending(mut body: Body) -> (usize, &'static str) {
        let mut arrivals = 0;
        loop {
            match body.next().await {
                Next::Arrived(_) => {
                    arrivals += 1;
                    body.resume();
                }
                Next::Silent => {}
                Next::Ended => return (arrivals, "ended"),
                Next::Broke => return (arrivals, "broke"),
                Next::TooSlow => return (arrivals, "too slow"),
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
