//! Refusals as Uppy reads them: `error` for programs, `message` for the person who watches the upload.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::super::problem::Problem;
use crate::engine::{Error, Surroundings};

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct Refusal(Problem);

impl Refusal {
    /// What this service does not do.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: &str) -> Self {
        Self(Problem::new(status, code, detail))
    }

    /// What it is, for the contract.
    pub(super) fn problem(self) -> Problem {
        self.0
    }

    /// What Uppy reads.
    pub(super) fn body(problem: &Problem) -> Value {
        json!({ "error": problem.code, "message": problem.detail, "requestId": Surroundings::request_id() })
    }
}

impl From<Problem> for Refusal {
    /// What is wrong with a body: Companion knows no 422.
    fn from(mut problem: Problem) -> Self {
        if problem.status == StatusCode::UNPROCESSABLE_ENTITY {
            problem.status = StatusCode::BAD_REQUEST;
        }
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let body = Self::body(&problem);
        let mut response = problem.into_response();
        *response.body_mut() = Json(body).into_response().into_body();
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }
}

/// Exhaustive on purpose: a new meaning has to be given its answer here before anything builds.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Unauthenticated => StatusCode::UNAUTHORIZED,
            Error::Forbidden | Error::Rejected { .. } | Error::Suspended => StatusCode::FORBIDDEN,
            // Uploads under way end by themselves: the client may come back.
            Error::RateLimited { .. } | Error::OverQuota { limit: "open_uploads" } => StatusCode::TOO_MANY_REQUESTS,
            Error::Hidden | Error::Gone { .. } => StatusCode::NOT_FOUND,
            Error::Invalid { .. }
            | Error::OtherLength(_)
            | Error::ReusedKey
            | Error::WrongBytes
            | Error::ChecksumMismatch => StatusCode::BAD_REQUEST,
            Error::Incomplete { .. } | Error::PartsDiffer { .. } => StatusCode::BAD_REQUEST,
            Error::TooLarge { .. } | Error::Overrun { .. } | Error::OverQuota { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Offset { .. } | Error::Taken(_) | Error::WrongState { .. } | Error::NotReady { .. } => {
                StatusCode::CONFLICT
            }
            Error::Full => StatusCode::INSUFFICIENT_STORAGE,
            // Uppy tries forms again after these.
            Error::Locked | Error::TooSlow | Error::BrokenOff | Error::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::BytesMissing(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem::from(error);
        Self(Problem { status, ..problem })
    }
}
