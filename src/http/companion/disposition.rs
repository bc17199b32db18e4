//! Names in the headers of a form's parts (RFC 7578 §4.2), as browsers, curl and libraries really write them. Pure.
//!
//! Browsers encode `"`, CR and LF in a file's name as `%22`, `%0D` and `%0A` and nothing else (HTML,
//! multipart/form-data encoding algorithm); old curl writes `\"`; .NET and Java add `filename*`, although RFC 7578 does
//! not allow it.

use http::{HeaderMap, header};

use crate::http::upload_metadata::decode_extended;

/// Names of a part: field and file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FormPartNames {
    /// The field's name.
    pub(super) name: String,
    /// The file's name. `None`: the part is a field, not a file. Empty: no file was chosen, or the file has no name.
    pub(super) filename: Option<String>,
}

impl FormPartNames {
    /// Parses `Content-Disposition`. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_DISPOSITION) else { return Self::default() };
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let parameters = disposition_parameters(&text);
        let find = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let extended = find("filename*").and_then(decode_extended);
        let plain = find("filename").map(decode_browser_escapes);
        let filename = extended.or(plain).map(|name| without_windows_path(&name).to_owned());
        Self { name: find("name").map(decode_browser_escapes).unwrap_or_default(), filename }
    }
}

fn decode_browser_escapes(text: &str) -> String {
    text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// The last component of `C:\…` and `\\server\…`, which old browsers send. In other names `\` is an ordinary character.
fn without_windows_path(name: &str) -> &str {
    let drive = matches!(name.as_bytes(), [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic());
    let last = name.rsplit('\\').next().filter(|_| drive || name.starts_with(r"\\"));
    last.unwrap_or(name)
}

/// `; name=value` and `; name="value"`, with names in lower case.
fn disposition_parameters(text: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let mut rest = text.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, value)) = rest.split_once('=') {
        // Text before the name that has no value of its own.
        let name = name.rsplit(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        parameters.push((name, value));
        rest = after;
    }
    parameters
}

/// The value of a quoted string after its opening quote, and the rest of the text.
///
/// A quote ends the value if a semicolon or nothing follows. A quote after a backslash ends it only at the end of the
/// text: browsers send a name that ends in a backslash as `"name\"`.
fn unquote(text: &str) -> (String, &str) {
    let ends = |at: usize| {
        let after = &text[at + 1..];
        let last = matches!(after.trim_start().as_bytes(), [] | [b';', ..]);
        last && (!text[..at].ends_with('\\') || !after.contains('"'))
    };
    let end = text.match_indices('"').map(|(at, _)| at).find(|at| ends(*at));
    let (value, after) = end.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    (value.replace("\\\"", "\""), after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn names(value: &[u8]) -> (String, Option<String>) {
        let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, HeaderValue::from_bytes(value).unwrap())]);
        let FormPartNames { name, filename } = FormPartNames::from_headers(&headers);
        (name, filename)
    }

    #[test]
    fn as_real_clients_write_them() {
        for (filename, read) in [
            (r#""a b.txt""#, "a b.txt"),
            (r#""a%22b%0D%0A.txt""#, "a\"b\r\n.txt"),
            // No other escape exists: these characters belong to the names.
            (r#""100%25 %20%0d%0a.txt""#, "100%25 %20%0d%0a.txt"),
            (r#""a\"b\".txt""#, "a\"b\".txt"),
            (r#""a"b.txt""#, "a\"b.txt"),
            (r#""a\b\\c.txt""#, r"a\b\\c.txt"),
            (r#""ends in \""#, r"ends in \"),
            (r#""C:\fakepath\x.txt""#, "x.txt"),
            (r#""\\server\share\x.txt""#, "x.txt"),
            (r#""1:\x.txt""#, r"1:\x.txt"),
            (r#""x;y=z.txt""#, "x;y=z.txt"),
            ("a.txt", "a.txt"),
            (r#""=?utf-8?B?w6Q=?="; filename*=utf-8''%C3%A4%22.txt"#, "ä\".txt"),
            (r#""plain"; filename*=latin1''%E4"#, "plain"),
            (r#""""#, ""),
            (r#""漢字.txt""#, "漢字.txt"),
        ] {
            let value = format!("form-data; name=\"file\"; filename={filename}");
            assert_eq!(names(value.as_bytes()), ("file".to_owned(), Some(read.to_owned())), "{value}");
            let turned = format!("form-data;filename={filename} ; NAME=file");
            let (name, turned) = names(turned.as_bytes());
            assert!(filename.ends_with("\\\"") || (name == "file" && turned.as_deref() == Some(read)), "{value}");
        }
        assert_eq!(names(b"form-data; name=\"file\"; filename=\"\xe4.txt\"").1.unwrap(), "\u{fffd}.txt");
    }

    #[test]
    fn a_part_without_a_filename_is_none() {
        for value in [
            "form-data; name=\"file\"",
            "form-data; name=file",
            "form-data; name=\"file\"; x=y",
            "form-data;name=\"file\";filename",
        ] {
            assert_eq!(names(value.as_bytes()), ("file".to_owned(), None), "{value}");
        }
        assert_eq!(names(br#"form-data; name="a; filename=b""#), ("a; filename=b".to_owned(), None));
        assert_eq!(names(b"form-data"), (String::new(), None));
        assert_eq!(FormPartNames::from_headers(&HeaderMap::new()), FormPartNames::default());
    }

    proptest! {
        #[test]
        fn no_header_is_a_panic(text in "[\"\\\\;=% \\PC]{0,80}") {
            let _ = disposition_parameters(&text);
        }
    }
}
