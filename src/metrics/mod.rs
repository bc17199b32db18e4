//! Metrics of the process, as Prometheus reads them.
//!
//! The families are process-wide, as the subscriber of `tracing` is: no layer passes handles around. Each subject has a
//! file with its families and the methods that record: `metrics::uploads().record_created("tus")`. Every part but
//! [`crate::domain`] may record; this module uses nothing of ours but the domain.
//!
//! * Every family is there from the start: the known values of its labels are created with zeros.
//! * Labels have few and fixed values: no tenant, no file, no path. Routes are templates.
//! * A thing is recorded at the single place through which it goes, which the method names.
//! * Gauges about the whole instance come from the database: the caller of [`render`] passes an [`InstanceSnapshot`],
//!   whose age and refresh are the caller's business. They are set and written under a lock, so that several instances
//!   in a process (tests) do not mix.
//!
//! Help texts are for operators: complete sentences without a full stop, which the encoder adds.

use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus_client::registry::Registry;

mod blobs;
mod buckets;
mod caches;
pub mod call_times;
mod care;
mod clocks;
mod database;
mod downloads;
mod exposition;
mod http;
mod instance;
mod jobs;
mod labels;
mod leases;
mod process;
pub mod timing;
mod uploads;
mod webhooks;

pub use blobs::{BlobMetrics, S3Outcome};
pub use caches::CacheMetrics;
pub use care::{CareMetrics, OrphanClass};
pub use clocks::{ClockMetrics, ClockSource};
pub use database::DatabaseMetrics;
pub use downloads::DownloadMetrics;
pub use exposition::TextFormat;
pub use http::{AuthFailure, HttpMetrics, RateLimitScope};
pub use instance::{InstanceSnapshot, StorageBytes};
pub use jobs::{AttemptOutcome, JobMetrics, ScanVerdict};
pub use labels::GaugeGuard;
pub use leases::LeaseMetrics;
pub use process::ProcessMetrics;
pub use uploads::{AbortReason, DoubtOutcome, UploadMetrics};
pub use webhooks::{SendOutcome, WebhookMetrics};

/// All families and the registry that writes them.
struct MetricRegistry {
    registry: Registry,
    http: HttpMetrics,
    uploads: UploadMetrics,
    leases: LeaseMetrics,
    downloads: DownloadMetrics,
    blobs: BlobMetrics,
    database: DatabaseMetrics,
    jobs: JobMetrics,
    webhooks: WebhookMetrics,
    caches: CacheMetrics,
    clocks: ClockMetrics,
    care: CareMetrics,
    process: ProcessMetrics,
    instance: Mutex<instance::InstanceGauges>,
}

static REGISTRY: LazyLock<MetricRegistry> = LazyLock::new(MetricRegistry::new);

impl MetricRegistry {
    fn new() -> Self {
        let mut registry = Registry::default();
        let process = ProcessMetrics::register(&mut registry);
        let ours = registry.sub_registry_with_prefix("gantry");
        process.register_aliases(ours);
        Self {
            http: HttpMetrics::register(ours),
            uploads: UploadMetrics::register(ours),
            leases: LeaseMetrics::register(ours),
            downloads: DownloadMetrics::register(ours),
            blobs: BlobMetrics::register(ours),
            database: DatabaseMetrics::register(ours),
            jobs: JobMetrics::register(ours),
            webhooks: WebhookMetrics::register(ours),
            caches: CacheMetrics::register(ours),
            clocks: ClockMetrics::register(ours),
            care: CareMetrics::register(ours),
            instance: Mutex::new(instance::InstanceGauges::register(ours)),
            process,
            registry,
        }
    }
}

/// Requests and connections.
#[must_use]
pub fn http() -> &'static HttpMetrics {
    &REGISTRY.http
}

/// Uploads from creation to completion.
#[must_use]
pub fn uploads() -> &'static UploadMetrics {
    &REGISTRY.uploads
}

/// Leases of writers on uploads.
#[must_use]
pub fn leases() -> &'static LeaseMetrics {
    &REGISTRY.leases
}

/// Downloads.
#[must_use]
pub fn downloads() -> &'static DownloadMetrics {
    &REGISTRY.downloads
}

/// Requests to the object store.
#[must_use]
pub fn blobs() -> &'static BlobMetrics {
    &REGISTRY.blobs
}

/// Connections to the database and its errors.
#[must_use]
pub fn database() -> &'static DatabaseMetrics {
    &REGISTRY.database
}

/// Jobs of workers, and scans.
#[must_use]
pub fn jobs() -> &'static JobMetrics {
    &REGISTRY.jobs
}

/// Webhook deliveries.
#[must_use]
pub fn webhooks() -> &'static WebhookMetrics {
    &REGISTRY.webhooks
}

/// Caches in memory.
#[must_use]
pub fn caches() -> &'static CacheMetrics {
    &REGISTRY.caches
}

/// Clocks that this node depends on.
#[must_use]
pub fn clocks() -> &'static ClockMetrics {
    &REGISTRY.clocks
}

/// Searches for orphans, and checks of rows against objects.
#[must_use]
pub fn care() -> &'static CareMetrics {
    &REGISTRY.care
}

/// The process itself.
#[must_use]
pub fn process() -> &'static ProcessMetrics {
    &REGISTRY.process
}

/// All metrics as text, with the gauges of the instance as `snapshot` has them.
#[must_use]
pub fn render(snapshot: &InstanceSnapshot, format: TextFormat) -> String {
    let gauges = REGISTRY.instance.lock().unwrap_or_else(PoisonError::into_inner);
    gauges.set(snapshot);
    REGISTRY.process.measure();
    REGISTRY.jobs.measure_scanner_age();
    exposition::encode_text(&REGISTRY.registry, format)
}
