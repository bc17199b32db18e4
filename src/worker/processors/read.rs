//! Verifies the declared digest and finds out the real type, in one pass and in bounded memory.
//!
//! Every byte is read when a digest was declared, or when the file is small enough to get one unasked; otherwise the
//! beginning and the end have to do.

use async_trait::async_trait;

use super::{Case, Processor, Step, Stop, digest, sniff};
use crate::domain::asset::Verdict;
use crate::domain::file_type::FileType;
use crate::domain::findings::StoredDamage;
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
        let established = case.content.sha256;
        let known = asset.declared_sha256.or(established);
        let whole = known.is_some() || asset.size <= engine.digest_up_to();
        let head_len = asset.size.min(sniff::HEAD);
        let (head, sha256) = if whole {
            let stream = engine.read_content(case.content, 0..asset.size).await?;
            let whole = digest::whole(stream, head_len).await?;
            // Before anything is taken from these bytes: what they are is known, and they are not it.
            if let Some(established) = established.filter(|digest| *digest != whole.sha256)
                && case.is_corrupt(established).await?
            {
                return Ok(Step::Damaged(StoredDamage::Corrupt));
            }
            case.progress.findings.crc32 = Some(whole.crc32);
            (whole.head, Some(whole.sha256))
        } else {
            (digest::collect(engine.read_content(case.content, 0..head_len).await?).await?, None)
        };
        // What was established stays, and so does the verdict on it.
        let sha256 = established.or(sha256);
        let found = self.find_type(case, head).await?;
        case.progress.sha256 = sha256.map(|digest| digest.to_string());
        if !found.is_allowed(&asset.allowed) {
            let sentence = format!("The file is {}, which is not accepted here.", found.objectionable(&asset.allowed));
            return Ok(Step::Unsound(Verdict { code: "type_not_allowed".to_owned(), sentence }));
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

impl Read {
    /// What the file counts as, by its bytes, its client's word and its name. `head`: the first bytes.
    async fn find_type(&self, case: &mut Case<'_>, head: Vec<u8>) -> Result<FileType, Stop> {
        let (asset, head_len) = (case.asset, head.len() as u64);
        let tail_from = asset.size.saturating_sub(sniff::TAIL).max(head_len);
        let tail = self.window(case, tail_from..asset.size).await?;
        let behind_tag = match sniff::behind_tag(&head).filter(|at| *at >= head_len && *at < tail_from) {
            Some(at) => Some((at, self.window(case, at..asset.size.min(at + sniff::BEHIND_TAG)).await?)),
            None => None,
        };
        let bytes = sniff::byte_type(sniff::Seen { size: asset.size, head, behind_tag, tail });
        let found = FileType::resolve(&bytes, asset.media_type.as_ref(), &asset.name);
        case.progress.detected = Some(found.media_type.to_string());
        case.progress.findings.charset = bytes.charset;
        Ok(found)
    }

    /// A piece of the asset's bytes that is known to be small.
    async fn window(&self, case: &Case<'_>, range: std::ops::Range<u64>) -> Result<Vec<u8>, Stop> {
        Ok(digest::collect(case.engine.read_content(case.content, range).await?).await?)
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
