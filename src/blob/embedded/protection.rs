//! Headers that protect a browser that follows a signed URL: it may show the bytes of the object, and nothing else.
//!
//! Same rules as for bytes that the service streams itself.

use http::HeaderValue;
use http::header::{self, HeaderMap};

/// Write token in the metadata, which downloaders must not see.
const WRITE_TOKEN_HEADER: &str = "x-amz-meta-gantry-token";
/// Policy that loads and runs nothing, in a page with an opaque origin.
const SANDBOX_CSP: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
/// Policy for video and audio. A browser shows these in a page of its own with a player that loads the same URL again,
/// which a page with an opaque origin may not do. Scripts, forms and frames stay forbidden.
const PLAYER_CSP: HeaderValue =
    HeaderValue::from_static("sandbox allow-same-origin; default-src 'none'; media-src 'self'");

/// Adds protective headers to the response to a signed URL, and removes internal headers.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.remove(WRITE_TOKEN_HEADER);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.trim_start().to_ascii_lowercase();
    let played = content_type.starts_with("video/") || content_type.starts_with("audio/");
    headers.insert(header::CONTENT_SECURITY_POLICY, if played { PLAYER_CSP } else { SANDBOX_CSP });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_film_and_sound_keep_their_origin() {
        let policy = |content_type: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(WRITE_TOKEN_HEADER, HeaderValue::from_static("secret"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            protect(&mut headers);
            assert!(!headers.contains_key(WRITE_TOKEN_HEADER));
            headers[header::CONTENT_SECURITY_POLICY].clone()
        };
        for sealed in ["text/html", "image/svg+xml", "application/pdf", "", "application/video/mp4", "image/png"] {
            assert_eq!(policy(sealed), SANDBOX_CSP, "{sealed}");
        }
        for played in ["video/mp4", "Audio/MPEG", "video/webm; codecs=vp9"] {
            assert_eq!(policy(played), PLAYER_CSP, "{played}");
        }
    }
}
