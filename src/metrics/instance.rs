//! Gauges about the whole instance, from the rows of its database.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{FloatGauge, LabelledGauge, PairGauge, clamped, gauge};
use crate::domain::clock::Timestamp;
use crate::domain::findings::StoredDamage;
use crate::domain::job::{JobCount, JobKind, JobState};

/// Bytes of all tenants, as their quotas count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageBytes {
    /// Of stored files that are not rejected.
    pub used: u64,
    /// That open uploads may still bring.
    pub reserved: u64,
    /// Of rejected files that are kept for a while.
    pub quarantine: u64,
    /// Of objects that no row names, as the last search found.
    pub orphaned: u64,
}

/// Numbers of the instance at a moment.
#[derive(Clone, Debug, Default)]
pub struct InstanceSnapshot {
    /// Alarms that are raised.
    pub alarms: u64,
    /// Jobs by kind and state.
    pub jobs: Vec<JobCount>,
    /// Assets with damaged bytes.
    pub damaged: Vec<(StoredDamage, u64)>,
    /// Uploads that have not ended.
    pub open_uploads: u64,
    /// Dead deliveries to webhooks.
    pub dead_deliveries: u64,
    /// Creation of the oldest delivery that is not made yet.
    pub oldest_delivery: Option<Timestamp>,
    /// Largest share of a limit that a tenant uses; 1 is all of it.
    pub quota_ratio: f64,
    /// Bytes by class.
    pub storage: StorageBytes,
    /// True while new uploads of every tenant are refused for maintenance.
    pub maintenance: bool,
    /// Contradictions that the last verification on any node found.
    pub inconsistencies: u64,
    /// Time of the database at that moment.
    pub taken_at: Timestamp,
}

/// The families.
pub(super) struct InstanceGauges {
    alarms: Gauge,
    jobs: PairGauge,
    oldest_jobs: LabelledGauge,
    damaged: LabelledGauge,
    uploads: Gauge,
    dead_letters: Gauge,
    oldest_delivery: Gauge,
    quota_ratio: FloatGauge,
    storage: LabelledGauge,
    maintenance: Gauge,
    inconsistencies: Gauge,
}

/// Families of jobs: their numbers, and the age of the oldest.
fn register_jobs(registry: &mut Registry) -> (PairGauge, LabelledGauge) {
    let kinds = || JobKind::ALL.into_iter().map(JobKind::name);
    let counts = PairGauge::register(
        registry,
        "jobs",
        "Jobs of all tenants that wait, run or were given up (dead), by kind and state",
        ["kind", "state"],
        kinds().flat_map(|kind| JobState::ALL.map(|state| [kind, state.name()])),
    );
    let oldest = LabelledGauge::register(
        registry,
        "job_oldest_age",
        "How long the oldest due job has been waiting for a worker, by kind of job; 0 if none is due",
        Some(Unit::Seconds),
        "kind",
        kinds(),
    );
    (counts, oldest)
}

impl InstanceGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (jobs, oldest_jobs) = register_jobs(registry);
        let (oldest_delivery, quota_ratio) = (Gauge::default(), FloatGauge::default());
        let about = "Age of the oldest webhook delivery that is not made yet; 0 if there is none";
        registry.register_with_unit("webhook_oldest_age", about, Unit::Seconds, oldest_delivery.clone());
        let about = "Largest share of a quota (bytes, files or open uploads) that any tenant uses; 1 is all of it";
        registry.register("quota_used_ratio_max", about, quota_ratio.clone());
        Self {
            alarms: gauge(registry, "alarms", "Alarms that are raised: GET /v1/admin/alarms lists them"),
            jobs,
            oldest_jobs,
            damaged: LabelledGauge::register(
                registry,
                "damaged_assets",
                "Files whose stored bytes are damaged, by what is wrong with them",
                None,
                "problem",
                StoredDamage::ALL.map(StoredDamage::code),
            ),
            uploads: gauge(registry, "uploads_in_flight", "Uploads that have not ended, counted up to 10000"),
            dead_letters: gauge(
                registry,
                "dead_letters",
                "Jobs and webhook deliveries that were given up, and wait to be retried or discarded",
            ),
            oldest_delivery,
            quota_ratio,
            storage: LabelledGauge::register(
                registry,
                "storage",
                "Bytes of all tenants: used by files, reserved by open uploads, in quarantine, orphaned (as the last \
                 search for orphans found)",
                Some(Unit::Bytes),
                "class",
                ["used", "reserved", "quarantine", "orphaned"],
            ),
            maintenance: gauge(registry, "maintenance_mode", "1 while new uploads of every tenant are refused, else 0"),
            inconsistencies: gauge(
                registry,
                "verify_inconsistencies",
                "Contradictions between rows and objects that the last gantry verify on any node found",
            ),
        }
    }

    /// Sets all families to the numbers of `snapshot`.
    pub(super) fn set(&self, snapshot: &InstanceSnapshot) {
        self.alarms.set(clamped(snapshot.alarms));
        let counts: Vec<_> =
            snapshot.jobs.iter().map(|jobs| ([jobs.kind.name(), jobs.state.name()], jobs.count)).collect();
        self.jobs.set_all(&counts);
        for kind in JobKind::ALL {
            let due = snapshot.jobs.iter().find(|jobs| jobs.kind == kind && jobs.state == JobState::Ready);
            self.oldest_jobs.set(kind.name(), due.map_or(0, |jobs| snapshot.age_of(jobs.oldest)));
        }
        for damage in StoredDamage::ALL {
            let found = snapshot.damaged.iter().find(|(kind, _)| *kind == damage);
            self.damaged.set(damage.code(), found.map_or(0, |(_, count)| *count));
        }
        self.uploads.set(clamped(snapshot.open_uploads));
        self.dead_letters.set(clamped(snapshot.dead_jobs().saturating_add(snapshot.dead_deliveries)));
        self.oldest_delivery.set(clamped(snapshot.oldest_delivery.map_or(0, |since| snapshot.age_of(since))));
        self.quota_ratio.set(snapshot.quota_ratio);
        let StorageBytes { used, reserved, quarantine, orphaned } = snapshot.storage;
        self.storage.set("used", used);
        self.storage.set("reserved", reserved);
        self.storage.set("quarantine", quarantine);
        self.storage.set("orphaned", orphaned);
        self.maintenance.set(i64::from(snapshot.maintenance));
        self.inconsistencies.set(clamped(snapshot.inconsistencies));
    }
}

impl InstanceSnapshot {
    /// Seconds since a time, at the moment of the snapshot.
    fn age_of(&self, since: Timestamp) -> u64 {
        self.taken_at.duration_since(since).as_secs().max(0).cast_unsigned()
    }

    fn dead_jobs(&self) -> u64 {
        self.jobs.iter().filter(|jobs| jobs.state == JobState::Dead).map(|jobs| jobs.count).sum()
    }
}
