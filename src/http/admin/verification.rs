//! `POST /v1/admin/verify`: rows against objects, told line by line. The work goes on as the client reads and ends when it
//! leaves.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

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
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::domain::reason::chain;
use crate::engine::{Engine, Error, VerifyInconsistency, VerifyObserver, VerifyReport, VerifyScope};
use crate::http::AppState;
use crate::http::context::AuthenticatedActor;
use crate::http::json_body::JsonBody;
use crate::http::openapi::access::OPERATOR_ACCESS;
use crate::http::openapi::{ApiRoutes, op};
use crate::http::problem::ProblemDetails;

/// Lines that wait for a client that reads slowly; what is found beyond them is only counted.
const MAX_UNREAD_LINES: usize = 10_000;
/// Time without a line after which a line of progress tells clients and proxies that the work goes on.
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

/// What the work has told and the client has not read.
#[derive(Default)]
struct UnreadLines {
    lines: VecDeque<Bytes>,
    /// Lines for which there was no room.
    left_out: u64,
    /// The latest numbers.
    report: VerifyReport,
}

impl UnreadLines {
    fn push(&mut self, line: &Value) {
        if self.lines.len() < MAX_UNREAD_LINES {
            self.push_anyway(line);
        } else {
            self.left_out += 1;
        }
    }

    fn push_anyway(&mut self, line: &Value) {
        self.lines.push_back(format!("{line}\n").into());
    }
}

/// Shared by the work and by the answer that carries it on.
#[derive(Clone, Default)]
struct SharedLines(Arc<Mutex<UnreadLines>>);

impl SharedLines {
    fn lock(&self) -> MutexGuard<'_, UnreadLines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VerifyObserver for SharedLines {
    fn found(&mut self, what: &VerifyInconsistency) {
        self.lock().push(&json!({ "inconsistency": what }));
    }

    fn progressed(&mut self, report: &VerifyReport) {
        self.lock().report = report.clone();
    }
}

pub(super) fn routes() -> ApiRoutes {
    let verify = op("Compare rows with objects")
        .operation_id("verify")
        .access(OPERATOR_ACCESS)
        .description(
            "As `gantry verify`. Each line is a JSON object: `{\"inconsistency\": …}` for what differs, \
             `{\"progress\": …}` after five seconds without one, and at the end `{\"report\": …, \"left_out\": …}` with the \
             number of lines for which the client read too slowly, or `{\"error\": …}` if rows or bytes cannot be read. \
             The work ends when the client leaves. A node verifies once at a time.",
        )
        .json_body::<VerifyBody>(json!({ "sample": 1000 }))
        .body_optional()
        .media_response(200, "application/x-ndjson", "A line for each thing that is found.")
        .error_codes(&["conflict"]);
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
    let busy = Error::Taken("this node verifies already: wait until that has ended");
    let permit = site.verifying.clone().try_acquire_owned().map_err(|_| busy)?;
    let told = SharedLines::default();
    let work = verify_to_end(site.engine.clone(), scope, told.clone(), permit).boxed();
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(verification_lines(work, told))).into_response())
}

/// The lines of a verification, which is carried on as they are read.
fn verification_lines(
    work: BoxFuture<'static, ()>,
    told: SharedLines,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((Some(work), told), |(mut work, told)| async move {
        loop {
            let unread = told.lock().lines.pop_front();
            if let Some(line) = unread {
                return Some((Ok(line), (work, told)));
            }
            match timeout(PROGRESS_INTERVAL, advance(work.as_mut()?, &told)).await {
                Ok(false) => {}
                Ok(true) => work = None,
                Err(_) => {
                    let mut told = told.lock();
                    let progress = json!({ "progress": told.report });
                    told.push(&progress);
                }
            }
        }
    })
}

/// Carries the work on until there is a line to read. True at its end.
async fn advance(work: &mut BoxFuture<'static, ()>, told: &SharedLines) -> bool {
    poll_fn(|context| match work.poll_unpin(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if told.lock().lines.is_empty() => Poll::Pending,
        Poll::Pending => Poll::Ready(false),
    })
    .await
}

/// `permit`: held until the end, so that a node verifies once at a time.
async fn verify_to_end(engine: Engine, scope: VerifyScope, mut told: SharedLines, permit: OwnedSemaphorePermit) {
    let outcome = engine.operations().verify(&scope, &mut told).await;
    let mut told = told.lock();
    let last = match outcome {
        Ok(report) => json!({ "report": report, "left_out": told.left_out }),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the verification has not come to its end");
            let problem = ProblemDetails::from(error);
            json!({ "error": { "code": problem.code, "detail": problem.detail } })
        }
    };
    told.push_anyway(&last);
    drop(permit);
}
