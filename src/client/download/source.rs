//! Source of a download: an asset's content, with the API key, or a link, without it.
//!
//! Redirects are followed explicitly: their target never gets the key. The signed URL is used until it is refused, so
//! that a link with a limited number of uses is opened once.

use std::time::Duration;

use reqwest::header::{
    AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_RANGE,
    LOCATION, RANGE,
};
use reqwest::{Method, Response, StatusCode, Url};

use super::file_name;
use crate::client::api::{ApiClient, read_error_body, read_refusal, retry_after};
use crate::client::error::{Error, Result, ServerRefusal};
use crate::domain::checksum::Sha256Digest;
use crate::domain::ids::AssetId;

/// Timeout for the head of an answer.
const RESPONSE_HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Identity, size and name of the remote file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemoteFileInfo {
    pub(super) size: u64,
    /// Strong entity tag with its quotes.
    pub(super) etag: String,
    pub(super) sha256: Option<Sha256Digest>,
    pub(super) name: String,
}

/// An asset's content or a link.
pub(super) struct DownloadSource {
    api: ApiClient,
    url: Url,
    with_key: bool,
    /// A signed URL while it is valid. A secret.
    redirect: Option<Url>,
}

/// Reason why no bytes came.
pub(super) enum FetchError {
    /// The file has changed.
    Changed,
    /// The signed URL is no longer valid; the next attempt gets a new URL.
    Expired(ServerRefusal),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl DownloadSource {
    /// Parses the argument: an asset's id or a link.
    pub(super) fn new(api: ApiClient, typed: &str) -> Result<Self> {
        if let Ok(id) = typed.parse::<AssetId>() {
            let url = api.address(&format!("/v1/assets/{id}/content"));
            return Ok(Self { api, url, with_key: true, redirect: None });
        }
        let url = Url::parse(typed).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The argument is not repeated in the message: it may be most of a link, and a link is a secret.
        let url = url.ok_or_else(|| Error::Usage("the argument is neither an asset id nor a link".to_owned()))?;
        Ok(Self { api, url, with_key: false, redirect: None })
    }

    fn request(&self, method: Method) -> Result<reqwest::RequestBuilder> {
        let mut request = self.api.http().request(method, self.url.clone());
        if self.with_key {
            request = request.header(AUTHORIZATION, self.api.authorization()?);
        }
        Ok(request)
    }

    /// Path of requests to the service for `-v`; a link is a secret.
    fn place(&self) -> Option<&str> {
        self.with_key.then(|| self.url.path())
    }

    async fn send_with_timeout(&self, request: reqwest::RequestBuilder, place: Option<&str>) -> Result<Response> {
        let sent = tokio::time::timeout(RESPONSE_HEAD_TIMEOUT, self.api.send(request, place)).await;
        sent.map_err(|_| Error::network("no answer in time"))?
    }

    /// Metadata of the remote file. A HEAD does not count as a use of a link.
    pub(super) async fn fetch_info(&self) -> Result<RemoteFileInfo> {
        let head = self.api.send(self.request(Method::HEAD)?.timeout(RESPONSE_HEAD_TIMEOUT), self.place()).await?;
        if !head.status().is_success() {
            // The answer to a HEAD has no body; the same request with GET has the error.
            let why = self.api.send(self.request(Method::GET)?.timeout(RESPONSE_HEAD_TIMEOUT), self.place()).await?;
            return Err(match why.status() {
                status if status.is_success() || status.is_redirection() => not_gantry_error(),
                _ => read_refusal(why).await,
            });
        }
        let facts = parse_info(head.headers());
        facts.ok_or_else(not_gantry_error)
    }

    /// Opens the bytes from `offset` on.
    pub(super) async fn open_stream(
        &mut self,
        facts: &RemoteFileInfo,
        offset: u64,
    ) -> std::result::Result<Response, FetchError> {
        let Some(address) = self.redirect.clone() else { return self.request_from_service(facts, offset).await };
        let request = self.api.http().get(address).header(IF_MATCH, &facts.etag);
        let response = self.send_with_timeout(with_range(request, facts, offset), None).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => check_response(response, facts, offset),
            StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => Err(FetchError::Changed),
            status => {
                self.redirect = None;
                let after = retry_after(response.headers());
                let refusal = ServerRefusal::from_store(status.as_u16(), &read_error_body(response).await, after);
                Err(match status {
                    StatusCode::FORBIDDEN => FetchError::Expired(refusal),
                    _ => FetchError::Failed(refusal.into()),
                })
            }
        }
    }

    /// Asks the service, which answers with the bytes or with a redirect to them.
    async fn request_from_service(
        &mut self,
        facts: &RemoteFileInfo,
        offset: u64,
    ) -> std::result::Result<Response, FetchError> {
        let response =
            self.send_with_timeout(with_range(self.request(Method::GET)?, facts, offset), self.place()).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => check_response(response, facts, offset),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(FetchError::Changed),
            status if status.is_redirection() => {
                let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let target = location.and_then(|location| self.url.join(location).ok());
                let target = target.filter(|url| matches!(url.scheme(), "http" | "https"));
                self.redirect = Some(target.ok_or_else(not_gantry_error)?);
                Box::pin(self.open_stream(facts, offset)).await
            }
            _ => Err(read_refusal(response).await.into()),
        }
    }
}

fn not_gantry_error() -> Error {
    Error::Other("the server at this address is not a Gantry service".into())
}

fn with_range(request: reqwest::RequestBuilder, facts: &RemoteFileInfo, offset: u64) -> reqwest::RequestBuilder {
    if offset == 0 {
        return request;
    }
    request.header(RANGE, format!("bytes={offset}-")).header(IF_RANGE, &facts.etag)
}

/// Checks that an answer has the requested bytes of the expected file.
fn check_response(
    response: Response,
    facts: &RemoteFileInfo,
    offset: u64,
) -> std::result::Result<Response, FetchError> {
    if matches_request(response.status(), response.headers(), facts, offset) {
        Ok(response)
    } else {
        Err(FetchError::Changed)
    }
}

fn matches_request(status: StatusCode, headers: &HeaderMap, facts: &RemoteFileInfo, offset: u64) -> bool {
    let same = header_text(headers, &ETAG).is_none_or(|etag| etag == facts.etag);
    let from = header_text(headers, &CONTENT_RANGE).and_then(range_start);
    let starts = if status == StatusCode::PARTIAL_CONTENT { from == Some(offset) } else { offset == 0 };
    same && starts
}

/// `bytes 5-9/10` begins at 5.
fn range_start(value: &str) -> Option<u64> {
    value.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn parse_info(headers: &HeaderMap) -> Option<RemoteFileInfo> {
    let digest = header_text(headers, &HeaderName::from_static("repr-digest")).and_then(sha256);
    let etag = header_text(headers, &ETAG).filter(|etag| etag.starts_with('"'))?;
    Some(RemoteFileInfo {
        size: header_text(headers, &CONTENT_LENGTH)?.parse().ok()?,
        etag: etag.to_owned(),
        sha256: digest,
        name: file_name::from_content_disposition(header_text(headers, &CONTENT_DISPOSITION)),
    })
}

/// The SHA-256 in a digest header: `sha-256=:base64:`, possibly among further algorithms (RFC 9530).
fn sha256(header: &str) -> Option<Sha256Digest> {
    let item = header.split(',').find_map(|item| item.trim().strip_prefix("sha-256=:"))?;
    format!("sha256:{}", item.strip_suffix(':')?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::retry::RetryPolicy;
    use crate::domain::clock::OsEntropy;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn some_facts() -> RemoteFileInfo {
        RemoteFileInfo { size: 10, etag: "\"e\"".to_owned(), sha256: None, name: "n".to_owned() }
    }

    #[test]
    fn the_head_says_what_is_there() {
        let digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let found = parse_info(&headers(&[
            ("content-length", "10"),
            ("etag", "\"e\""),
            ("repr-digest", &format!("md5=:x:, sha-256=:{digest}:")),
            ("content-disposition", "attachment; filename=\"n\""),
        ]));
        let expected = RemoteFileInfo { sha256: Some(digest.parse().unwrap()), ..some_facts() };
        assert_eq!(found, Some(expected));
        assert_eq!(
            parse_info(&headers(&[("content-length", "10"), ("etag", "W/\"e\"")])),
            None,
            "weak tags prove nothing"
        );
    }

    #[test]
    fn only_the_right_bytes_are_taken() {
        let (whole, part) = (StatusCode::OK, StatusCode::PARTIAL_CONTENT);
        let case = |status, pairs: &[(&'static str, &str)], offset| {
            matches_request(status, &headers(pairs), &some_facts(), offset)
        };
        assert!(case(whole, &[("etag", "\"e\"")], 0));
        assert!(case(part, &[("etag", "\"e\""), ("content-range", "bytes 5-9/10")], 5));
        assert!(!case(whole, &[("etag", "\"e\"")], 5), "the range was not honoured");
        assert!(!case(part, &[("content-range", "bytes 4-9/10")], 5));
        assert!(!case(part, &[("etag", "\"x\""), ("content-range", "bytes 5-9/10")], 5));
    }

    #[test]
    fn what_can_be_typed() {
        let api =
            ApiClient::new("http://gantry", None, RetryPolicy::default(), std::sync::Arc::new(OsEntropy)).unwrap();
        let origin = |typed: &str| DownloadSource::new(api.clone(), typed);
        assert!(origin("01a1fcaa-182f-7392-9bfa-443ddd006b9a").unwrap().with_key);
        assert!(!origin("https://files.example/d/secret").unwrap().with_key);
        let error = origin("d/secret").err().unwrap();
        assert!(error.exit_code() == 2 && !error.to_string().contains("secret"));
    }
}
