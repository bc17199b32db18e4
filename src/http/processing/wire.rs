//! Requests of external processors and their conversion to commands. Pure. Answers are in `view`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::asset::{AssetMetadata, AssetVerdict};
use crate::engine::{Error, ProcessingOutcome, ProcessingReport, ReportedDerivative};

/// `POST /v1/assets/{id}/processing`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProcessingReport")]
pub(super) struct ReportProcessingBody {
    /// The token that came with the offer.
    token: String,
    /// The outcome: `accept` and `reject` are final, `retry` offers the asset again.
    outcome: OutcomeInput,
    /// Reason, for `reject` and `retry`.
    #[serde(default)]
    reason: Option<RejectionReasonInput>,
    /// Facts that were found; they become the asset's `details`.
    #[serde(default)]
    metadata: AssetMetadata,
    /// Derivatives whose bytes were sent to URLs of `createDerivativeUrl`.
    #[serde(default)]
    derivatives: Vec<DerivativeInput>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ProcessingOutcome")]
enum OutcomeInput {
    Accept,
    Reject,
    Retry,
}

/// A sentence, or a code and a sentence.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a reason is a sentence, or a code and a message")]
#[schemars(rename = "Reason")]
enum RejectionReasonInput {
    Sentence(String),
    /// A code for programs and a sentence for people.
    Full {
        /// Code for programs.
        code: String,
        /// Sentence for people.
        message: String,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReportedDerivative")]
struct DerivativeInput {
    /// The id with which its URL was requested.
    id: u32,
    /// Name of the derivative, like `thumb-256`.
    #[schemars(length(min = 1, max = 64))]
    variant: String,
    /// Media type of the derivative.
    content_type: String,
    /// Width in pixels.
    #[serde(default)]
    width: Option<u32>,
    /// Height in pixels.
    #[serde(default)]
    height: Option<u32>,
}

/// `POST /v1/assets/{id}/processing/derivatives`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewDerivative")]
pub(super) struct CreateDerivativeUrlBody {
    /// The token that came with the offer.
    pub(super) token: String,
    /// A number of your choice for the derivative.
    pub(super) id: u32,
    /// Exact length of the derivative in bytes.
    pub(super) size: u64,
}

impl ReportProcessingBody {
    pub(super) fn into_command(self) -> Result<ProcessingReport, Error> {
        let outcome = match self.outcome {
            OutcomeInput::Accept => ProcessingOutcome::Accept {
                details: self.metadata,
                derivatives: self.derivatives.into_iter().map(reported_derivative).collect(),
            },
            OutcomeInput::Reject => ProcessingOutcome::Reject(rejection_verdict(self.reason)?),
            OutcomeInput::Retry => ProcessingOutcome::Retry(match self.reason {
                None => "no reason given".to_owned(),
                Some(RejectionReasonInput::Sentence(text) | RejectionReasonInput::Full { message: text, .. }) => text,
            }),
        };
        Ok(ProcessingReport { token: self.token, outcome })
    }
}

fn rejection_verdict(reason: Option<RejectionReasonInput>) -> Result<AssetVerdict, Error> {
    let (code, sentence) = match reason {
        None => return Err(Error::invalid("reason", "required for reject")),
        Some(RejectionReasonInput::Sentence(sentence)) => ("processor_rejected".to_owned(), sentence),
        Some(RejectionReasonInput::Full { code, message }) => (code, message),
    };
    let sound =
        (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !sound {
        return Err(Error::invalid("reason", "the code must be 1 to 64 letters, digits, _, - and ."));
    }
    Ok(AssetVerdict { code, sentence })
}

fn reported_derivative(made: DerivativeInput) -> ReportedDerivative {
    let DerivativeInput { id, variant, content_type, width, height } = made;
    ReportedDerivative { variant, media_type: content_type, id, width, height }
}
