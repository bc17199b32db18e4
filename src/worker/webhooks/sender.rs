//! Sends a single HTTP request to an endpoint: no redirects, no cookies, only a configured proxy, a deadline for the
//! whole exchange, and little attention to the response.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Proxy, Response, redirect};

use super::resolver::EgressResolver;
use crate::domain::clock::Timestamp;
use crate::domain::egress::{AddressRefused, EgressPolicy};
use crate::domain::webhook::{DeliveryProblem, ReceiverAnswer};
use crate::engine::{PurgeCall, WebhookCall};
use crate::traces;

/// Maximum bytes of a response body that are read, only so that the connection can be reused.
const MAX_DRAINED_BYTES: usize = 64 << 10;
/// Time limit for reading the response body. The status is known by then, and the body is not used.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends webhook deliveries and purge calls.
#[derive(Clone)]
pub struct WebhookSender {
    client: Client,
    egress: Arc<EgressPolicy>,
}

impl WebhookSender {
    /// Creates a sender that connects only where `egress` allows.
    ///
    /// # Errors
    /// The proxy URL is invalid, or the system has no TLS.
    pub fn new(egress: &EgressPolicy) -> Result<Self, reqwest::Error> {
        let egress = Arc::new(egress.clone());
        let client = Client::builder()
            .user_agent(concat!("Gantry-Webhooks/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(2)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT);
        let client = match &egress.proxy {
            // The proxy resolves names, and decides which addresses it connects to.
            Some(proxy) => client.proxy(Proxy::all(proxy)?),
            None => client.dns_resolver(EgressResolver(Arc::clone(&egress))),
        };
        Ok(Self { client: client.build()?, egress })
    }

    /// Sends a delivery once.
    pub(super) async fn send_delivery(&self, call: &WebhookCall, now: Timestamp, timeout: Duration) -> ReceiverAnswer {
        let headers = call.headers(now);
        let traced = traces::current_traceparent().map(|context| (traces::TRACEPARENT_HEADER, context));
        let headers = headers.into_iter().chain(traced);
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        self.post_with_timeout(call.url(), headers, call.body().to_vec(), now, timeout).await
    }

    /// Calls a purge hook once.
    pub(in super::super) async fn send_purge(&self, call: &PurgeCall, timeout: Duration) -> ReceiverAnswer {
        let token = call.token.iter().map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
        self.post_with_timeout(&call.url, token.collect(), call.body.clone(), Timestamp::UNIX_EPOCH, timeout).await
    }

    async fn post_with_timeout(
        &self,
        url: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        now: Timestamp,
        timeout: Duration,
    ) -> ReceiverAnswer {
        let began = Instant::now();
        let answer = tokio::time::timeout(timeout, self.send_request(url, headers, body, now)).await;
        let problem = |problem| ReceiverAnswer { problem: Some(problem), ..ReceiverAnswer::default() };
        let answer = answer.unwrap_or_else(|_| problem(DeliveryProblem::Timeout));
        ReceiverAnswer { millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), ..answer }
    }

    async fn send_request(
        &self,
        url: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        now: Timestamp,
    ) -> ReceiverAnswer {
        let problem = |problem| ReceiverAnswer { problem: Some(problem), ..ReceiverAnswer::default() };
        // Checked again: the settings may have changed since, and the resolver is not asked about literal addresses.
        let Ok(url) = self.egress.endpoint(url) else { return problem(DeliveryProblem::Forbidden) };
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        match request.body(body).send().await {
            Ok(response) => {
                let (status, retry_after) =
                    (Some(response.status().as_u16()), parse_retry_after(response.headers(), now));
                let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain_body(response)).await;
                ReceiverAnswer { status, retry_after, ..ReceiverAnswer::default() }
            }
            Err(error) => problem(problem_of_error(&error)),
        }
    }
}

/// Reads a small body to its end. A larger body is dropped, and its connection closed.
async fn drain_body(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(bytes)) = response.chunk().await {
        read += bytes.len();
        if read > MAX_DRAINED_BYTES {
            return;
        }
    }
}

fn problem_of_error(error: &reqwest::Error) -> DeliveryProblem {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<AddressRefused>() {
            return DeliveryProblem::Forbidden;
        }
        cause = inner.source();
    }
    if error.is_connect() { DeliveryProblem::Unreachable } else { DeliveryProblem::BrokenOff }
}

/// Parses `Retry-After`: seconds, or a date.
fn parse_retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date: Timestamp = httpdate::parse_http_date(text).ok()?.try_into().ok()?;
    Duration::try_from(date.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    #[test]
    fn patience_in_both_spellings() {
        let said = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            parse_retry_after(&headers, micros(1_445_412_480_000_000)).map(|wait| wait.as_secs())
        };
        assert_eq!(said("120"), Some(120));
        assert_eq!(said("Wed, 21 Oct 2015 07:28:30 GMT"), Some(30));
        for nonsense in ["soon", "-1", "Wed, 21 Oct 2015 07:27:30 GMT", "99999999999999999999999"] {
            assert_eq!(said(nonsense), None, "{nonsense}");
        }
    }
}
