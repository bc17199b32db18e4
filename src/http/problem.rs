//! Problem details (RFC 9457): the error for programs (`code`) and for people (`detail`), and if a retry can help
//! (`retryable`). Never contains text from the database or the store.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::openapi::absent_not_null;
use super::openapi::problems::EXAMPLE_REQUEST_ID;
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
    pub(super) members: Option<Box<ProblemMembers>>,
}

/// Problem details as JSON.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem", transform = absent_not_null)]
pub(super) struct ProblemView {
    /// URI of the kind of problem, as in RFC 9457.
    #[schemars(example = &"urn:gantry:problem:not_ready")]
    r#type: String,
    /// Reason phrase of the status.
    #[schemars(example = &"Conflict")]
    title: &'static str,
    /// HTTP status.
    #[schemars(example = 409)]
    status: u16,
    /// The problem in a sentence for people.
    #[schemars(example = &"The asset is processing.")]
    detail: String,
    /// The problem for programs; every operation lists its codes.
    #[schemars(example = &"not_ready")]
    code: &'static str,
    /// Id of the request, as logs name it.
    #[schemars(example = EXAMPLE_REQUEST_ID)]
    request_id: String,
    /// True if the same request can succeed later; `Retry-After` says when.
    retryable: bool,
    #[serde(flatten)]
    members: ProblemMembers,
}

/// Members that only some kinds of problems have.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct ProblemMembers {
    /// For `invalid`: the member or parameter that is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"size")]
    pub(super) field: Option<&'static str>,
    /// Limit that was reached: bytes, or the name of a quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<ProblemLimit>,
    /// State that forbids the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"processing")]
    pub(super) state: Option<&'static str>,
    /// For `incomplete`: the parts that are missing, like `3,7-9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"3,7")]
    pub(super) missing: Option<String>,
    /// For `parts_differ`: the first part that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 3)]
    pub(super) part: Option<u16>,
    /// For `rejected`: the code of the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"infected")]
    pub(super) reason: Option<String>,
    /// For `offset_mismatch`: the number of bytes that are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4096)]
    pub(super) offset: Option<u64>,
    /// Offset of the upload, as the IETF's problem types name it.
    #[serde(rename = "expected-offset", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4096)]
    pub(super) expected_offset: Option<u64>,
    /// Offset that the request named.
    #[serde(rename = "provided-offset", skip_serializing_if = "Option::is_none")]
    #[schemars(example = 0)]
    pub(super) provided_offset: Option<u64>,
}

/// Time until the next attempt at what an operator has to end.
const OPERATOR_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A limit that was reached.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum ProblemLimit {
    /// Limit in bytes.
    Bytes(u64),
    /// Name of a quota.
    Quota(&'static str),
}

impl ProblemDetails {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, registered_type: None, detail: detail.into(), retry_after: None, members: None }
    }

    pub(super) fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Sets members of this kind of problem.
    pub(super) fn with_members(mut self, set: impl FnOnce(&mut ProblemMembers)) -> Self {
        set(self.members.get_or_insert_default());
        self
    }

    /// Sets the limit that was reached.
    pub(super) fn with_limit(self, limit: ProblemLimit) -> Self {
        self.with_members(|members| members.limit = Some(limit))
    }

    /// Sets the state that forbids the request.
    fn with_state(self, state: &'static str) -> Self {
        self.with_members(|members| members.state = Some(state))
    }

    /// The problem as JSON, for an answer or as a member of a batch answer.
    pub(super) fn view(&self) -> ProblemView {
        ProblemView {
            r#type: self.registered_type.map_or_else(|| format!("urn:gantry:problem:{}", self.code), ToOwned::to_owned),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            request_id: RequestContext::request_id(),
            retryable: self.retry_after.is_some(),
            members: self.members.as_deref().cloned().unwrap_or_default(),
        }
    }
}

/// Code and sentence of a problem, kept with its answer: the layer that makes pages of errors comes after the renderer.
#[derive(Clone, Debug)]
pub(super) struct ProblemSentence {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let json = serde_json::to_vec(&self.view()).unwrap_or_default();
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(ProblemSentence { code: self.code, detail: self.detail });
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
        log_cause(&error);
        let detail = public_detail(&error);
        let new = |status, code| Self::new(status, code, detail.clone());
        match error {
            Error::Unauthenticated => new(StatusCode::UNAUTHORIZED, "unauthenticated"),
            Error::Forbidden => new(StatusCode::FORBIDDEN, "forbidden"),
            Error::NotFound => new(StatusCode::NOT_FOUND, "not_found"),
            Error::Invalid { field, .. } => {
                new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").with_members(|members| members.field = Some(field))
            }
            Error::TooLarge { limit } | Error::Overrun { length: limit } => {
                new(StatusCode::PAYLOAD_TOO_LARGE, "too_large").with_limit(ProblemLimit::Bytes(limit))
            }
            Error::LengthMismatch(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "length_differs"),
            Error::OverQuota { limit } => quota_problem(limit, detail.clone()),
            Error::GrantUsedUp { limit } => {
                new(StatusCode::FORBIDDEN, "grant_used_up").with_limit(ProblemLimit::Quota(limit))
            }
            Error::RateLimited { after } => new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").with_retry_after(after),
            Error::Suspended => new(StatusCode::FORBIDDEN, "suspended"),
            Error::Maintenance { .. } => until_operator(new(StatusCode::SERVICE_UNAVAILABLE, "maintenance")),
            Error::Taken(_) => new(StatusCode::CONFLICT, "conflict"),
            Error::IdempotencyKeyReused => new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Error::WrongState { state, .. } => new(StatusCode::CONFLICT, "wrong_state").with_state(state),
            Error::Gone { state, .. } => new(StatusCode::GONE, "gone").with_state(state),
            Error::OffsetMismatch { expected } => {
                new(StatusCode::CONFLICT, "offset_mismatch").with_members(|members| members.offset = Some(expected))
            }
            Error::Locked => new(StatusCode::LOCKED, "locked").with_retry_after(Duration::from_secs(1)),
            Error::ChecksumMismatch => new(StatusCode::UNPROCESSABLE_ENTITY, "checksum_mismatch"),
            Error::TooSlow | Error::BodyTruncated => {
                new(StatusCode::REQUEST_TIMEOUT, "body_broke_off").with_retry_after(Duration::from_secs(1))
            }
            Error::Incomplete { missing } => new(StatusCode::CONFLICT, "incomplete")
                .with_members(|members| members.missing = Some(missing.to_string())),
            Error::PartsDiffer { part } => {
                new(StatusCode::CONFLICT, "parts_differ").with_members(|members| members.part = Some(part))
            }
            Error::ContentMismatch => new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_bytes"),
            Error::NotReady { state } => {
                new(StatusCode::CONFLICT, "not_ready").with_state(state).with_retry_after(Duration::from_secs(1))
            }
            Error::Rejected { code } => {
                new(StatusCode::FORBIDDEN, "rejected").with_members(|members| members.reason = Some(code))
            }
            Error::BytesMissing(_) => new(StatusCode::INTERNAL_SERVER_ERROR, "bytes_missing"),
            Error::StorageFull => until_operator(new(StatusCode::INSUFFICIENT_STORAGE, "storage_full")),
            Error::Busy { after, .. } => new(StatusCode::SERVICE_UNAVAILABLE, "unavailable").with_retry_after(after),
            Error::Internal(_) => new(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

/// Logs the cause of an error that is not shown to callers.
fn log_cause(error: &Error) {
    let request_id = RequestContext::request_id();
    match error {
        Error::BytesMissing(why) => tracing::error!(request_id, why = %chain(why), "stored bytes are damaged"),
        Error::Busy { why, .. } => tracing::warn!(request_id, why = %chain(why), "temporarily unavailable"),
        Error::Internal(why) => tracing::error!(request_id, why = %chain(why), "defect"),
        _ => {}
    }
}

/// A problem that an operator has to end: a full disk, a maintenance mode.
fn until_operator(problem: ProblemDetails) -> ProblemDetails {
    problem.with_retry_after(OPERATOR_RETRY_AFTER)
}

fn quota_problem(limit: &'static str, detail: String) -> ProblemDetails {
    // Open uploads end by themselves; quota for bytes and files has to be freed.
    let (status, after) = match limit {
        "open_uploads" => (StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(30))),
        _ => (StatusCode::PAYLOAD_TOO_LARGE, None),
    };
    let problem = ProblemDetails::new(status, "quota_exceeded", detail).with_limit(ProblemLimit::Quota(limit));
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
        // The operator's words, as they were written.
        Error::Maintenance { message: Some(message) } => return message.clone(),
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
