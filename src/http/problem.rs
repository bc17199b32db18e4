//! Problem details (RFC 9457): what went wrong, for programs (`code`) and for people (`detail`), and whether trying
//! again can help (`retryable`). Never a word of what database or store said.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::findings::StoredDamage;
use crate::engine::{Error, Surroundings};

/// A problem on its way out.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    /// The type of a registry, where one has it; otherwise the code is one of ours.
    pub(super) registered: Option<&'static str>,
    pub(super) detail: String,
    /// Trying again helps, after this.
    pub(super) retry_after: Option<Duration>,
    /// Members of this kind of problem.
    pub(super) more: Map<String, Value>,
}

#[derive(Serialize)]
struct Body9457<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: String,
    retryable: bool,
    #[serde(flatten)]
    more: &'a Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, registered: None, detail: detail.into(), retry_after: None, more: Map::new() }
    }

    pub(super) fn retry(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// As a member of a batch answer.
    pub(super) fn value(&self) -> Value {
        serde_json::to_value(self.body()).unwrap_or_default()
    }

    fn body(&self) -> Body9457<'_> {
        Body9457 {
            r#type: self.registered.map_or_else(|| format!("urn:gantry:problem:{}", self.code), ToOwned::to_owned),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: Surroundings::request_id(),
            retryable: self.retry_after.is_some(),
            more: &self.more,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let json = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs_f64().ceil().max(1.0) as u64));
        }
        response
    }
}

/// The engine's refusals in JSON, for the native API and for downloads. Exhaustive on purpose: a new meaning has to be
/// given its answer here before anything builds.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = sentence(&error);
        let new = |status, code| Self::new(status, code, detail.clone());
        match error {
            Error::Unauthenticated => new(StatusCode::UNAUTHORIZED, "unauthenticated"),
            Error::Forbidden => new(StatusCode::FORBIDDEN, "forbidden"),
            Error::Hidden => new(StatusCode::NOT_FOUND, "not_found"),
            Error::Invalid { field, .. } => new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").with("field", field),
            Error::TooLarge { limit } => new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with("limit", limit),
            Error::Overrun { length } => new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with("limit", length),
            Error::OtherLength(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "length_differs"),
            // Uploads under way end by themselves; bytes and files have to be made room for.
            Error::OverQuota { limit: limit @ "open_uploads" } => {
                let problem = new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded").with("limit", limit);
                problem.retry(Duration::from_secs(30))
            }
            Error::OverQuota { limit } => new(StatusCode::PAYLOAD_TOO_LARGE, "quota_exceeded").with("limit", limit),
            Error::RateLimited { after } => new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").retry(after),
            Error::Suspended => new(StatusCode::FORBIDDEN, "suspended"),
            Error::Taken(_) => new(StatusCode::CONFLICT, "conflict"),
            Error::ReusedKey => new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Error::WrongState { state, .. } => new(StatusCode::CONFLICT, "wrong_state").with("state", state),
            Error::Gone { state, .. } => new(StatusCode::GONE, "gone").with("state", state),
            Error::Offset { expected } => new(StatusCode::CONFLICT, "offset_mismatch").with("offset", expected),
            Error::Locked => new(StatusCode::LOCKED, "locked").retry(Duration::from_secs(1)),
            Error::ChecksumMismatch => new(StatusCode::UNPROCESSABLE_ENTITY, "checksum_mismatch"),
            Error::TooSlow | Error::BrokenOff => {
                new(StatusCode::REQUEST_TIMEOUT, "body_broke_off").retry(Duration::from_secs(1))
            }
            Error::Incomplete { missing } => {
                new(StatusCode::CONFLICT, "incomplete").with("missing", missing.to_string())
            }
            Error::PartsDiffer { part } => new(StatusCode::CONFLICT, "parts_differ").with("part", part),
            Error::WrongBytes => new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_bytes"),
            Error::NotReady { state } => {
                new(StatusCode::CONFLICT, "not_ready").with("state", state).retry(Duration::from_secs(1))
            }
            Error::Rejected { code } => new(StatusCode::FORBIDDEN, "rejected").with("reason", code),
            Error::BytesMissing(why) => {
                tracing::error!(request_id = Surroundings::request_id(), why, "stored bytes are damaged");
                new(StatusCode::INTERNAL_SERVER_ERROR, "bytes_missing")
            }
            Error::Full => new(StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
            Error::Busy { why, after } => {
                tracing::warn!(request_id = Surroundings::request_id(), why, "not possible just now");
                new(StatusCode::SERVICE_UNAVAILABLE, "unavailable").retry(after)
            }
            Error::Internal(why) => {
                tracing::error!(request_id = Surroundings::request_id(), why, "defect");
                new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }
}

/// The error in words that may leave the house.
fn sentence(error: &Error) -> String {
    let text = match error {
        Error::Unauthenticated => return Surroundings::presented_credential().refusal().to_owned(),
        Error::Busy { .. } => "This is not possible just now; please try again.".to_owned(),
        Error::BytesMissing(_) => StoredDamage::BytesMissing.sentence().to_owned(),
        Error::Internal(_) => "Something went wrong on our side.".to_owned(),
        // Begins with the field's name, which has one spelling.
        Error::Invalid { .. } => return format!("{error}."),
        spoken => format!("{spoken}."),
    };
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// For paths that nothing serves.
pub(super) async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
}

/// For methods that a path does not have; axum adds `Allow`.
pub(super) async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not answer to this method.")
}

/// For handlers that broke off: a defect of ours.
pub(super) fn defect() -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side.").into_response()
}
