//! `gantry watch`.

use clap::Args;
use serde_json::{Value, json};

use super::server_args::ServerArgs;
use super::table::{field, print_line};
use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::upload::check_asset;

pub(super) const HELP: &str = "\
Prints every event of the asset, those of the past first, and ends when it is ready (exit code 0), rejected (9, or 6
for other bytes than declared), or has failed (1).

Examples:
  gantry watch 01994f6e-6c1c-7d52-9b0e-3f2b8a9c7d11
  gantry put --no-wait film.mp4 | xargs gantry watch --json";

#[derive(Args)]
pub(in crate::cli) struct WatchArgs {
    /// The asset's id.
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

impl WatchArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let show = |event: &Value| {
            if self.server.quiet {
                return Ok(());
            }
            print_line(&if self.server.json { event.to_string() } else { row(event) })
        };
        let asset = api.watch_asset(&self.id, &reporter, show).await?;
        let outcome = check_asset(&asset, None);
        if self.server.json {
            let code = outcome.as_ref().err().map_or(0, Error::exit_code);
            let line = json!({
                "event": "result", "ok": code == 0, "exit_code": code, "asset": asset.id, "state": asset.state,
            });
            print_line(&line.to_string())?;
        }
        outcome
    }
}

/// A line of an event: its time, its type, and the reason of a verdict.
fn row(event: &Value) -> String {
    let at: String = field(event, "at").replace('T', " ").chars().take(19).collect();
    let reason = event.pointer("/data/reason/message").and_then(Value::as_str);
    let reason = reason.map(|why| format!("  {}", format::shown(why))).unwrap_or_default();
    format!("{at}  {}{reason}", format::shown(field(event, "type")))
}
