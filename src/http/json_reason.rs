//! Reasons why a JSON body is invalid, in the terms of JSON: serde names types of Rust. Pure.

/// Serde's terms and their equivalents in JSON. Longer terms first.
const JSON_TYPE_NAMES: [(&str, &str); 13] = [
    ("a nonzero u32", "a whole number above zero"),
    ("string or map", "a text or an object"),
    ("a sequence", "a list"),
    ("a string", "a text"),
    ("a map", "an object"),
    ("usize", "a whole number"),
    ("u64", "a whole number"),
    ("u32", "a whole number"),
    ("u16", "a whole number"),
    ("i64", "a whole number"),
    ("f64", "a number"),
    ("unit", "null"),
    ("a boolean", "true or false"),
];

/// The error in words: the actual value, the expected type, and the position.
pub(super) fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let found = text.replacen("invalid type: sequence", "invalid type: list", 1);
    let found =
        found.replacen("invalid type: map", "invalid type: object", 1).replacen("unknown variant", "unknown value", 1);
    let Some((before, expected)) = found.split_once(", expected ") else { return found };
    if let Some(rest) = expected.strip_prefix("struct ") {
        let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
        return format!("{before}, expected an object {rest}").trim_end().to_owned();
    }
    let known = JSON_TYPE_NAMES.iter().find_map(|(word, plain)| Some((plain, expected.strip_prefix(word)?)));
    known.map_or_else(|| found.clone(), |(plain, rest)| format!("{before}, expected {plain}{rest}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        _size: Option<u64>,
        _name: Option<String>,
        _parts: Option<Vec<u32>>,
        _last: Option<bool>,
    }

    #[test]
    fn no_type_of_rust_is_named() {
        let reason = |text: &str| json_reason(&serde_json::from_str::<Wish>(text).unwrap_err());
        for (text, expected) in [
            (r#"{"_size": "x"}"#, r#"invalid type: string "x", expected a whole number at line 1 column 13"#),
            (r#"{"_size": -1}"#, "invalid value: integer `-1`, expected a whole number at line 1 column 12"),
            (r#"{"_name": {}}"#, "invalid type: object, expected a text at line 1 column 10"),
            (r#"{"_parts": 5}"#, "invalid type: integer `5`, expected a list at line 1 column 12"),
            (r#"{"_last": 5}"#, "invalid type: integer `5`, expected true or false at line 1 column 11"),
            ("5", "invalid type: integer `5`, expected an object at line 1 column 1"),
            (r#"{"_size": 1,}"#, "trailing comma at line 1 column 13"),
        ] {
            assert_eq!(reason(text), expected);
        }
        let misspelt = reason(r#"{"_sise": 1}"#);
        assert!(misspelt.starts_with("unknown field `_sise`, expected one of `_size`, "), "{misspelt}");
    }
}
