//! Stage two: texts become values; whatever is wrong is collected, and told all at once.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::layers::Merged;
use super::units::parse_size;
use super::{Complaints, Config, Database, Store, deliveries, issuers, webhooks, work};
use crate::domain::clock::parse_duration;
use crate::domain::upload::Patience;
use crate::engine::{self, FeedSettings, LEAST_SECRET, Pace};
use crate::http::forwarded::{ForwardedHeader, TrustedForwarding};
use crate::http::server;
use crate::http::tls;

/// The longest life that a signature can have.
const LONGEST_URL: Duration = crate::blob::presign::LONGEST;

pub(super) struct Checker {
    texts: HashMap<String, String>,
    complaints: Vec<String>,
}

impl Checker {
    pub(super) fn text(&self, name: &str) -> String {
        self.texts.get(name).cloned().unwrap_or_default()
    }

    /// The names of all settings.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Gives a setting that nobody has mentioned its default.
    pub(super) fn default_to(&mut self, name: String, text: &str) {
        self.texts.entry(name).or_insert_with(|| text.to_owned());
    }

    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    pub(super) fn complain(&mut self, name: &str, problem: impl std::fmt::Display) {
        self.complaints.push(format!("{name}: {problem}"));
    }

    /// The value, or a stand-in and a complaint.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        expected: &str,
        stand_in: T,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let text = self.text(name);
        read(&text).unwrap_or_else(|| {
            self.complain(name, format!("{text:?} is not {expected}"));
            stand_in
        })
    }

    fn address(&mut self, name: &str) -> SocketAddr {
        self.value(name, "an address like 127.0.0.1:8080", SocketAddr::from(([127, 0, 0, 1], 0)), |text| {
            text.parse().ok()
        })
    }

    pub(super) fn size(&mut self, name: &str) -> u64 {
        self.value(name, "a size like 16MiB", 0, parse_size)
    }

    pub(super) fn number<T: std::str::FromStr + Default + PartialEq>(&mut self, name: &str) -> T {
        self.value(name, "a number above zero", T::default(), |text| text.parse().ok().filter(|n| *n != T::default()))
    }

    pub(super) fn time(&mut self, name: &str) -> Duration {
        self.value(name, "a time like 15m, above zero", Duration::ZERO, |text| {
            parse_duration(text).filter(|time| !time.is_zero())
        })
    }

    /// The life of a signed URL.
    pub(super) fn lifetime(&mut self, name: &str) -> Duration {
        let time = self.time(name);
        if time > LONGEST_URL {
            self.complain(name, "signatures live 7 days at most");
        }
        time
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.value(name, "true or false", false, |text| text.parse().ok())
    }
}

/// Turns merged texts into settings.
pub(super) fn check(merged: Merged) -> Result<Config, Complaints> {
    let mut c = Checker { texts: merged.texts, complaints: merged.complaints };
    let listen = c.address("listen");
    let data_dir = PathBuf::from(c.text("data_dir"));
    let engine = engine(&mut c);
    let forwarding = forwarding(&mut c);
    let config = Config {
        public_url: c.public_origin("public_url", "listen", listen),
        content_url: c.origin("content_url"),
        database: database(&mut c, &data_dir),
        disk_reserve: c.size("limits.disk_reserve"),
        database_connections: c.number("database.connections"),
        store: store(&mut c),
        signing_keys: signing_keys(&mut c),
        cors_origins: c.cors_origins(),
        log_json: c.value("log.format", "text or json", false, |text| match text {
            "text" => Some(false),
            "json" => Some(true),
            _ => None,
        }),
        log_level: c.text("log.level"),
        tls: tls(&mut c),
        server: connection_limits(&mut c, &forwarding, engine.pace),
        json_memory: c.value("server.json_memory", "a size of at least 4MiB", 0, |text| {
            parse_size(text).filter(|bytes| *bytes >= 4 << 20)
        }),
        forwarding,
        failures_per_address: c.value("limits.failures_per_address", "a number", 0, |text| text.parse().ok()),
        early: c.value("server.interim", "direct, always or never", server::Early::Never, |text| match text {
            "direct" => Some(server::Early::Direct),
            "always" => Some(server::Early::Always),
            "never" => Some(server::Early::Never),
            _ => None,
        }),
        issuers: issuers::issuers(&mut c),
        key_sets: issuers::key_sets(&mut c),
        processing: work::processing(&mut c),
        worker: work::worker(&mut c, engine.patience.takeover_after),
        engine,
        listen,
        data_dir,
    };
    if c.complaints.is_empty() {
        Ok(config)
    } else {
        c.complaints.sort();
        Err(Complaints(c.complaints))
    }
}

fn connection_limits(c: &mut Checker, forwarding: &TrustedForwarding, pace: Pace) -> server::Limits {
    server::Limits {
        connections: c.number("limits.connections"),
        per_address: c.value("limits.connections_per_address", "a number", 0, |text| text.parse().ok()),
        proxies: Arc::clone(&forwarding.proxies),
        head: c.time("server.head"),
        pace,
        windows: server::WindowBudget::new(c.size("server.http2_windows")),
        unread: c.time("server.unread"),
        grace: c.time("server.grace"),
    }
}

fn forwarding(c: &mut Checker) -> TrustedForwarding {
    TrustedForwarding {
        proxies: c.value("server.proxies", "a list like 10.0.0.0/8, ::1", Vec::new(), networks).into(),
        header: c.value(
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

pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().trim_end_matches('/').to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Networks and single addresses.
pub(super) fn networks(text: &str) -> Option<Vec<IpNet>> {
    let network = |text: String| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok();
    list(text).into_iter().map(network).collect()
}

fn database(c: &mut Checker, data_dir: &std::path::Path) -> Database {
    let Some(url) = c.optional("database_url") else { return Database::Sqlite(data_dir.join("gantry.db")) };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Database::Postgres(url);
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() => Database::Sqlite(path.into()),
        _ => {
            c.complain("database_url", "neither sqlite:///path/to/file nor postgres://…");
            Database::Sqlite(data_dir.into())
        }
    }
}

fn store(c: &mut Checker) -> Store {
    match c.text("store").as_str() {
        "embedded" => {
            let listen = c.address("store_listen");
            let public_url = c.public_origin("store_public_url", "store_listen", listen);
            Store::Embedded { listen, public_url }
        }
        "s3" => {
            let bucket = c.optional("s3_bucket");
            if bucket.is_none() {
                c.complain("s3_bucket", "needed when store is s3");
            }
            Store::S3 {
                bucket: bucket.unwrap_or_default(),
                region: c.optional("s3_region"),
                endpoint: c.endpoint("s3_endpoint"),
                public_endpoint: c.endpoint("s3_public_endpoint"),
                path_style: c.flag("s3_path_style"),
            }
        }
        other => {
            c.complain("store", format!("{other:?} is neither embedded nor s3"));
            Store::Embedded { listen: c.address("store_listen"), public_url: None }
        }
    }
}

fn tls(c: &mut Checker) -> Option<tls::Files> {
    match (c.optional("tls.certificate"), c.optional("tls.key")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(tls::Files { certificate: certificate.into(), key: key.into() }),
        (certificate, _) => {
            let missing = if certificate.is_none() { "tls.certificate" } else { "tls.key" };
            c.complain(missing, "certificate and key come together");
            None
        }
    }
}

fn signing_keys(c: &mut Checker) -> Vec<Vec<u8>> {
    let Some(text) = c.optional("signing_key") else { return Vec::new() };
    let keys: Vec<Vec<u8>> = list(&text).into_iter().map(String::into_bytes).collect();
    if keys.is_empty() {
        // Not taken for "not set": nodes would each make a key of their own, and refuse each other's grants.
        c.complain(
            "signing_key",
            format!("has no key in it; give one of at least {LEAST_SECRET} bytes, or leave it empty"),
        );
    }
    if keys.iter().any(|key| key.len() < LEAST_SECRET) {
        c.complain("signing_key", format!("every key needs at least {LEAST_SECRET} bytes"));
    }
    keys
}

fn engine(c: &mut Checker) -> engine::Settings {
    let patience = Patience {
        upload_ttl: c.time("uploads.expires_in"),
        rescue_after: c.time("uploads.rescue_after"),
        takeover_after: c.time("uploads.takeover_after"),
        url_ttl: c.lifetime("uploads.url_expires_in"),
    };
    let delivery = deliveries::usual(c);
    engine::Settings {
        patience,
        max_size: c.size("limits.max_size"),
        put_up_to: c.size("uploads.put_up_to"),
        delivery,
        deliveries: deliveries::deliveries(c, delivery),
        redirect_ttl: c.lifetime("downloads.redirect_expires_in"),
        link_ttl: c.time("downloads.max_link_expires_in"),
        quarantine: c.time("processing.quarantine"),
        digest_up_to: c.size("processing.digest_up_to"),
        report_within: c.time("handoff_terms.report_within"),
        offers: c.number("handoff_terms.offers"),
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
        pace: Pace {
            idle: c.time("appends.idle"),
            min_rate: c.size("appends.min_rate"),
            window: c.time("appends.window"),
        },
    }
}
