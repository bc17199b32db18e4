//! The engine's errors as tus clients understand them. Clients read little more than the status, which decides if they
//! retry: tus-js-client gives up on every 4xx but 409 and 423, and begins a new upload on most errors of HEAD.

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use super::wire::with_version;
use crate::engine::Error;
use crate::http::problem::ProblemDetails;

/// An error to be rendered.
pub(super) struct TusError(ProblemDetails);

impl TusError {
    /// An error in the request itself.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(ProblemDetails::new(status, code, detail))
    }

    /// The problem details, for the contract.
    pub(super) fn into_problem(self) -> ProblemDetails {
        self.0
    }

    /// The error as an answer to `method`. Temporary errors are 423 to a HEAD: anything else makes clients begin again
    /// at byte 0.
    pub(super) fn for_method(mut self, method: &Method) -> Self {
        if method == Method::HEAD && self.0.status.is_server_error() {
            self.0.status = StatusCode::LOCKED;
        }
        self
    }
}

impl IntoResponse for TusError {
    fn into_response(self) -> Response {
        with_version(self.0.into_response())
    }
}

impl From<ProblemDetails> for TusError {
    fn from(problem: ProblemDetails) -> Self {
        Self(problem)
    }
}

/// Exhaustive on purpose: a new error variant does not compile until its status is chosen here.
impl From<Error> for TusError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Unauthenticated => StatusCode::UNAUTHORIZED,
            Error::Forbidden | Error::Rejected { .. } | Error::Suspended | Error::GrantUsedUp { .. } => {
                StatusCode::FORBIDDEN
            }
            // Open uploads end by themselves, so the client may retry.
            Error::RateLimited { .. } | Error::OverQuota { limit: "open_uploads" } => StatusCode::TOO_MANY_REQUESTS,
            // Gone is 404, not 410: only 404 makes tus-java-client create a new upload.
            Error::NotFound | Error::Gone { .. } => StatusCode::NOT_FOUND,
            Error::Invalid { .. } | Error::LengthMismatch(_) | Error::IdempotencyKeyReused | Error::ContentMismatch => {
                StatusCode::BAD_REQUEST
            }
            Error::TooLarge { .. } | Error::Overrun { .. } | Error::OverQuota { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::OffsetMismatch { .. } | Error::Taken(_) | Error::Incomplete { .. } | Error::PartsDiffer { .. } => {
                StatusCode::CONFLICT
            }
            // Another request is working on the upload and will finish.
            Error::Locked | Error::WrongState { .. } | Error::NotReady { .. } => StatusCode::LOCKED,
            Error::ChecksumMismatch => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            Error::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            // The client should retry, which it does not do after a 408.
            Error::TooSlow | Error::BodyTruncated | Error::Busy { .. } | Error::Maintenance { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::BytesMissing(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = ProblemDetails::from(error);
        Self(ProblemDetails { status, ..problem })
    }
}
