//! Examples of answers, assembled from the examples of their members, which stand beside the members' types.
//!
//! A member without an example of its own gets that of its type, its first choice, or the usual text of its format. A
//! test verifies that every example fits its schema. Pure.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Named schemas, to which others refer.
pub(super) type Definitions = Map<String, Value>;

const REFERENCE_PREFIX: &str = "#/components/schemas/";
const EXAMPLE_UUID: &str = "019aa3c1-7c40-7d2e-9f31-0b5f6f0c2a11";
const EXAMPLE_TIME: &str = "2026-11-21T12:00:00.000000Z";
const EXAMPLE_URL: &str = "https://files.example/there";

/// The example of a schema: its own, else that of the type to which it refers, else one of its members' examples.
pub(super) fn example_of(schema: &Value, definitions: &Definitions) -> Value {
    if let Some(own) = schema.get("examples").and_then(|examples| examples.get(0)) {
        return own.clone();
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
        return fixed.clone();
    }
    let referred = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(REFERENCE_PREFIX));
    if let Some(definition) = referred.and_then(|name| definitions.get(name)) {
        return example_of(definition, definitions);
    }
    if let Some(choice) = ["anyOf", "oneOf"].iter().find_map(|keyword| schema.get(*keyword)?.get(0)) {
        return example_of(choice, definitions);
    }
    match type_name(schema) {
        "object" => {
            let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            members.map(|(name, member)| (name.clone(), example_of(member, definitions))).collect()
        }
        "array" => json!([schema.get("items").map_or(Value::Null, |items| example_of(items, definitions))]),
        kind => example_of_scalar(kind, schema),
    }
}

/// The type of a schema, without null.
fn type_name(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null"),
        kind => kind.as_str().unwrap_or("any"),
    }
}

fn example_of_scalar(kind: &str, schema: &Value) -> Value {
    match (kind, schema["format"].as_str()) {
        ("string", Some("uuid")) => EXAMPLE_UUID.into(),
        ("string", Some("date-time")) => EXAMPLE_TIME.into(),
        ("string", Some("uri")) => EXAMPLE_URL.into(),
        ("string", _) => "…".into(),
        ("integer", _) => 1.into(),
        ("number", _) => 1.5.into(),
        ("boolean", _) => true.into(),
        _ => Value::Null,
    }
}

/// Schema transform of a view: a member that may be absent (`skip_serializing_if`) is never null.
pub(in crate::http) fn absent_not_null(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |name: &String| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, member) in members.iter_mut().filter(|(name, _)| !is_required(name)) {
        remove_null(member);
    }
}

fn remove_null(member: &mut Value) {
    if let Some(kinds) = member.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            member["type"] = only.clone();
        }
    }
    let Some(choices) = member.get_mut("anyOf").and_then(Value::as_array_mut) else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        if let Some(member) = member.as_object_mut() {
            member.remove("anyOf");
            only.into_iter().for_each(|(keyword, value)| _ = member.entry(keyword).or_insert(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize, JsonSchema)]
    #[schemars(transform = absent_not_null)]
    struct BoxView {
        /// Length in millimetres.
        #[schemars(example = 40)]
        length: u32,
        colour: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lid: Option<LidView>,
        #[schemars(extend("enum" = ["open", "shut"]))]
        state: &'static str,
        drawers: Vec<LidView>,
    }

    #[derive(Serialize, JsonSchema)]
    struct LidView {
        made_at: crate::domain::clock::Timestamp,
    }

    #[test]
    fn schema_and_example_come_from_the_type() {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
        });
        let mut generator = settings.into_generator();
        let schema = generator.subschema_for::<BoxView>().to_value();
        let shown = example_of(&schema, generator.definitions());
        let lid = json!({ "made_at": EXAMPLE_TIME });
        assert_eq!(
            shown,
            json!({ "length": 40, "colour": "…", "owner": "…", "lid": lid, "state": "open", "drawers": [lid] })
        );
        let schema = &generator.definitions()["BoxView"];
        assert_eq!(schema["required"], json!(["length", "colour", "state", "drawers"]));
        assert_eq!(schema["properties"]["colour"]["type"], json!(["string", "null"]));
        assert_eq!(schema["properties"]["owner"]["type"], "string");
        assert_eq!(schema["properties"]["lid"]["$ref"], "#/components/schemas/LidView");
    }
}
