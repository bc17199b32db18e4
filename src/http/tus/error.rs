//! The engine's refusals as tus clients understand them. They read the status and little else, and what they try again
//! hangs on it: tus-js-client gives up on every 4xx but 409 and 423, and begins a new upload on most of what HEAD answers.

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use super::wire::with_version;
use crate::engine::Error;
use crate::http::problem::ProblemDetails;

/// A refusal on its way out.
pub(super) struct TusError(ProblemDetails);

impl TusError {
    /// What is wrong with the request itself.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(ProblemDetails::new(status, code, detail))
    }

    /// What it is, for the contract.
    pub(super) fn into_problem(self) -> ProblemDetails {
        self.0
    }

    /// To a HEAD, what passes is said with 423: anything else makes clients begin again at byte 0.
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

/// Exhaustive on purpose: a new meaning has to be given its answer here before anything builds.
impl From<Error> for TusError {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Unauthenticated => StatusCode::UNAUTHORIZED,
            Error::Forbidden | Error::Rejected { .. } | Error::Suspended => StatusCode::FORBIDDEN,
            // Uploads under way end by themselves: the client may come back.
            Error::RateLimited { .. } | Error::OverQuota { limit: "open_uploads" } => StatusCode::TOO_MANY_REQUESTS,
            // Gone is 404, not 410: only that makes tus-java-client create anew.
            Error::NotFound | Error::Gone { .. } => StatusCode::NOT_FOUND,
            Error::Invalid { .. } | Error::LengthMismatch(_) | Error::IdempotencyKeyReused | Error::ContentMismatch => {
                StatusCode::BAD_REQUEST
            }
            Error::TooLarge { .. } | Error::Overrun { .. } | Error::OverQuota { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::OffsetMismatch { .. } | Error::Taken(_) | Error::Incomplete { .. } | Error::PartsDiffer { .. } => {
                StatusCode::CONFLICT
            }
            // Another request is at it, and will be through.
            Error::Locked | Error::WrongState { .. } | Error::NotReady { .. } => StatusCode::LOCKED,
            Error::ChecksumMismatch => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            Error::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            // The client ought to try again, which it does not do after a 408.
            Error::TooSlow | Error::BodyTruncated | Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::BytesMissing(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = ProblemDetails::from(error);
        Self(ProblemDetails { status, ..problem })
    }
}
