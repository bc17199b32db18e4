//! The engine's errors as clients of the drafts understand them: problem types of the HTTP registry, always together
//! with the upload's offset and completeness. The client's next step depends on these: 409 with `?0` and any 5xx mean
//! "continue from this offset", `?1` means "nothing is left to do", and other 4xx mean "give up".

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use super::draft::DraftVersion;
use super::wire;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::Error;
use crate::http::problem::ProblemDetails;

const MISMATCHING_OFFSET_TYPE: &str = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
const COMPLETED_UPLOAD_TYPE: &str = "https://iana.org/assignments/http-problem-types#completed-upload";
const INCONSISTENT_LENGTH_TYPE: &str = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";
const INVALID_DIGEST_TYPE: &str = "https://iana.org/assignments/http-problem-types#digest-invalid-values";
const MISMATCHED_DIGEST_TYPE: &str = "https://iana.org/assignments/http-problem-types#digest-mismatched-values";

/// An error to be rendered.
#[derive(Debug)]
pub(super) struct IetfError {
    problem: ProblemDetails,
    /// Offset of the upload, and true if the upload is complete.
    standing: Option<(u64, bool)>,
}

impl IetfError {
    /// An error in the request itself.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        ProblemDetails::new(status, code, detail).into()
    }

    /// A malformed digest.
    pub(super) fn invalid_digest(error: Error) -> Self {
        let mut refusal = Self::from(error);
        refusal.problem.registered_type = Some(INVALID_DIGEST_TYPE);
        refusal
    }

    /// The problem details, for the contract.
    pub(super) fn into_problem(self) -> ProblemDetails {
        self.problem
    }

    /// The error as an answer to `method`. Temporary errors are 423 to a HEAD: anything else makes tus-js-client begin
    /// again at byte 0.
    pub(super) fn for_method(mut self, method: &Method) -> Self {
        if method == Method::HEAD && self.problem.status.is_server_error() {
            self.problem.status = StatusCode::LOCKED;
        }
        self
    }

    /// Adds the offset of the upload, and the offset that the client assumed.
    pub(super) fn with_standing(mut self, upload: Option<&Upload>, provided: Option<u64>, draft: DraftVersion) -> Self {
        let about_bytes =
            [Some(MISMATCHING_OFFSET_TYPE), Some(INCONSISTENT_LENGTH_TYPE)].contains(&self.problem.registered_type);
        if let Some(provided) = provided.filter(|_| self.problem.registered_type == Some(MISMATCHING_OFFSET_TYPE)) {
            self.problem = self.problem.with_members(|members| members.provided_offset = Some(provided));
        }
        let Some(upload) = upload else { return self };
        let complete = upload.state == UploadState::Completed;
        self.standing = Some((wire::confirmed_offset(upload), complete));
        if complete && about_bytes {
            self.problem.code = "completed";
            "All bytes of this upload have already arrived.".clone_into(&mut self.problem.detail);
            self.problem.registered_type = draft.has_completed_problem().then_some(COMPLETED_UPLOAD_TYPE);
            self.problem.status =
                if draft.has_completed_problem() { StatusCode::BAD_REQUEST } else { StatusCode::CONFLICT };
        }
        self
    }

    /// The answer in the form of this version.
    pub(super) fn render(self, draft: DraftVersion) -> Response {
        let lost = self.problem.registered_type == Some(INCONSISTENT_LENGTH_TYPE);
        let mut response = self.problem.into_response();
        match self.standing {
            Some((offset, complete)) => wire::set_standing_headers(&mut response, draft, Some(offset), complete),
            None if lost => wire::set_standing_headers(&mut response, draft, None, false),
            None => {}
        }
        response
    }
}

impl From<ProblemDetails> for IetfError {
    fn from(problem: ProblemDetails) -> Self {
        Self { problem, standing: None }
    }
}

/// Exhaustive on purpose: a new error variant does not compile until its status is chosen here.
impl From<Error> for IetfError {
    fn from(error: Error) -> Self {
        let mut standing = None;
        let (status, registered) = match &error {
            Error::Unauthenticated => (StatusCode::UNAUTHORIZED, None),
            Error::Forbidden | Error::Rejected { .. } | Error::Suspended | Error::GrantUsedUp { .. } => {
                (StatusCode::FORBIDDEN, None)
            }
            // Open uploads end by themselves, so the client may retry.
            Error::RateLimited { .. } | Error::OverQuota { limit: "open_uploads" } => {
                (StatusCode::TOO_MANY_REQUESTS, None)
            }
            Error::NotFound | Error::Gone { .. } => (StatusCode::NOT_FOUND, None),
            Error::Invalid { .. } | Error::IdempotencyKeyReused | Error::ContentMismatch => {
                (StatusCode::BAD_REQUEST, None)
            }
            Error::TooLarge { .. } | Error::OverQuota { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
            Error::Overrun { .. } | Error::LengthMismatch(_) => {
                (StatusCode::BAD_REQUEST, Some(INCONSISTENT_LENGTH_TYPE))
            }
            Error::OffsetMismatch { expected } => {
                standing = Some((*expected, false));
                (StatusCode::CONFLICT, Some(MISMATCHING_OFFSET_TYPE))
            }
            Error::Taken(_) | Error::Incomplete { .. } | Error::PartsDiffer { .. } => (StatusCode::CONFLICT, None),
            // Another request is working on the upload and will finish.
            Error::Locked | Error::WrongState { .. } | Error::NotReady { .. } => (StatusCode::LOCKED, None),
            Error::ChecksumMismatch => (StatusCode::BAD_REQUEST, Some(MISMATCHED_DIGEST_TYPE)),
            Error::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, None),
            // The client should continue, which it does not do after a 4xx.
            Error::TooSlow | Error::BodyTruncated | Error::Busy { .. } | Error::Maintenance { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, None)
            }
            Error::BytesMissing(_) | Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let mut problem = ProblemDetails::from(error);
        if let Some((expected, _)) = standing {
            problem = problem.with_members(|members| members.expected_offset = Some(expected));
        }
        Self { problem: ProblemDetails { status, registered_type: registered, ..problem }, standing }
    }
}
