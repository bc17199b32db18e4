//! Measures every request to the store: the SDK calls this interceptor for each operation and each attempt.

use std::time::Instant;

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ConnectorError};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::domain::clock::{Clock as _, SystemClock};
use crate::metrics;
use crate::metrics::{ClockSource, S3Outcome, timing};

/// Skew below which the clocks count as equal: the store's `Date` has whole seconds.
const DATE_RESOLUTION_SECONDS: f64 = 1.0;

/// State of an operation between the calls of the interceptor.
#[derive(Clone, Debug)]
struct OperationState {
    begun: Instant,
    /// Outcome of the attempt before.
    failed_attempt: Option<S3Outcome>,
}

impl Storable for OperationState {
    type Storer = StoreReplace<Self>;
}

/// The interceptor.
#[derive(Debug)]
pub(super) struct RequestMeter;

impl Intercept for RequestMeter {
    fn name(&self) -> &'static str {
        "RequestMeter"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        state.interceptor_state().store_put(OperationState { begun: Instant::now(), failed_attempt: None });
        Ok(())
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let before = state.load::<OperationState>().and_then(|operation| operation.failed_attempt);
        if let (Some(reason), Some(operation)) = (before, state.load::<Metadata>()) {
            metrics::blobs().record_retry(operation.name(), reason);
        }
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(ahead) = context.response().headers().get("date").and_then(seconds_ahead) {
            metrics::clocks().set_skew(ClockSource::Store, ahead);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let failed_attempt = outcome_of(context).filter(|outcome| *outcome != S3Outcome::Succeeded);
        if let Some(operation) = state.load::<OperationState>().cloned() {
            state.interceptor_state().store_put(OperationState { failed_attempt, ..operation });
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(outcome), Some(operation)) = (outcome_of(context), state.load::<OperationState>()) else {
            return Ok(());
        };
        let name = state.load::<Metadata>().map_or("", Metadata::name);
        metrics::blobs().record_request(name, outcome, operation.begun.elapsed());
        timing::add_store_time(operation.begun);
        Ok(())
    }
}

/// The outcome of an attempt or operation; `None` for a request that was only signed.
fn outcome_of(context: &FinalizerInterceptorContextRef<'_>) -> Option<S3Outcome> {
    let error = context.output_or_error().and_then(Result::err);
    let answered = context.response().map(|response| S3Outcome::of_status(response.status().as_u16()));
    match (error, answered) {
        (None, answered) => answered,
        (Some(error), _) if error.is_timeout_error() => Some(S3Outcome::Timeout),
        // A body that says 200 may still be an error, or break off.
        (Some(_), Some(S3Outcome::Succeeded)) => Some(S3Outcome::ServerError),
        (Some(_), Some(refused)) => Some(refused),
        (Some(error), None) if error.as_connector_error().is_some_and(ConnectorError::is_timeout) => {
            Some(S3Outcome::Timeout)
        }
        (Some(_), None) => Some(S3Outcome::Connection),
    }
}

/// Seconds by which a `Date` is ahead of this node's clock.
fn seconds_ahead(date: &str) -> Option<f64> {
    let date: jiff::Timestamp = httpdate::parse_http_date(date).ok()?.try_into().ok()?;
    let ahead = date.duration_since(SystemClock.now()).as_secs_f64();
    // The date was cut to the second: half a second is its mean error.
    let ahead = ahead + DATE_RESOLUTION_SECONDS / 2.0;
    Some(if ahead.abs() <= DATE_RESOLUTION_SECONDS { 0.0 } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_second_is_no_skew() {
        let at = |seconds: i64| {
            let time = SystemClock.now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
            seconds_ahead(&httpdate::fmt_http_date(time.into())).unwrap()
        };
        assert_eq!(at(0), 0.0);
        assert!((28.0..=31.0).contains(&at(30)) && (-31.0..=-28.0).contains(&at(-30)), "{} {}", at(30), at(-30));
        assert_eq!(seconds_ahead("soon"), None);
    }
}
