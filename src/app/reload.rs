//! Settings that a running process takes up on SIGHUP: signing keys, the secret of the proxy, the password of PostgreSQL,
//! certificates, credentials of the AWS chain, and the log level.
//!
//! Settings are named in the log, never shown. What cannot be used changes nothing, and what has changed beyond these is
//! named until the restart.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::resources::{Resources, token_signer};
use crate::blob::s3::S3Blobs;
use crate::config::{ConfigOverrides, DatabaseConfig, ServiceConfig};
use crate::domain::clock::Entropy;
use crate::domain::reason::chain;
use crate::engine::Engine;
use crate::http::tls::ReloadableCertificate;
use crate::log_level;
use crate::store::{OpenError, postgres};

/// SIGHUP, the settings in use, and where they come from.
pub(super) struct SettingsReload {
    hangup: Signal,
    overrides: ConfigOverrides,
    current: ServiceConfig,
}

/// What takes up settings.
pub(super) struct ReloadTargets {
    engine: Engine,
    entropy: Arc<dyn Entropy>,
    servers: Option<postgres::DatabaseServers>,
    s3: Arc<S3Blobs>,
    certificates: Vec<Arc<ReloadableCertificate>>,
}

impl ReloadTargets {
    pub(super) fn new(resources: &Resources, certificate: Option<Arc<ReloadableCertificate>>) -> Self {
        Self {
            engine: resources.engine.clone(),
            entropy: Arc::clone(&resources.database.entropy),
            servers: resources.database.servers.clone(),
            s3: resources.object_store.adapter(),
            certificates: certificate.into_iter().chain(resources.object_store.certificate()).collect(),
        }
    }
}

/// Outcome for a setting that has changed.
enum ReloadOutcome {
    Taken,
    NeedsRestart,
    /// The new value cannot be used, for this reason.
    Refused(String),
}

impl SettingsReload {
    /// Listens for the signal from now on; before, it ends the process.
    pub(super) fn listen(current: &ServiceConfig, overrides: &ConfigOverrides) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
        Ok(Self { hangup, overrides: overrides.clone(), current: current.clone() })
    }

    /// Takes up settings with each signal until `stop` is cancelled.
    pub(super) fn spawn(mut self, targets: ReloadTargets, stop: CancellationToken) {
        tokio::spawn(async move {
            while let Some(Some(())) = stop.run_until_cancelled(self.hangup.recv()).await {
                self.reload(&targets).await;
            }
        });
    }

    async fn reload(&mut self, targets: &ReloadTargets) {
        let fresh = match ServiceConfig::load(&self.overrides) {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::error!(error = %chain(&error), "SIGHUP: the settings are invalid; those in use stay");
                return;
            }
        };
        let (mut taken, mut waiting) = (Vec::new(), Vec::new());
        for name in self.current.changed_settings(&fresh) {
            match self.take_up(&name, &fresh, targets).await {
                ReloadOutcome::Taken => taken.push(name),
                ReloadOutcome::NeedsRestart => waiting.push(name),
                ReloadOutcome::Refused(reason) => {
                    tracing::error!(
                        setting = name,
                        reason,
                        "SIGHUP: the new value cannot be used; the one in use stays"
                    );
                }
            }
        }
        self.current.mark_applied(&fresh, &taken);
        taken.extend(reload_files(targets).await);
        if !waiting.is_empty() {
            tracing::warn!(settings = waiting.join(", "), "SIGHUP: these settings have changed and need a restart");
        }
        tracing::info!(settings = taken.join(", "), "SIGHUP: settings were taken up");
    }

    /// Takes up a changed setting.
    async fn take_up(&self, name: &str, fresh: &ServiceConfig, targets: &ReloadTargets) -> ReloadOutcome {
        match name {
            "signing_key" => match token_signer(fresh, &*targets.entropy) {
                Ok(signer) => {
                    targets.engine.operations().replace_signing_keys(&signer);
                    ReloadOutcome::Taken
                }
                Err(error) => ReloadOutcome::Refused(format!("{error:#}")),
            },
            "trusted_proxy_secret" => match (&self.current.engine.deliveries.proxy, &fresh.engine.deliveries.proxy) {
                (Some(current), Some(fresh)) => {
                    current.secret.replace(&fresh.secret);
                    ReloadOutcome::Taken
                }
                (None, _) | (_, None) => ReloadOutcome::NeedsRestart,
            },
            "database_url" => match (&targets.servers, &fresh.database) {
                (Some(servers), DatabaseConfig::Postgres(url)) => replace_password(servers, url).await,
                (None, _) | (_, DatabaseConfig::Sqlite(_)) => ReloadOutcome::NeedsRestart,
            },
            "log.level" => match log_level::replace_filter(&log_level::with_environment(&fresh.log_level)) {
                Ok(()) => ReloadOutcome::Taken,
                Err(error) => ReloadOutcome::Refused(chain(&error).to_string()),
            },
            _ => ReloadOutcome::NeedsRestart,
        }
    }
}

/// Has new connections use the password of a URL that the server accepts. A server that does not answer refuses nothing.
async fn replace_password(servers: &postgres::DatabaseServers, url: &str) -> ReloadOutcome {
    if let Err(error @ OpenError::Refused { .. }) = postgres::try_login(url).await {
        return ReloadOutcome::Refused(chain(&error).to_string());
    }
    if servers.replace_credentials(url).is_ok() { ReloadOutcome::Taken } else { ReloadOutcome::NeedsRestart }
}

/// Reads the files again whose names have not changed; returns what is new.
async fn reload_files(targets: &ReloadTargets) -> Vec<String> {
    let mut taken = Vec::new();
    match targets.certificates.iter().try_for_each(|certificate| certificate.reload()) {
        Ok(()) if targets.certificates.is_empty() => {}
        Ok(()) => taken.push("certificate".to_owned()),
        Err(error) => tracing::error!(error = %chain(&error), "SIGHUP: the certificate in use stays"),
    }
    match targets.s3.reload_credentials().await {
        Ok(true) => taken.push("AWS credentials".to_owned()),
        Ok(false) => {}
        Err(error) => tracing::error!(error = %chain(&error), "SIGHUP: the AWS credentials in use stay"),
    }
    taken
}
