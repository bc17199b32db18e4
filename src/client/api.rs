//! Client of the service's API: typed calls, each retried while a retry can help.
//!
//! The API key is sent to the service's own origin only; redirects are never followed automatically.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::error::{Error, Result, ServerRefusal};
use super::progress::RetryObserver;
use super::retry::{RetryBackoff, RetryPolicy};
use super::trace::RequestTrace;
use crate::domain::clock::Entropy;
use crate::domain::reason::FailureCause;

/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of an answer, unless the request sets another.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum bytes that are read of an error's body.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// An API key as a header value. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct ApiKeyHeader(HeaderValue);

impl ApiKeyHeader {
    /// Parses the key's text.
    pub fn new(text: &str) -> Result<Self> {
        let value = HeaderValue::from_str(&format!("Bearer {}", text.trim()));
        let mut value = value.map_err(|_| Error::Usage("the API key contains invalid characters".to_owned()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

/// The service's address, the HTTP client and the retry policy.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base: Url,
    key: Option<ApiKeyHeader>,
    policy: RetryPolicy,
    entropy: Arc<dyn Entropy>,
    trace: Option<RequestTrace>,
}

/// A request to the API.
#[derive(Clone, Debug)]
pub struct ApiRequest<'a> {
    purpose: &'a str,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Bytes>,
    content_type: Option<&'static str>,
    idempotency_key: Option<String>,
    timeout: Duration,
}

impl<'a> ApiRequest<'a> {
    /// A request; `what`: its purpose in words, for messages.
    #[must_use]
    pub fn new(what: &'a str, method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            purpose: what,
            method,
            path,
            query: Vec::new(),
            body: None,
            content_type: None,
            idempotency_key: None,
            timeout: RESPONSE_TIMEOUT,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn body(mut self, json: impl Into<Bytes>) -> Self {
        self.body = Some(json.into());
        self.content_type = Some("application/json");
        self
    }

    /// Sets the bytes of a file as the body.
    #[must_use]
    pub fn content(mut self, bytes: Bytes) -> Self {
        self.body = Some(bytes);
        self
    }

    /// Sets an `Idempotency-Key`: a repeated request finds the resource that the first request created.
    #[must_use]
    pub fn idempotency(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sets another timeout for the answer.
    #[must_use]
    pub fn timeout(mut self, patience: Duration) -> Self {
        self.timeout = patience;
        self
    }
}

impl ApiClient {
    /// A client of the service at `base`.
    pub fn new(base: &str, key: Option<ApiKeyHeader>, policy: RetryPolicy, entropy: Arc<dyn Entropy>) -> Result<Self> {
        let bad = || Error::Usage(format!("\"{base}\" is not the address of a server, like https://files.example"));
        let mut base = Url::parse(base.trim()).map_err(|_| bad())?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() || !base.username().is_empty() {
            return Err(bad());
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let http = reqwest::Client::builder()
            .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(Error::transport)?;
        Ok(Self { http, base, key, policy, entropy, trace: None })
    }

    /// Has a line written for every request.
    #[must_use]
    pub fn with_trace(mut self, trace: RequestTrace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Sends a request that was built for this service or its store, and writes the line for it.
    ///
    /// `place`: the path of a request to the service. `None`: a signed URL, of which only the host is shown.
    pub async fn send(&self, request: RequestBuilder, place: Option<&str>) -> Result<Response> {
        let Some(trace) = &self.trace else { return request.send().await.map_err(Error::transport) };
        let (client, request) = request.build_split();
        let request = request.map_err(Error::transport)?;
        let line = trace.begin(&request, place);
        let outcome = client.execute(request).await;
        trace.end(line, &outcome);
        outcome.map_err(Error::transport)
    }

    /// The server's address; part of an unfinished upload's identity in the journal.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base.as_str()
    }

    /// The HTTP client for requests to the store, which carry no API key.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Source of random numbers.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// A retry counter for an operation.
    #[must_use]
    pub fn backoff(&self) -> RetryBackoff {
        RetryBackoff::new(self.policy)
    }

    /// URL of a path of the service.
    #[must_use]
    pub fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The `Authorization` header, for requests to [`Self::address`] only.
    pub fn authorization(&self) -> Result<HeaderValue> {
        let missing = || ServerRefusal {
            status: 401,
            code: "no_key".to_owned(),
            detail: "no API key is set: set GANTRY_API_KEY, or GANTRY_API_KEY_FILE to a file that contains it, or \
                     run `gantry login`"
                .to_owned(),
            request_id: None,
            retryable: false,
            retry_after: None,
        };
        self.key.as_ref().map(|key| key.0.clone()).ok_or_else(|| Error::Denied(missing()))
    }

    /// Sends a request, with retries, and parses the answer as JSON.
    pub async fn request_json<T: DeserializeOwned>(
        &self,
        ask: &ApiRequest<'_>,
        notices: &dyn RetryObserver,
    ) -> Result<T> {
        let bytes = self.request_bytes(ask, notices).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let text = format!("{}: the server's answer is invalid: {error}", ask.purpose);
            Error::Other(FailureCause::with(text, error))
        })
    }

    /// Sends a request, with retries.
    pub async fn request_bytes(&self, ask: &ApiRequest<'_>, notices: &dyn RetryObserver) -> Result<Bytes> {
        self.with_retries(ask.purpose, notices, async || self.send_once(ask).await).await
    }

    /// Sends a request without retries.
    pub async fn send_once(&self, ask: &ApiRequest<'_>) -> Result<Bytes> {
        let mut url = self.address(&ask.path);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        let mut request = self.http.request(ask.method.clone(), url).timeout(ask.timeout);
        request = request.header(AUTHORIZATION, self.authorization()?);
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(kind) = ask.content_type {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(body) = &ask.body {
            request = request.body(body.clone());
        }
        let response = self.send(request, Some(&ask.path)).await?;
        if response.status().is_success() {
            return response.bytes().await.map_err(Error::transport);
        }
        Err(read_refusal(response).await)
    }

    /// Repeats an operation until it succeeds, fails for good, or the retry policy ends.
    pub async fn with_retries<T>(
        &self,
        what: &str,
        notices: &dyn RetryObserver,
        mut once: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let mut backoff = self.backoff();
        loop {
            let error = match once().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(pause) = backoff.next_pause(&error, self.entropy(), Instant::now()) else { return Err(error) };
            notices.on_retry(what, &error, pause);
            tokio::time::sleep(pause).await;
        }
    }
}

/// `Retry-After` in seconds; dates are ignored.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Reads an error answer of the service.
pub async fn read_refusal(response: Response) -> Error {
    let (status, after) = (response.status().as_u16(), retry_after(response.headers()));
    let body = read_error_body(response).await;
    if (300..400).contains(&status) {
        return Error::Other(
            format!("the server answered {status}: this is not the address of a Gantry service").into(),
        );
    }
    ServerRefusal::from_problem(status, &body, after).into()
}

/// The beginning of an error's body; empty if it cannot be read.
pub async fn read_error_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MAX_ERROR_BODY_BYTES
        && let Ok(Ok(Some(chunk))) = tokio::time::timeout(CONNECT_TIMEOUT, response.chunk()).await
    {
        body.extend_from_slice(&chunk);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::OsEntropy;

    fn api(base: &str) -> Result<ApiClient> {
        ApiClient::new(base, None, RetryPolicy::default(), Arc::new(OsEntropy))
    }

    #[test]
    fn a_service_may_live_below_a_path() {
        let address = |base: &str| api(base).unwrap().address("/v1/uploads").to_string();
        assert_eq!(address("http://127.0.0.1:8080"), "http://127.0.0.1:8080/v1/uploads");
        assert_eq!(address("https://files.example/gantry/?x#y"), "https://files.example/gantry/v1/uploads");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for bad in ["", "files.example", "ftp://x", "http://", "https://user:secret@x/"] {
            assert!(matches!(api(bad), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let key = ApiKeyHeader::new(" gk_id.secret\n").unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        assert!(ApiKeyHeader::new("a\nb").is_err());
        assert_eq!(api("http://x").unwrap().authorization().unwrap_err().exit_code(), 3);
    }

    #[test]
    fn seconds_to_wait() {
        let headers = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2026 07:28:00 GMT")), None);
    }
}
