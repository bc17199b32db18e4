//! process, as far as rows are concerned: a worker takes a job, keeps what it finds, and settles it.
//!
//! What the worker found out is written together with the end of its job, so that a worker which lost its lease
//! changes nothing: its attempt is fenced. What a step has cost is kept with the job ([`JobProgress`]), so that the next
//! try goes on at the step that failed. Must not look at bytes: that is the workers' business.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Engine, Error, Result};
use crate::crash;
use crate::domain::asset::{Asset, AssetState, AssetVerdict};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::event::EventKind;
use crate::domain::findings::{AssetFindings, AssetProblem, InspectionState, SCAN_INCOMPLETE, StoredDamage};
use crate::domain::ids::AssetId;
use crate::domain::job::{Job, JobRelease, JobSubject, TryCount};
use crate::domain::name::MediaType;
use crate::store::{StoreError, Tx, Write};

mod derivatives;
mod report;
mod reprocess;

pub use report::{ProcessingOutcome, ProcessingReport, ProcessingTask, ReportedDerivative};
pub use reprocess::{ReprocessScope, ReprocessSummary};

/// What processing came to.
#[derive(Clone, Debug)]
pub enum PipelineOutcome {
    /// Nothing speaks against it.
    Sound(InspectionState),
    /// It is not what was declared, not allowed, or harmful.
    Unsound(InspectionState, AssetVerdict),
    /// Nobody can say: it is not delivered, and can be tried again. The digest, if one was computed, is kept.
    Undecided(Option<Sha256Digest>, AssetVerdict),
    /// The store's bytes are not those whose digest was established. They are kept, with everything known of them.
    Damaged(StoredDamage),
}

/// What the tries of one job have come to so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobProgress {
    /// Steps that need not be done again.
    pub done: Vec<String>,
    /// The type found in the bytes.
    pub detected: Option<String>,
    /// The digest of the bytes.
    pub sha256: Option<String>,
    /// Everything else.
    pub findings: AssetFindings,
    /// How often it was offered to an external processor.
    pub offers: u32,
    /// When the processor's time is over, of the last offer.
    pub offered_until: Option<Timestamp>,
}

impl JobProgress {
    /// What the tries before this one have kept; nothing, if a newer version has kept something else.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        job.progress.clone().and_then(|kept| serde_json::from_value(kept).ok()).unwrap_or_default()
    }

    /// The digest of the bytes, if they were all read.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256Digest> {
        self.sha256.as_ref().and_then(|text| text.parse().ok())
    }

    /// As an inspection that is over.
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

impl Engine {
    /// Begins processing the asset of a job. `None`: there is nothing left to do, and the job is finished.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn begin_processing(&self, job: &Job) -> Result<Option<Asset>> {
        crash::point("job_claimed");
        let asset = match job.work.asset() {
            Some(id) => self.0.store.find_asset(id).await?,
            None => None,
        };
        let Some(asset) = asset else { return self.drop_job(job).await };
        match (job.work, &asset.state) {
            // An attempt before this one got as far as this.
            (JobSubject::Process(_), AssetState::Processing(_)) => return Ok(Some(asset)),
            (JobSubject::Recheck(_) | JobSubject::Rescan(_), AssetState::Ready(_)) => return Ok(Some(asset)),
            (JobSubject::Process(_), AssetState::Stored(_) | AssetState::Failed { .. }) => {}
            _ => return self.drop_job(job).await,
        }
        let mut processing = asset.process(self.0.store.now())?;
        let tx = Tx::new().asset(&mut processing, EventKind::AssetProcessing);
        self.commit_and_notify(tx, processing.id).await?;
        Ok(Some(processing))
    }

    async fn drop_job(&self, job: &Job) -> Result<Option<Asset>> {
        match self.0.store.commit(Tx::new().with(Write::FinishJob(job.clone()))).await {
            // A conflict: it was cancelled, or another worker has it.
            Ok(()) | Err(StoreError::Conflict) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Keeps what a job has come to. `false`: its lease is lost.
    #[tracing::instrument(skip_all)]
    pub async fn keep_progress(&self, job: &mut Job, progress: &JobProgress) -> Result<bool> {
        job.progress = progress.value();
        Ok(self.0.store.keep_progress(job).await?)
    }

    /// Writes what was found and ends the job, together. `false`: the lease was lost and nothing was written.
    #[tracing::instrument(skip_all, fields(asset = %asset.id, job = %job.id))]
    pub async fn settle(&self, job: &Job, asset: Asset, outcome: PipelineOutcome) -> Result<bool> {
        let (before, id) = (asset.clone(), asset.id);
        let damage = match outcome {
            PipelineOutcome::Damaged(damage) => Some(damage),
            PipelineOutcome::Sound(_) | PipelineOutcome::Unsound(..) | PipelineOutcome::Undecided(..) => None,
        };
        let tx = self.settling(asset, outcome).await?.with(Write::FinishJob(job.clone()));
        let settled = self.write_fenced(tx, id).await?;
        if settled {
            log_damage(&before, damage);
            crash::point("job_settled");
            self.drop_derivatives_of_old(&before).await;
        }
        Ok(settled)
    }

    /// The transition that an outcome asks for.
    async fn settling(&self, asset: Asset, outcome: PipelineOutcome) -> Result<Tx> {
        let now = self.0.store.now();
        let was_ready = matches!(asset.state, AssetState::Ready(_));
        let (mut settled, kind) = match outcome {
            PipelineOutcome::Sound(found) if was_ready => (asset.refresh(found, now)?, EventKind::AssetRechecked),
            PipelineOutcome::Sound(found) => (asset.ready(found, now)?, EventKind::AssetReady),
            PipelineOutcome::Unsound(found, verdict) => {
                let quarantine = self.rules_of(&asset).await?.quarantine().unwrap_or(self.0.settings.quarantine_ttl);
                (asset.reject(found, verdict, quarantine, now)?, EventKind::AssetRejected)
            }
            // What was ready stays so: nothing was found, it could only not be looked for.
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
        Ok(if retracted { self.with_purge(tx.with(Write::RevokeLinksOf(id, now)), &settled) } else { tx })
    }

    /// Gives a job up: it is kept among the dead. An asset that was being processed has failed; one whose bytes are
    /// damaged says so, whatever its state.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn give_up(&self, job: &Job, why: &str, damage: Option<StoredDamage>) -> Result<bool> {
        let now = self.0.store.now();
        let tx = Tx::new().with(Write::ReleaseJob(Box::new(JobRelease {
            job: job.clone(),
            due: None,
            tries: TryCount::Counted,
            why: Some(why.to_owned()),
            progress: None,
        })));
        let subject = job.work.asset().unwrap_or(AssetId(job.id.0));
        let asset = match job.work {
            JobSubject::Process(id) => Some(self.0.store.find_asset(id).await?.ok_or(Error::NotFound)?),
            JobSubject::Recheck(id) | JobSubject::Rescan(id) if damage.is_some() => self.0.store.find_asset(id).await?,
            _ => None,
        };
        let Some(asset) = asset else { return self.write_fenced(tx, subject).await };
        let (mut told, kind) = match (job.work, damage) {
            (JobSubject::Process(_), damage) => {
                let asset = match asset.state {
                    AssetState::Processing(_) => asset.clone(),
                    // Withdrawn by its owner, and the job with it.
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
            // Deleted or rejected meanwhile: its bytes may be gone.
            _ => return self.write_fenced(tx, subject).await,
        };
        let given_up = self.write_fenced(tx.asset(&mut told, kind), subject).await?;
        if given_up {
            log_damage(&asset, damage);
        }
        Ok(given_up)
    }

    /// Puts a job back until `due`. `false`: the lease was lost.
    #[tracing::instrument(skip_all, fields(job = %job.id))]
    pub async fn put_back(&self, job: &Job, due: Timestamp, tries: TryCount, why: &str) -> Result<bool> {
        let (job, why) = (job.clone(), Some(why.to_owned()));
        let progress = job.progress.clone();
        let release = JobRelease { job, due: Some(due), tries, why, progress };
        self.write(Tx::new().with(Write::ReleaseJob(Box::new(release)))).await
    }

    /// `false`: somebody else has the job by now, and nothing was written.
    async fn write_fenced(&self, tx: Tx, asset: AssetId) -> Result<bool> {
        let written = self.write(tx).await?;
        self.0.asset_notify.notify(asset);
        Ok(written)
    }

    async fn write(&self, tx: Tx) -> Result<bool> {
        match self.0.store.commit(tx).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// How many bytes are hashed although nobody declared a digest.
    #[must_use]
    pub fn digest_up_to(&self) -> u64 {
        self.0.settings.max_digest_bytes
    }

    /// How long an external processor has, and how often it is asked.
    #[must_use]
    pub fn offer_terms(&self) -> (Duration, u32) {
        (self.0.settings.report_timeout, self.0.settings.max_offers)
    }
}

/// What damage means for an asset: one that was ready stays so, one that was being processed has failed.
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

/// What is known of an asset, with a note of what could not be found out.
fn noted(asset: &Asset, verdict: AssetVerdict) -> InspectionState {
    let content = asset.state.content();
    let detected = content.and_then(|content| content.detected.clone()).unwrap_or_else(MediaType::octet_stream);
    let mut findings = content.map(|content| content.findings.clone()).unwrap_or_default();
    findings.problems.retain(|problem| problem.code != verdict.code);
    if verdict.code == SCAN_INCOMPLETE {
        // What an earlier scan said of it is no longer true.
        findings.scan = None;
    }
    findings.problems.push(AssetProblem { code: verdict.code, sentence: verdict.sentence });
    InspectionState { detected, sha256: content.and_then(|content| content.sha256), findings }
}
