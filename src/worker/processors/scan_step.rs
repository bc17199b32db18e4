//! The scan step: turns the scanner's result into the asset's outcome. Fails closed: a file that the scanner did not
//! scan completely is not delivered, unless the settings or the policy allow it.
//!
//! The scanner's "clean" is overruled where this service knows better: a file that is encrypted, or unpacks to more
//! than the scanner scans, was not scanned, whatever the scanner's settings make it report.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::archive_watch::{ArchiveFacts, ArchiveWatch};
use super::clamd::{ClamdClient, IncompleteScanReason, ScanError, ScanOutcome};
use super::clamd_probe::{self, ScannerSettings};
use super::digest::PassthroughDigest;
use super::{JobContext, PipelineStep, StepError, StepOutcome};
use crate::crash;
use crate::domain::asset::AssetVerdict;
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::{Entropy, Timestamp};
use crate::domain::findings::{AssetProblem, SCAN_INCOMPLETE, ScanNote, StoredDamage};
use crate::domain::job::JobSubject;
use crate::domain::policy::{IncompleteScanRule, ScanRule};
use crate::domain::reason::{FailureCause, chain};
use crate::engine::Error;
use crate::metrics;
use crate::metrics::ScanVerdict;

/// Time for which the result of a probe is cached.
const SCANNER_SETTINGS_TTL: Duration = Duration::from_secs(3600);
/// Delays between probes of a scanner that does not answer.
const PROBE_BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// Action for an asset that could not be scanned completely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncompleteScanAction {
    /// The asset fails with the code `scan_incomplete`, and can be tried again.
    #[default]
    Fail,
    /// The asset is accepted, with a note.
    Accept,
}

/// The step `scan`.
#[derive(Clone, Debug)]
pub struct ScanStep {
    /// The scanner.
    pub scanner: ClamdClient,
    /// Action for an asset that could not be scanned completely, unless its policy sets another.
    pub on_incomplete: IncompleteScanAction,
    /// Cached result of the last probe; shared by all clones of this step.
    cached_settings: CachedScannerSettings,
}

type CachedScannerSettings = Arc<tokio::sync::Mutex<Option<(Instant, ScannerSettings)>>>;

impl ScanStep {
    /// Creates the step; the scanner is not probed yet.
    #[must_use]
    pub fn new(scanner: ClamdClient, incomplete: IncompleteScanAction) -> Self {
        Self { scanner, on_incomplete: incomplete, cached_settings: CachedScannerSettings::default() }
    }

    /// The scanner's settings; probed again once an hour.
    ///
    /// # Errors
    /// [`ScanError`] while the scanner does not answer.
    pub async fn load_scanner_settings(&self) -> Result<ScannerSettings, ScanError> {
        let mut probed = self.cached_settings.lock().await;
        let known = probed.filter(|(at, _)| at.elapsed() < SCANNER_SETTINGS_TTL);
        if let Some((_, settings)) = known {
            return Ok(settings);
        }
        let settings = clamd_probe::probe_clamd(&self.scanner).await?;
        if probed.is_none_or(|(_, before)| before != settings) {
            settings.log_warnings(self.scanner.max_file_bytes());
        }
        *probed = Some((Instant::now(), settings));
        Ok(settings)
    }

    /// Probes until the scanner answers, so that warnings about its settings are logged when the service starts.
    pub async fn probe_at_start(self, entropy: Arc<dyn Entropy>) {
        let mut failures = 0;
        while let Err(away) = self.load_scanner_settings().await {
            tracing::warn!(scanner = %self.scanner.address, error = %chain(&away), "the virus scanner does not answer");
            failures += 1;
            tokio::time::sleep(PROBE_BACKOFF.delay(failures, &*entropy)).await;
        }
    }

    /// Scans, and overrules "clean" if the scan was incomplete. The digest of the scanned bytes goes into `passing`.
    async fn scan_content(&self, case: &JobContext<'_>, passing: &PassthroughDigest) -> Result<ScanOutcome, StepError> {
        let settings = self.load_scanner_settings().await?;
        let bytes = passing.wrap_stream(case.engine.delivery().read_content(case.content, 0..case.asset.size).await?);
        let watch = Arc::new(Mutex::new(ArchiveWatch::default()));
        let watching = Arc::clone(&watch);
        let feed = move |chunk: &bytes::Bytes| watching.lock().unwrap_or_else(PoisonError::into_inner).feed(chunk);
        let scan = self.scanner.scan(case.asset.size, bytes.inspect_ok(feed).boxed()).await?;
        let facts = std::mem::take(&mut *watch.lock().unwrap_or_else(PoisonError::into_inner)).finish();
        Ok(match (scan, incomplete_reason(case.asset.size, &facts, &settings)) {
            (ScanOutcome::Clean { .. }, Some(why)) => ScanOutcome::Incomplete { why },
            (scan, _) => scan,
        })
    }
}

/// The reason why the scanner cannot have scanned the file completely, by the archive's facts and the scanner's
/// settings.
fn incomplete_reason(size: u64, facts: &ArchiveFacts, settings: &ScannerSettings) -> Option<IncompleteScanReason> {
    if let Some(kind) = facts.encrypted {
        return Some(IncompleteScanReason::Encrypted(kind.to_owned()));
    }
    if facts.is_opaque && !settings.reports_encryption {
        return Some(IncompleteScanReason::Unreported("whether its list of entries is encrypted"));
    }
    if settings.reports_limits {
        return None;
    }
    if size > settings.max_scanned_bytes {
        return Some(IncompleteScanReason::TooLong(settings.max_scanned_bytes));
    }
    (facts.unpacked > settings.max_scanned_bytes).then_some(IncompleteScanReason::Unpacked(facts.unpacked))
}

#[async_trait]
impl PipelineStep for ScanStep {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn applies_to(&self, case: &JobContext<'_>) -> bool {
        // An explicit rescan always scans, whatever the policy says of new files.
        case.rules.scan != ScanRule::Skip || matches!(case.job.work, JobSubject::Rescan(_))
    }

    async fn run(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError> {
        let passing = PassthroughDigest::default();
        let scan = self.scan_content(case, &passing).await.inspect_err(|error| {
            if matches!(error, StepError::Unavailable(_)) {
                metrics::jobs().record_scan(ScanVerdict::Error);
            }
        })?;
        record_scan(&scan);
        crash::point("scan_done");
        let known = case.established_digest().zip(passing.digest_if_complete(case.asset.size));
        if let Some((established, scanned)) = known {
            let corrupt = established != scanned && case.confirm_corruption(established).await?;
            case.progress.findings.set_damage(corrupt.then_some(StoredDamage::Corrupt));
            // The scanned bytes are not those of the asset. A verdict "infected" counts all the same.
            if corrupt && !matches!(scan, ScanOutcome::Infected { .. }) {
                return Ok(StepOutcome::Damaged(StoredDamage::Corrupt));
            }
        }
        case.progress.findings.problems.retain(|problem| problem.code != SCAN_INCOMPLETE);
        Ok(match scan {
            ScanOutcome::Clean { engine } => {
                case.progress.findings.scan = Some(ScanNote { engine, at: case.engine.now() });
                StepOutcome::Passed
            }
            ScanOutcome::Infected { engine, signature } => {
                tracing::warn!(asset = %case.asset.id, signature, engine, "infected");
                let sentence = format!("The virus scanner found {signature} in this file.");
                StepOutcome::Unsound(AssetVerdict { code: "virus_found".to_owned(), sentence })
            }
            ScanOutcome::Incomplete { why } => handle_incomplete(case, self.on_incomplete, &why),
        })
    }
}

/// Counts a scan, and notes the age of the signatures that it used.
fn record_scan(scan: &ScanOutcome) {
    let (verdict, engine) = match scan {
        ScanOutcome::Clean { engine } => (ScanVerdict::Clean, Some(engine)),
        ScanOutcome::Infected { engine, .. } => (ScanVerdict::Infected, Some(engine)),
        ScanOutcome::Incomplete { .. } => (ScanVerdict::Incomplete, None),
    };
    metrics::jobs().record_scan(verdict);
    if let Some(made_at) = engine.and_then(|engine| signature_time(engine)) {
        metrics::jobs().set_signature_time(made_at);
    }
}

/// Time of the signatures in the version of clamd: `ClamAV 1.0.7/27456/Thu Nov  7 09:42:23 2024`, in UTC.
fn signature_time(version: &str) -> Option<Timestamp> {
    let date = version.splitn(3, '/').nth(2)?.split_whitespace().collect::<Vec<_>>().join(" ");
    let date = jiff::civil::DateTime::strptime("%a %b %d %H:%M:%S %Y", date).ok()?;
    date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

impl From<ScanError> for StepError {
    fn from(away: ScanError) -> Self {
        match away {
            // The object store failed, not the scanner.
            ScanError::Store(error) => Error::from(error).into(),
            other => Self::Unavailable(FailureCause::of(other)),
        }
    }
}

/// The step `scan_coverage`: handles files that decoders found to be encrypted after the scan, which the scanner cannot
/// have scanned.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanCoverageStep {
    /// Same as [`ScanStep::on_incomplete`].
    pub(super) on_incomplete: IncompleteScanAction,
}

#[async_trait]
impl PipelineStep for ScanCoverageStep {
    fn name(&self) -> &'static str {
        "scan_coverage"
    }

    fn applies_to(&self, case: &JobContext<'_>) -> bool {
        let findings = &case.progress.findings;
        let told = |name: &str, value: &serde_json::Value| findings.details.get(name) == Some(value);
        let locked = findings.problems.iter().any(|problem| problem.code == "document_locked");
        findings.scan.is_some() && (locked || (told("kind", &"archive".into()) && told("encrypted", &true.into())))
    }

    async fn run(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError> {
        let why = IncompleteScanReason::Encrypted("it opens only with a password".to_owned());
        Ok(handle_incomplete(case, self.on_incomplete, &why))
    }
}

/// Outcome of an asset that was not scanned completely: never marked as scanned, never rejected.
fn handle_incomplete(
    case: &mut JobContext<'_>,
    usual: IncompleteScanAction,
    why: &IncompleteScanReason,
) -> StepOutcome {
    case.progress.findings.scan = None;
    let (code, sentence) =
        (SCAN_INCOMPLETE.to_owned(), format!("The virus scanner could not see all of this file: {why}."));
    let incomplete = match (case.rules.scan, case.rules.scan_incomplete) {
        (ScanRule::Required, _) | (_, Some(IncompleteScanRule::Fail)) => IncompleteScanAction::Fail,
        (_, Some(IncompleteScanRule::Accept)) => IncompleteScanAction::Accept,
        (_, None) => usual,
    };
    match incomplete {
        IncompleteScanAction::Fail => StepOutcome::Undecided(AssetVerdict { code, sentence }),
        IncompleteScanAction::Accept => {
            case.progress.findings.problems.push(AssetProblem { code, sentence });
            StepOutcome::Passed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_clamd_tells_the_time_of_its_signatures() {
        let time = |version| signature_time(version).map(|time| time.to_string());
        assert_eq!(time("ClamAV 1.0.7/27456/Thu Nov  7 09:42:23 2024").as_deref(), Some("2024-11-07T09:42:23Z"));
        for silent in ["", "ClamAV 1.0.7", "ClamAV 1.0.7/27456/soon"] {
            assert_eq!(time(silent), None, "{silent}");
        }
    }
}
