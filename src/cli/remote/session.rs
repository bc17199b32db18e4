//! `gantry login`, `gantry logout`, `gantry whoami`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use super::server_args::{ServerArgs, profile_file};
use super::table::print_line;
use crate::client::api::ApiKeyHeader;
use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::profiles::ServiceProfile;
use crate::client::progress::TransferPlan;

pub(super) const LOGIN_HELP: &str = "\
Asks for the key without showing it, or reads it from standard input; a key is never an argument, which every user of
the machine could read. Address and key are tried, and kept in $XDG_CONFIG_HOME/gantry/profiles.json
(~/.config/gantry/profiles.json), which only you can read.

What counts, the first before the others: --url and --profile; GANTRY_URL, GANTRY_API_KEY and GANTRY_CLIENT_PROFILE; the
profile `default`. The key of a profile is sent to the service of that profile and nowhere else.

Examples:
  gantry login https://files.example
  gantry login --profile staging https://staging.files.example < key.txt
  gantry ls --profile staging";

#[derive(Args)]
pub(in crate::cli) struct LoginArgs {
    /// The service's address [default: that of --url, GANTRY_URL or the profile].
    #[arg(value_name = "URL")]
    address: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub(in crate::cli) struct LogoutArgs {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub(in crate::cli) struct WhoamiArgs {
    #[command(flatten)]
    server: ServerArgs,
}

impl LoginArgs {
    pub(super) async fn run(self) -> Result<()> {
        let name = self.server.profile_to_make()?;
        let url = match &self.address {
            Some(url) => url.clone(),
            None => self.server.address_of(&name)?,
        };
        let reporter = self.server.reporter(TransferPlan::default());
        // An address that is none is told before somebody types a key.
        self.server.client_of(&url, None, &reporter)?;
        let key = read_key().await?;
        let api = self.server.client_of(&url, Some(ApiKeyHeader::new(&key)?), &reporter)?;
        let caller = api.get_caller(&reporter).await?;
        let file = profile_file()?;
        file.put(&name, ServiceProfile { url: api.base().trim_end_matches('/').to_owned(), key })?;
        if self.server.json {
            return reporter.print_result(&json!({ "profile": name, "url": api.base(), "caller": caller }).to_string());
        }
        reporter.print_error_line(&format!(
            "{} The profile \"{name}\" is kept in {}.",
            describe(&caller),
            file.path().display()
        ));
        Ok(())
    }
}

impl LogoutArgs {
    pub(super) async fn run(self) -> Result<()> {
        let name = self.server.profile_to_make()?;
        if profile_file()?.remove(&name)? {
            return Ok(());
        }
        Err(Error::Usage(format!("there is no profile \"{name}\"")))
    }
}

impl WhoamiArgs {
    pub(super) async fn run(self) -> Result<()> {
        let resolved = self.server.resolve()?;
        let reporter = self.server.reporter(TransferPlan::default());
        let api = self.server.client_of(&resolved.url, resolved.key, &reporter)?;
        let caller = api.get_caller(&reporter).await?;
        if self.server.json {
            let line = json!({ "url": api.base(), "profile": resolved.profile, "caller": caller });
            return print_line(&line.to_string());
        }
        let text = |name: &str| caller[name].as_str().unwrap_or("-").to_owned();
        let mut lines = vec![("server", api.base().trim_end_matches('/').to_owned())];
        lines.extend(resolved.profile.map(|profile| ("profile", profile)));
        lines.push(("tenant", format!("{} ({})", text("tenant"), text("tenant_id"))));
        lines.push(("key", text("key_id")));
        lines.push(("scopes", scopes(&caller)));
        lines.into_iter().try_for_each(|(name, value)| print_line(&format!("{name:10} {}", format::shown(&value))))
    }
}

fn scopes(caller: &Value) -> String {
    let scopes = caller["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    scopes.collect::<Vec<_>>().join(", ")
}

fn describe(caller: &Value) -> String {
    let text = |name: &str| format::shown(caller[name].as_str().unwrap_or("-"));
    format!("The key {} of the tenant {} has the scopes {}.", text("key_id"), text("tenant"), scopes(caller))
}

/// Reads a key from standard input; a terminal is asked, and does not show what is typed.
async fn read_key() -> Result<String> {
    let terminal = std::io::stdin().is_terminal();
    if terminal {
        let _ = write!(std::io::stderr(), "API key: ");
    }
    // Dropped also when the command is interrupted: the terminal shows again what is typed.
    let hidden = if terminal { HiddenInput::start() } else { None };
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let line = reading.await.map_err(|_| Error::Interrupted)?;
    drop(hidden);
    if terminal {
        let _ = writeln!(std::io::stderr());
    }
    let line = line.map_err(Error::local("standard input".as_ref()))?;
    let key = line.trim();
    if key.is_empty() { Err(Error::Usage("no key was given".to_owned())) } else { Ok(key.to_owned()) }
}

/// A terminal that does not show what is typed, until this is dropped.
struct HiddenInput(Termios);

impl HiddenInput {
    fn start() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut without_echo = before.clone();
        without_echo.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &without_echo).ok()?;
        Some(Self(before))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
