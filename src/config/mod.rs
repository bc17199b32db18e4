//! Settings: defaults ← file ← environment ← flags, in two stages.
//!
//! `layers` puts the sources on top of each other and knows which names exist: those of `default.toml`, the annotated
//! reference. `check` turns texts into values and collects every complaint before it gives up.

use std::net::SocketAddr;
use std::path::PathBuf;

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
mod origins;
mod processing;
pub(crate) mod units;
mod webhooks;

pub use processing::ProcessingConfig;

/// The annotated default file.
pub const DEFAULT_CONFIG_TOML: &str = include_str!("default.toml");

/// Settings that made sense.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// The only origin ever put into answers; `None`: where we listen.
    pub public_url: Option<String>,
    /// The origin of links; `None`: the same.
    pub content_url: Option<String>,
    /// Where embedded things and keys are.
    pub data_dir: PathBuf,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// Bytes that new things leave free on the disk of the embedded database and store.
    pub disk_reserve: u64,
    /// Connections to PostgreSQL at most.
    pub database_connections: u32,
    /// Where the bytes are.
    pub store: StoreConfig,
    /// Secrets for grants and cursors, the first of which signs; empty: made on first start.
    pub signing_keys: Vec<Vec<u8>>,
    /// Origins whose pages may call the API and send bytes to the embedded store, besides the public URL.
    pub cors_origins: Vec<String>,
    /// Lines for people or for programs.
    pub log_json: bool,
    /// What to log.
    pub log_level: String,
    /// The certificate of both listeners; `None`: plain HTTP.
    pub tls: Option<tls::CertificateFiles>,
    /// Bounds on connections.
    pub server: server::ServerLimits,
    /// Bytes that the JSON bodies of all requests may have together.
    pub json_memory: u64,
    /// Whom to believe about where requests come from.
    pub forwarding: TrustedForwarding,
    /// Failures a minute that are answered to one address; 0: any number.
    pub failures_per_address: u32,
    /// To whom interim answers may be sent.
    pub early: server::InterimPolicy,
    /// Whose JSON Web Tokens count beside our own keys.
    pub issuers: Vec<JwtIssuer>,
    /// How long their keys are good.
    pub key_sets: engine::KeySetSettings,
    /// What the engine is told.
    pub engine: engine::EngineSettings,
    /// What the pipeline is made of.
    pub processing: ProcessingConfig,
    /// What workers go by.
    pub worker: worker::WorkerSettings,
}

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseConfig {
    /// In this file.
    Sqlite(PathBuf),
    /// On this server; the URL may hold a password.
    Postgres(String),
}

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In the data directory, served by this process.
    Embedded {
        /// Where the store listens.
        listen: SocketAddr,
        /// Where clients reach it; `None`: where it listens.
        public_url: Option<String>,
    },
    /// On another S3 server.
    S3 {
        /// The bucket.
        bucket: String,
        /// The region that is signed for; `None`: from the AWS chain.
        region: Option<String>,
        /// Where this service reaches it; `None`: Amazon.
        endpoint: Option<String>,
        /// Where clients reach it; `None`: at the same place.
        public_endpoint: Option<String>,
        /// Bucket in the path instead of in the host.
        path_style: bool,
    },
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings do not make sense:\n{}", .0.iter().map(|complaint| format!("  - {complaint}")).collect::<Vec<_>>().join("\n"))]
pub struct InvalidSettings(pub Vec<String>);

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct ConfigOverrides {
    /// A file of settings.
    pub file: Option<PathBuf>,
    /// `name=value`, highest of all.
    pub set: Vec<(String, String)>,
}

impl ServiceConfig {
    /// The origin of something that listens here.
    #[must_use]
    pub fn origin(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Reads every source and checks the result.
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
        assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
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
        assert_eq!((config.listen.port(), config.log_level.as_str()), (3, "warn"));
        let flags = ConfigOverrides { set: Vec::new(), ..flags };
        assert_eq!(ServiceConfig::from(&flags, vars.into_iter()).unwrap().listen.port(), 2);
        assert_eq!(ServiceConfig::from(&flags, std::iter::empty()).unwrap().listen.port(), 1);
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
