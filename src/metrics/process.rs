//! The process itself, under the names of the Prometheus client conventions (`process_…`, without our prefix), the
//! build, panics, and the file system of the data directory.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use super::labels::{clamped, counter};
use crate::machine;

/// The commit that was built, if the build knew it.
const BUILD_COMMIT: Option<&str> = option_env!("GANTRY_COMMIT");

/// Metrics of the process.
pub struct ProcessMetrics {
    resident: Gauge,
    open_files: Gauge,
    panics: OnceLock<Counter>,
    log_dropped: OnceLock<Counter>,
    free_bytes: Gauge,
    data_dir: OnceLock<PathBuf>,
}

impl ProcessMetrics {
    /// Registers the `process_…` families in the registry without a prefix.
    pub(super) fn register(registry: &mut Registry) -> Self {
        registry.register_collector(Box::new(ProcessCollector));
        let (resident, open_files) = (Gauge::default(), Gauge::default());
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the process that is in use",
            Unit::Bytes,
            resident.clone(),
        );
        registry.register("process_open_fds", "Files and sockets that the process has open", open_files.clone());
        let (panics, log_dropped, free_bytes, data_dir) = Default::default();
        Self { resident, open_files, panics, log_dropped, free_bytes, data_dir }
    }

    /// Registers the families with our prefix, the former names among them.
    pub(super) fn register_aliases(&self, registry: &mut Registry) {
        let about = "Deprecated: the former name of process_resident_memory_bytes";
        registry.register_with_unit("resident_memory", about, Unit::Bytes, self.resident.clone());
        registry.register("open_files", "Deprecated: the former name of process_open_fds", self.open_files.clone());
        let about = "Free bytes of the file system that holds the data directory; 0 without a data directory";
        registry.register_with_unit("temp_disk_free", about, Unit::Bytes, self.free_bytes.clone());
        let about = "Panics of the process, which are defects: the log has the place of each";
        let _ = self.panics.set(counter(registry, "panics", about));
        let about = "Log lines that standard error did not take, because its disk is full or its reader is gone";
        let _ = self.log_dropped.set(counter(registry, "log_dropped", about));
        let build = Family::<[(&'static str, &'static str); 2], Gauge>::default();
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit", BUILD_COMMIT.unwrap_or("unknown"))];
        build.get_or_create(&labels).set(1);
        registry.register("build_info", "Always 1; version and commit of the running build are labels", build);
    }

    /// Measures the free space of this directory's file system from now on.
    pub fn watch_disk(&self, data_dir: PathBuf) {
        let _ = self.data_dir.set(data_dir);
    }

    /// Counts every panic of the process from now on, before the hook that is set already.
    pub fn count_panics(&'static self) {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(panics) = self.panics.get() {
                panics.inc();
            }
            before(panic);
        }));
    }

    /// Counts a log line that could not be written.
    pub fn record_log_dropped(&self) {
        if let Some(dropped) = self.log_dropped.get() {
            dropped.inc();
        }
    }

    /// Reads what the kernel knows of the process and its disk.
    pub(super) fn measure(&self) {
        self.resident.set(clamped(memory_pages().1.saturating_mul(page_bytes())));
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_files.set(i64::try_from(open).unwrap_or(i64::MAX));
        let free = self.data_dir.get().and_then(|dir| machine::free_bytes(dir).ok());
        self.free_bytes.set(free.map_or(0, clamped));
    }
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// Pages of virtual and of resident memory (proc(5), `statm`).
fn memory_pages() -> (u64, u64) {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = pages.split(' ').map(|pages| pages.parse().unwrap_or(0));
    (pages.next().unwrap_or(0), pages.next().unwrap_or(0))
}

/// Fields of proc(5), `stat`.
#[derive(Debug, Default, PartialEq, Eq)]
struct KernelStat {
    /// Processor time in clock ticks.
    cpu_ticks: u64,
    threads: u64,
    /// Start of the process in clock ticks after boot.
    started_ticks: u64,
}

impl KernelStat {
    fn parse(stat: &str) -> Self {
        // The second field is the command in parentheses, which may hold spaces. The next is the third field.
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self { cpu_ticks: field(14) + field(15), threads: field(20), started_ticks: field(22) }
    }
}

/// Seconds since 1970 at which the machine started.
fn boot_seconds() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(0)
}

/// Most files that the process may have open.
fn max_open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Families whose values the kernel keeps: read at each scrape.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let stat = KernelStat::parse(&fs::read_to_string("/proc/self/stat").unwrap_or_default());
        let seconds = |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        let cpu = ConstCounter::new(seconds(stat.cpu_ticks));
        let about = "Processor time that the process has used.";
        let metric = encoder.encode_descriptor("process_cpu", about, Some(&Unit::Seconds), cpu.metric_type())?;
        cpu.encode(metric)?;
        let started = ConstGauge::new(boot_seconds() as f64 + seconds(stat.started_ticks));
        let about = "Start of the process, in seconds since 1970.";
        let metric =
            encoder.encode_descriptor("process_start_time", about, Some(&Unit::Seconds), started.metric_type())?;
        started.encode(metric)?;
        let memory = ConstGauge::new(clamped(memory_pages().0.saturating_mul(page_bytes())));
        let about = "Address space of the process.";
        let metric =
            encoder.encode_descriptor("process_virtual_memory", about, Some(&Unit::Bytes), memory.metric_type())?;
        memory.encode(metric)?;
        let numbers = [
            ("process_max_fds", "Most files and sockets that the process may have open.", max_open_files()),
            ("process_threads", "Threads of the process.", stat.threads),
        ];
        for (name, about, number) in numbers {
            let gauge = ConstGauge::new(clamped(number));
            gauge.encode(encoder.encode_descriptor(name, about, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_does_not_move_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4 1 0 0 0 250 50 0 0 20 0 12 0 9000 1 2";
        assert_eq!(KernelStat::parse(stat), KernelStat { cpu_ticks: 300, threads: 12, started_ticks: 9000 });
        assert_eq!(KernelStat::parse(""), KernelStat::default());
    }

    #[test]
    fn the_kernel_knows_this_process() {
        let stat = KernelStat::parse(&fs::read_to_string("/proc/self/stat").unwrap());
        assert!(stat.threads > 0 && stat.started_ticks > 0 && memory_pages().1 > 0 && boot_seconds() > 1_500_000_000);
        assert!(max_open_files() > 2);
    }
}
