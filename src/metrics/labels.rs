//! Families whose labels have few and fixed values, all of which exist from the start.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Names and values of `N` labels.
type FixedLabels<const N: usize> = [(&'static str, &'static str); N];

/// A gauge of seconds, ratios and other fractions.
pub(super) type FloatGauge = Gauge<f64, AtomicU64>;

/// Counters by the value of a label.
pub(super) struct LabelledCounter {
    label: &'static str,
    family: Family<FixedLabels<1>, Counter>,
}

impl LabelledCounter {
    /// Registers the family, with zeros for the `known` values.
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        label: &'static str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let family = Family::<FixedLabels<1>, Counter>::default();
        for value in known {
            drop(family.get_or_create(&[(label, value)]));
        }
        registry.register(name, help, family.clone());
        Self { label, family }
    }

    pub(super) fn increment(&self, value: &'static str) {
        self.add(value, 1);
    }

    pub(super) fn add(&self, value: &'static str, count: u64) {
        self.family.get_or_create(&[(self.label, value)]).inc_by(count);
    }
}

/// Counters by the values of two labels.
pub(super) struct PairCounter {
    labels: [&'static str; 2],
    family: Family<FixedLabels<2>, Counter>,
}

impl PairCounter {
    /// Registers the family, with zeros for the `known` pairs of values.
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        labels: [&'static str; 2],
        known: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Self {
        let family = Family::<FixedLabels<2>, Counter>::default();
        for (first, second) in known {
            drop(family.get_or_create(&[(labels[0], first), (labels[1], second)]));
        }
        registry.register(name, help, family.clone());
        Self { labels, family }
    }

    pub(super) fn read(&self, first: &'static str, second: &'static str) -> u64 {
        self.family.get_or_create(&[(self.labels[0], first), (self.labels[1], second)]).get()
    }

    pub(super) fn increment(&self, first: &'static str, second: &'static str) {
        self.family.get_or_create(&[(self.labels[0], first), (self.labels[1], second)]).inc();
    }
}

/// Histograms of seconds by the value of a label.
pub(super) struct LabelledHistogram {
    label: &'static str,
    family: Family<FixedLabels<1>, Histogram, fn() -> Histogram>,
}

impl LabelledHistogram {
    /// Registers the family, empty for the `known` values. `name` is without the unit, which is seconds.
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        label: &'static str,
        known: impl IntoIterator<Item = &'static str>,
        new: fn() -> Histogram,
    ) -> Self {
        let family = Family::<FixedLabels<1>, Histogram, fn() -> Histogram>::new_with_constructor(new);
        for value in known {
            drop(family.get_or_create(&[(label, value)]));
        }
        registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        Self { label, family }
    }

    pub(super) fn observe(&self, value: &'static str, took: std::time::Duration) {
        self.family.get_or_create(&[(self.label, value)]).observe(took.as_secs_f64());
    }
}

/// Whole numbers by the value of a label, set at every scrape.
pub(super) struct LabelledGauge {
    label: &'static str,
    family: Family<FixedLabels<1>, Gauge>,
}

impl LabelledGauge {
    /// Registers the family, with zeros for the `known` values.
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        label: &'static str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let family = Family::<FixedLabels<1>, Gauge>::default();
        for value in known {
            drop(family.get_or_create(&[(label, value)]));
        }
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, family.clone()),
            None => registry.register(name, help, family.clone()),
        }
        Self { label, family }
    }

    pub(super) fn set(&self, value: &'static str, number: u64) {
        self.family.get_or_create(&[(self.label, value)]).set(clamped(number));
    }
}

/// Whole numbers by the values of two labels, set at every scrape.
pub(super) struct PairGauge {
    labels: [&'static str; 2],
    known: Vec<[&'static str; 2]>,
    family: Family<FixedLabels<2>, Gauge>,
}

impl PairGauge {
    /// Registers the family, with zeros for the `known` pairs of values.
    pub(super) fn register(
        registry: &mut Registry,
        name: &str,
        help: &str,
        labels: [&'static str; 2],
        known: impl IntoIterator<Item = [&'static str; 2]>,
    ) -> Self {
        let family = Family::<FixedLabels<2>, Gauge>::default();
        registry.register(name, help, family.clone());
        let gauges = Self { labels, known: known.into_iter().collect(), family };
        gauges.set_all(&[]);
        gauges
    }

    /// Sets the pairs to their numbers, and all others to 0.
    pub(super) fn set_all(&self, numbers: &[([&'static str; 2], u64)]) {
        let zeros = self.known.iter().map(|pair| (*pair, 0));
        for ([first, second], number) in zeros.chain(numbers.iter().copied()) {
            let labels = [(self.labels[0], first), (self.labels[1], second)];
            self.family.get_or_create(&labels).set(clamped(number));
        }
    }
}

/// Registers a counter without labels.
pub(super) fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

/// Registers a whole number without labels.
pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::<i64, AtomicI64>::default();
    registry.register(name, help, gauge.clone());
    gauge
}

/// A number as a gauge holds it.
pub(super) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A thing that counts in a gauge until the guard is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    /// Adds 1 to the gauge.
    pub(super) fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
