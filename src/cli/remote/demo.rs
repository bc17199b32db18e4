//! `gantry demo`.

use clap::Args;

use super::server_args::ServerArgs;
use crate::client::demo::{ClearedDemo, DemoInstance};
use crate::client::error::Result;

pub(super) const HELP: &str = "\
Files are uploaded through the API like any others, and marked with the property gantry-demo. With them come troubles
to find in the dashboard at /admin: two rejected assets, an upload that stands still, and a webhook delivery that
is dead. The key needs the scope admin.

Examples:
  gantry demo --assets 500
  gantry demo --clear";

#[derive(Args)]
pub(in crate::cli) struct DemoArgs {
    /// Number of files to upload.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    assets: u32,
    /// Remove what earlier runs have made, and nothing else.
    #[arg(long, conflicts_with = "assets")]
    clear: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl DemoArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let dashboard = api.address("/admin");
        let demo = DemoInstance::new(api, reporter.clone());
        if self.clear {
            let ClearedDemo { assets, webhooks, policies } = demo.clear().await?;
            reporter.print_error_line(&format!(
                "Removed {assets} assets, {webhooks} webhook endpoints and {policies} policies of the demo."
            ));
            return Ok(());
        }
        demo.fill(self.assets).await?;
        let made = format!("{} files, 2 rejected assets, 1 upload that stands still, 1 dead delivery.", self.assets);
        reporter.print_error_line(&made);
        reporter.print_result(dashboard.as_str())
    }
}
