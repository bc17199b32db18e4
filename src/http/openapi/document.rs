//! The OpenAPI document, rendered once at the first request for it, from the declarations of the routes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::problems::{self, ErrorDialect};
use super::render::{self, OperationRenderer};
use super::{ApiRoutes, RoutedOperation, op};
use crate::http::caching;

const API_DESCRIPTION: &str = "Gantry takes in and hands out files of any size. Bytes go straight between clients and the storage \
    wherever they can. Ids are UUIDv7, times RFC 3339 in UTC, sizes bytes. Errors are problem details (RFC 9457) with a \
    `code` for programs, a `detail` for people, a `request_id` for both, and `retryable`. What belongs to another tenant \
    answers like what does not exist. `x-gantry-access` says for every kind of caller whether it is let in, or with which \
    status it is not.";

/// `/openapi.json`.
pub(super) fn routes() -> ApiRoutes {
    let about = op("This document")
        .operation_id("getOpenApiDocument")
        .description("With an `ETag`; clients may keep it and ask whether it is still the same.");
    let about =
        about.json_response::<Map<String, Value>>(200).empty_response(304, "Unchanged: `If-None-Match` knows it.");
    ApiRoutes::for_tag("Contract").get("/openapi.json", get_document, about)
}

/// The document, rendered at the first request.
#[derive(Clone)]
pub(super) struct LazyDocument(Arc<DocumentSource>);

struct DocumentSource {
    operations: Vec<RoutedOperation>,
    public_url: String,
    rendered: OnceLock<(Bytes, String)>,
}

impl LazyDocument {
    pub(super) fn new(described: Vec<RoutedOperation>, public_url: &str) -> Self {
        let made = OnceLock::new();
        Self(Arc::new(DocumentSource { operations: described, public_url: public_url.to_owned(), rendered: made }))
    }

    /// The text and its entity tag.
    fn rendered(&self) -> &(Bytes, String) {
        self.0.rendered.get_or_init(|| {
            let text = self.0.build_document().to_string();
            let tag = caching::entity_tag(text.as_bytes());
            (text.into(), tag)
        })
    }
}

async fn get_document(Extension(document): Extension<LazyDocument>, request: HeaderMap) -> Response {
    let (text, tag) = document.rendered();
    let known = caching::matches_if_none_match(&request, tag);
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(Body::from(text.clone())) };
    let headers = response.headers_mut();
    if known {
        caching::vary_by_encoding(headers, "application/json", text.len());
    }
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl DocumentSource {
    fn build_document(&self) -> Value {
        let mut render = OperationRenderer::new();
        let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for described in &self.operations {
            let rendered = render.render_operation(described);
            let path = paths.entry(&described.path).or_default();
            path.insert(described.method.as_str().to_lowercase(), rendered);
        }
        // In the order of their first routes.
        let mut tags: Vec<&str> = Vec::new();
        for described in &self.operations {
            if !tags.contains(&described.group.tag) {
                tags.push(described.group.tag);
            }
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Gantry",
                "version": env!("CARGO_PKG_VERSION"),
                "description": API_DESCRIPTION,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "servers": [{ "url": self.public_url }],
            "tags": tags.iter().map(|tag| json!({ "name": tag })).collect::<Vec<_>>(),
            "paths": paths,
            "components": {
                "securitySchemes": { "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`gk_…`), a token of a configured issuer, or an upload grant (`gu_…`).",
                } },
                "examples": self.render_error_examples(),
                "schemas": render.render_schemas(),
            },
        })
    }

    /// Every error as each protocol renders it.
    fn render_error_examples(&self) -> Map<String, Value> {
        let mut dialects: BTreeMap<&str, &ErrorDialect> = BTreeMap::new();
        dialects
            .extend(self.operations.iter().map(|described| (described.group.dialect.name, described.group.dialect)));
        let mut examples = Map::new();
        for dialect in dialects.into_values() {
            for failure in problems::collect_error_examples(dialect) {
                let example = json!({ "summary": failure.detail, "value": failure.example });
                examples.insert(render::example_name(dialect, &failure), example);
            }
        }
        examples
    }
}
