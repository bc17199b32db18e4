//! The filter of log lines, which can be changed while the process runs. Process-wide, as the subscriber of `tracing` is.
//!
//! A process that logs nothing, as a test does, keeps the filter and has no lines to filter.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Directives before every filter: `s3s` calls every refused request an error; the embedded store logs what matters
/// itself. A filter can name these targets again.
const DEFAULT_DIRECTIVES: &str = "s3s=off,aws_smithy_runtime=error,aws_config=warn,sqlx=warn,hyper=warn";

/// Replaces the filter of the running subscriber.
type ReplaceFilter = Box<dyn Fn(EnvFilter) + Send>;

#[derive(Default)]
struct LogState {
    filter: String,
    replace: Option<ReplaceFilter>,
}

static LOG_STATE: Mutex<Option<LogState>> = Mutex::new(None);

fn state() -> MutexGuard<'static, Option<LogState>> {
    LOG_STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The filter for directives as an operator writes them, such as `info,gantry::engine=debug`.
///
/// # Errors
/// The directives cannot be read.
pub fn parse_filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new([DEFAULT_DIRECTIVES, directives].join(","))
}

/// Directives of the setting `log.level`, to which those of `RUST_LOG` are added.
#[must_use]
pub fn with_environment(level: &str) -> String {
    let more = std::env::var("RUST_LOG").unwrap_or_default();
    [level, more.as_str()].into_iter().filter(|some| !some.is_empty()).collect::<Vec<_>>().join(",")
}

/// Remembers the filter that the process logs by, and the way to replace it.
pub fn install(directives: String, replace: impl Fn(EnvFilter) + Send + 'static) {
    *state() = Some(LogState { filter: directives, replace: Some(Box::new(replace)) });
}

/// The directives that count now.
#[must_use]
pub fn current_filter() -> String {
    state().as_ref().map_or_else(|| "info".to_owned(), |state| state.filter.clone())
}

/// Replaces the filter, until the next change or the end of the process.
///
/// # Errors
/// The directives cannot be read; nothing has changed.
pub fn replace_filter(directives: &str) -> Result<(), ParseError> {
    let filter = parse_filter(directives)?;
    let mut state = state();
    let state = state.get_or_insert_default();
    directives.clone_into(&mut state.filter);
    if let Some(replace) = &state.replace {
        replace(filter);
    }
    Ok(())
}
