//! What is said of one operation: a sentence, who may, what it takes, what it answers, which errors it has.

use std::borrow::Cow;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::access::{Cells, PUBLIC};

/// Said of one operation, in the order in which it is read.
#[derive(Clone)]
pub(in crate::http) struct Op {
    pub(super) summary: &'static str,
    /// What it does, for programs: unique, a verb and its object, without path or version.
    pub(super) id: Cow<'static, str>,
    pub(super) details: &'static str,
    pub(super) cells: Cells,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    pub(super) fails: Vec<&'static str>,
    /// Clients may keep the answer, and ask whether it is still the same.
    pub(super) kept: bool,
    /// Uploaders put parameters of their own into the query; the handler looks at them.
    pub(super) any_parameters: bool,
}

/// A parameter beside those that the path names, or a header of an answer.
#[derive(Clone)]
pub(super) struct Parameter {
    pub(super) place: &'static str,
    pub(super) name: Cow<'static, str>,
    /// In the notation of `shape`; one that may be absent ends in `*`.
    pub(super) shape: Cow<'static, str>,
    pub(super) about: &'static str,
}

impl Parameter {
    pub(super) fn new(
        place: &'static str,
        name: impl Into<Cow<'static, str>>,
        shape: impl Into<Cow<'static, str>>,
        about: &'static str,
    ) -> Self {
        Self { place, name: name.into(), shape: shape.into(), about }
    }
}

/// What comes with the request.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) media_type: &'static str,
    /// The schema of the very type that is read; nothing for bytes.
    pub(super) schema: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(super) example: Value,
    /// A request without it makes no sense.
    pub(super) required: bool,
}

/// An answer that is no error.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) about: &'static str,
    pub(super) headers: Vec<Parameter>,
    pub(super) content: Content,
}

/// What an answer carries.
#[derive(Clone)]
pub(super) enum Content {
    Nothing,
    /// JSON of this shape.
    Shape(Value),
    /// Something else, of this media type.
    Other(&'static str),
}

/// An operation, and what it is for.
pub(in crate::http) fn op(summary: &'static str) -> Op {
    Op {
        summary,
        id: Cow::Borrowed(""),
        details: "",
        cells: PUBLIC,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        fails: Vec::new(),
        kept: false,
        any_parameters: false,
    }
}

impl Op {
    /// What it does, for programs: unique, a verb and its object, without path or version (`createUpload`).
    pub(in crate::http) fn named(self, id: impl Into<Cow<'static, str>>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// More than a sentence about it.
    pub(in crate::http) fn tells(self, details: &'static str) -> Self {
        Self { details, ..self }
    }

    /// Who may.
    pub(in crate::http) fn may(self, cells: Cells) -> Self {
        Self { cells, ..self }
    }

    /// A parameter of the query, its shape in the notation of `shape`; most end in `*`.
    pub(in crate::http) fn query(
        mut self,
        name: &'static str,
        shape: impl Into<Cow<'static, str>>,
        about: &'static str,
    ) -> Self {
        self.parameters.push(Parameter::new("query", name, shape, about));
        self
    }

    /// A header of the request.
    pub(in crate::http) fn header(mut self, name: &'static str, shape: &'static str, about: &'static str) -> Self {
        self.parameters.push(Parameter::new("header", name, shape, about));
        self
    }

    /// The answer that was named last has this header.
    pub(in crate::http) fn with(mut self, name: &'static str, shape: &'static str, about: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push(Parameter::new("header", name, shape, about));
        }
        self
    }

    /// A page of a list: `?limit=`, and where to go on.
    pub(in crate::http) fn paged(self, cursor: &'static str) -> Self {
        self.query("limit", "int 1..1000* = 100", "Most entries of the page.").query(
            cursor,
            "text 1..512*",
            "Goes on behind the page before: the cursor that its answer gave as `next` or `next_after`.",
        )
    }

    /// Takes `Idempotency-Key`: the same request again gets the same answer.
    pub(in crate::http) fn repeats(self) -> Self {
        let about = "Repeating a request with the same key and body gives the first answer again, for a day. 1 to 255 characters.";
        self.header("Idempotency-Key", "text 1..255*", about).fails(&["idempotency_key_reused"])
    }

    /// Has an entity tag; clients may keep the answer, and ask whether it is still the same.
    pub(in crate::http) fn kept(self) -> Self {
        let asked = self.header("If-None-Match", "text*", "The `ETag` of an answer that is kept.");
        Self { kept: true, ..asked.done(304, "It is still the same.") }
    }

    /// Leaves parameters that it does not describe to the handler, instead of refusing them.
    pub(in crate::http) fn with_any_parameters(self) -> Self {
        Self { any_parameters: true, ..self }
    }

    /// Takes JSON that is read as `T`.
    pub(in crate::http) fn takes<T: JsonSchema>(mut self, example: Value) -> Self {
        // Nothing reads as `{}`.
        let required = example.as_object().is_none_or(|members| !members.is_empty());
        let schema = Some(SchemaGenerator::subschema_for::<T> as fn(&mut SchemaGenerator) -> Schema);
        self.body = Some(Body { media_type: "application/json", schema, example, required });
        self.fails(&["invalid", "invalid_json", "unreadable_body", "slow_body", "body_too_large"])
    }

    /// Takes bytes, or a form.
    pub(in crate::http) fn takes_bytes(mut self, media_type: &'static str, example: &'static str) -> Self {
        self.body = Some(Body { media_type, schema: None, example: example.into(), required: true });
        self
    }

    /// The body that was named may be left out.
    pub(in crate::http) fn or_nothing(mut self) -> Self {
        if let Some(body) = &mut self.body {
            body.required = false;
        }
        self
    }

    /// Answers with JSON of this shape.
    pub(in crate::http) fn gives(self, status: u16, shape: impl Into<Value>) -> Self {
        self.answers(status, "", Content::Shape(shape.into()))
    }

    /// Answers without a body.
    pub(in crate::http) fn done(self, status: u16, about: &'static str) -> Self {
        self.answers(status, about, Content::Nothing)
    }

    /// Answers with something that is not JSON.
    pub(in crate::http) fn sends(self, status: u16, media_type: &'static str, about: &'static str) -> Self {
        self.answers(status, about, Content::Other(media_type))
    }

    fn answers(mut self, status: u16, about: &'static str, content: Content) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        self.answers.push(Answer { status, about, headers: Vec::new(), content });
        self
    }

    /// May fail in these ways, beside those that any operation of its kind has.
    pub(in crate::http) fn fails(mut self, codes: &[&'static str]) -> Self {
        self.fails.extend(codes);
        self
    }

    /// The same for HEAD.
    pub(super) fn without_body(mut self) -> Self {
        for answer in &mut self.answers {
            answer.content = Content::Nothing;
        }
        self
    }
}
