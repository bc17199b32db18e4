//! The pipeline: processors that look at an asset's bytes one after the other, and say what they found.
//!
//! ```text
//! read (digest, type) ─▶ scan ─▶ media (facts, derivatives) ─▶ scan_coverage ─▶ offer (somebody else's processor) ─▶ settle
//! ```
//!
//! Each processor says whether an asset concerns it. What it found is kept with the job before the next one begins, so
//! that the next try goes on at the step that failed. Processors write no rows.

use async_trait::async_trait;

pub use derive::Studio;
pub use offer::Counter;
pub use scan_probe::ScannerSettings;
pub use screen::{Screening, WhenIncomplete};

use super::run::End;
use crate::domain::asset::{Asset, Content, Verdict};
use crate::domain::checksum::Sha256Digest;
use crate::domain::findings::StoredDamage;
use crate::domain::job::{Job, Work};
use crate::domain::policy::{Rules, ScanRule};
use crate::engine::{Engine, Error, Outcome, Progress};

mod archive_watch;
mod derive;
mod digest;
mod markup;
mod offer;
mod read;
pub mod scan;
mod scan_probe;
mod screen;
mod sniff;
mod text;

/// An asset in a worker's hands.
pub(super) struct Case<'a> {
    engine: &'a Engine,
    job: Job,
    asset: &'a Asset,
    content: &'a Content,
    rules: std::sync::Arc<Rules>,
    progress: Progress,
}

impl Case<'_> {
    /// The digest that these bytes are known to have: from an earlier look, or from an earlier step of this one.
    fn established(&self) -> Option<Sha256Digest> {
        self.content.sha256.or(self.progress.sha256())
    }

    /// The digest that this look has computed, of bytes that are what they were.
    fn computed(&self) -> Option<Sha256Digest> {
        let read = self.progress.done.iter().any(|done| done == "read");
        self.progress.sha256().filter(|_| read)
    }

    /// Whether the store's bytes have another digest than `established` when they are read once more: a bit that
    /// flipped on the way is no damage.
    async fn is_corrupt(&self, established: Sha256Digest) -> Result<bool, Stop> {
        let stream = self.engine.read_content(self.content, 0..self.asset.size).await?;
        let sha256 = digest::whole(stream, 0).await?.sha256;
        tracing::warn!(asset = %self.asset.id, %established, computed = %sha256, "a look at the bytes found another digest");
        Ok(sha256 != established)
    }
}

/// Why no further step is taken.
#[derive(Debug)]
pub(super) enum Stop {
    /// Somebody whom it needs is away: try again, the try does not count.
    Away(String),
    /// Try again, a few times.
    Failed(String),
    /// The store has lost the bytes: try again, a few times, and then say so.
    BytesMissing(String),
    /// Another worker has the job.
    Lost,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Busy { .. } | Error::Full => Self::Away(error.to_string()),
            Error::BytesMissing(why) => Self::BytesMissing(why),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// What a step says of the asset.
pub(super) enum Step {
    /// Nothing speaks against it.
    Passed,
    /// It is not what was declared, not allowed, or harmful.
    Unsound(Verdict),
    /// Nobody can say.
    Undecided(Verdict),
    /// The bytes are not those whose digest was established; no step has anything to find in them.
    Damaged(StoredDamage),
    /// The job was put back, until somebody else has spoken.
    Waits,
}

/// One step.
#[async_trait]
pub(super) trait Processor: Send + Sync {
    /// Its name, under which it is remembered that it is done.
    fn name(&self) -> &'static str;
    /// Whether it has anything to do here, after what was found so far.
    fn concerns(&self, case: &Case<'_>) -> bool;
    /// Does it; what it finds goes into the case's progress.
    async fn run(&self, case: &mut Case<'_>) -> Result<Step, Stop>;
}

/// The steps, in order.
pub struct Pipeline {
    steps: Vec<Box<dyn Processor>>,
}

/// What the steps need that not every instance has.
#[derive(Default)]
pub struct Equipment {
    /// Scans; without it there is no scan.
    pub screening: Option<Screening>,
    /// Finds facts and makes derivatives; without it there are none.
    pub studio: Option<Studio>,
    /// Somebody else's processor, which has the last word.
    pub counter: Option<Counter>,
}

impl Pipeline {
    /// The steps that this equipment allows.
    #[must_use]
    pub fn new(equipment: Equipment) -> Self {
        let mut steps: Vec<Box<dyn Processor>> = vec![Box::new(read::Read)];
        let Equipment { screening, studio, counter } = equipment;
        let coverage = screening.as_ref().map(|it| screen::ScanCoverage { incomplete: it.incomplete });
        steps.extend(screening.map(|it| Box::new(it) as Box<dyn Processor>));
        steps.extend(studio.map(|it| Box::new(it) as Box<dyn Processor>));
        steps.extend(coverage.map(|it| Box::new(it) as Box<dyn Processor>));
        steps.extend(counter.map(|it| Box::new(it) as Box<dyn Processor>));
        Self { steps }
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new(Equipment::default())
    }
}

impl Pipeline {
    /// Takes the asset of a job as far as it goes.
    pub(super) async fn run(&self, engine: &Engine, job: &Job) -> Result<End, Stop> {
        let Some(asset) = engine.begin_processing(job).await? else { return Ok(End::Done("nothing left to do")) };
        let content = asset.state.content().ok_or_else(|| Stop::Failed("processing without content".to_owned()))?;
        let progress = begin(job, content);
        let rules = engine.rules_of(&asset).await?;
        let mut case = Case { engine, job: job.clone(), asset: &asset, content, rules, progress };
        let outcome = match self.walk(&mut case).await? {
            Step::Passed => Outcome::Sound(case.progress.clone().inspection()),
            Step::Unsound(verdict) => Outcome::Unsound(case.progress.clone().inspection(), verdict),
            Step::Undecided(verdict) => Outcome::Undecided(case.computed(), verdict),
            Step::Damaged(damage) => Outcome::Damaged(damage),
            Step::Waits => return Ok(End::Waits("offered")),
        };
        let settled = engine.settle(&case.job, asset.clone(), outcome).await?;
        Ok(if settled { End::Done("settled") } else { End::Lost })
    }

    async fn walk(&self, case: &mut Case<'_>) -> Result<Step, Stop> {
        let scans = self.steps.iter().any(|step| step.name() == "scan");
        if case.rules.scan == ScanRule::Required && !scans {
            let sentence = "The policy demands a virus scan, and no scanner is configured.".to_owned();
            return Ok(Step::Undecided(Verdict { code: "scan_missing".to_owned(), sentence }));
        }
        let only_scan = matches!(case.job.work, Work::Rescan(_));
        let steps = self.steps.iter().filter(|step| !only_scan || step.name().starts_with("scan"));
        let mut dirty = false;
        for step in steps {
            if case.progress.done.iter().any(|done| done == step.name()) || !step.concerns(case) {
                continue;
            }
            if dirty && !case.engine.keep_progress(&mut case.job, &case.progress).await? {
                return Err(Stop::Lost);
            }
            let begun = std::time::Instant::now();
            let outcome = step.run(case).await?;
            let micros = begun.elapsed().as_micros();
            tracing::debug!(job = %case.job.id, step = step.name(), micros, "step done");
            match outcome {
                Step::Passed => {}
                other => return Ok(other),
            }
            case.progress.done.push(step.name().to_owned());
            dirty = true;
        }
        Ok(Step::Passed)
    }
}

/// What is known at the beginning: what tries before have kept, or what the asset has from an earlier look.
fn begin(job: &Job, content: &Content) -> Progress {
    if job.progress.is_some() || matches!(job.work, Work::Process(_)) {
        return Progress::of(job);
    }
    let mut findings = content.findings.clone();
    if matches!(job.work, Work::Recheck(_)) {
        findings.problems.clear();
    }
    Progress {
        detected: content.detected.as_ref().map(ToString::to_string),
        sha256: content.sha256.map(|digest| digest.to_string()),
        findings,
        ..Progress::default()
    }
}
