//! Processors: each looks at the bytes of one asset and says what it found. They write nothing.

mod digest;
pub mod scan;
mod sniff;

use crate::domain::asset::{Asset, Inspection, Verdict};
use crate::engine::{Engine, Error, Inspected, Result};

/// Verifies the declared digest and finds out the real type, in one pass and in bounded memory.
///
/// Every byte is read when a digest was declared, or when the file is small enough to get one unasked; otherwise the
/// beginning and the end have to do.
pub(super) async fn inspect(engine: &Engine, asset: &Asset) -> Result<Inspected> {
    let content = asset.state.content().ok_or_else(|| Error::Internal("processing without content".to_owned()))?;
    let whole = asset.declared_sha256.is_some() || asset.size <= engine.digest_up_to();
    let head_len = asset.size.min(sniff::HEAD);
    let (head, sha256) = if whole {
        let stream = engine.read_content(content, 0..asset.size).await?;
        let (head, digest) = digest::sha256(stream, head_len).await?;
        (head, Some(digest))
    } else {
        (digest::collect(engine.read_content(content, 0..head_len).await?).await?, None)
    };
    let tail_from = asset.size.saturating_sub(sniff::TAIL).max(head_len);
    let tail = digest::collect(engine.read_content(content, tail_from..asset.size).await?).await?;
    let detected = sniff::media_type(asset.size, head, tail);
    let found = Inspection { detected, sha256 };
    if !asset.allowed.is_empty() && !asset.allowed.iter().any(|pattern| pattern.covers(&found.detected)) {
        let verdict = Verdict {
            code: "type_not_allowed".to_owned(),
            sentence: format!("The bytes are {}, which is not accepted here.", found.detected.essence()),
        };
        return Ok(Inspected::Unsound(found, verdict));
    }
    Ok(match (asset.declared_sha256, sha256) {
        (Some(declared), Some(computed)) if declared != computed => {
            let verdict = Verdict {
                code: "digest_mismatch".to_owned(),
                sentence: "The bytes that arrived are not the ones that were declared: their SHA-256 differs."
                    .to_owned(),
            };
            Inspected::Unsound(found, verdict)
        }
        _ => Inspected::Sound(found),
    })
}
