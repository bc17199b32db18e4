//! An origin of its own for what users have brought (OWASP ASVS 3.5.4): links lead there, and nothing else is served there,
//! so that a page among the files shares no origin with the API or with our pages.
//!
//! The Host header can only take routes away here; no address in any answer is made of it.

use axum::extract::Request;
use http::header;

use super::Site;

/// Whether what is asked for is not on the origin that it is asked on: the content's is an empty place, but for bytes and
/// signs of life.
pub(super) fn is_elsewhere(site: &Site, request: &Request) -> bool {
    let apart = site.content_url != site.public_url;
    apart && host_of(request) == authority(&site.content_url) && !serves_bytes(request.uri().path())
}

/// Of HTTP/2 the authority, otherwise the Host header.
fn host_of(request: &Request) -> Option<&str> {
    let said = || request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(http::uri::Authority::as_str).or_else(said)
}

fn authority(url: &str) -> Option<&str> {
    url.split_once("://").map(|(_, authority)| authority)
}

fn serves_bytes(path: &str) -> bool {
    let content = |rest: &str| rest.split_once('/').is_some_and(|(_, last)| last == "content");
    path.starts_with("/d/") || path == "/livez" || path.strip_prefix("/v1/assets/").is_some_and(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_are_served_apart() {
        assert!(serves_bytes("/d/gd_x") && serves_bytes("/v1/assets/1/content") && serves_bytes("/livez"));
        for other in ["/", "/v1/assets", "/v1/assets/1", "/v1/assets/1/content/x", "/v1/uploads/1/content", "/tus"] {
            assert!(!serves_bytes(other), "{other}");
        }
        assert_eq!(authority("https://files.example:8443"), Some("files.example:8443"));
    }
}
