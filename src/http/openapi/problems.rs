//! Every error code, with the very answer that this service gives: examples are made by the code that answers.

use http::StatusCode;
use serde_json::Value;

use super::super::problem::Problem;
use crate::domain::plan::{PartNumber, PartSet};
use crate::engine::Error;

/// How a protocol says what went wrong.
pub(in crate::http) struct Dialect {
    /// Its name among the examples; empty for problem details as they are.
    pub(in crate::http) name: &'static str,
    pub(in crate::http) media_type: &'static str,
    /// The shape of its errors.
    pub(in crate::http) schema: &'static str,
    /// What it makes of a refusal of the engine.
    pub(in crate::http) engine: fn(Error) -> Problem,
    /// What it makes of a problem with the request.
    pub(in crate::http) request: fn(Problem) -> Problem,
    /// Its body for a problem.
    pub(in crate::http) body: fn(&Problem) -> Value,
    /// What only it says.
    pub(in crate::http) own: fn() -> Vec<Problem>,
}

impl Dialect {
    /// Problem details as they are, but for what this protocol makes of a refusal of the engine.
    pub(in crate::http) const fn of_problems(name: &'static str, engine: fn(Error) -> Problem) -> Self {
        let (media_type, schema) = ("application/problem+json", "Problem");
        Self { name, media_type, schema, engine, request: |problem| problem, body: Problem::value, own: Vec::new }
    }
}

/// Problem details as they are.
pub(in crate::http) static NATIVE: Dialect = Dialect::of_problems("", Problem::from);

/// The id of the request that the examples were answers to.
pub(in crate::http) const REQUEST: &str = "9f1c2a7be04d5513";

/// One way to fail.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) example: Value,
}

/// Every way in which this protocol can say that.
pub(super) fn all(dialect: &Dialect) -> Vec<Failure> {
    // Rendering a defect logs it; these are examples.
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || {
        let engine = engine().into_iter().map(dialect.engine);
        let request = request().into_iter().map(dialect.request);
        engine.chain(request).chain((dialect.own)()).map(|problem| failure(dialect, &problem)).collect()
    })
}

fn failure(dialect: &Dialect, problem: &Problem) -> Failure {
    let mut example = (dialect.body)(problem);
    for name in ["request_id", "requestId"] {
        if let Some(id) = example.get_mut(name) {
            *id = REQUEST.into();
        }
    }
    Failure { status: problem.status, code: problem.code, detail: problem.detail.clone(), example }
}

/// What the engine refuses.
fn engine() -> Vec<Error> {
    let missing = PartSet::from_numbers([3, 7].into_iter().filter_map(PartNumber::new));
    let soon = std::time::Duration::from_secs(2);
    vec![
        Error::Unauthenticated,
        Error::Forbidden,
        Error::Hidden,
        Error::invalid("size", "a number of bytes"),
        Error::TooLarge { limit: 5_000_000_000_000 },
        Error::Overrun { length: 1000 },
        Error::OtherLength("the length was said to be another one"),
        Error::OverQuota { limit: "bytes" },
        Error::OverQuota { limit: "open_uploads" },
        Error::RateLimited { after: soon },
        Error::Suspended,
        Error::Taken("an upload with this external_id is under way"),
        Error::ReusedKey,
        Error::WrongState { what: "upload", state: "completing" },
        Error::Gone { what: "upload", state: "expired" },
        Error::Offset { expected: 4096 },
        Error::Locked,
        Error::ChecksumMismatch,
        Error::TooSlow,
        Error::Incomplete { missing },
        Error::PartsDiffer { part: 3 },
        Error::WrongBytes,
        Error::NotReady { state: "processing" },
        Error::Rejected { code: "infected".to_owned() },
        Error::BytesMissing(String::new()),
        Error::Full,
        Error::Busy { why: String::new(), after: soon },
        Error::Internal(String::new()),
    ]
}

/// What is wrong with requests before the engine is asked.
fn request() -> Vec<Problem> {
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
        (StatusCode::BAD_REQUEST, super::super::pieces::CODE, "The request carries a part of a file."),
        (StatusCode::CONFLICT, "completed", "Every byte of this upload is here already."),
        (StatusCode::NOT_FOUND, "not_offered", "Temporary credentials are not offered: parts are signed here."),
    ]
    .map(|(status, code, detail)| Problem::new(status, code, detail))
    .into()
}
