//! Every error code with the exact answer of this service: the examples are made by the code that answers requests.

use http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::Value;

use super::operation::SchemaOfType;
use crate::domain::plan::{PartNumber, PartSet};
use crate::engine::Error;
use crate::http::problem::{ProblemDetails, ProblemView};

/// Rendering of errors in a protocol.
pub(in crate::http) struct ErrorDialect {
    /// Name of the protocol among the examples; empty for plain problem details.
    pub(in crate::http) name: &'static str,
    pub(in crate::http) media_type: &'static str,
    /// Schema of its errors.
    pub(in crate::http) schema: SchemaOfType,
    /// Converts an error of the engine.
    pub(in crate::http) from_engine_error: fn(Error) -> ProblemDetails,
    /// Converts a problem with the request.
    pub(in crate::http) from_request_problem: fn(ProblemDetails) -> ProblemDetails,
    /// Renders the body for a problem.
    pub(in crate::http) render_body: fn(&ProblemDetails) -> Value,
    /// Problems that only this protocol reports.
    pub(in crate::http) own_problems: fn() -> Vec<ProblemDetails>,
}

impl ErrorDialect {
    /// A dialect of plain problem details that converts the engine's errors in its own way.
    pub(in crate::http) const fn of_problems(name: &'static str, engine: fn(Error) -> ProblemDetails) -> Self {
        Self {
            name,
            media_type: "application/problem+json",
            schema: SchemaGenerator::subschema_for::<ProblemView>,
            from_engine_error: engine,
            from_request_problem: |problem| problem,
            render_body: |problem| serde_json::to_value(problem.view()).unwrap_or_default(),
            own_problems: Vec::new,
        }
    }
}

/// Plain problem details.
pub(in crate::http) static NATIVE_DIALECT: ErrorDialect = ErrorDialect::of_problems("", ProblemDetails::from);

/// Request id in the examples.
pub(in crate::http) const EXAMPLE_REQUEST_ID: &str = "9f1c2a7be04d5513";

/// Example of an error.
#[derive(Clone, Debug)]
pub(super) struct ErrorExample {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) example: Value,
}

/// Every error that this protocol can report.
pub(super) fn collect_error_examples(dialect: &ErrorDialect) -> Vec<ErrorExample> {
    // Rendering an internal error logs it; these are only examples.
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
        let engine = engine_errors().into_iter().map(dialect.from_engine_error);
        let request = request_problems().into_iter().map(dialect.from_request_problem);
        engine.chain(request).chain((dialect.own_problems)()).map(|problem| error_example(dialect, &problem)).collect()
    })
}

fn error_example(dialect: &ErrorDialect, problem: &ProblemDetails) -> ErrorExample {
    let mut example = (dialect.render_body)(problem);
    for name in ["request_id", "requestId"] {
        if let Some(id) = example.get_mut(name) {
            *id = EXAMPLE_REQUEST_ID.into();
        }
    }
    ErrorExample { status: problem.status, code: problem.code, detail: problem.detail.clone(), example }
}

/// Errors of the engine.
fn engine_errors() -> Vec<Error> {
    let missing = PartSet::from_numbers([3, 7].into_iter().filter_map(PartNumber::new));
    let soon = std::time::Duration::from_secs(2);
    vec![
        Error::Unauthenticated,
        Error::Forbidden,
        Error::NotFound,
        Error::invalid("size", "a number of bytes"),
        Error::TooLarge { limit: 5_000_000_000_000 },
        Error::Overrun { length: 1000 },
        Error::LengthMismatch("the length was said to be another one"),
        Error::OverQuota { limit: "bytes" },
        Error::OverQuota { limit: "open_uploads" },
        Error::GrantUsedUp { limit: "files" },
        Error::RateLimited { after: soon },
        Error::Suspended,
        Error::Maintenance { message: None },
        Error::Taken("an upload with this external_id is under way"),
        Error::IdempotencyKeyReused,
        Error::WrongState { what: "upload", state: "completing" },
        Error::Gone { what: "upload", state: "expired" },
        Error::OffsetMismatch { expected: 4096 },
        Error::Locked,
        Error::ChecksumMismatch,
        Error::TooSlow,
        Error::Incomplete { missing },
        Error::PartsDiffer { part: 3 },
        Error::ContentMismatch,
        Error::NotReady { state: "processing" },
        Error::Rejected { code: "infected".to_owned() },
        Error::BytesMissing("".into()),
        Error::StorageFull,
        Error::Busy { why: "".into(), after: soon },
        Error::Internal("".into()),
    ]
}

/// Errors of requests that are detected before the engine is called.
fn request_problems() -> Vec<ProblemDetails> {
    [
        (StatusCode::UNPROCESSABLE_ENTITY, "invalid_json", "The body is not as expected: expected `,` at line 1."),
        (StatusCode::BAD_REQUEST, "unreadable_body", "The body could not be read to its end."),
        (StatusCode::REQUEST_TIMEOUT, "slow_body", "The body did not arrive in time."),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body of this request may have at most 65536 bytes."),
        (StatusCode::PRECONDITION_FAILED, "precondition_failed", "The file is another one."),
        (StatusCode::UPGRADE_REQUIRED, "upgrade_required", "A WebSocket is opened here."),
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not answer to this method."),
        (StatusCode::PRECONDITION_FAILED, "unsupported_version", "This server speaks tus 1.0.0."),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content is of another type."),
        (StatusCode::BAD_REQUEST, "invalid_host", "The request has no Host header."),
        (StatusCode::BAD_REQUEST, "other_protocol", "This address speaks another protocol."),
        (
            StatusCode::BAD_REQUEST,
            crate::http::chunk_detection::PARTIAL_FILE_CODE,
            "The request carries a part of a file.",
        ),
        (StatusCode::CONFLICT, "completed", "Every byte of this upload is here already."),
        (StatusCode::NOT_FOUND, "not_offered", "Temporary credentials are not offered: parts are signed here."),
    ]
    .map(|(status, code, detail)| ProblemDetails::new(status, code, detail))
    .into()
}
