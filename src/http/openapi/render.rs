//! An operation as OpenAPI: parameters, body, answers and errors.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::RoutedOperation;
use super::access;
use super::example::example_of;
use super::operation::{OperationSpec, ParameterSpec, RequestBodySpec, ResponseContent, ResponseSpec};
use super::parameter::{integer_in, one_of, string_type, uuid_type};
use super::problems::{self, ErrorDialect, ErrorExample};
use crate::domain::job::JobKind;

/// Renders operations and collects the schemas to which they refer.
pub(super) struct OperationRenderer {
    /// Schemas of the types into which bodies are parsed.
    requests: SchemaGenerator,
    /// Schemas of the types that are serialised as answers.
    answers: SchemaGenerator,
    error_examples: BTreeMap<&'static str, Vec<ErrorExample>>,
}

/// The name of a failure's example.
pub(super) fn example_name(dialect: &ErrorDialect, failure: &ErrorExample) -> String {
    let parts = [dialect.name, failure.code, failure.status.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

impl OperationRenderer {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            settings.transforms.push(Box::new(RecursiveTransform(|schema: &mut Schema| {
                // A default makes generators treat a member as required; its description says what leaving it out means.
                schema.remove("default");
                // The whole example is beside the schema.
                schema.remove("examples");
            })));
        });
        let requests = settings.clone().for_deserialize().into_generator();
        let answers = settings.for_serialize().into_generator();
        Self { requests, answers, error_examples: BTreeMap::new() }
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
            .map(|name| render_parameter(&path_parameter(name)))
            .chain(op.parameters.iter().map(render_parameter))
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

    fn render_request_body(&mut self, body: &RequestBodySpec) -> Value {
        let schema = body.schema.map_or_else(|| json!({}), |schema| schema(&mut self.requests).to_value());
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
            let rendered = self.render_response(answer);
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
        let schema = (dialect.schema)(&mut self.answers).to_value();
        for (status, failures) in by_status {
            let mut rendered = error_response(dialect, &schema, status, &failures);
            if op.error_pages {
                merge_content(&mut rendered, &json!({ "content": { "text/html": {} } }));
            }
            all.entry(status.as_str()).or_insert(rendered);
        }
        all
    }

    fn render_response(&mut self, answer: &ResponseSpec) -> Value {
        let usual = answer.status.canonical_reason().unwrap_or("As asked");
        let about = if answer.description.is_empty() { usual } else { answer.description };
        let mut rendered = json!({ "description": about });
        if !answer.headers.is_empty() {
            let header = |header: &ParameterSpec| (header.name.to_string(), render_header(header));
            rendered["headers"] = answer.headers.iter().map(header).collect();
        }
        match &answer.content {
            ResponseContent::Empty => {}
            ResponseContent::Json(schema) => {
                let schema = schema(&mut self.answers).to_value();
                let example = example_of(&schema, self.answers.definitions());
                rendered["content"] = json!({ "application/json": { "schema": schema, "example": example } });
            }
            ResponseContent::MediaType(kind) => rendered["content"] = json!({ *kind: {} }),
        }
        rendered
    }

    /// Every schema to which an operation refers.
    pub(super) fn render_schemas(mut self) -> Map<String, Value> {
        let mut all = self.answers.take_definitions(true);
        for (name, schema) in self.requests.take_definitions(true) {
            let known = all.insert(name, schema.clone());
            debug_assert!(known.is_none_or(|known| known == schema), "two types have the name of {schema}");
        }
        all
    }
}

/// A parameter of a request.
fn render_parameter(parameter: &ParameterSpec) -> Value {
    let mut rendered = render_header(parameter);
    rendered["in"] = parameter.location.into();
    rendered["name"] = parameter.name.as_ref().into();
    if let Some(example) = parameter.kind.shown_example() {
        rendered["example"] = example;
    }
    rendered
}

/// A header of an answer: a parameter without `in` and `name`.
fn render_header(header: &ParameterSpec) -> Value {
    json!({ "description": header.description, "required": header.kind.required, "schema": header.kind.schema })
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
    let some_text = || string_type().length(1, None);
    let (kind, about) = match name {
        "grant" => (some_text(), "A grant: what it opens, it opens without any other credential."),
        "number" => (integer_in(1..=10_000), "The number of a part."),
        "kind" => (one_of(JobKind::ALL.map(JobKind::name)), "The kind of job."),
        "name" => (some_text(), "Its name."),
        "file" => (some_text(), "The name of a file."),
        "module" => (some_text(), "The path of a module."),
        "guide" => (some_text(), "The name of a guide."),
        "version" => (some_text(), "The version of the files."),
        "delivery" => (uuid_type(), "The id of a delivery."),
        _ => (uuid_type(), "Its id."),
    };
    ParameterSpec::new("path", name.to_owned(), kind, about)
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
fn error_response(dialect: &ErrorDialect, schema: &Value, status: StatusCode, failures: &[&ErrorExample]) -> Value {
    let about: Vec<_> = failures.iter().map(|failure| format!("`{}`: {}", failure.code, failure.detail)).collect();
    let example = |failure: &&ErrorExample| {
        let at = format!("#/components/examples/{}", example_name(dialect, failure));
        (failure.code.to_owned(), json!({ "$ref": at }))
    };
    let examples: Map<_, _> = failures.iter().map(example).collect();
    let content = json!({ dialect.media_type: {
        "schema": schema,
        "examples": examples,
    } });
    let mut rendered = json!({ "description": about.join("\n\n"), "content": content });
    if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        let seconds = json!({ "description": "Seconds after which to try again.", "schema": { "type": "integer" } });
        rendered["headers"] = json!({ "Retry-After": seconds });
    }
    rendered
}
