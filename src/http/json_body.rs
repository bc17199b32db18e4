//! JSON request bodies: bounded in size per route, in memory for all requests together, and in time, with errors that
//! name the position.
//!
//! Handlers name [`super::context::AuthenticatedActor`] before [`JsonBody`]: no byte of a body is read, let alone held,
//! for a caller that the head does not admit.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::AppState;
use super::json_reason::json_reason;
use super::problem::{ProblemDetails, ProblemLimit};
use crate::domain::json_text::has_nul;
use crate::engine::{Error, IdempotencyKey};

/// Maximum bytes of a JSON body, unless the route names another limit.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Maximum bytes of a body that is a list: ten thousand parts with a digest each, ten thousand members of a collection,
/// or a thousand links stay below this.
pub(super) const MAX_LIST_BYTES: usize = 4 << 20;
/// Default limit in bytes for all JSON bodies together.
pub(super) const DEFAULT_BUDGET_BYTES: usize = 64 << 20;
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for which a request waits for its share of the budget before it is refused.
const BUDGET_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory budget for the JSON bodies of all requests. A body takes its share before its first byte is read, and returns
/// it when its handler has finished.
#[derive(Clone)]
pub(super) struct JsonBudget(Arc<Semaphore>);

impl JsonBudget {
    /// A budget of `bytes`, or of the longest body if that is more.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.clamp(MAX_LIST_BYTES, Semaphore::MAX_PERMITS))))
    }

    /// Takes `bytes`, at most [`MAX_LIST_BYTES`], out of the budget. Waits for them up to [`BUDGET_TIMEOUT`].
    async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ProblemDetails> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        match timeout(BUDGET_TIMEOUT, Arc::clone(&self.0).acquire_many_owned(permits)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                let why = "the memory for JSON bodies (server.json_memory) is in use".into();
                Err(Error::Busy { why, after: Duration::from_secs(1) }.into())
            }
        }
    }
}

/// A parsed JSON body of at most `MAX` bytes. An empty body is parsed as `{}`.
pub(super) struct JsonBody<T, const MAX: usize = MAX_BODY_BYTES> {
    pub(super) value: T,
    /// SHA-256 of the body, by which `Idempotency-Key` compares requests.
    pub(super) fingerprint: [u8; 32],
    /// The body's share of the budget.
    budget_permit: OwnedSemaphorePermit,
}

/// A JSON body that is a list: of parts, of ids, of links.
pub(super) type JsonListBody<T> = JsonBody<T, MAX_LIST_BYTES>;

impl<T, const MAX: usize> JsonBody<T, MAX> {
    /// The value alone, for handlers that run for long after parsing: the share of the budget is returned here instead
    /// of at their end.
    pub(super) fn into_value(self) -> T {
        drop(self.budget_permit);
        self.value
    }
}

impl<T: DeserializeOwned, const MAX: usize> FromRequest<AppState> for JsonBody<T, MAX> {
    type Rejection = ProblemDetails;

    async fn from_request(request: Request, site: &AppState) -> Result<Self, ProblemDetails> {
        let body = request.into_body();
        let length = body.size_hint();
        if length.lower() > MAX as u64 {
            return Err(body_too_large(MAX));
        }
        let most = length.upper().and_then(|bytes| usize::try_from(bytes).ok()).map_or(MAX, |bytes| bytes.min(MAX));
        let reserved = site.json_budget.reserve(most).await?;
        let bytes = timeout(BODY_READ_TIMEOUT, read_body(body, MAX)).await.map_err(|_| {
            ProblemDetails::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "The body did not arrive in time.")
        })??;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        if has_nul(text) {
            let detail = "The body is invalid: text must not contain the character U+0000.".to_owned();
            return Err(ProblemDetails::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail));
        }
        let value = serde_json::from_slice(text).map_err(|error| {
            let code = if error.is_data() { "invalid" } else { "invalid_json" };
            ProblemDetails::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                code,
                format!("The body is invalid: {}.", json_reason(&error)),
            )
        })?;
        Ok(Self { value, fingerprint: Sha256::digest(text).into(), budget_permit: reserved })
    }
}

/// The bytes of a body, at most `max`.
async fn read_body(mut body: Body, max: usize) -> Result<Vec<u8>, ProblemDetails> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            ProblemDetails::new(StatusCode::BAD_REQUEST, "unreadable_body", "The body could not be read to its end.")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > max {
            return Err(body_too_large(max));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn body_too_large(max: usize) -> ProblemDetails {
    let detail = format!("The body of this request may have at most {max} bytes.");
    ProblemDetails::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
        .with_limit(ProblemLimit::Bytes(max as u64))
}

/// `Idempotency-Key`: a quoted string, or the bare token that many clients send.
pub(super) fn parse_idempotency_key(
    headers: &HeaderMap,
    fingerprint: [u8; 32],
) -> Result<Option<IdempotencyKey>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let token = value.to_str().unwrap_or_default().trim().trim_matches('"').to_owned();
    if token.is_empty() || token.len() > 255 {
        return Err(Error::invalid("Idempotency-Key", "must be 1 to 255 characters"));
    }
    Ok(Some(IdempotencyKey { token, fingerprint }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_its_share_of_the_budget() {
        let budget = JsonBudget::new(1);
        let whole = budget.reserve(MAX_LIST_BYTES).await.unwrap();
        let refused = budget.reserve(1).await.err().unwrap();
        assert_eq!((refused.status, refused.retry_after.is_some()), (StatusCode::SERVICE_UNAVAILABLE, true));
        assert!(budget.reserve(0).await.is_ok(), "what has no body needs no share");
        let (waiting, ()) = tokio::join!(budget.reserve(1), async { drop(whole) });
        assert!(waiting.is_ok());
    }
}
