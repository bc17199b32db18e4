//! Part URLs as JSON, written while they are signed: the answer for ten thousand parts has five megabytes, which are
//! never in memory as a whole.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::domain::checksum::PartChecksum;
use crate::domain::clock::Timestamp;
use crate::domain::plan::PartNumber;
use crate::engine::SignedParts;
use crate::http::openapi::absent_not_null;
use crate::http::time_text::SortableTime;

/// Number of URLs in a chunk of a streamed answer: about 64 KiB.
const URLS_PER_CHUNK: usize = 96;
/// Capacity for a URL with its JSON members.
const URL_CAPACITY_BYTES: usize = 700;
/// Up to this many URLs, streaming costs more than it saves.
const MAX_UNSTREAMED_URLS: usize = 200;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PartUrl")]
pub(super) struct PartUrlView<'a> {
    /// Number of the part, from 1.
    #[schemars(example = 1)]
    part: u16,
    /// URL to which the part is sent by PUT.
    #[schemars(url)]
    url: &'a str,
    /// Headers that must be sent as they are: the signature covers them.
    #[serde(serialize_with = "serialize_pairs")]
    #[schemars(with = "BTreeMap<String, String>", example = BTreeMap::from([("content-length", "5242880")]))]
    headers: &'a [(&'static str, String)],
    /// Time at which the URL expires.
    #[schemars(with = "Timestamp")]
    expires_at: &'a str,
}

/// Whole URLs, or a template and the signatures.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "PartUrls", transform = absent_not_null)]
pub(super) struct PartUrlsView<'a> {
    /// The URLs of the request; absent in the compact form.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<PartUrlView<'static>>>")]
    urls: Option<PartUrlList<'a>>,
    /// In the compact form: a URL with `{part}` and `{signature}` to be filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://store.example/files/k?partNumber={part}&uploadId=u&X-Amz-Signature={signature}")]
    template: Option<String>,
    /// In the compact form: the parts, in the order of the signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1-3")]
    parts: Option<String>,
    /// In the compact form: size in bytes of every part but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 5_242_880)]
    part_size: Option<u64>,
    /// In the compact form: size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 734_003_200)]
    size: Option<u64>,
    /// In the compact form: time at which the URLs expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<SortableTime>,
    /// In the compact form: a signature for each part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    signatures: Option<PartSignatureList<'a>>,
}

/// The URLs of parts, each of which is signed when it is serialised.
#[derive(Clone, Copy)]
pub(super) struct PartUrlList<'a>(pub(super) &'a SignedParts);

impl Serialize for PartUrlList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        let mut writer = PartUrlWriter::new(self.0);
        for (part, len, checksum) in self.0.iter() {
            list.serialize_element(&writer.view(part, len, checksum))?;
        }
        list.end()
    }
}

/// The signatures of parts, each of which is made when it is serialised.
#[derive(Clone, Copy)]
struct PartSignatureList<'a>(&'a SignedParts);

impl Serialize for PartSignatureList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        let mut signature = String::new();
        for (part, len, _) in self.0.iter() {
            signature.clear();
            self.0.write_signature(part, len, &mut signature);
            list.serialize_element(&signature)?;
        }
        list.end()
    }
}

/// Signs parts into a buffer that is used again for each of them.
struct PartUrlWriter<'a> {
    parts: &'a SignedParts,
    expires_at: String,
    url: String,
    headers: Vec<(&'static str, String)>,
}

impl<'a> PartUrlWriter<'a> {
    fn new(parts: &'a SignedParts) -> Self {
        let expires_at = SortableTime(parts.expires_at()).to_string();
        Self { parts, expires_at, url: String::with_capacity(URL_CAPACITY_BYTES), headers: Vec::with_capacity(2) }
    }

    fn view(&mut self, part: PartNumber, len: u64, checksum: Option<&PartChecksum>) -> PartUrlView<'_> {
        self.url.clear();
        self.parts.write_url(part, len, checksum, &mut self.url);
        self.headers.clear();
        self.headers.push(("content-length", len.to_string()));
        self.headers.extend(checksum.map(|sum| (sum.algorithm.header(), sum.base64.clone())));
        PartUrlView { part: part.get(), url: &self.url, headers: &self.headers, expires_at: &self.expires_at }
    }
}

/// Serialises pairs as an object.
pub(super) fn serialize_pairs<S: Serializer>(pairs: &[(&'static str, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

/// `{"urls": […]}`.
pub(super) fn urls_response(parts: SignedParts) -> Response {
    if parts.len() <= MAX_UNSTREAMED_URLS {
        return view_response(&PartUrlsView { urls: Some(PartUrlList(&parts)), ..PartUrlsView::default() });
    }
    // States: the opening brace, the chunks, the closing brace.
    let chunks = stream::unfold((parts, 0, false), |(parts, from, ended)| async move {
        if ended {
            return None;
        }
        let mut out = Vec::with_capacity(URLS_PER_CHUNK * URL_CAPACITY_BYTES);
        out.extend_from_slice(if from == 0 { b"{\"urls\":[" } else { b"," });
        write_chunk(&parts, from, &mut out);
        let ended = from + URLS_PER_CHUNK >= parts.len();
        out.extend_from_slice(if ended { b"]}" } else { b"" });
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(out)), (parts, from + URLS_PER_CHUNK, ended)))
    });
    json_response(Body::from_stream(chunks))
}

/// Writes the URLs of a chunk, separated by commas.
fn write_chunk(parts: &SignedParts, from: usize, out: &mut Vec<u8>) {
    let mut writer = PartUrlWriter::new(parts);
    for (i, (part, len, checksum)) in parts.iter().skip(from).take(URLS_PER_CHUNK).enumerate() {
        out.extend_from_slice(if i == 0 { b"" } else { b"," });
        // Writing to memory does not fail.
        _ = serde_json::to_writer(&mut *out, &writer.view(part, len, checksum));
    }
}

/// `{"template": "…{part}…{signature}…", "parts": "1-200", "signatures": […]}`: a seventh of the size.
pub(super) fn compact_response(parts: &SignedParts) -> Response {
    view_response(&PartUrlsView {
        urls: None,
        template: Some(parts.template()),
        parts: Some(parts.parts().to_string()),
        part_size: Some(parts.plan().part_size()),
        size: Some(parts.plan().total()),
        expires_at: Some(SortableTime(parts.expires_at())),
        signatures: Some(PartSignatureList(parts)),
    })
}

fn view_response(view: &PartUrlsView<'_>) -> Response {
    json_response(serde_json::to_vec(view).unwrap_or_default().into())
}

fn json_response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
