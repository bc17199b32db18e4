//! The document: made once, when it is first asked for, from what the routes say of themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::caching;
use super::problems::{self, Dialect};
use super::render::{self, Render};
use super::{Described, Routes, op};

const ABOUT: &str = "Gantry takes in and hands out files of any size. Bytes go straight between clients and the storage \
    wherever they can. Ids are UUIDv7, times RFC 3339 in UTC, sizes bytes. Errors are problem details (RFC 9457) with a \
    `code` for programs, a `detail` for people, a `request_id` for both, and `retryable`. What belongs to another tenant \
    answers like what does not exist. `x-gantry-access` says for every kind of caller whether it is let in, or with which \
    status it is not.";

/// `/openapi.json`.
pub(super) fn routes() -> Routes {
    let about = op("This document")
        .named("getOpenApiDocument")
        .tells("With an `ETag`; clients may keep it and ask whether it is still the same.");
    let about = about.gives(200, "map of any").done(304, "Unchanged: `If-None-Match` knows it.");
    Routes::of("Contract").get("/openapi.json", contract, about)
}

/// The document, made when somebody asks for it.
#[derive(Clone)]
pub(super) struct Lazy(Arc<Inner>);

struct Inner {
    described: Vec<Described>,
    shapes: Vec<(&'static str, Value)>,
    public_url: String,
    made: OnceLock<(Bytes, String)>,
}

impl Lazy {
    pub(super) fn new(described: Vec<Described>, shapes: Vec<(&'static str, Value)>, public_url: &str) -> Self {
        let made = OnceLock::new();
        Self(Arc::new(Inner { described, shapes, public_url: public_url.to_owned(), made }))
    }

    /// The text, and its entity tag.
    fn text(&self) -> &(Bytes, String) {
        self.0.made.get_or_init(|| {
            let text = self.0.document().to_string();
            let tag = caching::tag(text.as_bytes());
            (text.into(), tag)
        })
    }
}

async fn contract(Extension(document): Extension<Lazy>, request: HeaderMap) -> Response {
    let (text, tag) = document.text();
    let known = caching::knows(&request, tag);
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

impl Inner {
    fn document(&self) -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            // A default makes generators take a member for required; what is left out, the sentence says.
            settings.transforms.push(Box::new(RecursiveTransform(|schema: &mut Schema| {
                schema.remove("default");
            })));
        });
        let mut render = Render::new(&self.shapes, SchemaGenerator::new(settings));
        let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for described in &self.described {
            let rendered = render.operation(described);
            let path = paths.entry(&described.path).or_default();
            path.insert(described.method.as_str().to_lowercase(), rendered);
        }
        // In the order of their first routes.
        let mut tags: Vec<&str> = Vec::new();
        for described in &self.described {
            if !tags.contains(&described.about.tag) {
                tags.push(described.about.tag);
            }
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Gantry",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
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
                "examples": self.examples(),
                "schemas": render.schemas(),
            },
        })
    }

    /// Every error in every protocol's words.
    fn examples(&self) -> Map<String, Value> {
        let mut dialects: BTreeMap<&str, &Dialect> = BTreeMap::new();
        dialects.extend(self.described.iter().map(|described| (described.about.dialect.name, described.about.dialect)));
        let mut examples = Map::new();
        for dialect in dialects.into_values() {
            for failure in problems::all(dialect) {
                let example = json!({ "summary": failure.detail, "value": failure.example });
                examples.insert(render::example_name(dialect, &failure), example);
            }
        }
        examples
    }
}
