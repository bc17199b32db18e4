//! Facts and derivatives, as a step: the bytes go to a scratch folder, decoders in a sandbox look at them there, and
//! what they make goes to the store. Of large files only the ends are fetched; the rest is a hole.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::{Case, Processor, Step, Stop};
use crate::domain::asset::Verdict;
use crate::domain::findings::{Derivative, Problem};
use crate::domain::name::MediaType;
use crate::engine::Error;
use crate::media::{Made, Report, Sandbox, Size, Task, Trouble, Wanted};

/// The step `media`.
#[derive(Clone, Debug)]
pub struct Studio {
    /// Where decoders run.
    pub sandbox: Sandbox,
    /// The derivatives of pictures, films and documents; may be none.
    pub sizes: Vec<Size>,
    /// A folder of ours for what is being looked at.
    pub scratch: PathBuf,
}

#[async_trait]
impl Processor for Studio {
    fn name(&self) -> &'static str {
        "media"
    }

    fn concerns(&self, case: &Case<'_>) -> bool {
        if case.rules.derivatives == Some(false) {
            return false;
        }
        detected(case).is_some_and(|detected| Sandbox::wants(&detected, case.asset.size) != Wanted::Nothing)
    }

    async fn run(&self, case: &mut Case<'_>) -> Result<Step, Stop> {
        let Some(detected) = detected(case) else { return Ok(Step::Passed) };
        let dir = tempfile::tempdir_in(&self.scratch).map_err(ours)?;
        let (file, out) = (dir.path().join("original"), dir.path().join("out"));
        tokio::fs::create_dir(&out).await.map_err(ours)?;
        fetch(case, &file, Sandbox::wants(&detected, case.asset.size)).await?;
        let task = Task { file: &file, size: case.asset.size, media_type: &detected, sizes: &self.sizes, out: &out };
        match self.sandbox.examine(&task).await {
            Ok(report) => self.keep(case, report).await,
            Err(Trouble::Refused(problem)) => {
                Ok(Step::Unsound(Verdict { code: problem.code, sentence: problem.sentence }))
            }
            Err(Trouble::Unable(why)) => Err(Stop::Failed(why)),
        }
    }
}

impl Studio {
    async fn keep(&self, case: &mut Case<'_>, report: Report) -> Result<Step, Stop> {
        if case.job.attempt > 1 {
            case.engine.drop_leftover_derivatives(case.asset).await?;
        }
        let mut made = Vec::with_capacity(report.derivatives.len());
        for (one, serial) in report.derivatives.into_iter().zip(0..) {
            made.push(store(case, one, serial).await?);
        }
        let findings = &mut case.progress.findings;
        findings.derivatives.retain(|old| !self.sizes.iter().any(|size| size.name == old.variant));
        findings.derivatives.extend(made);
        findings.details.extend(report.details);
        let problems = report.problems.into_iter();
        findings.problems.extend(problems.map(|it| Problem { code: it.code, sentence: it.sentence }));
        Ok(Step::Passed)
    }
}

fn detected(case: &Case<'_>) -> Option<MediaType> {
    case.progress.detected.as_ref().and_then(|text| text.parse().ok())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn ours(error: std::io::Error) -> Stop {
    Stop::Failed(format!("scratch folder: {error}"))
}

async fn store(case: &Case<'_>, made: Made, serial: u32) -> Result<Derivative, Stop> {
    let bytes = Bytes::from(tokio::fs::read(&made.file).await.map_err(ours)?);
    let derivative = Derivative {
        variant: made.variant,
        media_type: made.media_type.to_owned(),
        key: String::new(),
        etag: String::new(),
        size: 0,
        width: Some(made.width),
        height: Some(made.height),
    };
    Ok(case.engine.put_derivative(&case.job, case.asset, serial, derivative, bytes).await?)
}

/// Writes what is wanted of the asset's bytes into a file of the asset's size.
async fn fetch(case: &Case<'_>, path: &Path, wanted: Wanted) -> Result<(), Stop> {
    let size = case.asset.size;
    // The beginning and the end; of a file that is wanted whole, the beginning is all there is.
    let (head, tail) = match wanted {
        Wanted::Nothing => (0, 0),
        Wanted::Whole => (size, 0),
        Wanted::Ends { head, tail } => (head.min(size), tail),
    };
    let mut file = tokio::fs::File::create(path).await.map_err(ours)?;
    file.set_len(size).await.map_err(ours)?;
    for range in [0..head, size.saturating_sub(tail).max(head)..size] {
        file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(ours)?;
        let mut stream = case.engine.read_content(case.content, range).await?;
        while let Some(chunk) = stream.try_next().await.map_err(Error::from)? {
            file.write_all(&chunk).await.map_err(ours)?;
        }
    }
    file.flush().await.map_err(ours)
}
