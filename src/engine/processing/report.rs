//! The interface of external processors (`/v1/assets/{id}/processing`).
//!
//! A processor gets a token with the offer. The token names the asset and the job, and stays the same for all offers of
//! the job: the first report decides, and a repeat of it gets the same response. Bytes of an asset that is not ready
//! are readable only here, for a caller with the scope `process` and the token.

use std::time::Duration;

use super::{Error, JobProgress, PipelineOutcome, ProcessingEngine, Result};
use crate::blob::{ResponseHeaders, SignedUrl};
use crate::domain::access::{Action, Actor};
use crate::domain::asset::{Asset, AssetMetadata, AssetState, AssetVerdict};
use crate::domain::clock::{Timestamp, after};
use crate::domain::file_type::with_charset;
use crate::domain::findings::Derivative;
use crate::domain::ids::AssetId;
use crate::domain::job::{Job, JobRelease, JobState, JobSubject, TryCount};
use crate::engine::limits::MAX_METADATA_BYTES;
use crate::engine::rows::update::RowUpdate;
use crate::store::{RowChange, Tx};

/// Largest derivative in bytes that a processor may store.
const MAX_DERIVATIVE_BYTES: u64 = 5 << 30;
/// Most derivatives of an asset.
const MAX_REPORT_DERIVATIVES: usize = 64;
/// Longest name of a variant, and longest reason, in bytes.
const MAX_REPORT_TEXT_BYTES: usize = 500;
/// Life of the URLs that a processor gets.
const PROCESSOR_URL_TTL: Duration = Duration::from_secs(3600);
/// Pause before the next offer when the processor itself asks for a retry.
const OFFER_RETRY_DELAY: Duration = Duration::from_secs(30);

/// The task of a processor.
#[derive(Clone, Debug)]
pub struct ProcessingTask {
    /// The asset.
    pub asset: Asset,
    /// Findings so far.
    pub progress: JobProgress,
    /// URL of its bytes.
    pub content: SignedUrl,
}

/// A derivative that a processor has stored by a URL of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedDerivative {
    /// Name of the variant.
    pub variant: String,
    /// Media type.
    pub media_type: String,
    /// The id with which its URL was signed.
    pub id: u32,
    /// Width in pixels, for pictures.
    pub width: Option<u32>,
    /// Height in pixels, for pictures.
    pub height: Option<u32>,
}

/// Outcome that a processor reports.
#[derive(Clone, Debug, PartialEq)]
pub enum ProcessingOutcome {
    /// The asset becomes ready.
    Accept {
        /// Metadata to keep with the asset.
        details: AssetMetadata,
        /// Derivatives of the asset.
        derivatives: Vec<ReportedDerivative>,
    },
    /// The asset is rejected.
    Reject(AssetVerdict),
    /// The job is to be offered again, for this reason.
    Retry(String),
}

/// A processor's report.
#[derive(Clone, Debug)]
pub struct ProcessingReport {
    /// Token of the offer.
    pub token: String,
    /// Outcome.
    pub outcome: ProcessingOutcome,
}

impl ProcessingEngine {
    /// Token of all offers of this job.
    #[must_use]
    pub fn processing_token(&self, job: &Job, asset: AssetId) -> String {
        self.tokens.processing(asset, job.id)
    }

    /// The task of a token.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn processing_task(&self, actor: &Actor, id: AssetId, token: &str) -> Result<ProcessingTask> {
        let (asset, job) = self.load_offered_job(actor, id, token).await?;
        let job = job.ok_or(Error::WrongState { what: "asset", state: asset.state.name() })?;
        let progress = JobProgress::of(&job);
        let content = asset.state.content().ok_or(Error::NotReady { state: asset.state.name() })?;
        let detected = progress.detected.as_deref().and_then(|text| text.parse().ok());
        let detected = detected.map(|found| with_charset(&found, progress.findings.charset.as_deref()).to_string());
        let shown = ResponseHeaders { content_type: detected, ..ResponseHeaders::default() };
        let content = self.blobs.sign_get(&content.key, &shown, PROCESSOR_URL_TTL).await?;
        Ok(ProcessingTask { asset, progress, content })
    }

    /// URL with which a processor stores a derivative, under a [`ReportedDerivative::id`] of its choice.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn sign_derivative(
        &self,
        actor: &Actor,
        id: AssetId,
        token: &str,
        serial: u32,
        size: u64,
    ) -> Result<SignedUrl> {
        let (asset, job) = self.load_offered_job(actor, id, token).await?;
        let job = job.ok_or(Error::WrongState { what: "asset", state: asset.state.name() })?;
        if size == 0 || size > MAX_DERIVATIVE_BYTES {
            return Err(Error::invalid("size", format!("1 to {MAX_DERIVATIVE_BYTES}")));
        }
        let key = external_key(&job, &asset, serial);
        Ok(self.blobs.sign_put(&key, size, None, PROCESSOR_URL_TTL).await?)
    }

    /// Accepts a report. Idempotent; a different report on a settled asset is refused.
    #[tracing::instrument(skip_all, fields(asset = %id))]
    pub async fn report_processing(&self, actor: &Actor, id: AssetId, report: ProcessingReport) -> Result<Asset> {
        let report = &report;
        let said_before = self.rows.update_asset_for(actor, Action::ProcessAsset, id, |asset| async move {
            // A conflict is also one of the job, which is offered again or ended by another report.
            match self.find_offered_job(id, &report.token).await? {
                Some(job) => Ok(RowUpdate::Commit(self.build_report_tx(asset, job, &report.outcome).await?, None)),
                None => Ok(RowUpdate::Keep(Some(said_before(asset, &report.outcome)?))),
            }
        });
        match said_before.await? {
            Some(asset) => Ok(asset),
            None => self.rows.reload_asset(id).await,
        }
    }

    /// The transaction for a report on a job.
    async fn build_report_tx(&self, asset: Asset, job: Job, outcome: &ProcessingOutcome) -> Result<Tx> {
        Ok(match outcome {
            ProcessingOutcome::Retry(why) => Tx::new().with(self.offer_again(&job, why)?),
            ProcessingOutcome::Reject(verdict) => {
                check_text("reason", &verdict.sentence)?;
                let found = JobProgress::of(&job).inspection();
                let outcome = PipelineOutcome::Unsound(found, verdict.clone());
                self.settling(asset, outcome).await?.with(RowChange::FinishJob(job))
            }
            ProcessingOutcome::Accept { details, derivatives } => {
                let mut found = JobProgress::of(&job).inspection();
                merge(&mut found.findings.details, details)?;
                found.findings.derivatives.extend(self.verify_derivatives(&job, &asset, derivatives).await?);
                self.settling(asset, PipelineOutcome::Sound(found)).await?.with(RowChange::FinishJob(job))
            }
        })
    }

    /// The asset, and its job if that still waits for a report.
    async fn load_offered_job(&self, actor: &Actor, id: AssetId, token: &str) -> Result<(Asset, Option<Job>)> {
        let asset = self.rows.load_asset_for(actor, Action::ProcessAsset, id).await?;
        let job = self.find_offered_job(id, token).await?;
        Ok((asset, job))
    }

    /// The job of a token, if it still waits for a report.
    async fn find_offered_job(&self, id: AssetId, token: &str) -> Result<Option<Job>> {
        let (_, job) = self.tokens.open_processing(token).filter(|(named, _)| *named == id).ok_or(Error::NotFound)?;
        let owed = self.store.find_job(JobSubject::Process(id)).await?;
        let waiting = owed.filter(|entry| entry.job.id == job && entry.state != JobState::Dead);
        Ok(waiting.map(|entry| entry.job).filter(|job| JobProgress::of(job).offers > 0))
    }

    fn offer_again(&self, job: &Job, why: &str) -> Result<RowChange> {
        check_text("reason", why)?;
        let due = after(self.store.now(), OFFER_RETRY_DELAY);
        Ok(RowChange::PostponeJob(Box::new(JobRelease {
            job: job.clone(),
            due: Some(due),
            tries: TryCount::Forgiven,
            why: Some(format!("the processor asks for another try: {why}")),
            progress: None,
        })))
    }

    /// Checks that the reported derivatives exist in the store.
    async fn verify_derivatives(
        &self,
        job: &Job,
        asset: &Asset,
        said: &[ReportedDerivative],
    ) -> Result<Vec<Derivative>> {
        if said.len() > MAX_REPORT_DERIVATIVES {
            return Err(Error::invalid("derivatives", format!("at most {MAX_REPORT_DERIVATIVES} derivatives")));
        }
        let mut proven = Vec::with_capacity(said.len());
        for one in said {
            check_text("derivatives", &one.variant)?;
            let media_type: crate::domain::name::MediaType = one
                .media_type
                .parse()
                .map_err(|_| Error::invalid("derivatives", "an entry has an invalid media type"))?;
            let key = external_key(job, asset, one.id);
            let facts = self.blobs.head(&key).await?;
            let missing = || Error::invalid("derivatives", format!("no object was uploaded as {}", one.id));
            let facts = facts.ok_or_else(missing)?;
            proven.push(Derivative {
                variant: one.variant.clone(),
                media_type: media_type.to_string(),
                key,
                etag: facts.etag,
                size: facts.size,
                width: one.width,
                height: one.height,
            });
        }
        Ok(proven)
    }

    /// Time at which an offer made now is repeated if no report comes.
    #[must_use]
    pub fn offered_until(&self) -> Timestamp {
        after(self.store.now(), self.settings.report_timeout)
    }
}

/// Key of a derivative of an external processor, apart from those of attempts, because a report may come while the job
/// is offered again.
fn external_key(job: &Job, asset: &Asset, serial: u32) -> String {
    super::derivatives::derivative_key(&Job { attempt: 0, ..job.clone() }, asset, serial).path()
}

fn check_text(field: &'static str, text: &str) -> Result<()> {
    let sound = !text.is_empty() && text.len() <= MAX_REPORT_TEXT_BYTES && !text.chars().any(char::is_control);
    sound
        .then_some(())
        .ok_or_else(|| Error::invalid(field, format!("must be a text of at most {MAX_REPORT_TEXT_BYTES} bytes")))
}

fn merge(into: &mut AssetMetadata, said: &AssetMetadata) -> Result<()> {
    into.extend(said.iter().map(|(name, value)| (name.clone(), value.clone())));
    if serde_json::to_vec(into).map_or(0, |json| json.len()) > MAX_METADATA_BYTES {
        return Err(Error::invalid("metadata", format!("must be at most {MAX_METADATA_BYTES} bytes of JSON")));
    }
    Ok(())
}

/// The response to a report on an asset that is settled already.
fn said_before(asset: Asset, outcome: &ProcessingOutcome) -> Result<Asset> {
    let same = match (&asset.state, outcome) {
        (AssetState::Ready(_), ProcessingOutcome::Accept { .. }) => true,
        (AssetState::Rejected { verdict, .. }, ProcessingOutcome::Reject(said)) => verdict == said,
        _ => false,
    };
    let state = asset.state.name();
    if same { Ok(asset) } else { Err(Error::WrongState { what: "asset", state }) }
}
