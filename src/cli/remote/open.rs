//! `gantry open`.

use std::process::{Command, Stdio};

use clap::Args;

use super::server_args::ServerArgs;
use crate::client::error::{Error, Result};
use crate::client::wire::ApiLinkRequest;

pub(super) const HELP: &str = "\
Makes a link to the asset, prints it, and opens it with xdg-open (open on macOS) where there is a desktop. The link
shows the file where that is safe, and otherwise saves it. Like every argument, it can be seen by other users of the
machine while the browser starts: it ends soon.";

#[derive(Args)]
pub(in crate::cli) struct OpenArgs {
    /// The asset's id.
    id: String,
    /// Lifetime of the link, like 15m or 7d.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    expires_in: String,
    /// Print the link, and open nothing.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl OpenArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let wish = ApiLinkRequest {
            expires_in: Some(self.expires_in),
            disposition: Some("inline".to_owned()),
            ..ApiLinkRequest::default()
        };
        let link = api.create_link(&self.id, &wish, &reporter).await?;
        let url = link["url"].as_str().ok_or_else(|| Error::Other("the server's answer holds no link".into()))?;
        reporter.print_result(if self.server.json { link.to_string() } else { url.to_owned() }.as_str())?;
        if !self.print && has_desktop() && !start_opener(url) {
            reporter.note(&format!("{} cannot be started: open the link yourself", opener()));
        }
        Ok(())
    }
}

fn opener() -> &'static str {
    if cfg!(target_os = "macos") { "open" } else { "xdg-open" }
}

fn has_desktop() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// Starts the desktop's opener, which goes on when this command has ended.
fn start_opener(url: &str) -> bool {
    let silent = || Stdio::null();
    Command::new(opener()).arg(url).stdin(silent()).stdout(silent()).stderr(silent()).spawn().is_ok()
}
