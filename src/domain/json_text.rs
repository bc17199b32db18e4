//! Text in JSON.

/// True if a text in the JSON has the character U+0000, which PostgreSQL stores in no text. JSON has it as an escape only
/// (RFC 8259 §7).
#[must_use]
pub fn has_nul(json: &[u8]) -> bool {
    let mut escaped = false;
    json.iter().enumerate().any(|(at, byte)| {
        let begins = escaped && json[at..].starts_with(b"u0000");
        escaped = *byte == b'\\' && !escaped;
        begins
    })
}

#[cfg(test)]
mod tests {
    use super::has_nul;

    #[test]
    fn the_escape_is_found_and_what_looks_like_it_is_not() {
        for json in [br#"{"a": "b\u0000"}"#.as_slice(), br#"["\\\u0000"]"#, br#"["\n\u0000"]"#] {
            assert!(has_nul(json), "{}", String::from_utf8_lossy(json));
        }
        for json in
            [br#"["\\u0000"]"#.as_slice(), br#"["u0000"]"#, br#"["\u0001", "\u00001"]"#.get(..9).unwrap(), b"{}"]
        {
            assert!(!has_nul(json), "{}", String::from_utf8_lossy(json));
        }
    }
}
