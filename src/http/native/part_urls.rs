//! Part URLs as JSON, written while they are signed: the answer for ten thousand parts has five megabytes, which are
//! never in memory as a whole.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};

use super::view::timestamp_text;
use crate::domain::checksum::PartChecksum;
use crate::domain::plan::PartNumber;
use crate::engine::SignedParts;

/// Number of URLs in a chunk of a streamed answer: about 64 KiB.
const URLS_PER_CHUNK: usize = 96;
/// Capacity for a URL with its JSON members.
const URL_CAPACITY_BYTES: usize = 700;
/// Up to this many URLs, streaming costs more than it saves.
const MAX_UNSTREAMED_URLS: usize = 200;

/// `{"urls": […]}`.
pub(super) fn urls_response(parts: SignedParts) -> Response {
    let expires_at = timestamp_text(parts.expires_at());
    if parts.len() <= MAX_UNSTREAMED_URLS {
        let mut out = String::with_capacity(parts.len() * URL_CAPACITY_BYTES + 16);
        out.push_str("{\"urls\":[");
        write_part_urls(&parts, 0, usize::MAX, &expires_at, &mut out);
        out.push_str("]}");
        return json_response(Body::from(out));
    }
    // States: the opening brace, the chunks, the closing brace.
    let chunks = stream::unfold((parts, 0, false), move |(parts, from, ended)| {
        let expires_at = expires_at.clone();
        async move {
            if ended {
                return None;
            }
            let mut out = String::with_capacity(URLS_PER_CHUNK * URL_CAPACITY_BYTES);
            out.push_str(if from == 0 { "{\"urls\":[" } else { "" });
            write_part_urls(&parts, from, URLS_PER_CHUNK, &expires_at, &mut out);
            let ended = from + URLS_PER_CHUNK >= parts.len();
            out.push_str(if ended { "]}" } else { "" });
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(out)), (parts, from + URLS_PER_CHUNK, ended)))
        }
    });
    json_response(Body::from_stream(chunks))
}

/// The array as text, for answers with further members.
pub(super) fn urls_array(parts: &SignedParts) -> String {
    let mut out = String::with_capacity(parts.len() * URL_CAPACITY_BYTES + 2);
    out.push('[');
    write_part_urls(parts, 0, usize::MAX, &timestamp_text(parts.expires_at()), &mut out);
    out.push(']');
    out
}

fn json_response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn write_part_urls(parts: &SignedParts, from: usize, most: usize, expires_at: &str, out: &mut String) {
    for (i, (part, len, checksum)) in parts.iter().skip(from).take(most).enumerate() {
        if from + i > 0 {
            out.push(',');
        }
        write_part_url(parts, part, len, checksum, expires_at, out);
    }
}

/// Writes a part URL. No escaping is needed: URLs are ASCII without quotes, and so are checksums and times.
fn write_part_url(
    parts: &SignedParts,
    part: PartNumber,
    len: u64,
    checksum: Option<&PartChecksum>,
    expires_at: &str,
    out: &mut String,
) {
    let _ = write!(out, "{{\"part\":{part},\"url\":\"");
    parts.write_url(part, len, checksum, out);
    let _ = write!(out, "\",\"headers\":{{\"content-length\":\"{len}\"");
    if let Some(checksum) = checksum {
        let _ = write!(out, ",\"{}\":\"{}\"", checksum.algorithm.header(), checksum.base64);
    }
    out.push_str("},\"expires_at\":\"");
    out.push_str(expires_at);
    out.push_str("\"}");
}

/// `{"template": "…{part}…{signature}…", "parts": "1-200", "signatures": […]}`: a seventh of the size.
pub(super) fn compact_response(parts: &SignedParts) -> Response {
    let template = serde_json::to_string(&parts.template()).unwrap_or_default();
    let mut out = String::with_capacity(parts.len() * 68 + template.len() + 256);
    let plan = parts.plan();
    let _ = write!(
        out,
        "{{\"template\":{template},\"parts\":\"{}\",\"part_size\":{},\"size\":{},\"expires_at\":\"{}\",\"signatures\":[",
        parts.parts(),
        plan.part_size(),
        plan.total(),
        timestamp_text(parts.expires_at()),
    );
    for (i, (part, len, _)) in parts.iter().enumerate() {
        out.push_str(if i == 0 { "\"" } else { ",\"" });
        parts.write_signature(part, len, &mut out);
        out.push('"');
    }
    out.push_str("]}");
    json_response(Body::from(out))
}
