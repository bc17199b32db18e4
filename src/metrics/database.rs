//! Connections to the database, and its errors.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::buckets::wait_histogram;
use super::labels::{GaugeGuard, LabelledCounter, gauge};

/// Classes of SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) that exist from the start.
/// Result codes of SQLite count in the class of the same meaning.
const SQLSTATE_CLASSES: [&str; 12] = ["08", "22", "23", "25", "40", "42", "53", "54", "55", "57", "58", "XX"];
/// Class of all other errors.
const OTHER_CLASS: &str = "other";

/// Metrics of the database.
pub struct DatabaseMetrics {
    in_use: Gauge,
    waits: Histogram,
    errors: LabelledCounter,
}

impl DatabaseMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let waits = wait_histogram();
        let about = "Time that a query or transaction waited for a connection of the pool";
        registry.register_with_unit("db_pool_wait", about, Unit::Seconds, waits.clone());
        Self {
            in_use: gauge(registry, "db_pool_in_use", "Connections to the database that run a query or transaction"),
            waits,
            errors: LabelledCounter::register(
                registry,
                "db_errors",
                "Errors of the database by class of SQLSTATE: 08 no connection or no answer, 23 a uniqueness that \
                 another request had taken (harmless), 40 a transaction to be repeated, 53 disk or memory is full, 55 \
                 locked, 57 stopped by an operator, 58 input or output, XX damage",
                "sqlstate_class",
                SQLSTATE_CLASSES.into_iter().chain([OTHER_CLASS]),
            ),
        }
    }

    /// Counts a connection as in use until the guard is dropped, and notes the wait for it.
    #[must_use]
    pub fn enter_connection(&self, waited: Duration) -> GaugeGuard {
        self.waits.observe(waited.as_secs_f64());
        GaugeGuard::enter(&self.in_use)
    }

    /// Counts an error. `class`: the first two characters of its SQLSTATE.
    pub fn record_error(&self, class: &str) {
        self.errors.increment(SQLSTATE_CLASSES.into_iter().find(|known| *known == class).unwrap_or(OTHER_CLASS));
    }
}
