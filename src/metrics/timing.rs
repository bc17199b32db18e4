//! Time that a request spends in the database and in the object store, for `Server-Timing`
//! (<https://www.w3.org/TR/server-timing/>).
//!
//! A task-local value, as the request's context is. Work that a request leaves to a task of its own (a completion, an
//! append) is in the total only, unless the task is wrapped in [`RequestTiming::in_current`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

tokio::task_local! {
    static CURRENT_TIMING: RequestTiming;
}

/// Times of a request, summed over its queries and its requests to the store.
#[derive(Clone, Debug, Default)]
pub struct RequestTiming(Arc<TimingSums>);

#[derive(Debug, Default)]
struct TimingSums {
    database_micros: AtomicU64,
    store_micros: AtomicU64,
}

impl RequestTiming {
    /// Runs `work` and sums the times that it spends.
    pub async fn run_within<F: Future>(self, work: F) -> F::Output {
        CURRENT_TIMING.scope(self, work).await
    }

    /// Runs `work`, in whatever task, as part of the current request.
    pub fn in_current<F: Future>(work: F) -> impl Future<Output = F::Output> {
        CURRENT_TIMING.try_with(Clone::clone).unwrap_or_default().run_within(work)
    }

    /// The header's value for a request that took `total`.
    #[must_use]
    pub fn header_value(&self, total: Duration) -> String {
        let millis = |micros: &AtomicU64| micros.load(Ordering::Relaxed) as f64 / 1000.0;
        let (database, store) = (millis(&self.0.database_micros), millis(&self.0.store_micros));
        format!("total;dur={:.1}, db;dur={database:.1}, store;dur={store:.1}", total.as_secs_f64() * 1000.0)
    }
}

/// Adds time since `begun` to the database's share of the current request.
pub fn add_database_time(begun: Instant) {
    let _ = CURRENT_TIMING.try_with(|timing| add_elapsed(&timing.0.database_micros, begun));
}

/// Adds time since `begun` to the object store's share of the current request.
pub fn add_store_time(begun: Instant) {
    let _ = CURRENT_TIMING.try_with(|timing| add_elapsed(&timing.0.store_micros, begun));
}

fn add_elapsed(sum: &AtomicU64, begun: Instant) {
    sum.fetch_add(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn times_are_summed_in_the_request_and_nowhere_else() {
        let timing = RequestTiming::default();
        let begun = Instant::now().checked_sub(Duration::from_millis(20)).unwrap();
        add_database_time(begun);
        let work = timing.clone().run_within(async move {
            add_store_time(begun);
            tokio::spawn(RequestTiming::in_current(async move { add_store_time(begun) })).await.unwrap();
        });
        work.await;
        let value = timing.header_value(Duration::from_millis(1500));
        assert!(value.starts_with("total;dur=1500.0, db;dur=0.0, store;dur=4"), "{value}");
    }
}
