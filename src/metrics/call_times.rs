//! How long calls took on this node: requests by route, verbs of the engine, calls of the database and of the object
//! store. Percentiles for an operator who asks what is slow; Prometheus has the histograms over time.
//!
//! Verbs and calls are measured by their tracing spans, whether or not log lines show them: a function with
//! `#[tracing::instrument]` in one of these parts has its figures. The time is that of the span: from the call until its
//! result is there, with all waiting.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Buckets for a doubling: a percentile is off by a tenth at most.
const BUCKETS_PER_DOUBLING: u32 = 4;
/// Doublings from 1 µs: 2^32 µs are more than an hour.
const DOUBLINGS: u32 = 32;
/// Names at most; what comes later is not measured. Routes and functions are far fewer.
const MAX_NAMES: usize = 2000;
/// Module of the engine's rooms.
const ENGINE_MODULE: &str = "gantry::engine";

/// What a call was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallKind {
    /// A request, by the template of its route.
    Route,
    /// A verb or job of the engine.
    Engine,
    /// A call of the database.
    Database,
    /// A call of the object store.
    Store,
}

impl CallKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Route, Self::Engine, Self::Database, Self::Store];

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Engine => "engine",
            Self::Database => "database",
            Self::Store => "store",
        }
    }

    /// The kind of the calls in a module; `None`: its spans are not measured.
    fn of_module(module: &str) -> Option<Self> {
        let kinds = [
            (ENGINE_MODULE, Self::Engine),
            ("gantry::store", Self::Database),
            ("gantry::blob::s3::adapter", Self::Store),
        ];
        kinds.into_iter().find(|(prefix, _)| module.starts_with(prefix)).map(|(_, kind)| kind)
    }
}

/// Figures of a route, a verb or a call since the start of the process, or since they were reset.
#[derive(Clone, Debug, PartialEq)]
pub struct CallTimes {
    /// What was called.
    pub kind: CallKind,
    /// Method and template of a route, or the function's name.
    pub name: String,
    /// Number of calls.
    pub count: u64,
    /// Time within which half of the calls were done.
    pub p50: Duration,
    /// Time within which 90 % were done.
    pub p90: Duration,
    /// Time within which 99 % were done.
    pub p99: Duration,
    /// The longest call.
    pub longest: Duration,
    /// Time of all calls together.
    pub total: Duration,
}

/// Durations in buckets whose bounds grow by a constant factor.
#[derive(Debug)]
struct DurationBuckets {
    counts: [AtomicU32; (BUCKETS_PER_DOUBLING * DOUBLINGS) as usize],
    longest_micros: AtomicU64,
    total_micros: AtomicU64,
}

impl DurationBuckets {
    fn new() -> Self {
        Self {
            counts: [const { AtomicU32::new(0) }; (BUCKETS_PER_DOUBLING * DOUBLINGS) as usize],
            longest_micros: AtomicU64::new(0),
            total_micros: AtomicU64::new(0),
        }
    }

    fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let place = (micros as f64).log2() * f64::from(BUCKETS_PER_DOUBLING);
        let last = self.counts.len() - 1;
        self.counts[(place as usize).min(last)].fetch_add(1, Ordering::Relaxed);
        self.longest_micros.fetch_max(micros, Ordering::Relaxed);
        self.total_micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn summarise(&self, kind: CallKind, name: String) -> CallTimes {
        let counts: Vec<u64> = self.counts.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).collect();
        let count = counts.iter().sum();
        let longest = Duration::from_micros(self.longest_micros.load(Ordering::Relaxed));
        // The middle of the bucket in which the call of that rank is.
        let percentile = |share: f64| {
            let rank = (count as f64 * share).ceil().max(1.0);
            let mut seen = 0.0;
            let place = counts.iter().position(|count| {
                seen += *count as f64;
                seen >= rank
            });
            let middle = (place.unwrap_or_default() as f64 + 0.5) / f64::from(BUCKETS_PER_DOUBLING);
            Duration::from_secs_f64(middle.exp2() / 1e6).min(longest)
        };
        CallTimes {
            kind,
            name,
            count,
            p50: percentile(0.5),
            p90: percentile(0.9),
            p99: percentile(0.99),
            longest,
            total: Duration::from_micros(self.total_micros.load(Ordering::Relaxed)),
        }
    }
}

/// A route or a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CallName {
    kind: CallKind,
    /// Module of a function.
    module: &'static str,
    name: Cow<'static, str>,
}

impl CallName {
    /// The name that operators read: of a verb with its room, of a port's method alone.
    fn text(&self) -> String {
        let within = self.module.strip_prefix(ENGINE_MODULE).and_then(|rest| rest.strip_prefix("::"));
        match within.and_then(|rest| rest.split("::").next()) {
            Some(room) => format!("{room}::{}", self.name),
            None => self.name.clone().into_owned(),
        }
    }
}

static BUCKETS: LazyLock<RwLock<HashMap<CallName, Arc<DurationBuckets>>>> = LazyLock::new(RwLock::default);

/// The buckets of a name, made when it is first called; `None`: there are too many names.
fn buckets_of(call: CallName) -> Option<Arc<DurationBuckets>> {
    if let Some(known) = BUCKETS.read().unwrap_or_else(PoisonError::into_inner).get(&call) {
        return Some(known.clone());
    }
    let mut all = BUCKETS.write().unwrap_or_else(PoisonError::into_inner);
    let room = all.len() < MAX_NAMES;
    room.then(|| all.entry(call).or_insert_with(|| Arc::new(DurationBuckets::new())).clone())
}

/// Notes a request that was answered. `route`: the template of its route.
pub(super) fn record_route(method: &str, route: &str, took: Duration) {
    let name = Cow::Owned(format!("{method} {route}"));
    if let Some(buckets) = buckets_of(CallName { kind: CallKind::Route, module: "", name }) {
        buckets.record(took);
    }
}

/// Figures of everything that was called, by kind, those with the most time first.
#[must_use]
pub fn list() -> Vec<CallTimes> {
    let all = BUCKETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut listed: Vec<_> = all.iter().map(|(call, buckets)| buckets.summarise(call.kind, call.text())).collect();
    listed.retain(|times| times.count > 0);
    listed.sort_by(|one, other| (one.kind, other.total).cmp(&(other.kind, one.total)));
    listed
}

/// Begins anew: what was called before counts no longer.
pub fn reset() {
    BUCKETS.write().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Layer of `tracing` that measures the spans of verbs and calls.
struct SpanTimer;

/// A span under way.
struct TimedSpan {
    begun: Instant,
    buckets: Arc<DurationBuckets>,
}

impl<S> Layer<S> for SpanTimer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let of = attributes.metadata();
        let Some(kind) = CallKind::of_module(of.target()) else { return };
        let call = CallName { kind, module: of.target(), name: Cow::Borrowed(of.name()) };
        if let (Some(span), Some(buckets)) = (context.span(id), buckets_of(call)) {
            span.extensions_mut().insert(TimedSpan { begun: Instant::now(), buckets });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(timed) = span.extensions().get::<TimedSpan>() {
            timed.buckets.record(timed.begun.elapsed());
        }
    }
}

/// The layer that measures, for the process's subscriber.
pub fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_measured = |of: &Metadata<'_>| of.is_span() && CallKind::of_module(of.target()).is_some();
    // Without the hint every event of every library would be looked at.
    SpanTimer.with_filter(filter_fn(is_measured).with_max_level_hint(LevelFilter::DEBUG))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn times_of(name: &str) -> Option<CallTimes> {
        list().into_iter().find(|times| times.name == name)
    }

    #[test]
    fn percentiles_are_right_within_a_tenth() {
        let buckets = DurationBuckets::new();
        (1..=1000).for_each(|millis| buckets.record(Duration::from_millis(millis)));
        let times = buckets.summarise(CallKind::Engine, "x".to_owned());
        let near = |found: Duration, millis: f64| {
            let found = found.as_secs_f64() * 1000.0;
            assert!((found / millis - 1.0).abs() < 0.1, "{found} ms, not {millis}");
        };
        near(times.p50, 500.0);
        near(times.p90, 900.0);
        near(times.p99, 990.0);
        assert_eq!((times.count, times.longest), (1000, Duration::from_secs(1)));
        assert_eq!(times.total, Duration::from_micros(500_500_000));
    }

    #[test]
    fn extremes_are_recorded() {
        let buckets = DurationBuckets::new();
        buckets.record(Duration::ZERO);
        buckets.record(Duration::MAX);
        let times = buckets.summarise(CallKind::Engine, "x".to_owned());
        assert_eq!((times.count, times.p50), (2, Duration::from_secs_f64(1.090_507_7e-6)));
    }

    #[test]
    fn spans_of_ours_are_measured_and_no_others() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            drop(tracing::debug_span!(target: "gantry::store::postgres::port", "measured_call").entered());
            drop(tracing::info_span!(target: "gantry::engine::uploads::create", "measured_verb").entered());
            drop(tracing::info_span!(target: "hyper::proto", "foreign_call").entered());
        });
        assert_eq!(times_of("measured_call").map(|times| (times.kind, times.count)), Some((CallKind::Database, 1)));
        assert_eq!(times_of("uploads::measured_verb").map(|times| times.kind), Some(CallKind::Engine));
        assert_eq!(times_of("foreign_call"), None);
    }
}
