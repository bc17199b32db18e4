//! Log lines on standard error: text for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write};

use anyhow::Context as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, reload};

use crate::config::ServiceConfig;
use crate::log_level;
use crate::metrics::{self, call_times};
#[cfg(feature = "otlp")]
use crate::traces;

/// Writer of log lines to standard error. A line that standard error does not take is counted, and the caller goes on.
struct LogOutput;

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The whole line at once, so that lines of several threads do not mix.
        if io::stderr().write_all(line).is_err() {
            metrics::process().record_log_dropped();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The export of traces, if the settings or the standard variables ask for it.
#[cfg(feature = "otlp")]
fn trace_layer<S>(config: &ServiceConfig) -> anyhow::Result<Option<Box<dyn Layer<S> + Send + Sync>>>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync,
{
    let standard = || std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let is_disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|text| text.eq_ignore_ascii_case("true"));
    match config.otlp_endpoint.clone().or_else(standard).filter(|_| !is_disabled) {
        Some(endpoint) => traces::export_layer(&endpoint).map(Some).context("tracing.otlp_endpoint cannot be used"),
        None => Ok(None),
    }
}

/// Starts logging as the settings say; `RUST_LOG` adds to them. Counts panics from now on.
pub(super) fn start(config: &ServiceConfig) -> anyhow::Result<()> {
    metrics::process().count_panics();
    let directives = log_level::with_environment(&config.log_level);
    let filter = log_level::parse_filter(&directives).context("log.level cannot be read")?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| LogOutput);
    let lines = if config.log_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed()
    } else {
        lines.with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).boxed()
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter)).with(call_times::layer());
    #[cfg(feature = "otlp")]
    let registry = registry.with(trace_layer(config)?);
    registry.init();
    log_level::install(directives, move |filter| {
        // Fails only without a subscriber, which lives as long as the process.
        let _ = handle.reload(filter);
    });
    Ok(())
}
