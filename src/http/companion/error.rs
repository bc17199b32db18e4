//! Errors as Uppy reads them: `error` for programs, `message` for the person at the browser.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::{Error, RequestContext};
use crate::http::openapi::problems::EXAMPLE_REQUEST_ID;
use crate::http::problem::ProblemDetails;

/// An error to be rendered.
#[derive(Debug)]
pub(super) struct CompanionError(ProblemDetails);

/// An error as JSON.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompanionError")]
pub(super) struct CompanionErrorView<'a> {
    /// The error for programs.
    #[schemars(example = &"not_found")]
    error: &'static str,
    /// The error in a sentence for people.
    #[schemars(example = &"There is no such thing.")]
    message: &'a str,
    /// Id of the request, as logs name it.
    #[serde(rename = "requestId")]
    #[schemars(example = EXAMPLE_REQUEST_ID)]
    request_id: String,
}

impl CompanionError {
    /// An error that this module itself detects.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: &str) -> Self {
        Self(ProblemDetails::new(status, code, detail))
    }

    /// The problem details, for the contract.
    pub(super) fn into_problem(self) -> ProblemDetails {
        self.0
    }

    /// The JSON body that Uppy reads.
    pub(super) fn view(problem: &ProblemDetails) -> CompanionErrorView<'_> {
        let request_id = RequestContext::request_id();
        CompanionErrorView { error: problem.code, message: &problem.detail, request_id }
    }
}

impl From<ProblemDetails> for CompanionError {
    /// An invalid body is 400: Companion has no 422.
    fn from(mut problem: ProblemDetails) -> Self {
        if problem.status == StatusCode::UNPROCESSABLE_ENTITY {
            problem.status = StatusCode::BAD_REQUEST;
        }
        Self(problem)
    }
}

impl IntoResponse for CompanionError {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let body = Json(Self::view(&problem)).into_response().into_body();
        let mut response = problem.into_response();
        *response.body_mut() = body;
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }
}

/// Exhaustive on purpose: a new error variant does not compile until its status is chosen here.
impl From<Error> for CompanionError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Unauthenticated => StatusCode::UNAUTHORIZED,
            Error::Forbidden | Error::Rejected { .. } | Error::Suspended | Error::GrantUsedUp { .. } => {
                StatusCode::FORBIDDEN
            }
            // Open uploads end by themselves, so the client may retry.
            Error::RateLimited { .. } | Error::OverQuota { limit: "open_uploads" } => StatusCode::TOO_MANY_REQUESTS,
            Error::NotFound | Error::Gone { .. } => StatusCode::NOT_FOUND,
            Error::Invalid { .. }
            | Error::LengthMismatch(_)
            | Error::IdempotencyKeyReused
            | Error::ContentMismatch
            | Error::ChecksumMismatch => StatusCode::BAD_REQUEST,
            Error::Incomplete { .. } | Error::PartsDiffer { .. } => StatusCode::BAD_REQUEST,
            Error::TooLarge { .. } | Error::Overrun { .. } | Error::OverQuota { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::OffsetMismatch { .. } | Error::Taken(_) | Error::WrongState { .. } | Error::NotReady { .. } => {
                StatusCode::CONFLICT
            }
            Error::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            // Uppy retries forms after these.
            Error::Locked | Error::TooSlow | Error::BodyTruncated | Error::Busy { .. } | Error::Maintenance { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::BytesMissing(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = ProblemDetails::from(error);
        Self(ProblemDetails { status, ..problem })
    }
}
