//! Protection against guessing: how many requests from an address may fail before further failures are answered with
//! 429.
//!
//! A failure is a 401 to a request with a credential, or a 404 where the path names a link, a grant or an id.
//! Successful requests are never limited, however often other clients behind the same address fail: a proxy, an office.
//! An IPv6 client counts as its /64.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{StatusCode, header};
use moka::sync::Cache;

use super::connection_limit::address_group;
use super::context::peer_ip;
use super::problem::ProblemDetails;
use crate::engine::{Error, PresentedCredential, RequestContext};
use crate::metrics;
use crate::metrics::{AuthFailure, RateLimitScope};

/// Maximum number of addresses that are counted.
const MAX_TRACKED_ADDRESSES: u64 = 10_000;
/// An address without failures for this long is forgotten; its allowance is full again by then.
const ADDRESS_IDLE_TTL: Duration = Duration::from_secs(120);

/// Failures per address.
pub(super) struct FailureLimit {
    /// Failures per minute; `None`: no limit.
    per_minute: Option<NonZeroU32>,
    addresses: Cache<IpAddr, Arc<DefaultDirectRateLimiter>>,
}

/// Data about a request that is needed to judge its answer.
pub(super) struct AccessAttempt {
    address: Option<IpAddr>,
    /// The request has a credential, in a header or in the path.
    brings_credential: bool,
    /// The path names a resource that may not exist.
    names_something: bool,
}

impl AccessAttempt {
    pub(super) fn from_request(request: &Request) -> Self {
        let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
        Self {
            address: peer_ip(request.extensions()).map(address_group),
            brings_credential: request.headers().contains_key(header::AUTHORIZATION) || path.contains("{grant}"),
            names_something: path.contains('{'),
        }
    }

    fn is_failure(&self, status: StatusCode) -> bool {
        match status {
            StatusCode::UNAUTHORIZED => self.brings_credential,
            StatusCode::NOT_FOUND => self.names_something,
            _ => false,
        }
    }
}

impl FailureLimit {
    /// Allows `per_minute` failures from an address, which may come all at once; 0: no limit.
    pub(super) fn new(per_minute: u32) -> Self {
        let addresses = Cache::builder().max_capacity(MAX_TRACKED_ADDRESSES).time_to_idle(ADDRESS_IDLE_TTL).build();
        Self { per_minute: NonZeroU32::new(per_minute), addresses }
    }

    /// The answer, or 429 in its place if its failure exceeds the limit.
    pub(super) fn limit_failure(&self, attempt: &AccessAttempt, response: Response) -> Response {
        if response.status() == StatusCode::UNAUTHORIZED {
            metrics::http().record_auth_failure(auth_failure(RequestContext::presented_credential()));
        }
        let (Some(per_minute), Some(address)) = (self.per_minute, attempt.address) else { return response };
        if !attempt.is_failure(response.status()) {
            return response;
        }
        let limiter = || Arc::new(RateLimiter::direct(Quota::per_minute(per_minute)));
        match self.addresses.get_with(address, limiter).check() {
            Ok(()) => response,
            Err(not_yet) => {
                metrics::http().record_rate_limited(RateLimitScope::Address);
                let after = not_yet.wait_time_from(DefaultClock::default().now());
                let mut refused = ProblemDetails::from(Error::RateLimited { after }).into_response();
                // Pages of allowed origins may read the 429 as well.
                let kept = response
                    .headers()
                    .iter()
                    .filter(|(name, _)| name.as_str().starts_with("access-control-") || *name == header::VARY);
                refused.headers_mut().extend(kept.map(|(name, value)| (name.clone(), value.clone())));
                refused
            }
        }
    }
}

fn auth_failure(presented: PresentedCredential) -> AuthFailure {
    match presented {
        PresentedCredential::Nothing => AuthFailure::Missing,
        PresentedCredential::Unreadable => AuthFailure::Unreadable,
        PresentedCredential::Key => AuthFailure::Key,
        PresentedCredential::Grant => AuthFailure::Grant,
        PresentedCredential::Token => AuthFailure::Token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str) -> AccessAttempt {
        let address = address.parse().ok().map(address_group);
        AccessAttempt { address, brings_credential: true, names_something: true }
    }

    fn answer(limit: &FailureLimit, attempt: &AccessAttempt, status: StatusCode) -> u16 {
        limit.limit_failure(attempt, status.into_response()).status().as_u16()
    }

    #[test]
    fn failures_of_one_address_are_limited_and_nothing_else() {
        let limit = FailureLimit::new(3);
        let one = attempt("2001:db8::1");
        for _ in 0..10 {
            assert_eq!(answer(&limit, &one, StatusCode::OK), 200);
        }
        let failures =
            [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND];
        assert_eq!(failures.map(|status| answer(&limit, &one, status)), [401, 404, 401, 429]);
        assert_eq!(answer(&limit, &attempt("2001:db8::2"), StatusCode::UNAUTHORIZED), 429, "the same household");
        assert_eq!(answer(&limit, &attempt("2001:db8:0:1::1"), StatusCode::UNAUTHORIZED), 401);
        assert_eq!(answer(&limit, &one, StatusCode::OK), 200, "what succeeds is never refused");
        assert_eq!(answer(&limit, &one, StatusCode::FORBIDDEN), 403);
    }

    #[test]
    fn what_guesses_nothing_is_not_counted() {
        let (limit, mut asks) = (FailureLimit::new(1), attempt("192.0.2.1"));
        (asks.brings_credential, asks.names_something) = (false, false);
        for status in [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND].repeat(5) {
            assert_eq!(answer(&limit, &asks, status), status.as_u16());
        }
        let free = FailureLimit::new(0);
        assert!((0..10).all(|_| answer(&free, &attempt("192.0.2.1"), StatusCode::UNAUTHORIZED) == 401));
    }
}
