//! `POST /v1/admin/verify`: rows against objects, told line by line. The work goes on as the client reads and ends when it
//! leaves.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, stream};
use http::header;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::reason::chain;
use crate::engine::{Engine, Error, VerifyInconsistency, VerifyObserver, VerifyReport, VerifyScope};
use crate::http::AppState;
use crate::http::context::AuthenticatedActor;
use crate::http::json_body::JsonBody;
use crate::http::openapi::access::OPERATOR_ACCESS;
use crate::http::openapi::{ApiRoutes, op};
use crate::http::problem::ProblemDetails;

/// Time between two lines of progress, which also tell proxies that the answer goes on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Files of a sample at most.
const MAX_SAMPLE: u32 = 1_000_000;

/// `POST /v1/admin/verify`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Verify")]
struct VerifyBody {
    /// Read the bytes of every file and compare their SHA-256; finds what has changed on a disk.
    digests: bool,
    /// Check only so many files, chosen at random; uploads and the bucket are left out.
    #[schemars(range(min = 1, max = MAX_SAMPLE))]
    sample: Option<u32>,
    /// Check only the rows of this tenant, by name or id; the bucket is left out.
    tenant: Option<String>,
}

/// Lines that the client has not read.
type UnreadLines = Arc<Mutex<VecDeque<Bytes>>>;

fn push_line(lines: &UnreadLines, line: &Value) {
    lines.lock().unwrap_or_else(PoisonError::into_inner).push_back(format!("{line}\n").into());
}

struct LineObserver {
    lines: UnreadLines,
    told_at: Instant,
}

impl VerifyObserver for LineObserver {
    fn found(&mut self, what: &VerifyInconsistency) {
        push_line(&self.lines, &json!({ "inconsistency": what }));
    }

    fn progressed(&mut self, report: &VerifyReport) {
        if self.told_at.elapsed() >= PROGRESS_INTERVAL {
            self.told_at = Instant::now();
            push_line(&self.lines, &json!({ "progress": report }));
        }
    }
}

pub(super) fn routes() -> ApiRoutes {
    let verify = op("Compare rows with objects")
        .operation_id("verify")
        .access(OPERATOR_ACCESS)
        .description(
            "As `gantry verify`. Each line is a JSON object: `{\"inconsistency\": …}` for what differs, \
             `{\"progress\": …}` every few seconds, and at the end `{\"report\": …}`, or `{\"error\": …}` if rows or \
             bytes cannot be read. The work ends when the client leaves.",
        )
        .json_body::<VerifyBody>(json!({ "sample": 1000 }))
        .body_optional()
        .media_response(200, "application/x-ndjson", "A line for each thing that is found.");
    ApiRoutes::for_tag("Administration").post("/v1/admin/verify", verify_instance, verify)
}

async fn verify_instance(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonBody<VerifyBody>,
) -> Result<Response, ProblemDetails> {
    site.engine.operations().require_operator(&actor).await?;
    let VerifyBody { digests, sample, tenant } = body.into_value();
    if sample.is_some_and(|size| !(1..=MAX_SAMPLE).contains(&size)) {
        return Err(Error::invalid("sample", format!("must be 1 to {MAX_SAMPLE}")).into());
    }
    let scope = VerifyScope { digests, sample: sample.map(|size| size as usize), tenant };
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(verification_lines(site.engine.clone(), scope))).into_response())
}

/// The lines of a verification, which is carried on as they are read.
fn verification_lines(engine: Engine, scope: VerifyScope) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let lines = UnreadLines::default();
    let work = Some(verify_to_end(engine, scope, lines.clone()).boxed());
    stream::unfold((work, lines), |(mut work, lines)| async move {
        loop {
            let unread = lines.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(line) = unread {
                return Some((Ok(line), (work, lines)));
            }
            if advance(work.as_mut()?, &lines).await {
                work = None;
            }
        }
    })
}

/// Carries the work on until there is a line to read. True at its end.
async fn advance(work: &mut BoxFuture<'static, ()>, lines: &UnreadLines) -> bool {
    poll_fn(|context| match work.poll_unpin(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if lines.lock().unwrap_or_else(PoisonError::into_inner).is_empty() => Poll::Pending,
        Poll::Pending => Poll::Ready(false),
    })
    .await
}

async fn verify_to_end(engine: Engine, scope: VerifyScope, lines: UnreadLines) {
    let mut observer = LineObserver { lines: lines.clone(), told_at: Instant::now() };
    let last = match engine.operations().verify(&scope, &mut observer).await {
        Ok(report) => json!({ "report": report }),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the verification has not come to its end");
            let problem = ProblemDetails::from(error);
            json!({ "error": { "code": problem.code, "detail": problem.detail } })
        }
    };
    push_line(&lines, &last);
}
