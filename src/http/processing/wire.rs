//! Shapes of the door for external processors. Pure.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::asset::{Metadata, Verdict};
use crate::engine::{Error, ProcessingOutcome, ProcessingReport, ProcessingTask, ReportedDerivative, SignedUrl};

/// `POST /v1/assets/{id}/processing`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProcessingReport")]
pub(super) struct Report {
    token: String,
    outcome: Said,
    #[serde(default)]
    reason: Option<Reason>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    derivatives: Vec<Made>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Said {
    Accept,
    Reject,
    Retry,
}

/// A sentence, or a code and a sentence.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a reason is a sentence, or a code and a message")]
enum Reason {
    Sentence(String),
    Full { code: String, message: String },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Made {
    id: u32,
    variant: String,
    content_type: String,
    #[serde(default)]
    width: Option<u32>,
    #[serde(default)]
    height: Option<u32>,
}

/// `POST /v1/assets/{id}/processing/derivatives`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDerivative {
    pub(super) token: String,
    pub(super) id: u32,
    pub(super) size: u64,
}

impl Report {
    pub(super) fn command(self) -> Result<ProcessingReport, Error> {
        let outcome = match self.outcome {
            Said::Accept => ProcessingOutcome::Accept {
                details: self.metadata,
                derivatives: self.derivatives.into_iter().map(made).collect(),
            },
            Said::Reject => ProcessingOutcome::Reject(verdict(self.reason)?),
            Said::Retry => ProcessingOutcome::Retry(match self.reason {
                None => "no reason given".to_owned(),
                Some(Reason::Sentence(text) | Reason::Full { message: text, .. }) => text,
            }),
        };
        Ok(ProcessingReport { token: self.token, outcome })
    }
}

fn verdict(reason: Option<Reason>) -> Result<Verdict, Error> {
    let (code, sentence) = match reason {
        None => return Err(Error::invalid("reason", "a rejected asset shows its reason")),
        Some(Reason::Sentence(sentence)) => ("processor_rejected".to_owned(), sentence),
        Some(Reason::Full { code, message }) => (code, message),
    };
    let sound =
        (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !sound {
        return Err(Error::invalid("reason", "a code of 1 to 64 letters, digits, _, - and ."));
    }
    Ok(Verdict { code, sentence })
}

fn made(made: Made) -> ReportedDerivative {
    let Made { id, variant, content_type, width, height } = made;
    ReportedDerivative { variant, media_type: content_type, id, width, height }
}

pub(super) fn signed(signed: &SignedUrl, method: &str) -> Value {
    let headers: Metadata =
        signed.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    json!({ "url": signed.url, "method": method, "headers": headers, "expires_at": signed.expires_at.to_string() })
}

pub(super) fn task(task: &ProcessingTask) -> Value {
    json!({
        "asset_id": task.asset.id,
        "filename": task.asset.name.to_string(),
        "size": task.asset.size,
        "content_type": task.progress.detected,
        "digest": task.progress.sha256,
        "metadata": task.asset.metadata,
        "report_until": task.progress.offered_until.map(|time| time.to_string()),
        "offers": task.progress.offers,
        "content": signed(&task.content, "GET"),
    })
}
