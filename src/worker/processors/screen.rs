//! The scan, as a step: what the scanner says becomes what happens to the asset. Fail closed: bytes that the scanner did
//! not see whole are not delivered, unless the settings say so.

use async_trait::async_trait;

use super::scan::{Scan, Scanner, Unscanned};
use super::{Case, Processor, Step, Stop};
use crate::crash;
use crate::domain::asset::Verdict;
use crate::domain::findings::{Problem, ScanNote};
use crate::domain::job::Work;
use crate::domain::policy::ScanRule;

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
    /// What becomes of an asset that could not be scanned whole.
    pub incomplete: WhenIncomplete,
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
        let bytes = case.engine.read_content(case.content, 0..case.asset.size).await?;
        let scan = self.scanner.scan(case.asset.size, bytes).await;
        let scan = scan.map_err(|away| Stop::Away(away.to_string()))?;
        crash::point("scan_done");
        case.progress.findings.problems.retain(|problem| problem.code != INCOMPLETE);
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
            Scan::Incomplete { why } => self.unscanned(case, &why),
        })
    }
}

const INCOMPLETE: &str = "scan_incomplete";

impl Screening {
    fn unscanned(&self, case: &mut Case<'_>, why: &Unscanned) -> Step {
        case.progress.findings.scan = None;
        let (code, sentence) =
            (INCOMPLETE.to_owned(), format!("The virus scanner could not see all of this file: {why}."));
        let incomplete = match case.rules.scan {
            ScanRule::Required => WhenIncomplete::Fail,
            ScanRule::IfConfigured | ScanRule::Skip => self.incomplete,
        };
        match incomplete {
            WhenIncomplete::Fail => Step::Undecided(Verdict { code, sentence }),
            WhenIncomplete::Accept => {
                case.progress.findings.problems.push(Problem { code, sentence });
                Step::Passed
            }
        }
    }
}
