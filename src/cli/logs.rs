//! Log lines on standard error: text for people, JSON for programs.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::ServiceConfig;

/// `s3s` calls every refused request an error; the embedded store logs what matters itself.
const DEFAULT_LOG_DIRECTIVES: &str = "s3s=off,aws_smithy_runtime=error,aws_config=warn,sqlx=warn,hyper=warn";

/// Starts logging as the settings say; `RUST_LOG` adds to them.
pub(super) fn start(config: &ServiceConfig) -> anyhow::Result<()> {
    let more = std::env::var("RUST_LOG").unwrap_or_default();
    let directives = [DEFAULT_LOG_DIRECTIVES, config.log_level.as_str(), more.as_str()].join(",");
    let filter = EnvFilter::try_new(directives).context("log.level cannot be read")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if config.log_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(true).init();
    } else {
        lines.with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()).init();
    }
    Ok(())
}
