//! Options of every command that talks to a service: where it is, which key opens it, and how much is said.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::duration;
use crate::client::api::{ApiClient, ApiKeyHeader};
use crate::client::error::{Error, Result};
use crate::client::profiles::{DEFAULT_PROFILE, ProfileFile, ServiceProfile, check_profile_name};
use crate::client::progress::{OutputStyle, ProgressReporter, TransferPlan};
use crate::client::retry::RetryPolicy;
use crate::client::trace::RequestTrace;
use crate::domain::clock::OsEntropy;

/// Address of a service on this machine with its default settings.
const LOCAL_URL: &str = "http://127.0.0.1:8080";

#[derive(Args)]
#[command(
    next_help_heading = "Service; the key is in GANTRY_API_KEY, in the file GANTRY_API_KEY_FILE, or in a profile"
)]
pub(super) struct ServerArgs {
    /// Its address [env: GANTRY_URL=] [default: the profile's, or http://127.0.0.1:8080].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Profile that `gantry login` keeps [env: GANTRY_CLIENT_PROFILE=] [default: default].
    #[arg(long, value_name = "NAME", value_parser = check_profile_name)]
    profile: Option<String>,
    /// Repeats of a request or part at most [default: as many as --retry-max-time allows].
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Time for which a request or part may keep failing.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    retry_max_time: Duration,
    /// Print a JSON object a line on standard output, the result last.
    #[arg(long)]
    pub(super) json: bool,
    /// No progress, only results and errors.
    #[arg(long, short, conflicts_with = "json")]
    pub(super) quiet: bool,
    /// Say which requests are sent, with their ids; twice: also those to the store.
    #[arg(long, short, action = ArgAction::Count)]
    verbose: u8,
}

/// A service, and the key for it.
pub(super) struct ResolvedServer {
    pub(super) url: String,
    pub(super) key: Option<ApiKeyHeader>,
    /// Name of the profile from which address or key came.
    pub(super) profile: Option<String>,
}

/// Values of the environment.
#[derive(Default)]
struct ServerEnvironment {
    url: Option<String>,
    profile: Option<String>,
    key: Option<String>,
}

impl ServerEnvironment {
    fn read() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name| set(name).map(|value| value.to_string_lossy().into_owned());
        let key = match (text("GANTRY_API_KEY"), set("GANTRY_API_KEY_FILE")) {
            (Some(key), _) => Some(key),
            (None, Some(path)) => Some(std::fs::read_to_string(&path).map_err(Error::local(path.as_ref()))?),
            (None, None) => None,
        };
        Ok(Self { url: text("GANTRY_URL"), profile: text("GANTRY_CLIENT_PROFILE"), key })
    }
}

/// The key of the environment.
pub(super) fn read_environment_key() -> Result<Option<ApiKeyHeader>> {
    ServerEnvironment::read()?.key.as_deref().map(ApiKeyHeader::new).transpose()
}

impl ServerArgs {
    /// The service and the key: flags count before the environment, and the environment before the profile.
    pub(super) fn resolve(&self) -> Result<ResolvedServer> {
        let said = ServerEnvironment::read()?;
        let named = self.profile.as_ref().or(said.profile.as_ref());
        let enough = (self.url.is_some() || said.url.is_some()) && said.key.is_some();
        let profile = match named {
            Some(name) => Some((name.clone(), find_profile(name)?)),
            None if enough => None,
            None => find_default_profile()?.map(|profile| (DEFAULT_PROFILE.to_owned(), profile)),
        };
        self.choose(said, profile)
    }

    fn choose(&self, said: ServerEnvironment, profile: Option<(String, ServiceProfile)>) -> Result<ResolvedServer> {
        let by_flag = self.profile.is_some();
        let own_url = profile.as_ref().map(|(_, profile)| profile.url.clone());
        let (first, second) = if by_flag { (own_url, said.url) } else { (said.url, own_url) };
        let url = self.url.clone().or(first).or(second).unwrap_or_else(|| LOCAL_URL.to_owned());
        // The key of a profile is sent to the service of the profile and nowhere else.
        let own_key = profile.as_ref().filter(|(_, profile)| profile.is_for(&url)).map(|(_, profile)| &profile.key);
        let from_profile = own_key.is_some() && (by_flag || said.key.is_none());
        let key = if from_profile { own_key } else { said.key.as_ref() };
        let key = key.map(|key| ApiKeyHeader::new(key)).transpose()?;
        let counts = from_profile || profile.as_ref().is_some_and(|(_, profile)| profile.url == url);
        Ok(ResolvedServer { url, key, profile: profile.filter(|_| counts).map(|(name, _)| name) })
    }

    /// The name of the profile that `login` makes.
    pub(super) fn profile_to_make(&self) -> Result<String> {
        let said = ServerEnvironment::read()?.profile;
        Ok(self.profile.clone().or(said).unwrap_or_else(|| DEFAULT_PROFILE.to_owned()))
    }

    /// The address that `login` without an address is about.
    pub(super) fn address_of(&self, profile: &str) -> Result<String> {
        let known = profile_file()?.find(profile)?.map(|profile| profile.url);
        let said = ServerEnvironment::read()?.url;
        Ok(self.url.clone().or(said).or(known).unwrap_or_else(|| LOCAL_URL.to_owned()))
    }

    /// A client of the service, and a reporter for these files.
    pub(super) fn connect(&self, plan: TransferPlan) -> Result<(ApiClient, ProgressReporter)> {
        let resolved = self.resolve()?;
        let reporter = self.reporter(plan);
        Ok((self.client_of(&resolved.url, resolved.key, &reporter)?, reporter))
    }

    /// A client of the service, for a command without transfers.
    pub(super) fn connect_for_requests(&self) -> Result<(ApiClient, ProgressReporter)> {
        self.connect(TransferPlan::default())
    }

    pub(super) fn client_of(
        &self,
        url: &str,
        key: Option<ApiKeyHeader>,
        reporter: &ProgressReporter,
    ) -> Result<ApiClient> {
        let policy = RetryPolicy { retries: self.retries, max_time: self.retry_max_time };
        let api = ApiClient::new(url, key, policy, Arc::new(OsEntropy))?;
        if self.verbose == 0 {
            return Ok(api);
        }
        let reporter = reporter.clone();
        let write = move |line: &str| reporter.print_error_line(&format!("· {line}"));
        Ok(api.with_trace(RequestTrace::new(self.verbose, Arc::new(write))))
    }

    pub(super) fn reporter(&self, plan: TransferPlan) -> ProgressReporter {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let style = match (self.json, self.quiet) {
            (true, _) => OutputStyle::Json,
            (_, true) => OutputStyle::Quiet,
            _ if std::io::stderr().is_terminal() && !dumb => OutputStyle::Bars,
            _ => OutputStyle::Lines,
        };
        ProgressReporter::for_plan(style, plan)
    }
}

/// The file of profiles, or the reason why there can be none.
pub(super) fn profile_file() -> Result<ProfileFile> {
    let missing = || Error::Usage("profiles need a home: neither XDG_CONFIG_HOME nor HOME is set".to_owned());
    ProfileFile::from_environment().ok_or_else(missing)
}

fn find_profile(name: &str) -> Result<ServiceProfile> {
    let missing =
        || Error::Usage(format!("there is no profile \"{name}\": `gantry login --profile {name} URL` makes it"));
    profile_file()?.find(name)?.ok_or_else(missing)
}

fn find_default_profile() -> Result<Option<ServiceProfile>> {
    ProfileFile::from_environment().map_or(Ok(None), |file| file.find(DEFAULT_PROFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: Option<&str>, profile: Option<&str>) -> ServerArgs {
        ServerArgs {
            url: url.map(str::to_owned),
            profile: profile.map(str::to_owned),
            retries: None,
            retry_max_time: Duration::ZERO,
            json: false,
            quiet: false,
            verbose: 0,
        }
    }

    /// Address, and whether there is a key and a profile.
    fn chosen(args: &ServerArgs, url: Option<&str>, key: Option<&str>, profile: Option<&str>) -> (String, bool, bool) {
        let said = ServerEnvironment { url: url.map(str::to_owned), key: key.map(str::to_owned), profile: None };
        let profile =
            profile.map(|url| ("p".to_owned(), ServiceProfile { url: url.to_owned(), key: "gk_profile".to_owned() }));
        let resolved = args.choose(said, profile).unwrap();
        (resolved.url, resolved.key.is_some(), resolved.profile.is_some())
    }

    #[test]
    fn flags_count_before_the_environment_and_that_before_the_profile() {
        let (env, own) = (Some("http://env"), Some("http://own"));
        let plain = args(None, None);
        assert_eq!(chosen(&plain, None, None, None), (LOCAL_URL.to_owned(), false, false));
        assert_eq!(chosen(&plain, None, None, own), ("http://own".to_owned(), true, true));
        assert_eq!(chosen(&plain, env, Some("gk_env"), own), ("http://env".to_owned(), true, false));
        assert_eq!(chosen(&args(Some("http://flag"), None), env, Some("gk_env"), own).0, "http://flag");
        assert_eq!(chosen(&args(None, Some("p")), env, Some("gk_env"), own), ("http://own".to_owned(), true, true));
    }

    #[test]
    fn the_key_of_a_profile_goes_to_its_own_service_only() {
        let own = Some("http://own");
        assert_eq!(chosen(&args(None, None), Some("http://env"), None, own), ("http://env".to_owned(), false, false));
        let both = args(Some("http://flag"), Some("p"));
        assert_eq!(chosen(&both, None, None, own), ("http://flag".to_owned(), false, false));
    }
}
