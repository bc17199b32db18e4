//! Log lines on standard error: text for people, JSON for programs.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, reload};

use crate::config::ServiceConfig;
use crate::{log_level, metrics};

/// Starts logging as the settings say; `RUST_LOG` adds to them. Counts panics from now on.
pub(super) fn start(config: &ServiceConfig) -> anyhow::Result<()> {
    metrics::process().count_panics();
    let more = std::env::var("RUST_LOG").unwrap_or_default();
    let directives = [config.log_level.as_str(), more.as_str()].into_iter().filter(|some| !some.is_empty());
    let directives = directives.collect::<Vec<_>>().join(",");
    let filter = log_level::parse_filter(&directives).context("log.level cannot be read")?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if config.log_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    log_level::install(directives, move |filter| {
        // Fails only without a subscriber, which lives as long as the process.
        let _ = handle.reload(filter);
    });
    Ok(())
}
