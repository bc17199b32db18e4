//! Errors of commands by meaning, each with its exit code.
//!
//! Messages for users are made here. They must not contain a signed URL or a key: addresses are removed from transport
//! errors before these become text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tokio_rustls::rustls;

use crate::domain::reason::{FailureCause, innermost_cause, plain_words};

/// Time to wait for an asset that is not ready.
const MAX_NOT_READY_WAIT: Duration = Duration::from_secs(60);

/// Errors of the service carry a request id, and errors of the store a code: a bare 413 comes from a proxy in front of
/// them.
const PROXY_BODY_LIMIT_HINT: &str = "a proxy in front of the service refuses bodies of this size: raise its limit \
    (nginx: client_max_body_size 0; Apache: LimitRequestBody 0)";

/// Result of the client's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Exit codes with their meanings; stable, and printed by `gantry help exit-codes`.
pub const EXIT_CODES: [(u8, &str); 13] = [
    (0, "everything was done"),
    (1, "something else went wrong: a local file, or a refusal that has no code of its own"),
    (2, "the command line, or a value in it, is invalid"),
    (3, "no key, a wrong key, or one that does not allow this"),
    (4, "there is no such asset, upload or link, or it is gone"),
    (5, "a limit or a quota: too large, too many, storage full"),
    (6, "integrity: bytes or digests differ, or the file changed while it was read"),
    (7, "partial: some of several files or ids failed, others did not"),
    (8, "network: the server or the store could not be reached for too long"),
    (9, "blocked: the asset was rejected and is not delivered"),
    (10, "steps of the database's schema are pending (`gantry migrate status`)"),
    (11, "the database's schema does not fit this version (`gantry migrate`)"),
    (130, "interrupted (Ctrl-C); what was sent is kept, and the same command continues"),
];

/// An error by its meaning.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Invalid command line, or a value that the server refused as invalid.
    #[error("{0}")]
    Usage(String),
    /// No API key, a wrong key, or a key that does not allow this.
    #[error("{0}")]
    Denied(ServerRefusal),
    /// The resource does not exist, or not any more.
    #[error("{0}")]
    NotFound(ServerRefusal),
    /// Too large, too many, or full.
    #[error("{0}")]
    Limit(ServerRefusal),
    /// Bytes do not match their digest or size.
    #[error("{0}")]
    Integrity(String),
    /// Some of several operations failed; each failure was reported.
    #[error("{failed} of {total} failed")]
    Partial {
        /// Number of failures.
        failed: usize,
        /// Number of operations.
        total: usize,
    },
    /// No answer, no answer in time, or an answer that broke off.
    #[error("{why}")]
    Network {
        /// Cause, without addresses, which may be secrets.
        #[source]
        why: FailureCause,
        /// `Retry-After` of the server.
        after: Option<Duration>,
    },
    /// The asset was rejected.
    #[error("{0}")]
    Blocked(String),
    /// The user interrupted the command.
    #[error("interrupted")]
    Interrupted,
    /// Any other refusal of the server.
    #[error("{0}")]
    Refused(ServerRefusal),
    /// An error of a local file.
    #[error("{}: {}", .path.display(), plain_words(&.error.to_string()))]
    Local {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        error: std::io::Error,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(#[source] FailureCause),
}

/// An error answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRefusal {
    /// The HTTP status.
    pub status: u16,
    /// Error code for programs: the problem's `code`, or the store's.
    pub code: String,
    /// Message for people.
    pub detail: String,
    /// Request id by which an operator finds the request.
    pub request_id: Option<String>,
    /// True if a retry can help.
    pub retryable: bool,
    /// Time until a retry, if the server named a time.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ServerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.detail.trim_end_matches('.'), self.code)?;
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        f.write_str(")")
    }
}

/// Problem details (RFC 9457), as far as the client reads them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ServerProblem {
    code: String,
    detail: String,
    request_id: Option<String>,
    retryable: Option<bool>,
}

impl ServerRefusal {
    /// Parses an error of the service: a problem document, or the answer of a proxy in between.
    #[must_use]
    pub fn from_problem(status: u16, body: &[u8], after: Option<Duration>) -> Self {
        let problem: ServerProblem = serde_json::from_slice(body).unwrap_or_default();
        let transient = matches!(status, 408 | 425 | 429 | 500 | 502..=504);
        if problem.code.is_empty() {
            let detail = match status {
                413 => format!("{PROXY_BODY_LIMIT_HINT} (it answered 413)"),
                status => format!("the server answered {status}"),
            };
            return Self {
                status,
                code: format!("http_{status}"),
                detail,
                request_id: None,
                retryable: transient,
                retry_after: after,
            };
        }
        Self {
            status,
            code: printable(&problem.code),
            detail: printable(&problem.detail),
            request_id: problem.request_id.map(|id| printable(&id)),
            retryable: problem.retryable.unwrap_or(transient),
            retry_after: after,
        }
    }

    /// Parses an error of the store: S3's XML, of which only code and message are read.
    #[must_use]
    pub fn from_store(status: u16, body: &[u8], after: Option<Duration>) -> Self {
        let text = String::from_utf8_lossy(body);
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            rest.split_once("</").map(|(inner, _)| printable(inner)).filter(|inner| !inner.is_empty())
        };
        let code = element("Code").unwrap_or_else(|| format!("http_{status}"));
        let detail = match element("Message") {
            Some(message) => format!("the store answered {status}: {message}"),
            None if status == 413 => format!("{PROXY_BODY_LIMIT_HINT} (the store's address answered 413)"),
            None => format!("the store answered {status}"),
        };
        // S3 reports a body that came too slowly or not completely as a client error; sending it again helps.
        let transient = matches!(status, 408 | 429 | 500 | 502..=504)
            || (status == 400 && matches!(code.as_str(), "RequestTimeout" | "IncompleteBody" | "BadDigest"));
        Self { status, code, detail, request_id: None, retryable: transient, retry_after: after }
    }
}

/// True if the server's certificate was refused: a retry cannot help.
fn is_untrusted_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // `source` of an I/O error does not return the wrapped error itself.
    let made_of = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    made_of.is_some_and(|inner| is_untrusted_certificate(inner)) || error.source().is_some_and(is_untrusted_certificate)
}

/// True if the answer to a TLS handshake was not TLS.
fn is_not_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref() {
        return matches!(error, rustls::Error::InvalidMessage(_));
    }
    let made_of = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    made_of.is_some_and(|inner| is_not_tls(inner)) || error.source().is_some_and(is_not_tls)
}

/// Text from a server, safe for a terminal and bounded in length.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

impl From<ServerRefusal> for Error {
    fn from(refusal: ServerRefusal) -> Self {
        match (refusal.status, refusal.code.as_str()) {
            (_, "rejected") => Self::Blocked(refusal.to_string()),
            (_, "wrong_bytes" | "parts_differ") => Self::Integrity(refusal.to_string()),
            (401 | 403, _) => Self::Denied(refusal),
            (404 | 410, _) => Self::NotFound(refusal),
            (413 | 429 | 507, _) => Self::Limit(refusal),
            (422, "invalid" | "invalid_json") => Self::Usage(refusal.to_string()),
            (502..=504, _) => Self::Network { after: refusal.retry_after, why: refusal.to_string().into() },
            _ => Self::Refused(refusal),
        }
    }
}

impl Error {
    /// Builds the error for a local file.
    pub fn local(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Local { path, error }
    }

    /// A transport error, without the address at which it happened.
    #[must_use]
    pub fn transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            return Self::network("no answer in time");
        }
        let text = innermost_cause(&error);
        if is_not_tls(&error) {
            let why = "the server at this address does not support HTTPS. Write http:// \
                       instead of https://, if the network is trusted";
            return Self::Other(why.into());
        }
        if is_untrusted_certificate(&error) {
            return Self::Other(FailureCause::with(format!("the server's certificate is not trusted: {text}"), error));
        }
        let text = if error.is_connect() { format!("cannot connect: {text}") } else { text };
        Self::network(FailureCause::with(text, error))
    }

    /// A network error.
    pub fn network(why: impl Into<FailureCause>) -> Self {
        Self::Network { why: why.into(), after: None }
    }

    /// Makes the error final if an asset was still not ready a minute after `since`.
    #[must_use]
    pub fn limit_not_ready_wait(mut self, since: Instant) -> Self {
        if let Self::Refused(refusal) = &mut self
            && refusal.code == "not_ready"
        {
            refusal.retryable &= since.elapsed() < MAX_NOT_READY_WAIT;
        }
        self
    }

    /// True if a retry can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Network { .. } => true,
            Self::Denied(refusal) | Self::NotFound(refusal) | Self::Limit(refusal) | Self::Refused(refusal) => {
                refusal.retryable
            }
            Self::Usage(_) | Self::Integrity(_) | Self::Partial { .. } | Self::Blocked(_) => false,
            Self::Interrupted | Self::Local { .. } | Self::Other(_) => false,
        }
    }

    /// `Retry-After` of the server, if sent.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Network { after, .. } => *after,
            Self::Denied(refusal) | Self::NotFound(refusal) | Self::Limit(refusal) | Self::Refused(refusal) => {
                refusal.retry_after
            }
            Self::Usage(_) | Self::Integrity(_) | Self::Partial { .. } | Self::Blocked(_) => None,
            Self::Interrupted | Self::Local { .. } | Self::Other(_) => None,
        }
    }

    /// The server's refusal, if the error holds a refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&ServerRefusal> {
        match self {
            Self::Denied(refusal) | Self::NotFound(refusal) | Self::Limit(refusal) | Self::Refused(refusal) => {
                Some(refusal)
            }
            Self::Usage(_) | Self::Integrity(_) | Self::Partial { .. } | Self::Blocked(_) => None,
            Self::Network { .. } | Self::Interrupted | Self::Local { .. } | Self::Other(_) => None,
        }
    }

    /// Exit code of the process; see [`EXIT_CODES`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Denied(_) => 3,
            Self::NotFound(_) => 4,
            Self::Limit(_) => 5,
            Self::Integrity(_) => 6,
            Self::Partial { .. } => 7,
            Self::Network { .. } => 8,
            Self::Blocked(_) => 9,
            Self::Interrupted => 130,
            Self::Refused(_) | Self::Local { .. } | Self::Other(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reason::chain;

    fn problem(status: u16, code: &str, retryable: bool) -> Error {
        let body = format!(
            r#"{{"code":"{code}","detail":"Words.","request_id":"r1","retryable":{retryable},"future":"field"}}"#
        );
        ServerRefusal::from_problem(status, body.as_bytes(), None).into()
    }

    #[test]
    fn every_refusal_has_its_exit_code() {
        let table = [
            (401, "unauthenticated", 3),
            (403, "forbidden", 3),
            (403, "rejected", 9),
            (404, "not_found", 4),
            (410, "gone", 4),
            (409, "conflict", 1),
            (409, "parts_differ", 6),
            (413, "too_large", 5),
            (422, "invalid", 2),
            (422, "wrong_bytes", 6),
            (422, "idempotency_key_reused", 1),
            (429, "too_many", 5),
            (500, "internal", 1),
            (503, "unavailable", 8),
            (507, "storage_full", 5),
        ];
        for (status, code, exit) in table {
            assert_eq!(problem(status, code, false).exit_code(), exit, "{status} {code}");
        }
        for (exit, _) in EXIT_CODES {
            assert_eq!(EXIT_CODES.iter().filter(|(code, _)| *code == exit).count(), 1);
        }
    }

    #[test]
    fn people_read_detail_code_and_request() {
        let error = problem(409, "not_ready", true);
        assert_eq!(error.to_string(), "Words (not_ready, request r1)");
        assert!(error.is_retryable());
        assert!(!problem(500, "internal", false).is_retryable(), "the server knows better");
    }

    #[test]
    fn what_a_proxy_says_is_understood_by_its_status() {
        let bad_gateway: Error = ServerRefusal::from_problem(502, b"<html>nginx</html>", None).into();
        assert!(bad_gateway.is_retryable() && bad_gateway.exit_code() == 8);
        assert!(!Error::from(ServerRefusal::from_problem(404, b"", None)).is_retryable());
        let html = b"<html>413 Request Entity Too Large</html>";
        for refusal in [ServerRefusal::from_problem(413, html, None), ServerRefusal::from_store(413, html, None)] {
            let error = Error::from(refusal);
            assert!(
                !error.is_retryable() && error.exit_code() == 5 && error.to_string().contains("client_max_body_size")
            );
        }
        let ours = problem(413, "too_large", false).to_string();
        assert!(!ours.contains("client_max_body_size"), "{ours}");
    }

    #[tokio::test]
    async fn no_signed_address_is_in_the_chain_of_a_transport_error() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://user:hush@{gone}/b/k?X-Amz-Credential=hush&X-Amz-Signature=hush");
        let error = Error::transport(reqwest::Client::new().put(url).send().await.unwrap_err());
        let line = chain(&error).to_string();
        assert!(line.starts_with("cannot connect: ") && std::error::Error::source(&error).is_some(), "{line}");
        assert!(
            !line.contains("hush") && !line.contains("X-Amz") && !format!("{error:?}").contains("hush"),
            "{error:?}"
        );
    }

    #[test]
    fn the_store_speaks_xml() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please \x1b[31mwait</Message></Error>";
        let refusal = ServerRefusal::from_store(503, body, Some(Duration::from_secs(2)));
        assert_eq!((refusal.code.as_str(), refusal.retryable), ("SlowDown", true));
        assert_eq!(refusal.detail, "the store answered 503: Please [31mwait");
        assert_eq!(Error::from(refusal).retry_after(), Some(Duration::from_secs(2)));
        assert!(ServerRefusal::from_store(400, b"<Error><Code>RequestTimeout</Code></Error>", None).retryable);
        assert!(!ServerRefusal::from_store(400, b"<Error><Code>InvalidArgument</Code></Error>", None).retryable);
    }
}
