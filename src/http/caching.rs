//! What may be kept of answers, and by whom. Bytes of assets and files of pages say that themselves.
//!
//! JSON of one thing comes with an entity tag of what it says, and whoever has it asks whether it is still the same. It
//! belongs to whoever asked: shared caches must not keep it, and a cache must not show it to another credential. Of
//! everything else that says nothing, nothing is kept.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, Predicate};

/// Answers that are longer are not looked at: what they say would have to be held in memory.
const MAX_TAGGED_BYTES: u64 = 1 << 20;
/// What is shorter is not worth compressing.
const MIN_COMPRESSED_BYTES: u64 = 1024;
const COMPRESSIBLE_TYPES: [&str; 6] = [
    "application/json",
    "application/openmetrics-text",
    "application/problem+json",
    "text/html",
    "text/css",
    "text/javascript",
];

/// Says of answers that say nothing themselves that nobody may keep them.
pub(super) fn set_default_no_store(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Puts an entity tag on the answer, and leaves out what the client has already.
pub(super) async fn apply_etag(request: Request, next: Next) -> Response {
    let asked = request.headers().clone();
    let response = next.run(request).await;
    let short = http_body::Body::size_hint(response.body()).upper().is_some_and(|length| length <= MAX_TAGGED_BYTES);
    if response.status() != StatusCode::OK || response.headers().contains_key(header::CACHE_CONTROL) || !short {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let body = body.to_bytes();
    let tag = entity_tag(&body);
    set_validators(&mut head.headers, &tag);
    if !matches_if_none_match(&asked, &tag) {
        return Response::from_parts(head, Body::from(body));
    }
    vary_by_encoding(&mut head.headers, "application/json", body.len());
    head.status = StatusCode::NOT_MODIFIED;
    head.headers.remove(header::CONTENT_TYPE);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::empty())
}

fn set_validators(headers: &mut HeaderMap, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
}

/// Says on the 304 of a text of this type and length what its 200 says (RFC 9110 §15.4.5): that it is compressed for some.
pub(super) fn vary_by_encoding(headers: &mut HeaderMap, kind: &str, length: usize) {
    if is_compressible(kind, length as u64) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Whether a text of ours of this type and length is sent compressed to those who ask for it.
fn is_compressible(kind: &str, length: u64) -> bool {
    length >= MIN_COMPRESSED_BYTES && COMPRESSIBLE_TYPES.contains(&kind.split(';').next().unwrap_or_default())
}

/// The entity tag of a text: weak, because it may be sent compressed.
pub(super) fn entity_tag(text: &[u8]) -> String {
    format!("W/\"{}\"", &hex::encode(Sha256::digest(text))[..32])
}

/// Whether `If-None-Match` names the tag, or anything at all (RFC 9110 §13.1.2: the comparison is weak).
pub(super) fn matches_if_none_match(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|field| field.to_str().ok());
    opaque_tag(tag, true).is_some_and(|own| lists.into_iter().any(|list| list_contains_tag(list, own, true)))
}

/// Whether a list of entity tags has this one, which is given without quotes, or stands for any. `weak`: `W/` does not
/// matter.
pub(super) fn list_contains_tag(list: &str, own: &str, weak: bool) -> bool {
    list.trim() == "*" || list.split(',').any(|item| opaque_tag(item.trim(), weak) == Some(own))
}

/// What is between a tag's quotes.
fn opaque_tag(tag: &str, weak: bool) -> Option<&str> {
    let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'))
}

/// What is sent compressed to those who ask for it: our own JSON and the files of pages, unless they are short. Never the
/// bytes of assets, whose ranges count, nor streams, whose events must not wait in a buffer.
pub(super) fn compression_layer() -> CompressionLayer<CompressionPredicate> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(CompressionPredicate)
}

/// Decides by the head of an answer.
#[derive(Clone, Copy)]
pub(super) struct CompressionPredicate;

impl Predicate for CompressionPredicate {
    fn should_compress<B: http_body::Body>(&self, response: &http::Response<B>) -> bool {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let ours =
            [header::ACCEPT_RANGES, header::CONTENT_RANGE].iter().all(|name| !response.headers().contains_key(name));
        let length = response.body().size_hint().exact().unwrap_or(u64::MAX);
        ours && is_compressible(text(header::CONTENT_TYPE), length)
            && !text(header::CACHE_CONTROL).contains("no-transform")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_tags_are_known() {
        let knows = |field: &'static str| {
            matches_if_none_match(
                &HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(field))]),
                "W/\"a\"",
            )
        };
        assert!(knows("W/\"a\"") && knows("\"a\"") && knows("\"b\", W/\"a\"") && knows("*"));
        assert!(!knows("\"b\"") && !knows("") && !knows("a"));
        assert!(list_contains_tag("\"b\", \"a\"", "a", false) && list_contains_tag("*", "a", false));
        assert!(!list_contains_tag("W/\"a\"", "a", false) && !list_contains_tag("a", "a", false));
    }
}
