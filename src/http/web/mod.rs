//! The start page, the documentation page and their files, compiled in from `web/`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::context::Named;
use super::openapi::{Op, Routes, op};
use super::{Site, caching, problem};

#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// How long a browser keeps a file whose address names its version: a year, as RFC 9111 has it for "for ever".
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// May be kept, and is asked about every time.
const ASKED: &str = "public, no-cache";

/// `/`, `/docs` and `/web/…`.
pub(super) fn routes() -> Routes {
    let page = |id, about| kept(op(about).named(id)).sends(200, "text/html", "The page.");
    let file_op = |id| kept(op("A file of the pages").named(id)).sends(200, "*/*", "The file.").fails(&["not_found"]);
    let of_version = file_op("getWebFileOfVersion")
        .tells("Pages name the version of their files, which may therefore be kept for ever.");
    Routes::of("Pages")
        .get("/", start, page("getStartPage", "The start page: an uploader"))
        .get("/docs", docs, page("getDocumentationPage", "This document, to be read"))
        .get("/web/{file}", file, file_op("getWebFile"))
        .get("/web/{version}/{file}", versioned, of_version)
}

fn kept(op: Op) -> Op {
    op.header("If-None-Match", "text*", "The `ETag` of an answer that is kept.").done(304, "It is still the same.")
}

async fn start(State(site): State<Site>, headers: HeaderMap) -> Response {
    page(&site, &headers, "index.html").await
}

async fn docs(State(site): State<Site>, headers: HeaderMap) -> Response {
    page(&site, &headers, "docs.html").await
}

async fn file(State(site): State<Site>, headers: HeaderMap, Named(name): Named<String>) -> Response {
    serve(&site, &headers, &name, ASKED).await
}

/// A file of another version is served as it is now: nodes are renewed one after the other. Nobody keeps it.
async fn versioned(
    State(site): State<Site>,
    headers: HeaderMap,
    Path((asked, name)): Path<(String, String)>,
) -> Response {
    let kept = if asked == version() { FOR_EVER } else { "no-store" };
    serve(&site, &headers, &name, kept).await
}

/// One version for all files: they import each other.
fn version() -> String {
    let mut all = Sha256::new();
    for name in Files::iter() {
        all.update(Files::get(&name).map_or([0; 32], |file| file.metadata.sha256_hash()));
    }
    hex::encode(&all.finalize()[..8])
}

/// A page, whose files are named with their version.
async fn page(site: &Site, request: &HeaderMap, name: &str) -> Response {
    let Some(file) = Files::get(name) else { return problem::no_route().await.into_response() };
    let text = String::from_utf8_lossy(&file.data).replace("\"/web/", &format!("\"/web/{}/", version()));
    answer(site, request, text.into_bytes(), "text/html; charset=utf-8", ASKED)
}

async fn serve(site: &Site, request: &HeaderMap, name: &str, kept: &str) -> Response {
    let Some(file) = Files::get(name) else { return problem::no_route().await.into_response() };
    answer(site, request, file.data.into_owned(), file.metadata.mimetype(), kept)
}

fn answer(site: &Site, request: &HeaderMap, body: Vec<u8>, kind: &str, kept: &str) -> Response {
    let tag = caching::tag(&body);
    let mut response = if caching::knows(request, &tag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        caching::vary_by_encoding(response.headers_mut(), kind, body.len());
        response
    } else {
        Response::new(Body::from(body))
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        site.store_origin
    );
    let texts = [
        (header::CONTENT_TYPE, kind),
        (header::ETAG, &tag),
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let headers = response.headers_mut();
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    response
}
