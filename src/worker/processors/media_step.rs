//! The step that finds facts and makes derivatives: the bytes are written to a scratch folder, sandboxed decoders read
//! them there, and the derivatives go to the object store. Of large files only the beginning and the end are fetched;
//! the rest of the scratch file is a hole.
//!
//! This step never rejects an asset: facts or derivatives that cannot be made are recorded as problems of the asset,
//! whether the cause is the file or this machine.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::{JobContext, PipelineStep, StepError, StepOutcome};
use crate::domain::asset::AssetContent;
use crate::domain::findings::{AssetProblem, Derivative};
use crate::domain::name::MediaType;
use crate::domain::reason::{FailureCause, chain};
use crate::engine::{Engine, Error};
use crate::media::{
    DerivativeFile, DerivativeSize, InspectionTask, MediaError, MediaReport, MediaSandbox, PartSource, RequiredBytes,
};

/// The step `media`.
#[derive(Clone, Debug)]
pub struct MediaStep {
    /// The sandbox in which decoders run.
    pub sandbox: MediaSandbox,
    /// Sizes of derivatives for images, videos and documents; may be empty.
    pub sizes: Vec<DerivativeSize>,
    /// Scratch folder for the files under inspection.
    pub scratch: PathBuf,
}

#[async_trait]
impl PipelineStep for MediaStep {
    fn name(&self) -> &'static str {
        "media"
    }

    fn applies_to(&self, case: &JobContext<'_>) -> bool {
        if case.rules.derivatives == Some(false) {
            return false;
        }
        detected_type(case)
            .is_some_and(|detected| MediaSandbox::required_bytes(&detected, case.asset.size) != RequiredBytes::Nothing)
    }

    async fn run(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError> {
        let Some(detected) = detected_type(case) else { return Ok(StepOutcome::Passed) };
        let examined = match tempfile::tempdir_in(&self.scratch) {
            Ok(dir) => match self.examine_file(case, &detected, dir.path()).await {
                Ok(report) => return self.store_report(case, report).await,
                Err(failure) => failure,
            },
            Err(error) => scratch_failure(error),
        };
        match examined {
            MediaFailure::Machine(why) if case.job.is_spent() => {
                tracing::error!(asset = %case.asset.id, why = %chain(&why), "no facts and no derivatives could be made");
                case.progress.findings.problems.push(not_examined_problem());
                Ok(StepOutcome::Passed)
            }
            MediaFailure::Machine(why) => Err(StepError::Failed(why)),
            MediaFailure::Content(stop) => Err(stop),
        }
    }
}

/// Reasons why a file could not be examined in this try.
enum MediaFailure {
    /// The scratch folder, disk or processes of this machine failed: the file may be sound.
    Machine(FailureCause),
    /// The asset's bytes could not be read.
    Content(StepError),
}

impl MediaStep {
    /// Fetches the file into `dir` and runs the decoders on it there.
    async fn examine_file(
        &self,
        case: &JobContext<'_>,
        detected: &MediaType,
        dir: &Path,
    ) -> Result<MediaReport, MediaFailure> {
        let (file, out) = (dir.join("original"), dir.join("out"));
        tokio::fs::create_dir(&out).await.map_err(scratch_failure)?;
        let source = StoredParts { engine: case.engine, content: case.content, path: &file, failure: Mutex::default() };
        fetch_required(&source, case.asset.size, MediaSandbox::required_bytes(detected, case.asset.size)).await?;
        let (size, sizes) = (case.asset.size, &self.sizes);
        let task = InspectionTask { file: &file, size, media_type: detected, sizes, out: &out, source: Some(&source) };
        let examined = self.sandbox.examine(&task).await;
        examined.map_err(|MediaError::Internal(why)| source.take_failure().unwrap_or(MediaFailure::Machine(why)))
    }

    async fn store_report(&self, case: &mut JobContext<'_>, report: MediaReport) -> Result<StepOutcome, StepError> {
        if case.job.attempt > 1 {
            case.engine.processing().drop_leftover_derivatives(case.asset).await?;
        }
        let mut made = Vec::with_capacity(report.derivatives.len());
        for (one, serial) in report.derivatives.into_iter().zip(0..) {
            made.push(store_derivative(case, one, serial).await?);
        }
        let findings = &mut case.progress.findings;
        findings.derivatives.retain(|old| !self.sizes.iter().any(|size| size.name == old.variant));
        findings.derivatives.extend(made);
        findings.details.extend(report.details);
        let problems = report.problems.into_iter();
        findings.problems.extend(problems.map(|it| AssetProblem { code: it.code, sentence: it.sentence }));
        Ok(StepOutcome::Passed)
    }
}

fn detected_type(case: &JobContext<'_>) -> Option<MediaType> {
    case.progress.detected.as_ref().and_then(|text| text.parse().ok())
}

fn scratch_failure(error: std::io::Error) -> MediaFailure {
    MediaFailure::Machine(FailureCause::with("scratch folder", error))
}

fn not_examined_problem() -> AssetProblem {
    let sentence = "This service could not examine the file, so there are no facts and no previews. \
                    Processing it again may bring them.";
    AssetProblem { code: "not_examined".to_owned(), sentence: sentence.to_owned() }
}

fn scratch_step_error(error: std::io::Error) -> StepError {
    StepError::Failed(FailureCause::with("scratch folder", error))
}

async fn store_derivative(case: &JobContext<'_>, made: DerivativeFile, serial: u32) -> Result<Derivative, StepError> {
    let bytes = Bytes::from(tokio::fs::read(&made.file).await.map_err(scratch_step_error)?);
    let derivative = Derivative {
        variant: made.variant,
        media_type: made.media_type.to_owned(),
        key: String::new(),
        etag: String::new(),
        size: 0,
        width: Some(made.width),
        height: Some(made.height),
    };
    Ok(case.engine.processing().put_derivative(&case.job, case.asset, serial, derivative, bytes).await?)
}

/// A source of an asset's bytes that writes requested ranges to a scratch file.
struct StoredParts<'a> {
    engine: &'a Engine,
    content: &'a AssetContent,
    path: &'a Path,
    /// Reason why the last range could not be fetched.
    failure: Mutex<Option<MediaFailure>>,
}

impl std::fmt::Debug for StoredParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredParts").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl PartSource for StoredParts<'_> {
    async fn fetch_part(&self, range: Range<u64>) -> Result<(), String> {
        self.write_range(range).await.map_err(|failure| {
            let mut last = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(failure);
            "a part of the file could not be fetched".to_owned()
        })
    }
}

impl StoredParts<'_> {
    async fn write_range(&self, range: Range<u64>) -> Result<(), MediaFailure> {
        let unread = |error: Error| MediaFailure::Content(error.into());
        let mut file = tokio::fs::OpenOptions::new().write(true).open(self.path).await.map_err(scratch_failure)?;
        file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(scratch_failure)?;
        let mut stream = self.engine.delivery().read_content(self.content, range).await.map_err(unread)?;
        while let Some(chunk) = stream.try_next().await.map_err(|error| unread(error.into()))? {
            file.write_all(&chunk).await.map_err(scratch_failure)?;
        }
        file.flush().await.map_err(scratch_failure)
    }

    fn take_failure(&self) -> Option<MediaFailure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Creates the scratch file with the asset's size, and writes the required bytes of the asset into it.
async fn fetch_required(source: &StoredParts<'_>, size: u64, wanted: RequiredBytes) -> Result<(), MediaFailure> {
    // Lengths of beginning and end; a file that is required whole has only a beginning.
    let (head, tail) = match wanted {
        RequiredBytes::Nothing => (0, 0),
        RequiredBytes::Whole => (size, 0),
        RequiredBytes::Ends { head, tail } => (head.min(size), tail),
    };
    let file = tokio::fs::File::create(source.path).await.map_err(scratch_failure)?;
    file.set_len(size).await.map_err(scratch_failure)?;
    for range in [0..head, size.saturating_sub(tail).max(head)..size] {
        source.write_range(range).await?;
    }
    Ok(())
}
