//! Shapes: a short notation for answers, from which schema and example are generated, so that the two agree.
//!
//! Objects and single-element arrays stand for themselves. A text is a type, optionally followed by `?` (may be null)
//! or `*` (may be absent) and by an example after `=`: `"int = 5"`, `"time?"`, `"text* = notes.txt"`. Types: `uuid`,
//! `time`, `int`, `int 1..1000`, `number`, `bool`, `text`, `text 1..255` (characters), `url`, `digest`, `sha256`,
//! `etag`, `int or text`, `map of text`, `map of any` (objects whose members have no fixed names), `any`;
//! `one of a|b|c`; `@Name` refers to a named shape. Names of members take the same marks, for objects and arrays.
//! Meanings of members are in `glossary`. Pure.

use serde_json::{Map, Value, json};

/// A schema with its example.
#[derive(Clone, Debug)]
pub(super) struct SchemaWithExample {
    pub(super) schema: Value,
    pub(super) example: Value,
    /// The member may be absent from its object.
    optional: bool,
}

impl SchemaWithExample {
    /// True if the member may be absent.
    pub(super) fn is_optional(&self) -> bool {
        self.optional
    }
}

/// The shape of a text that is limited to these values.
pub(in crate::http) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    format!("one of {}", words.join("|"))
}

/// Looks up a named shape.
pub(super) type ShapeLookup<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// The schema and example of a shape.
pub(super) fn schema_of(shape: &Value, named: ShapeLookup<'_>) -> SchemaWithExample {
    match shape {
        Value::Object(members) => object_schema(members, named),
        Value::Array(items) => {
            let item =
                items.first().map_or_else(|| required_schema(json!({}), Value::Null), |item| schema_of(item, named));
            required_schema(json!({ "type": "array", "items": item.schema }), json!([item.example]))
        }
        Value::String(text) => text_schema(text, named),
        other => required_schema(json!({ "const": other }), other.clone()),
    }
}

/// The SHA-256 of `hello` in text form.
const EXAMPLE_DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn map_schema(values: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn required_schema(schema: Value, example: Value) -> SchemaWithExample {
    SchemaWithExample { schema, example, optional: false }
}

fn object_schema(members: &Map<String, Value>, named: ShapeLookup<'_>) -> SchemaWithExample {
    let (mut properties, mut example, mut required) = (Map::new(), Map::new(), Vec::new());
    for (marked, shape) in members {
        let (name, mut member) = (marked.trim_end_matches(['?', '*']), schema_of(shape, named));
        if marked.ends_with('?') {
            member.schema = nullable_schema(&member.schema);
        }
        if !member.optional && !marked.ends_with('*') {
            required.push(Value::from(name));
        }
        properties.insert(name.to_owned(), member.schema);
        example.insert(name.to_owned(), member.example);
    }
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    required_schema(schema, Value::Object(example))
}

fn nullable_schema(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn text_schema(text: &str, named: ShapeLookup<'_>) -> SchemaWithExample {
    let (kind, sample) = match text.split_once(" = ") {
        Some((kind, sample)) => (kind, Some(sample)),
        None => (text, None),
    };
    let bare = kind.trim_end_matches(['?', '*']);
    let marks = &kind[bare.len()..];
    let optional = marks.contains('*');
    let (mut schema, example) = schema_of_type(bare, sample, named);
    if marks.contains('?') {
        schema = nullable_schema(&schema);
    }
    SchemaWithExample { schema, example, optional }
}

fn schema_of_type(kind: &str, sample: Option<&str>, named: ShapeLookup<'_>) -> (Value, Value) {
    if let Some(name) = kind.strip_prefix('@') {
        let shown = sample.and_then(|sample| serde_json::from_str(sample).ok());
        let example = shown.or_else(|| named(name).map(|shape| schema_of(&shape, named).example)).unwrap_or_default();
        return (json!({ "$ref": format!("#/components/schemas/{name}") }), example);
    }
    if let Some(words) = kind.strip_prefix("one of ") {
        let words: Vec<_> = words.split('|').collect();
        let example = sample.or(words.first().copied()).into();
        return (json!({ "type": "string", "enum": words }), example);
    }
    let number = |text: &str| serde_json::from_str(text).unwrap_or(Value::from(text));
    if let Some((least, most)) = kind.strip_prefix("int ").and_then(|range| range.split_once("..")) {
        let schema = json!({ "type": "integer", "minimum": number(least), "maximum": number(most) });
        return (schema, number(sample.unwrap_or(least)));
    }
    if let Some((least, most)) = kind.strip_prefix("text ").and_then(|range| range.split_once("..")) {
        let mut schema = json!({ "type": "string", "minLength": number(least) });
        if !most.is_empty() {
            schema["maxLength"] = number(most);
        }
        return (schema, sample.unwrap_or("…").into());
    }
    let text = |usual: &str| Value::from(sample.unwrap_or(usual));
    let written = |usual: Value| sample.map_or(usual, number);
    match kind {
        "uuid" => (json!({ "type": "string", "format": "uuid" }), text("019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11")),
        "time" => (json!({ "type": "string", "format": "date-time" }), text("2026-11-21T12:00:00.000000Z")),
        "url" => (json!({ "type": "string", "format": "uri" }), text("https://files.example/there")),
        "int" => (json!({ "type": "integer" }), written(json!(1))),
        "number" => (json!({ "type": "number" }), written(json!(1.5))),
        "bool" => (json!({ "type": "boolean" }), written(json!(true))),
        "digest" => (json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" }), text(EXAMPLE_DIGEST)),
        "sha256" => {
            (json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }), text(&EXAMPLE_DIGEST["sha256:".len()..]))
        }
        "etag" => {
            (json!({ "type": "string", "pattern": "^\"[^\"]+\"$" }), text("\"5d41402abc4b2a76b9719d911017c592\""))
        }
        "int or text" => (json!({ "type": ["integer", "string"] }), written(json!(1))),
        "map of text" => (map_schema(&json!({ "type": "string" })), written(json!({}))),
        "map of any" => (map_schema(&json!({})), written(json!({}))),
        "any" => (json!({}), written(Value::Null)),
        _ => (json!({ "type": "string" }), text("…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation() {
        let named = |name: &str| (name == "Thing").then(|| json!({ "id": "int = 7" }));
        let made = schema_of(
            &json!({ "a": "text? = x", "b": "int* = 5", "c": ["@Thing"], "d": "one of ready|dead", "e": "time",
                "f": "int 1..9* = 3", "g": "one of ?0|?1" }),
            &named,
        );
        assert_eq!(made.schema["required"], json!(["a", "c", "d", "e", "g"]));
        assert_eq!(made.schema["properties"]["a"], json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }));
        assert_eq!(made.schema["properties"]["c"]["items"], json!({ "$ref": "#/components/schemas/Thing" }));
        assert_eq!(made.schema["properties"]["f"], json!({ "type": "integer", "minimum": 1, "maximum": 9 }));
        assert_eq!(made.schema["properties"]["g"], json!({ "type": "string", "enum": ["?0", "?1"] }));
        let example = json!({ "a": "x", "b": 5, "c": [{ "id": 7 }], "d": "ready", "e": "2026-11-21T12:00:00.000000Z",
            "f": 3, "g": "?0" });
        assert_eq!(made.example, example);
    }
}
