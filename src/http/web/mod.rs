//! The start page and its files, compiled in from `web/`.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;

use super::Site;
use super::context::Named;
use super::problem;

#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// `/` and `/web/…`.
pub(super) fn routes() -> Router<Site> {
    Router::new().route("/", get(start)).route("/web/{file}", get(file))
}

async fn start(State(site): State<Site>, headers: HeaderMap) -> Response {
    serve(&site, &headers, "index.html").await
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
