//! `gantry link`.

use clap::Args;

use super::server_args::ServerArgs;
use crate::client::error::{Error, Result};
use crate::client::wire::ApiLinkRequest;

#[derive(Args)]
pub(in crate::cli) struct LinkArgs {
    /// The asset's id; with --revoke, the link's.
    id: String,
    /// Lifetime of the link, like 15m or 7d [default: 1h].
    #[arg(long, value_name = "TIME")]
    expires_in: Option<String>,
    /// Number of permitted uses [default: unlimited].
    #[arg(long, value_name = "N")]
    uses: Option<u32>,
    /// Let a browser show the file instead of saving it, where that is safe.
    #[arg(long)]
    inline: bool,
    /// Name under which the file is saved, instead of the asset's.
    #[arg(long, value_name = "NAME")]
    filename: Option<String>,
    /// The only address or network that may use the link.
    #[arg(long, value_name = "IP")]
    ip: Option<String>,
    /// Revoke the link with this id instead.
    #[arg(long, conflicts_with_all = ["expires_in", "uses", "inline", "filename", "ip"])]
    revoke: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl LinkArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        if self.revoke {
            api.revoke_link(&self.id, &reporter).await?;
            return Ok(());
        }
        let wish = ApiLinkRequest {
            expires_in: self.expires_in,
            disposition: self.inline.then(|| "inline".to_owned()),
            filename: self.filename,
            uses: self.uses,
            ip: self.ip,
        };
        let link = api.create_link(&self.id, &wish, &reporter).await?;
        if self.server.json {
            return reporter.print_result(&link.to_string());
        }
        let text = |name: &str| link[name].as_str();
        let url = text("url").ok_or_else(|| Error::Other("the server's answer holds no link".into()))?;
        reporter.print_result(url)?;
        if let (Some(id), Some(until), false) = (text("id"), text("expires_at"), self.server.quiet) {
            reporter.print_error_line(&format!("Valid until {until}; `gantry link --revoke {id}` revokes it."));
        }
        Ok(())
    }
}
