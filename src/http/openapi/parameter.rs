//! Types of parameters in paths and queries, and of headers. Bodies have the schema of the type into which they are
//! parsed or from which they are serialised. Pure.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::example::example_of;

/// Schema of a parameter with an example. A parameter is required unless it is made optional.
#[derive(Clone)]
pub(in crate::http) struct ParameterType {
    pub(super) schema: Value,
    pub(super) required: bool,
    example: Option<Value>,
}

impl ParameterType {
    fn new(schema: Value) -> Self {
        Self { schema, required: true, example: None }
    }

    /// Makes the parameter optional.
    pub(in crate::http) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Sets the example.
    pub(in crate::http) fn example(self, example: impl Into<Value>) -> Self {
        Self { example: Some(example.into()), ..self }
    }

    /// Limits the length of a text in characters.
    pub(in crate::http) fn length(mut self, min: u32, max: Option<u32>) -> Self {
        self.schema["minLength"] = min.into();
        if let Some(max) = max {
            self.schema["maxLength"] = max.into();
        }
        self
    }

    /// The example for the document: every required parameter has one, an optional one if it was set.
    pub(super) fn shown_example(&self) -> Option<Value> {
        let usual = || self.required.then(|| example_of(&self.schema, &Map::new()));
        self.example.clone().or_else(usual)
    }
}

/// Any text.
pub(in crate::http) fn string_type() -> ParameterType {
    ParameterType::new(json!({ "type": "string" }))
}

/// A whole number.
pub(in crate::http) fn integer_type() -> ParameterType {
    ParameterType::new(json!({ "type": "integer" }))
}

/// A whole number in a range.
pub(in crate::http) fn integer_in(range: RangeInclusive<u32>) -> ParameterType {
    ParameterType::new(json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }))
}

/// An id.
pub(in crate::http) fn uuid_type() -> ParameterType {
    ParameterType::new(json!({ "type": "string", "format": "uuid" }))
}

/// A time, as RFC 3339 writes it.
pub(in crate::http) fn time_type() -> ParameterType {
    ParameterType::new(json!({ "type": "string", "format": "date-time" }))
}

/// A URL.
pub(in crate::http) fn url_type() -> ParameterType {
    ParameterType::new(json!({ "type": "string", "format": "uri" }))
}

/// A text that is limited to these values.
pub(in crate::http) fn one_of<const N: usize>(words: [&'static str; N]) -> ParameterType {
    ParameterType::new(json!({ "type": "string", "enum": words.as_slice() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_parameters_have_an_example() {
        let length = string_type().length(1, Some(255)).optional();
        assert_eq!(length.schema, json!({ "type": "string", "minLength": 1, "maxLength": 255 }));
        assert_eq!((length.shown_example(), length.required), (None, false));
        assert_eq!(one_of(["?0", "?1"]).shown_example(), Some("?0".into()));
        assert_eq!(integer_in(1..=1000).optional().example(100).shown_example(), Some(100.into()));
    }
}
