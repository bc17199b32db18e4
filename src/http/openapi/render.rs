//! An operation as OpenAPI: parameters, body, answers and errors.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::RoutedOperation;
use super::access;
use super::glossary;
use super::operation::{OperationSpec, ParameterSpec, RequestBodySpec, ResponseContent, ResponseSpec};
use super::problems::{self, ErrorDialect, ErrorExample};
use super::shape;
use crate::domain::job::JobKind;

/// Renders operations and collects the schemas to which they refer.
pub(super) struct OperationRenderer<'a> {
    shapes: BTreeMap<&'static str, &'a Value>,
    generator: SchemaGenerator,
    error_examples: BTreeMap<&'static str, Vec<ErrorExample>>,
}

/// The name of a failure's example.
pub(super) fn example_name(dialect: &ErrorDialect, failure: &ErrorExample) -> String {
    let parts = [dialect.name, failure.code, failure.status.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

impl<'a> OperationRenderer<'a> {
    pub(super) fn new(shapes: &'a [(&'static str, Value)], generator: SchemaGenerator) -> Self {
        let shapes = shapes.iter().map(|(name, shape)| (*name, shape)).collect();
        Self { shapes, generator, error_examples: BTreeMap::new() }
    }

    fn resolve_shape(&self, shape: &Value) -> shape::SchemaWithExample {
        shape::schema_of(shape, &|name| self.shapes.get(name).map(|shape| (*shape).clone()))
    }

    pub(super) fn render_operation(&mut self, described: &RoutedOperation) -> Value {
        let RoutedOperation { path, op, group: about, .. } = described;
        let mut rendered = json!({
            "tags": [about.tag],
            "operationId": op.operation_id,
            "summary": op.summary,
            "responses": self.render_responses(path, op, about.dialect),
            "x-gantry-access": access::access_json(op.access),
        });
        if !op.description.is_empty() {
            rendered["description"] = op.description.into();
        }
        let parameters: Vec<_> = path_parameter_names(path)
            .map(|name| self.render_parameter(&path_parameter(name)))
            .chain(op.parameters.iter().map(|p| self.render_parameter(p)))
            .collect();
        if !parameters.is_empty() {
            rendered["parameters"] = parameters.into();
        }
        if let Some(body) = &op.request_body {
            rendered["requestBody"] = self.render_request_body(body);
        }
        if wants_credential(op, path) {
            rendered["security"] = json!([{ "bearer": [] }]);
        }
        rendered
    }

    fn render_parameter(&self, parameter: &ParameterSpec) -> Value {
        let (mut rendered, made) = self.render_parameter_base(parameter);
        rendered["in"] = parameter.location.into();
        rendered["name"] = parameter.name.as_ref().into();
        if parameter.shape.contains(" = ") || !made.is_optional() {
            rendered["example"] = made.example;
        }
        rendered
    }

    /// Fields that parameters share with headers of answers, which are parameters without `in` and `name`.
    fn render_parameter_base(&self, parameter: &ParameterSpec) -> (Value, shape::SchemaWithExample) {
        let made = self.resolve_shape(&parameter.shape.as_ref().into());
        let required = !made.is_optional();
        (json!({ "description": parameter.description, "required": required, "schema": made.schema }), made)
    }

    fn render_request_body(&mut self, body: &RequestBodySpec) -> Value {
        let schema = body.schema.map_or_else(|| json!({}), |schema| schema(&mut self.generator).to_value());
        let content = json!({ body.media_type: { "schema": schema, "example": body.example } });
        json!({ "required": body.required, "content": content })
    }

    fn render_responses(
        &mut self,
        path: &str,
        op: &OperationSpec,
        dialect: &'static ErrorDialect,
    ) -> Map<String, Value> {
        let mut all = Map::new();
        for answer in &op.responses {
            let rendered = self.render_response(&op.operation_id, answer);
            match all.get_mut(answer.status.as_str()) {
                Some(known) => merge_content(known, &rendered),
                None => _ = all.insert(answer.status.as_str().to_owned(), rendered),
            }
        }
        let failures =
            self.error_examples.entry(dialect.name).or_insert_with(|| problems::collect_error_examples(dialect));
        let codes = error_codes_of(path, op);
        let mut by_status: BTreeMap<StatusCode, Vec<&ErrorExample>> = BTreeMap::new();
        for failure in failures.iter().filter(|failure| codes.contains(&failure.code)) {
            by_status.entry(failure.status).or_default().push(failure);
        }
        for (status, failures) in by_status {
            all.entry(status.as_str()).or_insert_with(|| error_response(dialect, status, &failures));
        }
        all
    }

    fn render_response(&self, id: &str, answer: &ResponseSpec) -> Value {
        let usual = answer.status.canonical_reason().unwrap_or("As asked");
        let about = if answer.description.is_empty() { usual } else { answer.description };
        let mut rendered = json!({ "description": about });
        if !answer.headers.is_empty() {
            let header = |header: &ParameterSpec| (header.name.to_string(), self.render_parameter_base(header).0);
            rendered["headers"] = answer.headers.iter().map(header).collect();
        }
        match &answer.content {
            ResponseContent::Empty => {}
            ResponseContent::JsonShape(shape) => {
                let mut made = self.resolve_shape(shape);
                glossary::add_descriptions(&mut made.schema, id);
                rendered["content"] = json!({ "application/json": { "schema": made.schema, "example": made.example } });
            }
            ResponseContent::MediaType(kind) => rendered["content"] = json!({ *kind: {} }),
        }
        rendered
    }

    /// Every schema to which an operation refers.
    pub(super) fn render_schemas(mut self) -> Map<String, Value> {
        let mut all = self.generator.take_definitions(true);
        for (name, shape) in &self.shapes {
            let mut schema = self.resolve_shape(shape).schema;
            glossary::add_descriptions(&mut schema, name);
            all.insert((*name).to_owned(), schema);
        }
        all
    }
}

/// Merges the content of a further answer with the same status and another media type.
fn merge_content(known: &mut Value, other: &Value) {
    let Value::Object(more) = &other["content"] else { return };
    match known.get_mut("content").and_then(Value::as_object_mut) {
        Some(content) => content.extend(more.clone()),
        None => known["content"] = other["content"].clone(),
    }
}

/// Names of the parameters in a path.
fn path_parameter_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> ParameterSpec {
    let kinds = shape::one_of(JobKind::ALL.map(JobKind::name));
    let (shape, about) = match name {
        "grant" => ("text 1..", "A grant: what it opens, it opens without any other credential."),
        "number" => ("int 1..10000", "The number of a part."),
        "kind" => (&*kinds, "The kind of job."),
        "name" => ("text 1..", "Its name."),
        "file" => ("text 1..", "The name of a file."),
        "guide" => ("text 1..", "The name of a guide."),
        "version" => ("text 1..", "The version of the files."),
        "delivery" => ("uuid", "The id of a delivery."),
        _ => ("uuid", "Its id."),
    };
    ParameterSpec::new("path", name.to_owned(), shape.to_owned(), about)
}

/// True if the operation needs a credential in a header; a grant in the path is a credential of its own.
fn wants_credential(op: &OperationSpec, path: &str) -> bool {
    op.access.starts_with('u') && !path.contains("{grant}")
}

/// Every error code of this operation.
fn error_codes_of(path: &str, op: &OperationSpec) -> Vec<&'static str> {
    let mut codes = vec!["internal", "invalid_host"];
    if op.access.contains('u') {
        codes.extend(["unauthenticated", "suspended", "rate_limited", "unavailable"]);
    }
    if op.access.contains('f') {
        codes.push("forbidden");
    }
    if op.access.contains('h') || path_parameter_names(path).any(|name| name != "grant") {
        codes.push("not_found");
    }
    // Also for operations without parameters: an undeclared parameter is refused there too.
    if path.starts_with("/v1/") || op.parameters.iter().any(|parameter| parameter.location == "query") {
        codes.push("invalid");
    }
    codes.extend(&op.error_codes);
    codes
}

/// The errors of a status.
fn error_response(dialect: &ErrorDialect, status: StatusCode, failures: &[&ErrorExample]) -> Value {
    let about: Vec<_> = failures.iter().map(|failure| format!("`{}`: {}", failure.code, failure.detail)).collect();
    let example = |failure: &&ErrorExample| {
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
