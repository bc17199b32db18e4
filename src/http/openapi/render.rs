//! One operation as OpenAPI has it: parameters, body, answers and errors.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::Described;
use super::access;
use super::glossary;
use super::operation::{Answer, Body, Content, Op, Parameter};
use super::problems::{self, Dialect, Failure};
use super::shape;
use crate::domain::job::JobKind;

/// Renders operations, and remembers the schemas that they refer to.
pub(super) struct Render<'a> {
    shapes: BTreeMap<&'static str, &'a Value>,
    generator: SchemaGenerator,
    failures: BTreeMap<&'static str, Vec<Failure>>,
}

/// The name of a failure's example.
pub(super) fn example_name(dialect: &Dialect, failure: &Failure) -> String {
    let parts = [dialect.name, failure.code, failure.status.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

impl<'a> Render<'a> {
    pub(super) fn new(shapes: &'a [(&'static str, Value)], generator: SchemaGenerator) -> Self {
        let shapes = shapes.iter().map(|(name, shape)| (*name, shape)).collect();
        Self { shapes, generator, failures: BTreeMap::new() }
    }

    fn made(&self, shape: &Value) -> shape::Made {
        shape::made(shape, &|name| self.shapes.get(name).map(|shape| (*shape).clone()))
    }

    pub(super) fn operation(&mut self, described: &Described) -> Value {
        let Described { path, op, about, .. } = described;
        let mut rendered = json!({
            "tags": [about.tag],
            "operationId": op.id,
            "summary": op.summary,
            "responses": self.responses(path, op, about.dialect),
            "x-gantry-access": access::told(op.cells),
        });
        if !op.details.is_empty() {
            rendered["description"] = op.details.into();
        }
        let parameters: Vec<_> = named_in(path)
            .map(|name| self.parameter(&path_parameter(name)))
            .chain(op.parameters.iter().map(|p| self.parameter(p)))
            .collect();
        if !parameters.is_empty() {
            rendered["parameters"] = parameters.into();
        }
        if let Some(body) = &op.body {
            rendered["requestBody"] = self.body(body);
        }
        if wants_credential(op, path) {
            rendered["security"] = json!([{ "bearer": [] }]);
        }
        rendered
    }

    fn parameter(&self, parameter: &Parameter) -> Value {
        let (mut rendered, made) = self.said(parameter);
        rendered["in"] = parameter.place.into();
        rendered["name"] = parameter.name.as_ref().into();
        if parameter.shape.contains(" = ") || !made.is_optional() {
            rendered["example"] = made.example;
        }
        rendered
    }

    /// What parameters have in common with headers of answers, which are parameters without place and name.
    fn said(&self, parameter: &Parameter) -> (Value, shape::Made) {
        let made = self.made(&parameter.shape.as_ref().into());
        let required = !made.is_optional();
        (json!({ "description": parameter.about, "required": required, "schema": made.schema }), made)
    }

    fn body(&mut self, body: &Body) -> Value {
        let schema = body.schema.map_or_else(|| json!({}), |schema| schema(&mut self.generator).to_value());
        let content = json!({ body.media_type: { "schema": schema, "example": body.example } });
        json!({ "required": body.required, "content": content })
    }

    fn responses(&mut self, path: &str, op: &Op, dialect: &'static Dialect) -> Map<String, Value> {
        let mut all = Map::new();
        for answer in &op.answers {
            let rendered = self.answer(&op.id, answer);
            match all.get_mut(answer.status.as_str()) {
                Some(known) => join(known, &rendered),
                None => _ = all.insert(answer.status.as_str().to_owned(), rendered),
            }
        }
        let failures = self.failures.entry(dialect.name).or_insert_with(|| problems::all(dialect));
        let codes = codes(path, op);
        let mut by_status: BTreeMap<StatusCode, Vec<&Failure>> = BTreeMap::new();
        for failure in failures.iter().filter(|failure| codes.contains(&failure.code)) {
            by_status.entry(failure.status).or_default().push(failure);
        }
        for (status, failures) in by_status {
            all.entry(status.as_str()).or_insert_with(|| refusal(dialect, status, &failures));
        }
        all
    }

    fn answer(&self, id: &str, answer: &Answer) -> Value {
        let usual = answer.status.canonical_reason().unwrap_or("As asked");
        let about = if answer.about.is_empty() { usual } else { answer.about };
        let mut rendered = json!({ "description": about });
        if !answer.headers.is_empty() {
            let header = |header: &Parameter| (header.name.to_string(), self.said(header).0);
            rendered["headers"] = answer.headers.iter().map(header).collect();
        }
        match &answer.content {
            Content::Nothing => {}
            Content::Shape(shape) => {
                let mut made = self.made(shape);
                glossary::describe(&mut made.schema, id);
                rendered["content"] = json!({ "application/json": { "schema": made.schema, "example": made.example } });
            }
            Content::Other(kind) => rendered["content"] = json!({ *kind: {} }),
        }
        rendered
    }

    /// Every schema that something refers to.
    pub(super) fn schemas(mut self) -> Map<String, Value> {
        let mut all = self.generator.take_definitions(true);
        for (name, shape) in &self.shapes {
            let mut schema = self.made(shape).schema;
            glossary::describe(&mut schema, name);
            all.insert((*name).to_owned(), schema);
        }
        all
    }
}

/// An answer of the same status with content of another type.
fn join(known: &mut Value, other: &Value) {
    let Value::Object(more) = &other["content"] else { return };
    match known.get_mut("content").and_then(Value::as_object_mut) {
        Some(content) => content.extend(more.clone()),
        None => known["content"] = other["content"].clone(),
    }
}

/// The names in a path.
fn named_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Parameter {
    let kinds = shape::one_of(JobKind::ALL.map(JobKind::name));
    let (shape, about) = match name {
        "grant" => ("text 1..", "A grant: what it opens, it opens without any other credential."),
        "number" => ("int 1..10000", "The number of a part."),
        "kind" => (&*kinds, "The kind of job."),
        "name" => ("text 1..", "Its name."),
        "file" => ("text 1..", "The name of a file."),
        "version" => ("text 1..", "The version of the files."),
        "delivery" => ("uuid", "The id of a delivery."),
        _ => ("uuid", "Its id."),
    };
    Parameter::new("path", name.to_owned(), shape.to_owned(), about)
}

/// A credential in a header; a grant in the path is one of its own.
fn wants_credential(op: &Op, path: &str) -> bool {
    op.cells.starts_with('u') && !path.contains("{grant}")
}

/// Every code with which this can fail.
fn codes(path: &str, op: &Op) -> Vec<&'static str> {
    let mut codes = vec!["internal", "invalid_host"];
    if op.cells.contains('u') {
        codes.extend(["unauthenticated", "suspended", "rate_limited", "unavailable"]);
    }
    if op.cells.contains('f') {
        codes.push("forbidden");
    }
    if op.cells.contains('h') || named_in(path).any(|name| name != "grant") {
        codes.push("not_found");
    }
    // Also where there is no parameter at all: one that is sent all the same is refused.
    if path.starts_with("/v1/") || op.parameters.iter().any(|parameter| parameter.place == "query") {
        codes.push("invalid");
    }
    codes.extend(&op.fails);
    codes
}

/// The failures of one status.
fn refusal(dialect: &Dialect, status: StatusCode, failures: &[&Failure]) -> Value {
    let about: Vec<_> = failures.iter().map(|failure| format!("`{}`: {}", failure.code, failure.detail)).collect();
    let example = |failure: &&Failure| {
        let at = format!("#/components/examples/{}", example_name(dialect, failure));
        (failure.code.to_owned(), json!({ "$ref": at }))
    };
    let examples: Map<_, _> = failures.iter().map(example).collect();
    let content = json!({ dialect.media_type: {
        "schema": { "$ref": format!("#/components/schemas/{}", dialect.schema) },
        "examples": examples,
    } });
    let mut rendered = json!({ "description": about.join("\n\n"), "content": content });
    if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        let seconds = json!({ "description": "Seconds after which to try again.", "schema": { "type": "integer" } });
        rendered["headers"] = json!({ "Retry-After": seconds });
    }
    rendered
}
