//! The declaration of an operation: summary, access, parameters, body, answers and errors.

use std::borrow::Cow;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::access::{AccessCells, PUBLIC_ACCESS};
use super::parameter::{ParameterType, integer_in, string_type};

/// The declaration of an operation.
#[derive(Clone)]
pub(in crate::http) struct OperationSpec {
    pub(super) summary: &'static str,
    /// Id for programs: unique, a verb and its object, without path or version.
    pub(super) operation_id: Cow<'static, str>,
    pub(super) description: &'static str,
    pub(super) access: AccessCells,
    pub(super) parameters: Vec<ParameterSpec>,
    pub(super) request_body: Option<RequestBodySpec>,
    pub(super) responses: Vec<ResponseSpec>,
    pub(super) error_codes: Vec<&'static str>,
    /// Clients may keep the answer and revalidate it.
    pub(super) cacheable: bool,
    /// Clients may add parameters of their own to the query; the handler checks them.
    pub(super) any_parameters: bool,
    /// Clients that accept HTML get errors as pages.
    pub(super) error_pages: bool,
}

/// A parameter apart from those in the path, or a header of an answer.
#[derive(Clone)]
pub(super) struct ParameterSpec {
    pub(super) location: &'static str,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: ParameterType,
    pub(super) description: &'static str,
}

impl ParameterSpec {
    pub(super) fn new(
        place: &'static str,
        name: impl Into<Cow<'static, str>>,
        kind: ParameterType,
        about: &'static str,
    ) -> Self {
        Self { location: place, name: name.into(), kind, description: about }
    }
}

/// Generates the schema of a type.
pub(in crate::http) type SchemaOfType = fn(&mut SchemaGenerator) -> Schema;

/// Body of the request.
#[derive(Clone)]
pub(super) struct RequestBodySpec {
    pub(super) media_type: &'static str,
    /// The schema of the type into which the body is parsed; `None` for bytes.
    pub(super) schema: Option<SchemaOfType>,
    pub(super) example: Value,
    /// A request without the body is invalid.
    pub(super) required: bool,
}

/// An answer that is not an error of the catalogue in `problems`.
#[derive(Clone)]
pub(super) struct ResponseSpec {
    pub(super) status: StatusCode,
    pub(super) description: &'static str,
    pub(super) headers: Vec<ParameterSpec>,
    pub(super) content: ResponseContent,
}

/// Body of an answer.
#[derive(Clone)]
pub(super) enum ResponseContent {
    Empty,
    /// JSON with the schema of the type that is serialised.
    Json(SchemaOfType),
    /// Content of this media type.
    MediaType(&'static str),
}

/// An operation with a summary of its purpose.
pub(in crate::http) fn op(summary: &'static str) -> OperationSpec {
    OperationSpec {
        summary,
        operation_id: Cow::Borrowed(""),
        description: "",
        access: PUBLIC_ACCESS,
        parameters: Vec::new(),
        request_body: None,
        responses: Vec::new(),
        error_codes: Vec::new(),
        cacheable: false,
        any_parameters: false,
        error_pages: false,
    }
}

impl OperationSpec {
    /// Sets the id for programs: unique, a verb and its object, without path or version (`createUpload`).
    pub(in crate::http) fn operation_id(self, id: impl Into<Cow<'static, str>>) -> Self {
        Self { operation_id: id.into(), ..self }
    }

    /// Sets a longer description.
    pub(in crate::http) fn description(self, details: &'static str) -> Self {
        Self { description: details, ..self }
    }

    /// Sets which kinds of callers have access.
    pub(in crate::http) fn access(self, cells: AccessCells) -> Self {
        Self { access: cells, ..self }
    }

    /// Adds a query parameter.
    pub(in crate::http) fn query(mut self, name: &'static str, kind: ParameterType, about: &'static str) -> Self {
        self.parameters.push(ParameterSpec::new("query", name, kind, about));
        self
    }

    /// Adds a header of the request.
    pub(in crate::http) fn header(mut self, name: &'static str, kind: ParameterType, about: &'static str) -> Self {
        self.parameters.push(ParameterSpec::new("header", name, kind, about));
        self
    }

    /// Adds a header to the answer that was declared last.
    pub(in crate::http) fn response_header(
        mut self,
        name: &'static str,
        kind: ParameterType,
        about: &'static str,
    ) -> Self {
        if let Some(answer) = self.responses.last_mut() {
            answer.headers.push(ParameterSpec::new("header", name, kind, about));
        }
        self
    }

    /// The answer is a page of a list: adds `?limit=` and the cursor.
    pub(in crate::http) fn paged(self, cursor: &'static str) -> Self {
        self.query("limit", integer_in(1..=1000).optional().example(100), "Most entries of the page.").query(
            cursor,
            string_type().length(1, Some(512)).optional(),
            "Goes on behind the page before: the cursor that its answer gave as `next` or `next_after`.",
        )
    }

    /// Accepts `Idempotency-Key`: a repeated request gets the same answer.
    pub(in crate::http) fn idempotent(self) -> Self {
        let about = "Repeating a request with the same key and body gives the first answer again, for a day. 1 to 255 characters.";
        self.header("Idempotency-Key", string_type().length(1, Some(255)).optional(), about)
            .error_codes(&["idempotency_key_reused"])
    }

    /// The answer has an entity tag; clients may keep and revalidate it.
    pub(in crate::http) fn cacheable(self) -> Self {
        let asked = self.header("If-None-Match", string_type().optional(), "The `ETag` of an answer that is kept.");
        Self { cacheable: true, ..asked.empty_response(304, "It is still the same.") }
    }

    /// Passes undeclared parameters to the handler instead of refusing them.
    pub(in crate::http) fn with_any_parameters(self) -> Self {
        Self { any_parameters: true, ..self }
    }

    /// Accepts JSON that is parsed as `T`.
    pub(in crate::http) fn json_body<T: JsonSchema>(mut self, example: Value) -> Self {
        // An empty body is parsed as `{}`.
        let required = example.as_object().is_none_or(|members| !members.is_empty());
        let schema = Some(SchemaGenerator::subschema_for::<T> as SchemaOfType);
        self.request_body = Some(RequestBodySpec { media_type: "application/json", schema, example, required });
        self.error_codes(&["invalid", "invalid_json", "unreadable_body", "slow_body", "body_too_large"])
    }

    /// Accepts bytes or a form.
    pub(in crate::http) fn bytes_body(mut self, media_type: &'static str, example: &'static str) -> Self {
        self.request_body = Some(RequestBodySpec { media_type, schema: None, example: example.into(), required: true });
        self
    }

    /// Makes the declared body optional.
    pub(in crate::http) fn body_optional(mut self) -> Self {
        if let Some(body) = &mut self.request_body {
            body.required = false;
        }
        self
    }

    /// Answers with a `T` as JSON.
    pub(in crate::http) fn json_response<T: JsonSchema>(self, status: u16) -> Self {
        self.add_response(status, "", ResponseContent::Json(SchemaGenerator::subschema_for::<T>))
    }

    /// Answers without a body.
    pub(in crate::http) fn empty_response(self, status: u16, about: &'static str) -> Self {
        self.add_response(status, about, ResponseContent::Empty)
    }

    /// Answers with content that is not JSON.
    pub(in crate::http) fn media_response(self, status: u16, media_type: &'static str, about: &'static str) -> Self {
        self.add_response(status, about, ResponseContent::MediaType(media_type))
    }

    fn add_response(mut self, status: u16, about: &'static str, content: ResponseContent) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        self.responses.push(ResponseSpec { status, description: about, headers: Vec::new(), content });
        self
    }

    /// Adds error codes, apart from those of every operation of its kind.
    pub(in crate::http) fn error_codes(mut self, codes: &[&'static str]) -> Self {
        self.error_codes.extend(codes);
        self
    }

    /// Declares that clients that accept HTML get errors as pages (`error_page`).
    pub(in crate::http) fn with_error_pages(self) -> Self {
        Self { error_pages: true, ..self }
    }

    /// The same declaration for HEAD.
    pub(super) fn without_body(mut self) -> Self {
        for answer in &mut self.responses {
            answer.content = ResponseContent::Empty;
        }
        self
    }
}
