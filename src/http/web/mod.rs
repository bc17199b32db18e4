//! The start page, the documentation page and their files, compiled in from `web/`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;

use super::Site;
use super::context::Named;
use super::openapi::{Routes, op};
use super::problem;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// `/`, `/docs` and `/web/…`.
pub(super) fn routes() -> Routes {
    let start_op = op("The start page: an uploader").sends(200, "text/html", "The page.").done(304, "Unchanged.");
    let docs_op = op("This document, to be read").sends(200, "text/html", "The page.").done(304, "Unchanged.");
    let file_op =
        op("A file of the pages").sends(200, "*/*", "The file.").done(304, "Unchanged.").fails(&["not_found"]);
    Routes::of("Pages").get("/", start, start_op).get("/docs", docs, docs_op).get("/web/{file}", file, file_op)
}

async fn start(State(site): State<Site>, headers: HeaderMap) -> Response {
    serve(&site, &headers, "index.html").await
}

async fn docs(State(site): State<Site>, headers: HeaderMap) -> Response {
    serve(&site, &headers, "docs.html").await
}

async fn file(State(site): State<Site>, headers: HeaderMap, Named(name): Named<String>) -> Response {
    serve(&site, &headers, &name).await
}

async fn serve(site: &Site, request: &HeaderMap, name: &str) -> Response {
    let Some(file) = Files::get(name) else { return problem::no_route().await.into_response() };
    let etag = format!("\"{}\"", &hex::encode(file.metadata.sha256_hash())[..32]);
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(file.data.into_owned()))
    };
    let headers = response.headers_mut();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        site.store_origin
    );
    let texts = [
        (header::CONTENT_TYPE, file.metadata.mimetype()),
        (header::ETAG, &etag),
        (header::CONTENT_SECURITY_POLICY, &policy),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
    response
}
