//! process, as far as rows are concerned: a worker takes a job, keeps its findings, and settles the job.
//!
//! Findings are written together with the end of the job, fenced by the attempt, so a worker that lost its lease
//! changes nothing. The results of completed steps are kept with the job ([`JobProgress`]), so that the next attempt
//! continues at the step that failed. Must not read bytes: that is the workers' task.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::blob::BlobStore;
use crate::crash;
use crate::domain::asset::{Asset, AssetState, AssetVerdict};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::event::EventKind;
use crate::domain::findings::{AssetFindings, AssetProblem, InspectionState, SCAN_INCOMPLETE, StoredDamage};
use crate::domain::job::{Job, JobRelease, JobSubject, TryCount};
use crate::domain::name::MediaType;
use crate::engine::assets::AssetEngine;
use crate::engine::rows::RowAccess;
use crate::engine::settings::EngineSettings;
use crate::engine::tenants::TenantEngine;
use crate::engine::tokens::TokenSigner;
use crate::engine::{EnginePorts, Error, Result};
use crate::store::{RowChange, Store, Tx};

mod derivatives;
mod report;
mod reprocess;

pub use report::{ProcessingOutcome, ProcessingReport, ProcessingTask, ReportedDerivative};
pub use reprocess::{ReprocessScope, ReprocessSummary};

/// Outcome of processing.
#[derive(Clone, Debug)]
pub enum PipelineOutcome {
    /// The content is accepted.
    Sound(InspectionState),
    /// The content differs from what was declared, is not allowed, or is harmful.
    Unsound(InspectionState, AssetVerdict),
    /// No decision was possible: the asset is not delivered, and can be processed again. The digest, if computed, is
    /// kept.
    Undecided(Option<Sha256Digest>, AssetVerdict),
    /// The stored bytes do not match the recorded digest. They are kept, with all findings.
    Damaged(StoredDamage),
}

/// Findings of a job's attempts so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobProgress {
    /// Steps that need not be repeated.
    pub done: Vec<String>,
    /// Media type detected in the bytes.
    pub detected: Option<String>,
    /// SHA-256 of the bytes.
    pub sha256: Option<String>,
    /// All other findings.
    pub findings: AssetFindings,
    /// Number of offers to an external processor.
    pub offers: u32,
    /// Time at which the last offer to the processor ends.
    pub offered_until: Option<Timestamp>,
}

impl JobProgress {
    /// Progress of the earlier attempts; empty if a newer version wrote it in another format.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        job.progress.clone().and_then(|kept| serde_json::from_value(kept).ok()).unwrap_or_default()
    }

    /// SHA-256 of the bytes, if all of them were read.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256Digest> {
        self.sha256.as_ref().and_then(|text| text.parse().ok())
    }

    /// Converts the progress into a finished inspection.
    #[must_use]
    pub fn inspection(self) -> InspectionState {
        InspectionState {
            sha256: self.sha256(),
            detected: self.detected.and_then(|text| text.parse().ok()).unwrap_or_else(MediaType::octet_stream),
            findings: self.findings,
        }
    }

    fn value(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self).ok()
    }
}

/// The room of processing.
#[derive(Clone)]
pub struct ProcessingEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) tenants: Arc<TenantEngine>,
    pub(super) assets: Arc<AssetEngine>,
}

impl ProcessingEngine {
    /// The room, from the engine's ports and the rooms that it uses.
    pub(super) fn new(ports: &EnginePorts, tenants: Arc<TenantEngine>, assets: Arc<AssetEngine>) -> Self {
        Self {
            store: ports.store.clone(),
            blobs: ports.blobs.clone(),
            tokens: ports.tokens.clone(),
            settings: ports.settings.clone(),
            rows: ports.rows.clone(),
            tenants,
            assets,
        }
    }

    /// Begins to process the asset of a job. `None`: there is nothing left to do, and the job is finished.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn begin_processing(&self, job: &Job) -> Result<Option<Asset>> {
        crash::point("job_claimed");
        let asset = match job.work.asset() {
            Some(id) => self.store.find_asset(id).await?,
            None => None,
        };
        let Some(asset) = asset else { return self.drop_job(job).await };
        match (job.work, &asset.state) {
            // An earlier attempt got this far.
            (JobSubject::Process(_), AssetState::Processing(_)) => return Ok(Some(asset)),
            (JobSubject::Recheck(_) | JobSubject::Rescan(_), AssetState::Ready(_)) => return Ok(Some(asset)),
            (JobSubject::Process(_), AssetState::Stored(_) | AssetState::Failed { .. }) => {}
            _ => return self.drop_job(job).await,
        }
        let mut processing = asset.process(self.store.now())?;
        let tx = Tx::new().asset(&mut processing, EventKind::AssetProcessing);
        self.rows.commit(tx).await?;
        Ok(Some(processing))
    }

    async fn drop_job(&self, job: &Job) -> Result<Option<Asset>> {
        // After a conflict the job was cancelled, or another worker has it.
        self.rows.commit_if_unchanged(Tx::new().with(RowChange::FinishJob(job.clone()))).await?;
        Ok(None)
    }

    /// Stores the progress of a job. `false` if the lease was lost.
    #[tracing::instrument(skip_all)]
    pub async fn keep_progress(&self, job: &mut Job, progress: &JobProgress) -> Result<bool> {
        job.progress = progress.value();
        Ok(self.store.keep_progress(job).await?)
    }

    /// Writes the outcome and ends the job in a transaction. `false` if the lease was lost and nothing was written.
    #[tracing::instrument(skip_all, fields(asset = %asset.id, job = %job.id))]
    pub async fn settle(&self, job: &Job, asset: Asset, outcome: PipelineOutcome) -> Result<bool> {
        let before = asset.clone();
        let damage = match outcome {
            PipelineOutcome::Damaged(damage) => Some(damage),
            PipelineOutcome::Sound(_) | PipelineOutcome::Unsound(..) | PipelineOutcome::Undecided(..) => None,
        };
        let tx = self.settling(asset, outcome).await?.with(RowChange::FinishJob(job.clone()));
        let settled = self.rows.commit_if_unchanged(tx).await?;
        if settled {
            log_damage(&before, damage);
            crash::point("job_settled");
            self.drop_derivatives_of_old(&before).await;
        }
        Ok(settled)
    }

    /// The transition for an outcome.
    async fn settling(&self, asset: Asset, outcome: PipelineOutcome) -> Result<Tx> {
        let now = self.store.now();
        let was_ready = matches!(asset.state, AssetState::Ready(_));
        let (mut settled, kind) = match outcome {
            PipelineOutcome::Sound(found) if was_ready => (asset.refresh(found, now)?, EventKind::AssetRechecked),
            PipelineOutcome::Sound(found) => (asset.ready(found, now)?, EventKind::AssetReady),
            PipelineOutcome::Unsound(found, verdict) => {
                let quarantine =
                    self.tenants.rules_of(&asset).await?.quarantine().unwrap_or(self.settings.quarantine_ttl);
                (asset.reject(found, verdict, quarantine, now)?, EventKind::AssetRejected)
            }
            // A ready asset stays ready: nothing was found, the check was only impossible.
            PipelineOutcome::Undecided(sha256, verdict) if was_ready => {
                let asset = asset.establish(sha256);
                let found = noted(&asset, verdict);
                (asset.refresh(found, now)?, EventKind::AssetRechecked)
            }
            PipelineOutcome::Undecided(sha256, verdict) => {
                (asset.establish(sha256).fail(verdict, now)?, EventKind::AssetFailed)
            }
            PipelineOutcome::Damaged(damage) => note_damage(asset, damage, now)?,
        };
        let retracted = was_ready && kind == EventKind::AssetRejected;
        let id = settled.id;
        let tx = Tx::new().asset(&mut settled, kind);
        Ok(if retracted { self.assets.with_purge(tx.with(RowChange::RevokeLinksOf(id, now)), &settled) } else { tx })
    }

    /// Gives a job up; it stays in the state dead. An asset that was being processed fails; damage of the bytes is
    /// recorded in any state of the asset.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn give_up(&self, job: &Job, why: &str, damage: Option<StoredDamage>) -> Result<bool> {
        let now = self.store.now();
        let tx = Tx::new().with(RowChange::ReleaseJob(Box::new(JobRelease {
            job: job.clone(),
            due: None,
            tries: TryCount::Counted,
            why: Some(why.to_owned()),
            progress: None,
        })));
        let asset = match job.work {
            JobSubject::Process(id) => Some(self.store.find_asset(id).await?.ok_or(Error::NotFound)?),
            JobSubject::Recheck(id) | JobSubject::Rescan(id) if damage.is_some() => self.store.find_asset(id).await?,
            _ => None,
        };
        let Some(asset) = asset else { return self.rows.commit_if_unchanged(tx).await };
        let (mut told, kind) = match (job.work, damage) {
            (JobSubject::Process(_), damage) => {
                let asset = match asset.state {
                    AssetState::Processing(_) => asset.clone(),
                    // Deleted by its owner, together with the job.
                    AssetState::Deleted { .. } => return Ok(false),
                    _ => asset.clone().process(now)?,
                };
                match damage {
                    Some(damage) => note_damage(asset, damage, now)?,
                    None => {
                        (asset.establish(JobProgress::of(job).sha256()).fail(gave_up(), now)?, EventKind::AssetFailed)
                    }
                }
            }
            (_, Some(damage)) if matches!(asset.state, AssetState::Ready(_)) => {
                note_damage(asset.clone(), damage, now)?
            }
            // Deleted or rejected meanwhile: the bytes may be gone.
            _ => return self.rows.commit_if_unchanged(tx).await,
        };
        let given_up = self.rows.commit_if_unchanged(tx.asset(&mut told, kind)).await?;
        if given_up {
            log_damage(&asset, damage);
        }
        Ok(given_up)
    }

    /// Releases a job until `due`. `false` if the lease was lost.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn put_back(&self, job: &Job, due: Timestamp, tries: TryCount, why: &str) -> Result<bool> {
        let (job, why) = (job.clone(), Some(why.to_owned()));
        let progress = job.progress.clone();
        let release = JobRelease { job, due: Some(due), tries, why, progress };
        self.rows.commit_if_unchanged(Tx::new().with(RowChange::ReleaseJob(Box::new(release)))).await
    }

    /// Largest file in bytes that is hashed even if no digest was declared.
    #[must_use]
    pub fn digest_up_to(&self) -> u64 {
        self.settings.max_digest_bytes
    }

    /// Time that an external processor has to report, and most offers of a job.
    #[must_use]
    pub fn offer_terms(&self) -> (Duration, u32) {
        (self.settings.report_timeout, self.settings.max_offers)
    }
}

/// Records damage of an asset's bytes: a ready asset stays ready, an asset that was being processed fails.
fn note_damage(asset: Asset, damage: StoredDamage, now: Timestamp) -> Result<(Asset, EventKind)> {
    let (processing, noted) = (matches!(asset.state, AssetState::Processing(_)), asset.note_damage(damage, now));
    if !processing {
        return Ok((noted, EventKind::AssetCorrupt));
    }
    let verdict = AssetVerdict { code: damage.code().to_owned(), sentence: damage.sentence().to_owned() };
    Ok((noted.fail(verdict, now)?, EventKind::AssetFailed))
}

fn log_damage(asset: &Asset, damage: Option<StoredDamage>) {
    let (Some(damage), Some(content)) = (damage, asset.state.content()) else { return };
    let established = content.sha256.map(|digest| digest.to_string());
    let (code, sentence) = (damage.code(), damage.sentence());
    tracing::error!(asset = %asset.id, tenant = %asset.tenant, code, key = content.key, established, "{sentence}");
}

fn gave_up() -> AssetVerdict {
    AssetVerdict {
        code: "processing_failed".to_owned(),
        sentence: "Processing was tried several times and did not succeed.".to_owned(),
    }
}

/// The findings of an asset, with a note of the check that was impossible.
fn noted(asset: &Asset, verdict: AssetVerdict) -> InspectionState {
    let content = asset.state.content();
    let detected = content.and_then(|content| content.detected.clone()).unwrap_or_else(MediaType::octet_stream);
    let mut findings = content.map(|content| content.findings.clone()).unwrap_or_default();
    findings.problems.retain(|problem| problem.code != verdict.code);
    if verdict.code == SCAN_INCOMPLETE {
        // The result of the earlier scan no longer holds.
        findings.scan = None;
    }
    findings.problems.push(AssetProblem { code: verdict.code, sentence: verdict.sentence });
    InspectionState { detected, sha256: content.and_then(|content| content.sha256), findings }
}
