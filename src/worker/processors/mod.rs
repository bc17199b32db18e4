//! The processing pipeline: steps that inspect an asset's bytes in order and report findings.
//!
//! ```text
//! read (digest, type) ─▶ scan ─▶ media (facts, derivatives) ─▶ scan_coverage ─▶ offer (external processor) ─▶ settle
//! ```
//!
//! Each step decides whether it applies to an asset. Findings are saved with the job before the next step begins, so
//! that a retry continues at the step that failed. Steps write no rows.

use async_trait::async_trait;

pub use clamd_probe::ScannerSettings;
pub use handoff_step::HandoffStep;
pub use media_step::MediaStep;
pub use scan_step::{IncompleteScanAction, ScanStep};

use super::job_run::JobOutcome;
use crate::domain::asset::{Asset, AssetContent, AssetVerdict};
use crate::domain::checksum::Sha256Digest;
use crate::domain::findings::StoredDamage;
use crate::domain::job::{Job, JobSubject};
use crate::domain::policy::{PolicyRules, ScanRule};
use crate::domain::reason::FailureCause;
use crate::engine::{Engine, Error, JobProgress, PipelineOutcome};

mod archive_watch;
pub mod clamd;
mod clamd_probe;
mod digest;
mod handoff_step;
mod markup;
mod media_step;
mod read_step;
mod scan_step;
mod sniff;
mod text_encoding;

/// A job under way: its asset, its policy and its progress.
pub(super) struct JobContext<'a> {
    engine: &'a Engine,
    job: Job,
    asset: &'a Asset,
    content: &'a AssetContent,
    rules: std::sync::Arc<PolicyRules>,
    progress: JobProgress,
}

impl JobContext<'_> {
    /// The digest that these bytes are known to have, from an earlier job or an earlier step of this job.
    fn established_digest(&self) -> Option<Sha256Digest> {
        self.content.sha256.or(self.progress.sha256())
    }

    /// The digest that this job computed, of bytes that match the established digest.
    fn computed_digest(&self) -> Option<Sha256Digest> {
        let read = self.progress.done.iter().any(|done| done == "read");
        self.progress.sha256().filter(|_| read)
    }

    /// Reads the bytes again. True if their digest still differs from `established`; false if the first reading had a
    /// transmission error, which is no damage.
    async fn confirm_corruption(&self, established: Sha256Digest) -> Result<bool, StepError> {
        let stream = self.engine.delivery().read_content(self.content, 0..self.asset.size).await?;
        let sha256 = digest::digest_stream(stream, 0).await?.sha256;
        tracing::warn!(asset = %self.asset.id, %established, computed = %sha256, "a look at the bytes found another digest");
        Ok(sha256 != established)
    }
}

/// Reasons why the pipeline stops without an outcome.
#[derive(Debug)]
pub(super) enum StepError {
    /// A dependency is unavailable: retry, the try does not count.
    Unavailable(FailureCause),
    /// The step failed: retry, the try counts.
    Failed(FailureCause),
    /// The object store has lost the bytes: retry, the try counts, and in the end record the damage.
    BytesMissing(FailureCause),
    /// Another worker holds the job.
    LeaseLost,
}

/// Decides whether a failed try counts. No other place does: outcomes of jobs without steps are made from a [`StepError`]
/// too.
impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy { .. } | Error::StorageFull => Self::Unavailable(FailureCause::of(error)),
            Error::BytesMissing(why) => Self::BytesMissing(why),
            other => Self::Failed(FailureCause::of(other)),
        }
    }
}

/// Outcome of a step for the asset.
pub(super) enum StepOutcome {
    /// The step has no objection.
    Passed,
    /// The asset is not what was declared, not allowed, or harmful.
    Unsound(AssetVerdict),
    /// The step cannot decide.
    Undecided(AssetVerdict),
    /// The bytes do not match the established digest; further steps are pointless.
    Damaged(StoredDamage),
    /// The job was put back until an external processor reports.
    Deferred,
}

/// A step of the pipeline.
#[async_trait]
pub(super) trait PipelineStep: Send + Sync {
    /// Name of the step, recorded in the job's progress when the step is done.
    fn name(&self) -> &'static str;
    /// True if the step applies to this job, given the findings so far.
    fn applies_to(&self, case: &JobContext<'_>) -> bool;
    /// Runs the step; findings go into the progress of `case`.
    async fn run(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError>;
}

/// The steps, in order.
pub struct ProcessingPipeline {
    steps: Vec<Box<dyn PipelineStep>>,
}

/// Optional steps, which not every instance has.
#[derive(Default)]
pub struct Steps {
    /// The virus scan; `None`: no scan.
    pub scan: Option<ScanStep>,
    /// The media step; `None`: no facts and no derivatives.
    pub media: Option<MediaStep>,
    /// The hand-off to an external processor, which decides last; `None`: no hand-off.
    pub handoff: Option<HandoffStep>,
}

impl ProcessingPipeline {
    /// Builds the pipeline with these optional steps.
    #[must_use]
    pub fn new(equipment: Steps) -> Self {
        let mut steps: Vec<Box<dyn PipelineStep>> = vec![Box::new(read_step::ReadStep)];
        let Steps { scan: screening, media: studio, handoff: counter } = equipment;
        let coverage = screening.as_ref().map(|it| scan_step::ScanCoverageStep { on_incomplete: it.on_incomplete });
        steps.extend(screening.map(|it| Box::new(it) as Box<dyn PipelineStep>));
        steps.extend(studio.map(|it| Box::new(it) as Box<dyn PipelineStep>));
        steps.extend(coverage.map(|it| Box::new(it) as Box<dyn PipelineStep>));
        steps.extend(counter.map(|it| Box::new(it) as Box<dyn PipelineStep>));
        Self { steps }
    }
}

impl Default for ProcessingPipeline {
    fn default() -> Self {
        Self::new(Steps::default())
    }
}

impl ProcessingPipeline {
    /// Runs the job's steps and settles the asset with their outcome.
    pub(super) async fn run(&self, engine: &Engine, job: &Job) -> Result<JobOutcome, StepError> {
        let Some(asset) = engine.processing().begin_processing(job).await? else {
            return Ok(JobOutcome::Done("nothing left to do"));
        };
        let content = asset.state.content().ok_or_else(|| StepError::Failed("processing without content".into()))?;
        let progress = initial_progress(job, content);
        let rules = engine.tenants().rules_of(&asset).await?;
        let mut case = JobContext { engine, job: job.clone(), asset: &asset, content, rules, progress };
        let outcome = match self.run_steps(&mut case).await? {
            StepOutcome::Passed => PipelineOutcome::Sound(case.progress.clone().inspection()),
            StepOutcome::Unsound(verdict) => PipelineOutcome::Unsound(case.progress.clone().inspection(), verdict),
            StepOutcome::Undecided(verdict) => PipelineOutcome::Undecided(case.computed_digest(), verdict),
            StepOutcome::Damaged(damage) => PipelineOutcome::Damaged(damage),
            StepOutcome::Deferred => return Ok(JobOutcome::Deferred("offered")),
        };
        let settled = engine.processing().settle(&case.job, asset.clone(), outcome).await?;
        Ok(if settled { JobOutcome::Done("settled") } else { JobOutcome::LeaseLost })
    }

    async fn run_steps(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError> {
        let scans = self.steps.iter().any(|step| step.name() == "scan");
        if case.rules.scan == ScanRule::Required && !scans {
            let sentence = "The policy demands a virus scan, and no scanner is configured.".to_owned();
            return Ok(StepOutcome::Undecided(AssetVerdict { code: "scan_missing".to_owned(), sentence }));
        }
        let only_scan = matches!(case.job.work, JobSubject::Rescan(_));
        let steps = self.steps.iter().filter(|step| !only_scan || step.name().starts_with("scan"));
        let mut dirty = false;
        for step in steps {
            if case.progress.done.iter().any(|done| done == step.name()) || !step.applies_to(case) {
                continue;
            }
            if dirty && !case.engine.processing().keep_progress(&mut case.job, &case.progress).await? {
                return Err(StepError::LeaseLost);
            }
            let begun = std::time::Instant::now();
            let outcome = step.run(case).await?;
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            tracing::debug!(job = %case.job.id, step = step.name(), micros, "step done");
            match outcome {
                StepOutcome::Passed => {}
                other => return Ok(other),
            }
            case.progress.done.push(step.name().to_owned());
            dirty = true;
        }
        Ok(StepOutcome::Passed)
    }
}

/// Initial progress: from earlier tries of the job, or from the asset's earlier findings.
fn initial_progress(job: &Job, content: &AssetContent) -> JobProgress {
    if job.progress.is_some() || matches!(job.work, JobSubject::Process(_)) {
        return JobProgress::of(job);
    }
    let mut findings = content.findings.clone();
    if matches!(job.work, JobSubject::Recheck(_)) {
        findings.problems.clear();
    }
    JobProgress {
        detected: content.detected.as_ref().map(ToString::to_string),
        sha256: content.sha256.map(|digest| digest.to_string()),
        findings,
        ..JobProgress::default()
    }
}
