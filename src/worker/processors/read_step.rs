//! Verifies the declared digest and detects the file type, in a single pass with bounded memory.
//!
//! Every byte is read if a digest was declared, or if the file is small enough to be hashed without a declared digest;
//! otherwise only the beginning and the end are read.

use async_trait::async_trait;

use super::{JobContext, PipelineStep, StepError, StepOutcome, digest, sniff};
use crate::domain::asset::AssetVerdict;
use crate::domain::file_type::FileType;
use crate::domain::findings::StoredDamage;
use crate::domain::job::JobSubject;
use crate::engine::Error;

pub(super) struct ReadStep;

#[async_trait]
impl PipelineStep for ReadStep {
    fn name(&self) -> &'static str {
        "read"
    }

    fn applies_to(&self, _: &JobContext<'_>) -> bool {
        true
    }

    async fn run(&self, case: &mut JobContext<'_>) -> Result<StepOutcome, StepError> {
        let (engine, asset) = (case.engine, case.asset);
        let established = case.content.sha256;
        let known = asset.declared_sha256.or(established);
        let whole = known.is_some() || asset.size <= engine.processing().digest_up_to();
        let head_len = asset.size.min(sniff::HEAD_BYTES);
        let (head, sha256) = if whole {
            let stream = engine.delivery().read_content(case.content, 0..asset.size).await?;
            let whole = digest::digest_stream(stream, head_len).await?;
            // Checked first, so that no findings come from bytes that do not match the established digest.
            if let Some(established) = established.filter(|digest| *digest != whole.sha256)
                && case.confirm_corruption(established).await?
            {
                return Ok(StepOutcome::Damaged(StoredDamage::Corrupt));
            }
            case.progress.findings.crc32 = Some(whole.crc32);
            (whole.head, Some(whole.sha256))
        } else {
            (digest::collect_bytes(engine.delivery().read_content(case.content, 0..head_len).await?).await?, None)
        };
        // The established digest stays, and so does the verdict on it.
        let sha256 = established.or(sha256);
        let found = self.detect_type(case, head).await?;
        case.progress.sha256 = sha256.map(|digest| digest.to_string());
        if !found.is_allowed(&asset.allowed) {
            let sentence = format!("The file is {}, which is not accepted here.", found.objectionable(&asset.allowed));
            return Ok(StepOutcome::Unsound(AssetVerdict { code: "type_not_allowed".to_owned(), sentence }));
        }
        match admit_file_name(case).await {
            Ok(()) => {}
            Err(objection @ Error::Invalid { .. }) => {
                let sentence = format!("The policy does not accept this file: {objection}.");
                return Ok(StepOutcome::Unsound(AssetVerdict { code: "name_not_allowed".to_owned(), sentence }));
            }
            Err(other) => return Err(other.into()),
        }
        Ok(match (asset.declared_sha256, sha256) {
            (Some(declared), Some(computed)) if declared != computed => StepOutcome::Unsound(AssetVerdict {
                code: "digest_mismatch".to_owned(),
                sentence: "The bytes that arrived are not the ones that were declared: their SHA-256 differs."
                    .to_owned(),
            }),
            _ => StepOutcome::Passed,
        })
    }
}

impl ReadStep {
    /// Detects the type from the bytes, the client's declaration and the file name. `head`: the first bytes.
    async fn detect_type(&self, case: &mut JobContext<'_>, head: Vec<u8>) -> Result<FileType, StepError> {
        let (asset, head_len) = (case.asset, head.len() as u64);
        let tail_from = asset.size.saturating_sub(sniff::TAIL_BYTES).max(head_len);
        let tail = self.read_window(case, tail_from..asset.size).await?;
        let behind_tag = match sniff::id3_end_offset(&head).filter(|at| *at >= head_len && *at < tail_from) {
            Some(at) => Some((at, self.read_window(case, at..asset.size.min(at + sniff::AFTER_TAG_BYTES)).await?)),
            None => None,
        };
        let bytes = sniff::detect_byte_type(sniff::FileSample { size: asset.size, head, after_tag: behind_tag, tail });
        let found = FileType::resolve(&bytes, asset.media_type.as_ref(), &asset.name);
        case.progress.detected = Some(found.media_type.to_string());
        case.progress.findings.charset = bytes.charset;
        Ok(found)
    }

    /// Reads a range of the asset's bytes that is known to be small.
    async fn read_window(&self, case: &JobContext<'_>, range: std::ops::Range<u64>) -> Result<Vec<u8>, StepError> {
        Ok(digest::collect_bytes(case.engine.delivery().read_content(case.content, range).await?).await?)
    }
}

/// Checks the policy for the file's final name; a name left open at creation was not checked before.
async fn admit_file_name(case: &JobContext<'_>) -> Result<(), Error> {
    let settled_before = !matches!(case.job.work, JobSubject::Process(_));
    if settled_before || case.asset.partial {
        return Ok(());
    }
    case.engine.tenants().admit_name(&case.rules, &case.asset.name).await
}
