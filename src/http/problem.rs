//! Problem details (RFC 9457): the error for programs (`code`) and for people (`detail`), and if a retry can help
//! (`retryable`). Never contains text from the database or the store.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::findings::StoredDamage;
use crate::domain::reason::chain;
use crate::engine::{Error, RequestContext};

/// Problem details to be rendered.
#[derive(Clone, Debug)]
pub(super) struct ProblemDetails {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    /// The type from a registry; `None`: the type is made from `code`.
    pub(super) registered_type: Option<&'static str>,
    pub(super) detail: String,
    /// A retry helps, after this delay.
    pub(super) retry_after: Option<Duration>,
    /// Further members of this kind of problem.
    pub(super) members: Map<String, Value>,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
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

impl ProblemDetails {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, registered_type: None, detail: detail.into(), retry_after: None, members: Map::new() }
    }

    pub(super) fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub(super) fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The problem as a member of a batch answer.
    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self.body()).unwrap_or_default()
    }

    fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            r#type: self.registered_type.map_or_else(|| format!("urn:gantry:problem:{}", self.code), ToOwned::to_owned),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id: RequestContext::request_id(),
            retryable: self.retry_after.is_some(),
            more: &self.members,
        }
    }
}

impl IntoResponse for ProblemDetails {
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

/// The engine's errors in JSON, for the native API and for downloads. Exhaustive on purpose: a new error variant does
/// not compile until its status is chosen here.
impl From<Error> for ProblemDetails {
    fn from(error: Error) -> Self {
        let detail = public_detail(&error);
        let new = |status, code| Self::new(status, code, detail.clone());
        match error {
            Error::Unauthenticated => new(StatusCode::UNAUTHORIZED, "unauthenticated"),
            Error::Forbidden => new(StatusCode::FORBIDDEN, "forbidden"),
            Error::NotFound => new(StatusCode::NOT_FOUND, "not_found"),
            Error::Invalid { field, .. } => {
                new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").with_member("field", field)
            }
            Error::TooLarge { limit } => new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with_member("limit", limit),
            Error::Overrun { length } => new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with_member("limit", length),
            Error::LengthMismatch(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "length_differs"),
            Error::OverQuota { limit } => quota_problem(limit, detail.clone()),
            Error::RateLimited { after } => new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").with_retry_after(after),
            Error::Suspended => new(StatusCode::FORBIDDEN, "suspended"),
            Error::Taken(_) => new(StatusCode::CONFLICT, "conflict"),
            Error::IdempotencyKeyReused => new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Error::WrongState { state, .. } => new(StatusCode::CONFLICT, "wrong_state").with_member("state", state),
            Error::Gone { state, .. } => new(StatusCode::GONE, "gone").with_member("state", state),
            Error::OffsetMismatch { expected } => {
                new(StatusCode::CONFLICT, "offset_mismatch").with_member("offset", expected)
            }
            Error::Locked => new(StatusCode::LOCKED, "locked").with_retry_after(Duration::from_secs(1)),
            Error::ChecksumMismatch => new(StatusCode::UNPROCESSABLE_ENTITY, "checksum_mismatch"),
            Error::TooSlow | Error::BodyTruncated => {
                new(StatusCode::REQUEST_TIMEOUT, "body_broke_off").with_retry_after(Duration::from_secs(1))
            }
            Error::Incomplete { missing } => {
                new(StatusCode::CONFLICT, "incomplete").with_member("missing", missing.to_string())
            }
            Error::PartsDiffer { part } => new(StatusCode::CONFLICT, "parts_differ").with_member("part", part),
            Error::ContentMismatch => new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_bytes"),
            Error::NotReady { state } => new(StatusCode::CONFLICT, "not_ready")
                .with_member("state", state)
                .with_retry_after(Duration::from_secs(1)),
            Error::Rejected { code } => new(StatusCode::FORBIDDEN, "rejected").with_member("reason", code),
            Error::BytesMissing(why) => {
                tracing::error!(request_id = RequestContext::request_id(), why = %chain(&why), "stored bytes are damaged");
                new(StatusCode::INTERNAL_SERVER_ERROR, "bytes_missing")
            }
            Error::StorageFull => new(StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
            Error::Busy { why, after } => {
                tracing::warn!(request_id = RequestContext::request_id(), why = %chain(&why), "temporarily unavailable");
                new(StatusCode::SERVICE_UNAVAILABLE, "unavailable").with_retry_after(after)
            }
            Error::Internal(why) => {
                tracing::error!(request_id = RequestContext::request_id(), why = %chain(&why), "defect");
                new(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }
}

fn quota_problem(limit: &'static str, detail: String) -> ProblemDetails {
    // Open uploads end by themselves; quota for bytes and files has to be freed.
    let (status, after) = match limit {
        "open_uploads" => (StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(30))),
        _ => (StatusCode::PAYLOAD_TOO_LARGE, None),
    };
    let problem = ProblemDetails::new(status, "quota_exceeded", detail).with_member("limit", limit);
    match after {
        Some(after) => problem.with_retry_after(after),
        None => problem,
    }
}

/// The error text that may be shown to callers.
fn public_detail(error: &Error) -> String {
    let text = match error {
        Error::Unauthenticated => return RequestContext::presented_credential().refusal().to_owned(),
        Error::Busy { .. } => "The service is temporarily unavailable; try again later.".to_owned(),
        Error::BytesMissing(_) => StoredDamage::BytesMissing.sentence().to_owned(),
        Error::Internal(_) => "An internal error occurred.".to_owned(),
        // Starts with the field's name, whose spelling must not change.
        Error::Invalid { .. } => return format!("{error}."),
        spoken => format!("{spoken}."),
    };
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Answer for unknown paths.
pub(super) async fn route_not_found() -> ProblemDetails {
    ProblemDetails::new(StatusCode::NOT_FOUND, "not_found", "This address does not exist.")
}

/// Answer for methods that a path does not have; axum adds `Allow`.
pub(super) async fn method_not_allowed() -> ProblemDetails {
    ProblemDetails::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not support this method.",
    )
}

/// Answer for handlers that panicked.
pub(super) fn internal_error() -> Response {
    ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "An internal error occurred.").into_response()
}
