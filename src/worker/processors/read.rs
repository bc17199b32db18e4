//! Verifies the declared digest and finds out the real type, in one pass and in bounded memory.
//!
//! Every byte is read when a digest was declared, or when the file is small enough to get one unasked; otherwise the
//! beginning and the end have to do.

use async_trait::async_trait;

use super::{Case, Processor, Step, Stop, digest, sniff};
use crate::domain::asset::Verdict;
use crate::domain::job::Work;
use crate::engine::Error;

pub(super) struct Read;

#[async_trait]
impl Processor for Read {
    fn name(&self) -> &'static str {
        "read"
    }

    fn concerns(&self, _: &Case<'_>) -> bool {
        true
    }

    async fn run(&self, case: &mut Case<'_>) -> Result<Step, Stop> {
        let (engine, asset) = (case.engine, case.asset);
        let whole = asset.declared_sha256.is_some() || asset.size <= engine.digest_up_to();
        let head_len = asset.size.min(sniff::HEAD);
        let (head, sha256) = if whole {
            let stream = engine.read_content(case.content, 0..asset.size).await?;
            let whole = digest::whole(stream, head_len).await?;
            case.progress.findings.crc32 = Some(whole.crc32);
            (whole.head, Some(whole.sha256))
        } else {
            (digest::collect(engine.read_content(case.content, 0..head_len).await?).await?, None)
        };
        let tail_from = asset.size.saturating_sub(sniff::TAIL).max(head_len);
        let tail = digest::collect(engine.read_content(case.content, tail_from..asset.size).await?).await?;
        let detected = sniff::media_type(asset.size, head, tail);
        case.progress.detected = Some(detected.to_string());
        case.progress.sha256 = sha256.map(|digest| digest.to_string());
        if !asset.allowed.is_empty() && !asset.allowed.iter().any(|pattern| pattern.covers(&detected)) {
            return Ok(Step::Unsound(Verdict {
                code: "type_not_allowed".to_owned(),
                sentence: format!("The bytes are {}, which is not accepted here.", detected.essence()),
            }));
        }
        match named_by_policy(case).await {
            Ok(()) => {}
            Err(objection @ Error::Invalid { .. }) => {
                let sentence = format!("The policy does not accept this: {objection}.");
                return Ok(Step::Unsound(Verdict { code: "name_not_allowed".to_owned(), sentence }));
            }
            Err(other) => return Err(other.into()),
        }
        Ok(match (asset.declared_sha256, sha256) {
            (Some(declared), Some(computed)) if declared != computed => Step::Unsound(Verdict {
                code: "digest_mismatch".to_owned(),
                sentence: "The bytes that arrived are not the ones that were declared: their SHA-256 differs."
                    .to_owned(),
            }),
            _ => Step::Passed,
        })
    }
}

/// Whether the policy allows the name that the file has come to have: one whose name was left open was not asked before.
async fn named_by_policy(case: &Case<'_>) -> Result<(), Error> {
    let settled_before = !matches!(case.job.work, Work::Process(_));
    if settled_before || case.asset.partial {
        return Ok(());
    }
    case.engine.admit_name(&case.rules, &case.asset.name).await
}
