//! Clocks of the database and of the object store, against this node's.

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

use super::labels::FloatGauge;

/// Clock that this node's is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The database server's. An embedded database has this node's clock.
    Database,
    /// The object store's, as its answers say. Whole seconds, so that less than a second is no skew.
    Store,
}

impl ClockSource {
    const ALL: [Self; 2] = [Self::Database, Self::Store];

    fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Store => "store",
        }
    }
}

/// Metrics of clocks.
pub struct ClockMetrics(Family<[(&'static str, &'static str); 1], FloatGauge>);

impl ClockMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], FloatGauge>::default();
        for source in ClockSource::ALL {
            drop(family.get_or_create(&[("against", source.name())]));
        }
        let about = "How far another clock is ahead of this node's, negative if it is behind; 0 until it was read";
        registry.register_with_unit("clock_skew", about, Unit::Seconds, family.clone());
        Self(family)
    }

    /// Notes by how many seconds another clock is ahead.
    pub fn set_skew(&self, against: ClockSource, seconds: f64) {
        self.0.get_or_create(&[("against", against.name())]).set(seconds);
    }
}
