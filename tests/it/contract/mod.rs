//! The contract at `/openapi.json`, held against the running service: every operation is driven by every kind of caller.

mod access;
mod caching;
mod cast;
mod document;
pub mod headers;
mod heads;
mod truth;

use serde_json::Value;

use crate::support::requests;
use crate::support::service::Service;

/// The document of a running service.
pub struct Contract(pub Value);

/// One operation of it.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub says: &'a Value,
}

impl Contract {
    pub async fn of(service: &Service) -> Self {
        Self(requests::get(format!("{}/openapi.json", service.base)).await.unwrap().json().await.unwrap())
    }

    /// Every operation, those that end things last.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap();
        let mut all: Vec<_> = Vec::new();
        for (path, item) in paths {
            all.extend(item.as_object().unwrap().iter().map(|(method, says)| Operation { method, path, says }));
        }
        all.sort_by_key(|operation| operation.method == "delete");
        all
    }
}

impl Operation<'_> {
    pub fn named(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    /// Whether asking may change what the next caller finds.
    pub fn ends_things(&self) -> bool {
        let takes_bytes = ["form", "/content", "/tus", "/files"].iter().any(|word| self.path.contains(word));
        self.method == "delete" || (self.method != "get" && self.method != "head" && takes_bytes)
    }

    /// Parameters of this place that have to be said, and headers that have an example.
    pub fn said(&self, place: &str) -> Vec<(&str, String)> {
        let parameters = self.says["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shown = |one: &Value| place == "header" && !one["example"].is_null();
        let wanted = parameters.iter().filter(|one| one["in"] == place && (one["required"] == true || shown(one)));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        wanted.map(|one| (one["name"].as_str().unwrap(), text(&one["example"]))).collect()
    }

    /// The body that the document shows, and its type.
    pub fn body(&self) -> Option<(&str, String)> {
        let (kind, media) = self.says["requestBody"]["content"].as_object()?.iter().next()?;
        let example = &media["example"];
        Some((kind, example.as_str().map_or_else(|| example.to_string(), ToOwned::to_owned)))
    }
}
