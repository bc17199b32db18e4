//! Files of the pages in brotli or gzip: packed once, as well as it can be done, and kept. Answers that differ are packed
//! by the compression layer, quickly and every time.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use moka::sync::Cache;

use crate::http::caching;

/// Memory for packed files in bytes; all of them together have about 1 MB.
const MAX_PACKED_BYTES: u64 = 8 << 20;
/// Quality of brotli: the best that does not take ten times as long as the one before.
const BROTLI_QUALITY: i32 = 9;
/// Window of brotli as a power of two: 4 MiB.
const BROTLI_WINDOW_BITS: i32 = 22;

/// A content coding (RFC 9110 §8.4.1), in the order in which the service prefers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ContentCoding {
    Brotli,
    Gzip,
}

impl ContentCoding {
    const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding that the client accepts and weighs highest (RFC 9110 §12.5.3); `None`: the file as it is.
    fn accepted(request: &HeaderMap) -> Option<Self> {
        let fields = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|field| field.to_str().ok());
        let items: Vec<&str> = fields.flat_map(|field| field.split(',')).collect();
        let weight = |coding: Self| items.iter().find_map(|item| weight_of(item, coding.name())).unwrap_or(0.0);
        let mut best = None;
        for coding in Self::ALL {
            if weight(coding) > best.map_or(0.0, weight) {
                best = Some(coding);
            }
        }
        best
    }

    /// The packed bytes; `None` if they cannot be made.
    fn pack(self, bytes: &[u8]) -> Option<Bytes> {
        let packed = match self {
            Self::Brotli => {
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: BROTLI_WINDOW_BITS,
                    ..Default::default()
                };
                let mut packed = Vec::new();
                brotli::BrotliCompress(&mut &*bytes, &mut packed, &parameters).ok()?;
                packed
            }
            Self::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                packer.write_all(bytes).ok()?;
                packer.finish().ok()?
            }
        };
        Some(packed.into())
    }
}

/// The weight that an item of `Accept-Encoding` gives to a coding; `None`: it is about another one.
fn weight_of(item: &str, coding: &str) -> Option<f32> {
    let mut parts = item.split(';').map(str::trim);
    let names_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    names_it.then(|| weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

/// Packed files by the entity tag of their text and their coding. They never become stale: another text has another tag.
static PACKED: LazyLock<Cache<(String, ContentCoding), Bytes>> = LazyLock::new(|| {
    let weight = |_: &(String, ContentCoding), packed: &Bytes| u32::try_from(packed.len()).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(MAX_PACKED_BYTES).weigher(weight).build()
});

/// The answer with a file, packed if the client accepts that. `tag`: the entity tag of `body`.
pub(super) fn packed_response(request: &HeaderMap, kind: &str, tag: &str, body: Vec<u8>) -> Response {
    let accepted = ContentCoding::accepted(request).filter(|_| caching::is_compressible(kind, body.len() as u64));
    let packed = accepted.and_then(|coding| {
        let packed = PACKED.optionally_get_with((tag.to_owned(), coding), || coding.pack(&body))?;
        Some((coding, packed))
    });
    let Some((coding, packed)) = packed else { return Response::new(Body::from(body)) };
    let length = body.len();
    let mut response = Response::new(Body::from(packed));
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    caching::vary_by_encoding(response.headers_mut(), kind, length);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_that_the_client_weighs_highest_is_taken() {
        let accepted = |field: &'static str| {
            ContentCoding::accepted(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(field))]))
        };
        assert_eq!(accepted("gzip, deflate, br, zstd"), Some(ContentCoding::Brotli));
        assert_eq!(accepted("gzip, br;q=0.5"), Some(ContentCoding::Gzip));
        assert_eq!(accepted("br;q=0, gzip;q=0.1"), Some(ContentCoding::Gzip));
        assert_eq!(accepted("br; q=0, identity"), None);
        assert_eq!(accepted("br;q=nonsense"), None);
        assert_eq!(ContentCoding::accepted(&HeaderMap::new()), None);
    }
}
