//! The scan, as a step: what the scanner says becomes what happens to the asset. Fail closed: bytes that the scanner did
//! not see whole are not delivered, unless the settings or the policy say so.
//!
//! A scanner that says "clean" is not believed where this service knows better: what is encrypted or unpacks to more than
//! the scanner looks into was not scanned, whatever the scanner's settings have it say.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::archive_watch::{ArchiveFacts, ArchiveWatch};
use super::digest::PassingDigest;
use super::scan::{Scan, Scanner, ScannerAway, Unscanned};
use super::scan_probe::{self, ScannerSettings};
use super::{Case, Processor, Step, Stop};
use crate::crash;
use crate::domain::asset::Verdict;
use crate::domain::findings::{Problem, SCAN_INCOMPLETE, ScanNote, StoredDamage};
use crate::domain::job::Work;
use crate::domain::policy::{IncompleteScanRule, ScanRule};
use crate::engine::Error;

/// How long what a probe found out about the scanner is believed.
const PROBE_LIFE: Duration = Duration::from_secs(3600);
/// Between two probes of a scanner that does not answer.
const PROBE_PAUSE: Duration = Duration::from_secs(30);

/// What becomes of an asset that could not be scanned whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenIncomplete {
    /// It fails with the code `scan_incomplete`, and can be tried again.
    #[default]
    Fail,
    /// It goes on, with a note.
    Accept,
}

/// The step `scan`.
#[derive(Clone, Debug)]
pub struct Screening {
    /// Who scans.
    pub scanner: Scanner,
    /// What becomes of an asset that could not be scanned whole, unless its policy says otherwise.
    pub incomplete: WhenIncomplete,
    /// What is known of the scanner's settings; shared by all copies of this step.
    probed: Probed,
}

type Probed = Arc<tokio::sync::Mutex<Option<(Instant, ScannerSettings)>>>;

impl Screening {
    /// With this scanner, of whose settings nothing is known yet.
    #[must_use]
    pub fn new(scanner: Scanner, incomplete: WhenIncomplete) -> Self {
        Self { scanner, incomplete, probed: Probed::default() }
    }

    /// What the scanner's settings have it report; asked anew once an hour.
    ///
    /// # Errors
    /// [`ScannerAway`] while the scanner does not answer.
    pub async fn settings(&self) -> Result<ScannerSettings, ScannerAway> {
        let mut probed = self.probed.lock().await;
        let known = probed.filter(|(at, _)| at.elapsed() < PROBE_LIFE);
        if let Some((_, settings)) = known {
            return Ok(settings);
        }
        let settings = scan_probe::probe(&self.scanner).await?;
        if probed.is_none_or(|(_, before)| before != settings) {
            settings.warn(self.scanner.largest());
        }
        *probed = Some((Instant::now(), settings));
        Ok(settings)
    }

    /// Asks for the settings until the scanner answers, so that the log warns when the service starts.
    pub async fn probe_at_start(self) {
        while let Err(away) = self.settings().await {
            tracing::warn!(scanner = %self.scanner.address, error = %away, "the virus scanner does not answer");
            tokio::time::sleep(PROBE_PAUSE).await;
        }
    }

    /// Scans, and judges what the scanner calls clean. The digest of what was scanned goes into `passing`.
    async fn scan(&self, case: &Case<'_>, passing: &PassingDigest) -> Result<Scan, Stop> {
        let settings = self.settings().await?;
        let bytes = passing.along(case.engine.read_content(case.content, 0..case.asset.size).await?);
        let watch = Arc::new(Mutex::new(ArchiveWatch::default()));
        let watching = Arc::clone(&watch);
        let feed = move |chunk: &bytes::Bytes| watching.lock().unwrap_or_else(PoisonError::into_inner).feed(chunk);
        let scan = self.scanner.scan(case.asset.size, bytes.inspect_ok(feed).boxed()).await?;
        let facts = std::mem::take(&mut *watch.lock().unwrap_or_else(PoisonError::into_inner)).finish();
        Ok(match (scan, unseen(case.asset.size, &facts, &settings)) {
            (Scan::Clean { .. }, Some(why)) => Scan::Incomplete { why },
            (scan, _) => scan,
        })
    }
}

/// What the scanner cannot have looked into, by what the bytes say and by what it reports.
fn unseen(size: u64, facts: &ArchiveFacts, settings: &ScannerSettings) -> Option<Unscanned> {
    if let Some(kind) = facts.encrypted {
        return Some(Unscanned::Encrypted(kind.to_owned()));
    }
    if facts.is_opaque && !settings.reports_encryption {
        return Some(Unscanned::Unreported("whether its list of entries is encrypted"));
    }
    if settings.reports_limits {
        return None;
    }
    if size > settings.largest {
        return Some(Unscanned::TooLong(settings.largest));
    }
    (facts.unpacked > settings.largest).then_some(Unscanned::Unpacked(facts.unpacked))
}

#[async_trait]
impl Processor for Screening {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn concerns(&self, case: &Case<'_>) -> bool {
        // Whoever asks for a scan gets one, whatever the policy says of new files.
        case.rules.scan != ScanRule::Skip || matches!(case.job.work, Work::Rescan(_))
    }

    async fn run(&self, case: &mut Case<'_>) -> Result<Step, Stop> {
        let passing = PassingDigest::default();
        let scan = self.scan(case, &passing).await?;
        crash::point("scan_done");
        let known = case.established().zip(passing.of_whole(case.asset.size));
        if let Some((established, scanned)) = known {
            let corrupt = established != scanned && case.is_corrupt(established).await?;
            case.progress.findings.set_damage(corrupt.then_some(StoredDamage::Corrupt));
            // What was scanned is not the file. A verdict that it is harmful counts all the same.
            if corrupt && !matches!(scan, Scan::Infected { .. }) {
                return Ok(Step::Damaged(StoredDamage::Corrupt));
            }
        }
        case.progress.findings.problems.retain(|problem| problem.code != SCAN_INCOMPLETE);
        Ok(match scan {
            Scan::Clean { engine } => {
                case.progress.findings.scan = Some(ScanNote { engine, at: case.engine.now() });
                Step::Passed
            }
            Scan::Infected { engine, signature } => {
                tracing::warn!(asset = %case.asset.id, signature, engine, "infected");
                let sentence = format!("The virus scanner found {signature} in this file.");
                Step::Unsound(Verdict { code: "virus_found".to_owned(), sentence })
            }
            Scan::Incomplete { why } => unscanned(case, self.incomplete, &why),
        })
    }
}

impl From<ScannerAway> for Stop {
    fn from(away: ScannerAway) -> Self {
        match away {
            // The file is at fault, not the scanner.
            ScannerAway::Store(error) => Error::from(error).into(),
            other => Self::Away(other.to_string()),
        }
    }
}

/// The step `scan_coverage`: what decoders found out after the scan, and the scanner cannot have looked into.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanCoverage {
    /// As [`Screening::incomplete`].
    pub(super) incomplete: WhenIncomplete,
}

#[async_trait]
impl Processor for ScanCoverage {
    fn name(&self) -> &'static str {
        "scan_coverage"
    }

    fn concerns(&self, case: &Case<'_>) -> bool {
        let findings = &case.progress.findings;
        let told = |name: &str, value: &serde_json::Value| findings.details.get(name) == Some(value);
        let locked = findings.problems.iter().any(|problem| problem.code == "document_locked");
        findings.scan.is_some() && (locked || (told("kind", &"archive".into()) && told("encrypted", &true.into())))
    }

    async fn run(&self, case: &mut Case<'_>) -> Result<Step, Stop> {
        let why = Unscanned::Encrypted("it opens only with a password".to_owned());
        Ok(unscanned(case, self.incomplete, &why))
    }
}

/// What becomes of an asset that was not scanned whole: never is it called scanned, nor rejected.
fn unscanned(case: &mut Case<'_>, usual: WhenIncomplete, why: &Unscanned) -> Step {
    case.progress.findings.scan = None;
    let (code, sentence) =
        (SCAN_INCOMPLETE.to_owned(), format!("The virus scanner could not see all of this file: {why}."));
    let incomplete = match (case.rules.scan, case.rules.scan_incomplete) {
        (ScanRule::Required, _) | (_, Some(IncompleteScanRule::Fail)) => WhenIncomplete::Fail,
        (_, Some(IncompleteScanRule::Accept)) => WhenIncomplete::Accept,
        (_, None) => usual,
    };
    match incomplete {
        WhenIncomplete::Fail => Step::Undecided(Verdict { code, sentence }),
        WhenIncomplete::Accept => {
            case.progress.findings.problems.push(Problem { code, sentence });
            Step::Passed
        }
    }
}
