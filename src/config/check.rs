//! Stage two: texts become values; all errors are collected and reported together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use super::layers::MergedSettings;
use super::units::parse_size;
use super::{
    DatabaseConfig, InvalidSettings, ListenAddress, ServiceConfig, ServiceProfile, StoreConfig, deliveries, issuers,
    processing, redacted, webhooks,
};
use crate::domain::clock::parse_duration;
use crate::domain::upload::UploadTimeouts;
use crate::engine::{self, BodyPaceLimits, FeedSettings, MIN_SECRET_BYTES};
use crate::http::forwarded::{ForwardedHeader, TrustedForwarding};
use crate::http::server;
use crate::http::tls;

/// The longest lifetime of a signature.
const MAX_URL_LIFETIME: Duration = crate::blob::presign::MAX_URL_LIFETIME;

pub(super) struct ConfigParser {
    texts: HashMap<String, String>,
    errors: Vec<String>,
}

impl ConfigParser {
    pub(super) fn text(&self, name: &str) -> String {
        self.texts.get(name).cloned().unwrap_or_default()
    }

    /// The names of all settings.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Sets a setting to its default, unless a source has set it.
    pub(super) fn set_default(&mut self, name: String, text: &str) {
        self.texts.entry(name).or_insert_with(|| text.to_owned());
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    pub(super) fn add_error(&mut self, name: &str, problem: impl std::fmt::Display) {
        self.errors.push(format!("{name}: {problem}"));
    }

    /// The parsed value; if it is invalid, a placeholder and an error is recorded.
    pub(super) fn parse_value<T>(
        &mut self,
        name: &str,
        expected: &str,
        stand_in: T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let text = self.text(name);
        read(&text).unwrap_or_else(|| {
            self.add_error(name, format!("\"{text}\" is not {expected}"));
            stand_in
        })
    }

    pub(super) fn address(&mut self, name: &str) -> SocketAddr {
        self.parse_value(name, "an address like 127.0.0.1:8080", SocketAddr::from(([127, 0, 0, 1], 0)), |text| {
            text.parse().ok()
        })
    }

    pub(super) fn size(&mut self, name: &str) -> u64 {
        self.parse_value(name, "a size like 16MiB", 0, parse_size)
    }

    pub(super) fn number<T: std::str::FromStr + Default + PartialEq>(&mut self, name: &str) -> T {
        self.parse_value(name, "a number above zero", T::default(), |text| {
            text.parse().ok().filter(|n| *n != T::default())
        })
    }

    pub(super) fn time(&mut self, name: &str) -> Duration {
        self.parse_value(name, "a time like 15m, above zero", Duration::ZERO, |text| {
            parse_duration(text).filter(|time| !time.is_zero())
        })
    }

    /// Lifetime of a signed URL.
    pub(super) fn url_lifetime(&mut self, name: &str) -> Duration {
        let time = self.time(name);
        if time > MAX_URL_LIFETIME {
            self.add_error(name, "must be at most 7d: signatures are valid for a week");
        }
        time
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.parse_value(name, "true or false", false, |text| text.parse().ok())
    }
}

/// Address of the collector of traces.
fn otlp_endpoint(c: &mut ConfigParser) -> Option<String> {
    let endpoint = c.optional_text("tracing.otlp_endpoint")?;
    let url = url::Url::parse(&endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        c.add_error("tracing.otlp_endpoint", format!("\"{endpoint}\" is not an address such as http://collector:4318"));
    }
    url.map(|_| endpoint)
}

/// Parses the merged settings.
pub(super) fn check(merged: MergedSettings) -> Result<ServiceConfig, InvalidSettings> {
    let shown = redacted::redact(&merged.texts);
    let fingerprint = |(name, text): (&String, &String)| (name.clone(), Sha256::digest(text.as_bytes()).into());
    let fingerprints = merged.texts.iter().map(fingerprint).collect();
    let mut c = ConfigParser { texts: merged.texts, errors: merged.errors };
    let listen = c.listen();
    let data_dir = PathBuf::from(c.text("data_dir"));
    let engine = engine(&mut c);
    let forwarding = forwarding(&mut c, &listen);
    let config = ServiceConfig {
        shown,
        fingerprints,
        profile: profile(&mut c),
        public_url: c.api_origin(&listen),
        content_url: c.origin("content_url"),
        database: database(&mut c, &data_dir),
        disk_reserve: c.size("limits.disk_reserve"),
        database_connections: c.number("database.connections"),
        slow_query: c.time("database.slow_query"),
        auto_migrate: c.flag("database.auto_migrate"),
        store: store(&mut c),
        signing_keys: signing_keys(&mut c),
        cors_origins: c.cors_origins(),
        log_json: log_json(&mut c),
        log_level: c.text("log.level"),
        otlp_endpoint: otlp_endpoint(&mut c),
        tls: tls(&mut c),
        threads: threads(&mut c),
        server: connection_limits(&mut c, &forwarding, engine.body_pace),
        json_memory: c.parse_value("server.json_memory", "a size of at least 4MiB", 0, |text| {
            parse_size(text).filter(|bytes| *bytes >= 4 << 20)
        }),
        forwarding,
        failures_per_address: c.parse_value("limits.failures_per_address", "a number", 0, |text| text.parse().ok()),
        early: interim_policy(&mut c),
        issuers: issuers::issuers(&mut c),
        key_sets: issuers::key_sets(&mut c),
        processing: processing::processing(&mut c),
        worker: processing::worker(&mut c, engine.upload_timeouts.takeover_after),
        engine,
        listen,
        data_dir,
    };
    if c.errors.is_empty() {
        Ok(config)
    } else {
        c.errors.sort();
        Err(InvalidSettings(c.errors))
    }
}

fn profile(c: &mut ConfigParser) -> ServiceProfile {
    c.parse_value("profile", "default or production", ServiceProfile::Default, |text| match text {
        "default" => Some(ServiceProfile::Default),
        "production" => Some(ServiceProfile::Production),
        _ => None,
    })
}

/// True for a log in JSON.
fn log_json(c: &mut ConfigParser) -> bool {
    c.parse_value("log.format", "text or json", false, |text| match text {
        "text" => Some(false),
        "json" => Some(true),
        _ => None,
    })
}

/// Threads that answer requests; `None`: as many as there are processors.
fn threads(c: &mut ConfigParser) -> Option<usize> {
    c.parse_value("server.threads", "a number from 1 to 1024, or empty", None, |text| {
        let number = || text.parse().ok().filter(|threads| (1..=1024).contains(threads));
        if text.is_empty() { Some(None) } else { number().map(Some) }
    })
}

fn interim_policy(c: &mut ConfigParser) -> server::InterimPolicy {
    c.parse_value("server.interim", "direct, always or never", server::InterimPolicy::Never, |text| match text {
        "direct" => Some(server::InterimPolicy::DirectTls),
        "always" => Some(server::InterimPolicy::Always),
        "never" => Some(server::InterimPolicy::Never),
        _ => None,
    })
}

fn connection_limits(
    c: &mut ConfigParser,
    forwarding: &TrustedForwarding,
    pace: BodyPaceLimits,
) -> server::ServerLimits {
    server::ServerLimits {
        max_connections: c.number("limits.connections"),
        max_per_address: c.parse_value("limits.connections_per_address", "a number", 0, |text| text.parse().ok()),
        proxies: Arc::clone(&forwarding.proxies),
        head_timeout: c.time("server.head"),
        pace,
        window_budget: server::WindowBudget::new(c.size("server.http2_windows")),
        write_timeout: c.time("server.unread"),
        shutdown_grace: c.time("server.grace"),
    }
}

fn forwarding(c: &mut ConfigParser, listen: &ListenAddress) -> TrustedForwarding {
    let mut proxies = c.parse_value("server.proxies", "a list like 10.0.0.0/8, ::1", Vec::new(), parse_networks);
    if !matches!(listen, ListenAddress::Tcp(_)) {
        // The server names every peer of a Unix socket so.
        proxies.push(IpAddr::from(Ipv4Addr::LOCALHOST).into());
    }
    TrustedForwarding {
        proxies: proxies.into(),
        header: c.parse_value(
            "server.forwarded_header",
            "x-forwarded-for, forwarded or none",
            ForwardedHeader::None,
            |text| match text {
                "x-forwarded-for" => Some(ForwardedHeader::XForwardedFor),
                "forwarded" => Some(ForwardedHeader::Forwarded),
                "none" => Some(ForwardedHeader::None),
                _ => None,
            },
        ),
    }
}

pub(super) fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().trim_end_matches('/').to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Parses networks and single addresses.
pub(super) fn parse_networks(text: &str) -> Option<Vec<IpNet>> {
    let network = |text: String| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
    split_list(text).into_iter().map(network).collect()
}

fn database(c: &mut ConfigParser, data_dir: &std::path::Path) -> DatabaseConfig {
    let Some(url) = c.optional_text("database_url") else { return DatabaseConfig::Sqlite(data_dir.join("gantry.db")) };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return DatabaseConfig::Postgres(url);
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() => DatabaseConfig::Sqlite(path.into()),
        _ => {
            c.add_error("database_url", "must be sqlite:///path/to/file or postgres://…");
            DatabaseConfig::Sqlite(data_dir.into())
        }
    }
}

fn store(c: &mut ConfigParser) -> StoreConfig {
    match c.text("store").as_str() {
        "embedded" => {
            let listen = c.address("store_listen");
            let public_url = c.public_origin("store_public_url", "store_listen", listen);
            StoreConfig::Embedded { listen, public_url }
        }
        "s3" => {
            let bucket = c.optional_text("s3_bucket");
            if bucket.is_none() {
                c.add_error("s3_bucket", "required if store is s3");
            }
            StoreConfig::S3 {
                bucket: bucket.unwrap_or_default(),
                region: c.optional_text("s3_region"),
                endpoint: c.endpoint("s3_endpoint"),
                public_endpoint: c.endpoint("s3_public_endpoint"),
                path_style: c.flag("s3_path_style"),
            }
        }
        other => {
            c.add_error("store", format!("\"{other}\" is neither embedded nor s3"));
            StoreConfig::Embedded { listen: c.address("store_listen"), public_url: None }
        }
    }
}

fn tls(c: &mut ConfigParser) -> Option<tls::CertificateFiles> {
    match (c.optional_text("tls.certificate"), c.optional_text("tls.key")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(tls::CertificateFiles { certificate: certificate.into(), key: key.into() })
        }
        (certificate, _) => {
            let missing = if certificate.is_none() { "tls.certificate" } else { "tls.key" };
            c.add_error(missing, "required: set certificate and key together");
            None
        }
    }
}

fn signing_keys(c: &mut ConfigParser) -> Vec<Vec<u8>> {
    let Some(text) = c.optional_text("signing_key") else { return Vec::new() };
    let keys: Vec<Vec<u8>> = split_list(&text).into_iter().map(String::into_bytes).collect();
    if keys.is_empty() {
        // An empty list is refused instead of taken for "not set": each node would then create its own key and refuse
        // the grants of other nodes.
        c.add_error(
            "signing_key",
            format!("contains no key; set a key of at least {MIN_SECRET_BYTES} bytes, or leave it empty"),
        );
    }
    if keys.iter().any(|key| key.len() < MIN_SECRET_BYTES) {
        c.add_error("signing_key", format!("every key must have at least {MIN_SECRET_BYTES} bytes"));
    }
    keys
}

fn engine(c: &mut ConfigParser) -> engine::EngineSettings {
    let patience = UploadTimeouts {
        upload_ttl: c.time("uploads.expires_in"),
        rescue_after: c.time("uploads.rescue_after"),
        takeover_after: c.time("uploads.takeover_after"),
        url_ttl: c.url_lifetime("uploads.url_expires_in"),
    };
    let delivery = deliveries::default_delivery(c);
    engine::EngineSettings {
        upload_timeouts: patience,
        max_size: c.size("limits.max_size"),
        max_single_put_bytes: c.size("uploads.put_up_to"),
        delivery,
        deliveries: deliveries::deliveries(c, delivery),
        redirect_ttl: c.url_lifetime("downloads.redirect_expires_in"),
        link_ttl: c.time("downloads.max_link_expires_in"),
        stalled_after: c.time("uploads.stalled_after"),
        disk_reserve: c.size("limits.disk_reserve"),
        quarantine_ttl: c.time("processing.quarantine"),
        max_digest_bytes: c.size("processing.digest_up_to"),
        report_timeout: c.time("handoff_terms.report_within"),
        max_offers: c.number("handoff_terms.offers"),
        replay_ttl: Duration::from_secs(24 * 3600),
        webhooks: webhooks::webhooks(c),
        orphan_grace: c.time("cleanup.orphan_grace"),
        feed: FeedSettings {
            keep: c.time("events.keep"),
            followers: c.number("events.followers"),
            followers_per_tenant: c.number("events.followers_per_tenant"),
        },
        append_memory: c.size("appends.memory"),
        max_request_body: Some(c.size("appends.max_request_size")).filter(|bytes| *bytes > 0),
        body_pace: BodyPaceLimits {
            idle: c.time("appends.idle"),
            min_rate: c.size("appends.min_rate"),
            window: c.time("appends.window"),
        },
    }
}
