//! The two texts in which metrics are read: OpenMetrics 1.0, and the classic text of Prometheus, version 0.0.4.
//!
//! The encoder writes OpenMetrics. The classic text differs in little: names of counters end in `_total` in the
//! comments too, and there are neither units nor an end mark
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// Format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The classic text of Prometheus.
    Prometheus,
}

impl TextFormat {
    /// The media type of the format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The registry as text.
pub(super) fn encode_text(registry: &Registry, format: TextFormat) -> String {
    let mut text = String::new();
    // Writing to a string fails only if a metric cannot be encoded; the rest is worth having.
    let _ = encode(&mut text, registry);
    match format {
        TextFormat::OpenMetrics => text,
        TextFormat::Prometheus => classic_text(&text),
    }
}

fn classic_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let (_, sentence) = help.take().unwrap_or((name, ""));
            let _ = writeln!(text, "# HELP {name}{suffix} {sentence}\n# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::Unit;

    use super::*;

    #[test]
    fn counters_are_named_as_each_format_names_them() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        counter.inc();
        registry.register("requests", "Requests", counter);
        registry.register_with_unit("memory", "Memory in use", Unit::Bytes, Gauge::<i64>::default());
        assert_eq!(
            encode_text(&registry, TextFormat::OpenMetrics),
            "# HELP requests Requests.\n# TYPE requests counter\nrequests_total 1\n\
             # HELP memory_bytes Memory in use.\n# TYPE memory_bytes gauge\n# UNIT memory_bytes bytes\n\
             memory_bytes 0\n# EOF\n"
        );
        assert_eq!(
            encode_text(&registry, TextFormat::Prometheus),
            "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total 1\n\
             # HELP memory_bytes Memory in use.\n# TYPE memory_bytes gauge\nmemory_bytes 0\n"
        );
    }
}
