//! Caching of answers: `Cache-Control`, entity tags, compression. Content of assets and files of pages set their own
//! headers.
//!
//! JSON that describes a single resource carries an entity tag of its text, so that a client can revalidate its copy.
//! Such an answer belongs to the credential that asked for it: shared caches must not store it, and a cache must not
//! show it to another credential. Every other answer without cache headers is `no-store`.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tower_http::CompressionLevel;
use tower_http::compression::{CompressionLayer, Predicate};

/// Answers longer than this get no entity tag: their text would have to be held in memory.
const MAX_TAGGED_BYTES: u64 = 1 << 20;
/// Shorter answers are not worth compressing.
const MIN_COMPRESSED_BYTES: u64 = 1024;
const COMPRESSIBLE_TYPES: [&str; 7] = [
    "application/json",
    "application/openmetrics-text",
    "application/problem+json",
    "text/html",
    "text/plain",
    "text/css",
    "text/javascript",
];

/// Sets `Cache-Control: no-store` on answers that have no cache headers of their own.
pub(super) fn set_default_no_store(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Puts an entity tag on the answer; replaces it by a 304 if the client already has this text.
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

/// Sets the `Vary` header on a 304 as its 200 would have it (RFC 9110 §15.4.5), for a text of this type and length that
/// is compressed for some clients.
pub(super) fn vary_by_encoding(headers: &mut HeaderMap, kind: &str, length: usize) {
    if is_compressible(kind, length as u64) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// True if a text of this type and length is compressed for clients that accept it.
pub(super) fn is_compressible(kind: &str, length: u64) -> bool {
    length >= MIN_COMPRESSED_BYTES && COMPRESSIBLE_TYPES.contains(&kind.split(';').next().unwrap_or_default())
}

/// The entity tag of a text: weak, because it may be sent compressed.
pub(super) fn entity_tag(text: &[u8]) -> String {
    format!("W/\"{}\"", &hex::encode(Sha256::digest(text))[..32])
}

/// True if `If-None-Match` names the tag or is `*` (RFC 9110 §13.1.2: weak comparison).
pub(super) fn matches_if_none_match(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|field| field.to_str().ok());
    opaque_tag(tag, true).is_some_and(|own| lists.into_iter().any(|list| list_contains_tag(list, own, true)))
}

/// True if a list of entity tags contains `own`, which is given without quotes, or is `*`. `weak`: the prefix `W/` is
/// ignored.
pub(super) fn list_contains_tag(list: &str, own: &str, weak: bool) -> bool {
    list.trim() == "*" || list.split(',').any(|item| opaque_tag(item.trim(), weak) == Some(own))
}

/// The text between a tag's quotes.
fn opaque_tag(tag: &str, weak: bool) -> Option<&str> {
    let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'))
}

/// Compression for clients that accept it: JSON of this service and files of pages, unless they are short. Never
/// content of assets, where byte ranges count, nor streams, whose events must not wait in a buffer.
pub(super) fn compression_layer() -> CompressionLayer<CompressionPredicate> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(CompressionPredicate)
}

/// Decides by the head of an answer if it is compressed.
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
