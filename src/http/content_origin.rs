//! A separate origin for files of users (OWASP ASVS 3.5.4): links lead there, and nothing else is served there, so that
//! a page among the files shares no origin with the API or with the pages of this service.
//!
//! The Host header can only make routes unavailable here; no address in any answer is derived from it.

use axum::extract::Request;
use http::uri::Authority;
use http::{StatusCode, Version, header};

use super::AppState;
use super::problem::ProblemDetails;

/// True if the request is for the content origin but its route is not served there: only content, links and health
/// checks are.
pub(super) fn is_wrong_origin(site: &AppState, request: &Request) -> bool {
    let apart = site.content_url != site.public_url;
    apart && targets_content_origin(site, request) && !serves_bytes(request.uri().path())
}

/// Refuses a request that does not have a single valid host: proxies and this service might disagree on it (RFC 9112
/// §3.2, RFC 9113 §8.3.1).
pub(super) fn refuse_ambiguous_host(request: &Request) -> Result<(), ProblemDetails> {
    let refuse = |detail| Err(ProblemDetails::new(StatusCode::BAD_REQUEST, "invalid_host", detail));
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return refuse("The request has more than one Host header.");
    }
    match host {
        Some(host) if parse_authority(host.to_str().unwrap_or_default()).is_none() => {
            refuse("The Host header is not a valid host.")
        }
        None if request.version() == Version::HTTP_11 => refuse("The request has no Host header."),
        None if request.version() == Version::HTTP_2 && request.uri().authority().is_none() => {
            refuse("The request has neither :authority nor a Host header.")
        }
        Some(_) | None => Ok(()),
    }
}

fn targets_content_origin(site: &AppState, request: &Request) -> bool {
    let Some(asked) = request_authority(request) else { return false };
    let (Some(content), public) = (origin_authority(&site.content_url), origin_authority(&site.public_url)) else {
        return false;
    };
    if normalize_host(content.host()) != normalize_host(asked.host()) {
        return false;
    }
    // Clients and proxies omit ports or add them, so ports count only where the two origins differ in nothing else.
    let same_host = public.is_some_and(|public| normalize_host(public.host()) == normalize_host(content.host()));
    !same_host || effective_port(&site.content_url, &content) == effective_port(&site.content_url, &asked)
}

/// `:authority` of HTTP/2, otherwise the Host header.
fn request_authority(request: &Request) -> Option<Authority> {
    let said = || request.headers().get(header::HOST).and_then(|host| parse_authority(host.to_str().ok()?));
    request.uri().authority().cloned().or_else(said)
}

/// Parses a host with or without a port.
fn parse_authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.trim().parse().ok()?;
    (!authority.host().is_empty() && !authority.as_str().contains('@')).then_some(authority)
}

fn origin_authority(url: &str) -> Option<Authority> {
    url.split_once("://").and_then(|(_, authority)| parse_authority(authority))
}

/// A host name in the form in which it is compared: lower case, without the trailing dot.
fn normalize_host(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// The port, or the default port of the origin's scheme.
fn effective_port(origin: &str, authority: &Authority) -> u16 {
    authority.port_u16().unwrap_or(if origin.starts_with("https:") { 443 } else { 80 })
}

/// True for paths under which files are delivered, and for the health check.
pub(super) fn serves_bytes(path: &str) -> bool {
    let content = |rest: &str| rest.split_once('/').is_some_and(|(_, last)| last == "content");
    path.starts_with("/d/") || path == "/livez" || path.strip_prefix("/v1/assets/").is_some_and(content)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_bytes_are_served_apart() {
        assert!(serves_bytes("/d/gd_x") && serves_bytes("/v1/assets/1/content") && serves_bytes("/livez"));
        for other in ["/", "/v1/assets", "/v1/assets/1", "/v1/assets/1/content/x", "/v1/uploads/1/content", "/tus"] {
            assert!(!serves_bytes(other), "{other}");
        }
    }

    fn refused(version: Version, uri: &str, hosts: &[&str]) -> bool {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        refuse_ambiguous_host(&request.body(Body::empty()).unwrap()).is_err()
    }

    #[test]
    fn a_request_is_for_one_host() {
        for good in ["files.example", "Files.example.:8080", "127.0.0.1:1", "[::1]:8080", "my_host"] {
            assert!(!refused(Version::HTTP_11, "/", &[good]), "{good}");
        }
        for bad in ["", "a b", "user@files.example", "files.example/path", ":8080"] {
            assert!(refused(Version::HTTP_11, "/", &[bad]), "{bad}");
        }
        assert!(refused(Version::HTTP_11, "/", &[]) && refused(Version::HTTP_11, "http://a.example/", &[]));
        assert!(refused(Version::HTTP_11, "/", &["a", "a"]) && refused(Version::HTTP_2, "http://a/", &["a", "a"]));
        assert!(!refused(Version::HTTP_10, "/", &[]) && !refused(Version::HTTP_2, "http://a/", &[]));
        assert!(refused(Version::HTTP_2, "/", &[]) && !refused(Version::HTTP_2, "/", &["a"]));
    }
}
