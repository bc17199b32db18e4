//! `gantry stats`.

use clap::Args;
use serde_json::Value;

use super::server_args::ServerArgs;
use super::table::{field, print_line};
use crate::client::error::Result;
use crate::metrics::call_times::CallKind;

pub(super) const HELP: &str = "\
The figures are those of the node that answers: times since its start or the last --reset, caches since its
start. The key needs the scope admin and belongs to the tenant `default`.

Examples:
  gantry stats                       # routes, verbs, calls of database and store, caches
  gantry stats --kind database       # which call of the database takes the most time
  gantry stats --reset && sleep 60 && gantry stats
  gantry stats --clear-caches        # after rows were changed by hand";

/// Options of `stats`.
#[derive(Args)]
pub(in crate::cli) struct StatsArgs {
    /// Only of this kind: route, engine, database or store.
    #[arg(long, value_parser = CallKind::ALL.map(CallKind::name))]
    kind: Option<String>,
    /// Maximum number of lines of a kind.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Begin the figures anew instead.
    #[arg(long, conflicts_with_all = ["kind", "clear_caches"])]
    reset: bool,
    /// Forget cached rows instead, so that the node reads them anew.
    #[arg(long, conflicts_with = "kind")]
    clear_caches: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl StatsArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        if self.reset {
            return api.reset_call_times(&reporter).await;
        }
        if self.clear_caches {
            return api.clear_caches(&reporter).await;
        }
        let times = api.get_json("reading the figures of calls", "/v1/admin/performance", &[], &reporter).await?;
        self.print_calls(&times)?;
        if self.kind.is_some() {
            return Ok(());
        }
        let caches = api.get_json("listing caches", "/v1/admin/caches", &[], &reporter).await?;
        self.print_caches(&caches)
    }

    fn print_calls(&self, times: &Value) -> Result<()> {
        for kind in CallKind::ALL.map(CallKind::name) {
            if self.kind.as_ref().is_some_and(|only| only != kind) {
                continue;
            }
            let calls: Vec<&Value> =
                times["calls"].as_array().into_iter().flatten().filter(|call| call["kind"] == kind).collect();
            if !self.server.json && !calls.is_empty() {
                print_line(&format!("{:>10} {:>9} {:>9} {:>9} {:>9}  {kind}", "COUNT", "P50 ms", "P90", "P99", "MAX"))?;
            }
            for call in calls.into_iter().take(self.limit) {
                print_line(&if self.server.json { call.to_string() } else { call_row(call) })?;
            }
        }
        Ok(())
    }

    fn print_caches(&self, caches: &Value) -> Result<()> {
        if !self.server.json {
            print_line(&format!("{:>10} {:>9} {:>9}  cache", "HITS", "MISSES", "RATIO"))?;
        }
        for cache in caches["caches"].as_array().into_iter().flatten() {
            print_line(&if self.server.json { cache.to_string() } else { cache_row(cache) })?;
        }
        Ok(())
    }
}

fn call_row(call: &Value) -> String {
    let [p50, p90, p99, max] = ["p50_ms", "p90_ms", "p99_ms", "max_ms"].map(|name| call[name].as_f64().unwrap_or(0.0));
    let count = call["count"].as_u64().unwrap_or(0);
    format!("{count:>10} {p50:>9.2} {p90:>9.2} {p99:>9.2} {max:>9.2}  {}", field(call, "name"))
}

fn cache_row(cache: &Value) -> String {
    let [hits, misses] = ["hits", "misses"].map(|name| cache[name].as_u64().unwrap_or(0));
    let ratio = 100.0 * hits as f64 / (hits + misses).max(1) as f64;
    format!("{hits:>10} {misses:>9} {ratio:>7.1} %  {}", field(cache, "cache"))
}
