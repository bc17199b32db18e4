//! The start page, the upload page of a grant, the operator's dashboard, the API reference, the guides, their files, and the
//! modules of the uploader for pages of others, compiled in from `web/`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::context::PathId;
use super::html_page::set_page_headers;
use super::openapi::{ApiRoutes, OperationSpec, op, string_type};
use super::{AppState, caching, problem};

mod grant_page;
mod guide_page;
mod packed_files;

/// Files of the pages, and of the uploader its modules alone.
#[derive(RustEmbed)]
#[folder = "web/"]
#[include = "*.html"]
#[include = "*.css"]
#[include = "*.js"]
#[include = "guides/*.md"]
#[include = "llms.txt"]
#[exclude = "uploader/examples/*"]
#[exclude = "uploader/test/*"]
#[exclude = "uploader/types/*"]
#[exclude = "uploader/node_modules/*"]
#[exclude = "sdk/*"]
struct EmbeddedWebFiles;

/// Cache lifetime of a file whose URL contains its version: a year, the longest that RFC 9111 provides for.
const IMMUTABLE_CACHE_CONTROL: &str = "public, max-age=31536000, immutable";
/// May be stored, and is revalidated every time.
const REVALIDATE_CACHE_CONTROL: &str = "public, no-cache";

/// `/`, `/admin`, `/docs`, `/docs/{guide}`, `/u/{grant}`, `/web/…` and `/uploader/src/…`.
pub(super) fn routes() -> ApiRoutes {
    let page = |id, about| describe_cacheable(op(about).operation_id(id)).media_response(200, "text/html", "The page.");
    let file_op = |id| {
        describe_cacheable(op("A file of the pages").operation_id(id))
            .media_response(200, "*/*", "The file.")
            .error_codes(&["not_found"])
    };
    let of_version = file_op("getWebFileOfVersion")
        .description("Pages name the version of their files, which may therefore be kept for ever.");
    let of_dashboard = file_op("getDashboardFile").description("As other files of the pages.");
    let dashboard = page("getDashboardPage", "The operator's dashboard")
        .description("Asks for a key, and shows what the key may see through this API alone.");
    let guide_op = page("getGuidePage", "A guide: errors, phones, operators and others").error_codes(&["not_found"]);
    let module_op = file_op("getUploaderModule")
        .description("`<gantry-uploader>` and its core, for pages of any origin: `/uploader/src/element/index.js`.");
    ApiRoutes::for_tag("Pages")
        .get("/", get_start_page, page("getStartPage", "The start page: an uploader"))
        .get("/admin", get_dashboard_page, dashboard)
        .get("/docs", get_docs_page, page("getDocumentationPage", "This document, to be read"))
        .get("/docs/{guide}", get_guide_page, guide_op)
        .get("/web/{file}", get_file, file_op("getWebFile"))
        .get("/web/{version}/{file}", get_versioned_file, of_version)
        .get("/web/{version}/admin/{file}", get_dashboard_file, of_dashboard)
        .get("/uploader/src/{*module}", get_uploader_module, module_op)
        .get(
            "/web/{version}/uploader/src/{*module}",
            get_versioned_module,
            file_op("getUploaderModuleOfVersion").description("The same for this service's own pages."),
        )
        .get(
            "/llms.txt",
            get_llms_text,
            file_op("getLlmsText").description("What programs that read documents should know."),
        )
        .get("/u/{grant}", grant_page::get_grant_page, grant_page::describe_grant_page())
}

fn describe_cacheable(op: OperationSpec) -> OperationSpec {
    op.header("If-None-Match", string_type().optional(), "The `ETag` of an answer that is kept.")
        .empty_response(304, "It is still the same.")
}

async fn get_start_page(State(site): State<AppState>, headers: HeaderMap) -> Response {
    serve_page(&site, &headers, "index.html").await
}

async fn get_dashboard_page(State(site): State<AppState>, headers: HeaderMap) -> Response {
    serve_page(&site, &headers, "admin/index.html").await
}

async fn get_docs_page(State(site): State<AppState>, headers: HeaderMap) -> Response {
    serve_page(&site, &headers, "docs.html").await
}

async fn get_llms_text(State(site): State<AppState>, headers: HeaderMap) -> Response {
    serve_file(&site, &headers, "llms.txt", REVALIDATE_CACHE_CONTROL).await
}

async fn get_guide_page(State(site): State<AppState>, headers: HeaderMap, PathId(name): PathId<String>) -> Response {
    match guide_page::find_guide_page(&name) {
        Some(html) => page_response(&site, &headers, html),
        None => problem::route_not_found().await.into_response(),
    }
}

async fn get_file(State(site): State<AppState>, headers: HeaderMap, PathId(name): PathId<String>) -> Response {
    serve_file(&site, &headers, &name, REVALIDATE_CACHE_CONTROL).await
}

/// A file by a versioned URL. A request with another version gets the current file, uncached: a rolling upgrade runs
/// two versions for a while.
async fn get_versioned_file(
    State(site): State<AppState>,
    headers: HeaderMap,
    Path((asked, name)): Path<(String, String)>,
) -> Response {
    serve_versioned_file(&site, &headers, &asked, &name).await
}

async fn serve_versioned_file(site: &AppState, headers: &HeaderMap, asked: &str, name: &str) -> Response {
    let kept = if asked == files_version() { IMMUTABLE_CACHE_CONTROL } else { "no-store" };
    serve_file(site, headers, name, kept).await
}

async fn get_dashboard_file(
    State(site): State<AppState>,
    headers: HeaderMap,
    Path((asked, name)): Path<(String, String)>,
) -> Response {
    serve_versioned_file(&site, &headers, &asked, &format!("admin/{name}")).await
}

/// A module of the uploader, which pages of any origin may import.
async fn get_uploader_module(State(site): State<AppState>, headers: HeaderMap, Path(module): Path<String>) -> Response {
    let mut response = serve_file(&site, &headers, &module_file(&module), REVALIDATE_CACHE_CONTROL).await;
    for (name, value) in [("access-control-allow-origin", "*"), ("cross-origin-resource-policy", "cross-origin")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn get_versioned_module(
    State(site): State<AppState>,
    headers: HeaderMap,
    Path((asked, module)): Path<(String, String)>,
) -> Response {
    serve_versioned_file(&site, &headers, &asked, &module_file(&module)).await
}

/// The name of a module among the embedded files.
fn module_file(module: &str) -> String {
    format!("uploader/src/{module}")
}

/// A common version of all files, because they import each other.
fn files_version() -> String {
    let mut all = Sha256::new();
    for name in EmbeddedWebFiles::iter() {
        all.update(EmbeddedWebFiles::get(&name).map_or([0; 32], |file| file.metadata.sha256_hash()));
    }
    hex::encode(&all.finalize()[..8])
}

async fn serve_page(site: &AppState, request: &HeaderMap, name: &str) -> Response {
    let Some(file) = EmbeddedWebFiles::get(name) else { return problem::route_not_found().await.into_response() };
    page_response(site, request, &String::from_utf8_lossy(&file.data))
}

fn page_response(site: &AppState, request: &HeaderMap, html: &str) -> Response {
    file_response(site, request, with_versions(html).into_bytes(), "text/html; charset=utf-8", REVALIDATE_CACHE_CONTROL)
}

/// The page with versioned addresses of its files.
fn with_versions(html: &str) -> String {
    html.replace("\"/web/", &format!("\"/web/{}/", files_version()))
}

async fn serve_file(site: &AppState, request: &HeaderMap, name: &str, kept: &str) -> Response {
    let Some(file) = EmbeddedWebFiles::get(name) else { return problem::route_not_found().await.into_response() };
    file_response(site, request, file.data.into_owned(), file.metadata.mimetype(), kept)
}

fn file_response(site: &AppState, request: &HeaderMap, body: Vec<u8>, kind: &str, kept: &str) -> Response {
    let tag = caching::entity_tag(&body);
    let mut response = if caching::matches_if_none_match(request, &tag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        caching::vary_by_encoding(response.headers_mut(), kind, body.len());
        response
    } else {
        packed_files::packed_response(request, kind, &tag, body)
    };
    let policy = content_security_policy(site, "'none'");
    let headers = response.headers_mut();
    set_page_headers(headers, kind, &policy, kept);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// The policy of the pages: nothing inline, no text that becomes code. `forms`: where forms may be sent.
fn content_security_policy(site: &AppState, forms: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: {store} {content}; \
         connect-src 'self' {store}; base-uri 'none'; form-action {forms}; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types gantry-uploader",
        store = site.store_origin,
        content = site.content_url,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_uploader_its_modules_are_embedded_and_nothing_else() {
        let (mut bytes, mut modules) = (0, 0);
        for name in EmbeddedWebFiles::iter().filter(|name| name.starts_with("uploader/")) {
            assert!(name.starts_with("uploader/src/") && name.ends_with(".js"), "{name}");
            bytes += EmbeddedWebFiles::get(&name).unwrap().data.len();
            modules += 1;
        }
        assert!(modules > 40 && bytes < 400_000, "{modules} modules of {bytes} bytes");
        for foreign in ["uploader/test/core/fakes.js", "uploader/package.json", "../Cargo.toml"] {
            assert!(EmbeddedWebFiles::get(foreign).is_none(), "{foreign}");
        }
    }
}
