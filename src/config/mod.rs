//! Settings: defaults ← file ← environment ← flags, in two stages.
//!
//! `layers` merges the sources and knows which names exist: those of `default.toml`, the annotated reference. `check`
//! parses the texts and collects every error before it gives up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::issuer::JwtIssuer;
use crate::engine;
use crate::http::forwarded::TrustedForwarding;
use crate::http::server;
use crate::http::tls;
use crate::worker;

mod check;
mod deliveries;
mod issuers;
mod layers;
mod listen;
mod origins;
mod processing;
mod redacted;
pub(crate) mod units;
mod webhooks;

pub use listen::ListenAddress;
pub use processing::ProcessingConfig;

/// The annotated default settings.
pub const DEFAULT_CONFIG_TOML: &str = include_str!("default.toml");

/// Valid settings of the service.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// The settings by name as operators may see them, without secrets.
    pub shown: BTreeMap<String, String>,
    /// SHA-256 of each setting's text by name, which tells a changed secret.
    fingerprints: BTreeMap<String, [u8; 32]>,
    /// Whether settings that are good for trying only are refused.
    pub profile: ServiceProfile,
    /// Where the API listens.
    pub listen: ListenAddress,
    /// The only origin of URLs in answers; `None`: the listening address.
    pub public_url: Option<String>,
    /// The origin of links; `None`: the same as `public_url`.
    pub content_url: Option<String>,
    /// Directory of the embedded database, the embedded store and keys.
    pub data_dir: PathBuf,
    /// The database of all rows.
    pub database: DatabaseConfig,
    /// Bytes that writes must leave free on the disk of the embedded database and store.
    pub disk_reserve: u64,
    /// Maximum connections to PostgreSQL.
    pub database_connections: u32,
    /// Time after which a statement is logged as slow.
    pub slow_query: Duration,
    /// Whether a start brings the schema up to date.
    pub auto_migrate: bool,
    /// The object store.
    pub store: StoreConfig,
    /// Secrets for grants and cursors, the first of which signs; empty: created on first start.
    pub signing_keys: Vec<Vec<u8>>,
    /// Origins whose pages may call the API and send bytes to the embedded store, besides the public URL.
    pub cors_origins: Vec<String>,
    /// Log format: true for JSON, false for text.
    pub log_json: bool,
    /// Log filter.
    pub log_level: String,
    /// Address of the collector that gets traces; `None`: traces are off.
    pub otlp_endpoint: Option<String>,
    /// The certificate of both listeners; `None`: plain HTTP.
    pub tls: Option<tls::CertificateFiles>,
    /// Worker threads of the runtime; `None`: as many as processors.
    pub threads: Option<usize>,
    /// Limits of connections.
    pub server: server::ServerLimits,
    /// Maximum bytes of the JSON bodies of all requests together.
    pub json_memory: u64,
    /// Reverse proxies that are trusted to name the client's address.
    pub forwarding: TrustedForwarding,
    /// Failures per minute that are answered to an address; 0: no limit.
    pub failures_per_address: u32,
    /// Connections on which interim answers may be sent.
    pub early: server::InterimPolicy,
    /// Issuers whose JSON Web Tokens are accepted in addition to API keys.
    pub issuers: Vec<JwtIssuer>,
    /// Cache times of the issuers' keys.
    pub key_sets: engine::KeySetSettings,
    /// Settings of the engine.
    pub engine: engine::EngineSettings,
    /// Settings of the processing pipeline.
    pub processing: ProcessingConfig,
    /// Settings of the workers.
    pub worker: worker::WorkerSettings,
}

/// What the service is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceProfile {
    /// Anything: it starts with what there is.
    Default,
    /// Production: it refuses to start with settings that are good for trying only.
    Production,
}

/// Kind and location of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseConfig {
    /// SQLite in this file.
    Sqlite(PathBuf),
    /// PostgreSQL; the URL may hold a password.
    Postgres(String),
}

/// Kind and location of the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// The embedded store in the data directory, served by this process.
    Embedded {
        /// Address of the store's listener.
        listen: SocketAddr,
        /// Origin at which clients reach it; `None`: the listening address.
        public_url: Option<String>,
    },
    /// Another S3 server.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Region of signatures; `None`: from the AWS configuration chain.
        region: Option<String>,
        /// URL at which this service reaches it; `None`: Amazon S3.
        endpoint: Option<String>,
        /// URL at which clients reach it; `None`: the same as `endpoint`.
        public_endpoint: Option<String>,
        /// Path-style requests: the bucket is in the path instead of in the host.
        path_style: bool,
    },
}

/// All errors of the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings are invalid:\n{}", .0.iter().map(|complaint| format!("  - {complaint}")).collect::<Vec<_>>().join("\n"))]
pub struct InvalidSettings(pub Vec<String>);

/// Settings from the command line.
#[derive(Clone, Debug, Default)]
pub struct ConfigOverrides {
    /// Path of a settings file.
    pub file: Option<PathBuf>,
    /// `name=value` pairs, which have the highest precedence.
    pub set: Vec<(String, String)>,
}

impl ServiceConfig {
    /// The origin of a listener at `address`.
    #[must_use]
    pub fn origin(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// The origin of answers: the public URL, or the address that is listened on.
    #[must_use]
    pub fn api_origin(&self) -> String {
        match (&self.public_url, &self.listen) {
            (Some(url), _) => url.clone(),
            (None, ListenAddress::Tcp(address)) => self.origin(*address),
            (None, ListenAddress::Unix { .. } | ListenAddress::ServiceManager) => String::new(),
        }
    }

    /// Names of the settings that differ from another configuration's.
    #[must_use]
    pub fn changed_settings(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.fingerprints.keys().chain(other.fingerprints.keys()).collect();
        let differ = |name: &&String| self.fingerprints.get(*name) != other.fingerprints.get(*name);
        names.into_iter().filter(differ).cloned().collect()
    }

    /// Notes that the process uses these settings of another configuration, for [`Self::changed_settings`].
    pub fn mark_applied(&mut self, other: &Self, names: &[String]) {
        for name in names {
            match other.fingerprints.get(name) {
                Some(fingerprint) => drop(self.fingerprints.insert(name.clone(), *fingerprint)),
                None => drop(self.fingerprints.remove(name)),
            }
        }
    }

    /// Reads all sources and checks the result.
    pub fn load(flags: &ConfigOverrides) -> Result<Self, InvalidSettings> {
        Self::from(flags, std::env::vars())
    }

    /// As [`Self::load`], with the environment given.
    pub fn from(
        flags: &ConfigOverrides,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, InvalidSettings> {
        check::check(layers::merge(flags, environment)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(environment: &[(&str, &str)]) -> Result<ServiceConfig, InvalidSettings> {
        let vars = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ServiceConfig::from(&ConfigOverrides::default(), vars)
    }

    #[test]
    fn the_annotated_file_is_the_default() {
        let config = config(&[]).unwrap();
        assert_eq!(config.listen, ListenAddress::Tcp("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(config.public_url, None);
        assert_eq!(config.database, DatabaseConfig::Sqlite("./gantry-data/gantry.db".into()));
        assert_eq!(config.engine.max_size, 50_000_000_000_000);
        assert_eq!(config.engine.upload_timeouts.upload_ttl.as_secs(), 7 * 24 * 3600);
        let listen = "127.0.0.1:8081".parse().unwrap();
        assert_eq!(config.store, StoreConfig::Embedded { listen, public_url: None });
    }

    #[test]
    fn the_environment_overrides_with_two_underscores_for_nesting() {
        let config = config(&[
            ("GANTRY_LISTEN", "0.0.0.0:9000"),
            ("GANTRY_PUBLIC_URL", "https://files.example/"),
            ("GANTRY_LIMITS__MAX_SIZE", "5GiB"),
            ("GANTRY_DATABASE_URL", "postgres://u@h/d"),
            ("GANTRY_SIGNING_KEY", "00000000000000000000000000000001,00000000000000000000000000000002"),
        ]);
        let config = config.unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://files.example"));
        assert_eq!(config.engine.max_size, 5 << 30);
        assert_eq!(config.database, DatabaseConfig::Postgres("postgres://u@h/d".to_owned()));
        assert_eq!(config.signing_keys[1], b"00000000000000000000000000000002");
    }

    #[test]
    fn flags_override_everything_and_files_sit_below_the_environment() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("my.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\ndelivery = \"stream\"\n[log]\nlevel = \"warn\"\n").unwrap();
        let flags = ConfigOverrides { file: Some(file), set: vec![("listen".to_owned(), "127.0.0.1:3".to_owned())] };
        let vars = [("GANTRY_LISTEN".to_owned(), "127.0.0.1:2".to_owned())];
        let config = ServiceConfig::from(&flags, vars.clone().into_iter()).unwrap();
        let port = |config: ServiceConfig| config.listen.to_string().rsplit_once(':').unwrap().1.to_owned();
        assert_eq!((config.log_level.as_str(), port(config.clone())), ("warn", "3".to_owned()));
        let flags = ConfigOverrides { set: Vec::new(), ..flags };
        assert_eq!(port(ServiceConfig::from(&flags, vars.into_iter()).unwrap()), "2");
        assert_eq!(port(ServiceConfig::from(&flags, std::iter::empty()).unwrap()), "1");
    }

    #[test]
    fn secrets_come_from_files() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let loaded = config(&[("GANTRY_SIGNING_KEY_FILE", file.to_str().unwrap())]).unwrap();
        assert_eq!(loaded.signing_keys, [b"0123456789abcdef0123456789abcdef".to_vec()]);
        let missing = config(&[("GANTRY_SIGNING_KEY_FILE", "/nowhere")]).unwrap_err();
        assert!(missing.0[0].contains("GANTRY_SIGNING_KEY_FILE"), "{missing}");
    }

    #[test]
    fn a_changed_secret_is_named_and_not_kept() {
        let secret = |text: &str| config(&[("GANTRY_SIGNING_KEY", text), ("GANTRY_LISTEN", "127.0.0.1:9")]).unwrap();
        let (old, new) = (secret(&"a".repeat(32)), secret(&"b".repeat(32)));
        assert_eq!(old.changed_settings(&new), ["signing_key"]);
        let mut applied = old;
        applied.mark_applied(&new, &["signing_key".to_owned()]);
        assert_eq!(applied.changed_settings(&new), Vec::<String>::new());
    }

    #[test]
    fn every_complaint_comes_at_once() {
        let complaints = config(&[
            ("GANTRY_LISTEN", "nowhere"),
            ("GANTRY_STORE", "floppy"),
            ("GANTRY_SIGNING_KEY", "short"),
            ("GANTRY_UPLOADS__EXPIRES_IN", "soon"),
            ("GANTRY_PUBLIC_URL", "ftp://x"),
            ("GANTRY_LIMTIS__MAX_SIZE", "1"),
        ]);
        let complaints = complaints.unwrap_err().0;
        for name in ["listen", "store", "signing_key", "uploads.expires_in", "public_url", "limtis.max_size"] {
            assert!(complaints.iter().any(|text| text.contains(name)), "{name} is missing in {complaints:#?}");
        }
        assert_eq!(complaints.len(), 6);
    }

    #[test]
    fn a_bucket_elsewhere_needs_its_name() {
        let complaints = config(&[("GANTRY_STORE", "s3")]).unwrap_err().0;
        assert!(complaints.iter().any(|text| text.contains("s3_bucket")), "{complaints:?}");
    }

    #[test]
    fn the_clients_own_variables_are_no_settings() {
        assert!(config(&[("GANTRY_URL", "http://x"), ("GANTRY_API_KEY", "gk_x"), ("GANTRY_CRASH_AT", "x")]).is_ok());
    }
}
