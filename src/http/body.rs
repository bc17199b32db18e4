//! JSON request bodies: bounded in size and time, with errors that say where.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::engine::{Error, Idempotency};

/// Ten thousand parts with a digest each stay below this.
const MOST: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A parsed body. An empty one reads as `{}`.
pub(super) struct Json<T> {
    pub(super) value: T,
    /// SHA-256 of what was sent: the request's meaning for `Idempotency-Key`.
    pub(super) fingerprint: [u8; 32],
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = Limited::new(request.into_body(), MOST).collect();
        let body = tokio::time::timeout(PATIENCE, body)
            .await
            .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", "The body did not arrive in time."))?;
        let bytes = body.map_err(|error| unreadable(&*error))?.to_bytes();
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value = serde_json::from_slice(text).map_err(|error| {
            let code = if error.is_data() { "invalid" } else { "invalid_json" };
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("The body is not as expected: {error}."))
        })?;
        Ok(Self { value, fingerprint: Sha256::digest(text).into() })
    }
}

/// `Idempotency-Key`: a quoted string, or the bare token that many clients send.
pub(super) fn idempotency(headers: &HeaderMap, fingerprint: [u8; 32]) -> Result<Option<Idempotency>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let token = value.to_str().unwrap_or_default().trim().trim_matches('"').to_owned();
    if token.is_empty() || token.len() > 255 {
        return Err(Error::invalid("Idempotency-Key", "1 to 255 characters"));
    }
    Ok(Some(Idempotency { token, fingerprint }))
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        let detail = format!("A request body has at most {MOST} bytes.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", MOST)
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", "The body could not be read to its end.")
    }
}
