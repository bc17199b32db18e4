//! The native API on the wire.

mod access;
mod assets;
mod bulk;
mod collections;
mod content;
mod downloads;
mod drop_boxes;
mod errors;
mod grants;
mod links;
mod races;
mod repeats;
mod stores;
mod upload_details;
mod upload_lists;
mod uploads;

use sha2::Digest;

use crate::support::service::Service;
use crate::support::transcript::{Names, noise};
use crate::transcript;

/// Hexadecimal SHA-256.
fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

/// A ready asset with these bytes; the names hold `$upload`, `$asset` and `$url`.
pub async fn ready(service: &Service, filename: &str, body: &str) -> Names {
    transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "$filename", "size": $size}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
        > PUT $url [$body]
        | if-none-match: *
        < 200
        > POST /v1/uploads/$upload/complete
        < 200
        > GET /v1/assets/$asset?wait=20s&until=ready
        < 200 {"state": "ready"}
    "#,
        filename = filename,
        size = body.len(),
        body = body
    )
}

/// Twelve and a half mebibytes in three parts of five: (bytes, hexadecimal SHA-256).
fn three_parts() -> (u64, String) {
    let bytes = [noise(PART, 1), noise(PART, 2), noise(PART / 2, 3)].concat();
    (bytes.len() as u64, sha256(&bytes))
}

const PART: u64 = 5 << 20;
