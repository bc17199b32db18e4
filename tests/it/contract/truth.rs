//! Whether answers are what the document says: the status is declared, and JSON has the declared shape and no more.

use serde_json::{Value, json};

use super::{Contract, Operation};

/// The document as a judge of answers.
pub struct Truth<'a> {
    contract: &'a Contract,
    /// Its schemas, closed: what is not declared must not be there.
    schemas: Value,
}

impl<'a> Truth<'a> {
    pub fn of(contract: &'a Contract) -> Self {
        let mut schemas = contract.0["components"]["schemas"].clone();
        schemas.as_object_mut().unwrap().values_mut().for_each(close);
        Self { contract, schemas }
    }

    /// What is untrue about an answer.
    pub fn lie(&self, operation: &Operation<'_>, status: u16, kind: &str, body: Option<&Value>) -> Option<String> {
        let declared = &operation.says["responses"][status.to_string()];
        if declared.is_null() {
            return Some(format!("{} answers {status}, which is not declared: {body:?}", operation.named()));
        }
        let kind = kind.split(';').next().unwrap();
        let content = &declared["content"];
        let known = kind.is_empty() || [kind, "*/*"].iter().any(|kind| !content[*kind].is_null());
        if !known && operation.method != "head" {
            return Some(format!("{} answers {status} with {kind}, which is not declared", operation.named()));
        }
        // A line of NDJSON is JSON, too.
        let body = body.filter(|_| kind.ends_with("/json") || kind.ends_with("+json"))?;
        if status >= 400
            && let Some(unknown) = self.unknown_code(operation, &content[kind], body)
        {
            return Some(unknown);
        }
        self.misshapen(&content[kind]["schema"], body).map(|why| format!("{} {status}: {why}", operation.named()))
    }

    fn unknown_code(&self, operation: &Operation<'_>, content: &Value, body: &Value) -> Option<String> {
        let code = body["code"].as_str().or(body["error"].as_str())?;
        let declared = !content["examples"][code].is_null();
        (!declared).then(|| format!("{} answers with the code {code}, which is not declared", operation.named()))
    }

    /// Where a value differs from a schema.
    pub fn misshapen(&self, schema: &Value, value: &Value) -> Option<String> {
        let mut schema = schema.clone();
        close(&mut schema);
        let whole = json!({ "components": { "schemas": self.schemas }, "allOf": [schema] });
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let errors: Vec<_> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    pub fn contract(&self) -> &'a Contract {
        self.contract
    }
}

/// Forbids members that no schema names.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object) && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
