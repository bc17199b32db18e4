//! The name under which a download is saved: the server's suggestion, sanitised. Never a path.

use crate::domain::name::shorten;

/// The longest name that common file systems take, in bytes.
const MAX_FILE_NAME_BYTES: usize = 255;

/// The name in a `Content-Disposition` header (RFC 6266), safe for the current directory.
pub(super) fn from_content_disposition(header: Option<&str>) -> String {
    let parameters = header.map(parameters).unwrap_or_default();
    let find = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let extended = find("filename*").and_then(decode_extended);
    sanitised(&extended.or_else(|| find("filename").map(str::to_owned)).unwrap_or_default())
}

/// `name=value` and `name="quoted \" value"`, names in lower case.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    let mut found = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ';']).to_ascii_lowercase();
        let (value, left) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, left) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), left)
            }
        };
        found.push((name, value));
        rest = left;
    }
    found
}

/// A quoted string after its opening quote, and the rest of the text.
fn unquote(text: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &text[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

/// `UTF-8''na%C3%AFve` (RFC 8187).
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let decoded = percent_encoding::percent_decode_str(encoded);
    charset.eq_ignore_ascii_case("utf-8").then(|| decoded.decode_utf8().ok())?.map(std::borrow::Cow::into_owned)
}

/// The name without separators, control characters and leading dots, cut to the length that file systems allow.
fn sanitised(name: &str) -> String {
    let reorders = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept = name.chars().filter(|c| !c.is_control() && !reorders(*c));
    let kept: String = kept.map(|c| if matches!(c, '/' | '\\') { '_' } else { c }).collect();
    let name = shorten(kept.trim_start_matches(['.', ' ']).trim_end(), MAX_FILE_NAME_BYTES);
    if name.is_empty() { "download".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_the_header() {
        let table = [
            ("attachment; filename=\"report.pdf\"", "report.pdf"),
            ("attachment; filename=plain.bin", "plain.bin"),
            ("attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b%20%E2%82%AC.txt", "a\"b €.txt"),
            ("attachment; filename*=UTF-8''first; filename=\"second\"", "first"),
            ("inline; FileName=\"semi;colon = \\\"quoted\\\".txt\" ; x=y", "semi;colon = \"quoted\".txt"),
            ("attachment; filename*=iso-8859-1''x; filename=\"fallback\"", "fallback"),
            ("attachment; filename*=UTF-8''%ff; filename=\"fallback\"", "fallback"),
            ("attachment", "download"),
            ("", "download"),
            ("attachment; filename=\"unterminated", "unterminated"),
        ];
        for (header, name) in table {
            assert_eq!(from_content_disposition(Some(header)), name, "{header}");
        }
        assert_eq!(from_content_disposition(None), "download");
    }

    #[test]
    fn a_name_is_never_a_path() {
        let name = |text: &str| from_content_disposition(Some(&format!("attachment; filename=\"{text}\"")));
        assert_eq!(name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(name("/etc/passwd"), "_etc_passwd");
        assert_eq!(name(".bashrc"), "bashrc");
        assert_eq!(name(".."), "download");
        assert_eq!(name("C:\\\\x"), "C:_x");
        assert_eq!(name("a\u{202e}b\u{7}c"), "abc");
        assert_eq!(name(&"é".repeat(200)).len(), 254);
        assert!(name(&format!("{}.pdf", "보고".repeat(60))).ends_with("보.pdf"), "an extension is kept");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_harmless_name(header in "\\PC{0,60}|attachment; ?filename\\*?=[\"'%a-f0-9./\\\\ -~]{0,40}") {
            let name = from_content_disposition(Some(&header));
            prop_assert!(!name.is_empty() && name.len() <= MAX_FILE_NAME_BYTES);
            prop_assert!(!name.contains(['/', '\0']) && !name.starts_with('.'), "{name:?}");
        }
    }
}
