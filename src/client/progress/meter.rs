//! Speed and time left over a moving window. Pure: the caller passes the time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Length of the window: long enough to be calm, short enough to notice a change.
const SPEED_WINDOW: Duration = Duration::from_secs(12);

/// Measures the recent speed.
#[derive(Debug, Default)]
pub(super) struct SpeedMeter(VecDeque<(Instant, u64)>);

impl SpeedMeter {
    /// Records the total number of bytes at `now`.
    pub(super) fn sample(&mut self, now: Instant, bytes: u64) {
        // A part that is sent again takes its bytes back: earlier samples are then not comparable.
        if self.0.back().is_some_and(|(_, last)| *last > bytes) {
            self.0.clear();
        }
        self.0.push_back((now, bytes));
        while self.0.len() > 2 && self.0[1].0 + SPEED_WINDOW <= now {
            self.0.pop_front();
        }
    }

    /// Bytes per second over the window; `None` until there are enough samples.
    pub(super) fn speed(&self) -> Option<u64> {
        let ((from, first), (to, last)) = (self.0.front()?, self.0.back()?);
        let millis = to.duration_since(*from).as_millis();
        let moved = u128::from(last.saturating_sub(*first));
        (millis >= 200).then(|| u64::try_from(moved * 1000 / millis).unwrap_or(u64::MAX))
    }

    /// Time that `left` bytes will take at this speed.
    pub(super) fn eta(&self, left: u64) -> Option<Duration> {
        let speed = self.speed().filter(|speed| *speed > 0)?;
        Some(Duration::from_secs(left.div_ceil(speed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_window_moves() {
        let (start, mut meter) = (Instant::now(), SpeedMeter::default());
        assert_eq!(meter.speed(), None);
        for second in 0..=60 {
            // 10 MB/s for half a minute, then 1 MB/s.
            let bytes = if second <= 30 { second * 10_000_000 } else { 300_000_000 + (second - 30) * 1_000_000 };
            meter.sample(at(start, second * 1000), bytes);
            if second == 30 {
                assert_eq!(meter.speed(), Some(10_000_000));
            }
        }
        assert_eq!(meter.speed(), Some(1_000_000));
        assert_eq!(meter.eta(5_500_000), Some(Duration::from_secs(6)));
        assert!(meter.0.len() < 20);
    }

    #[test]
    fn a_part_sent_again_is_no_negative_speed() {
        let (start, mut meter) = (Instant::now(), SpeedMeter::default());
        meter.sample(start, 5_000_000);
        meter.sample(at(start, 1000), 1_000_000);
        assert_eq!(meter.speed(), None);
        meter.sample(at(start, 2000), 3_000_000);
        assert_eq!(meter.speed(), Some(2_000_000));
    }

    #[test]
    fn standing_still_has_no_end() {
        let (start, mut meter) = (Instant::now(), SpeedMeter::default());
        meter.sample(start, 7);
        meter.sample(at(start, 60_000), 7);
        assert_eq!((meter.speed(), meter.eta(10)), (Some(0), None));
    }
}
