//! `Content-Disposition` headers and safe file names.

use std::fmt::Write as _;

use crate::domain::grant::Disposition;
use crate::domain::name::FileName;

/// `Content-Disposition` (RFC 6266) for any name: an ASCII fallback for old clients, then the real name in UTF-8
/// (RFC 8187). The result is visible ASCII, so no name can break out of the header.
#[must_use]
pub fn content_disposition(disposition: Disposition, name: &FileName) -> String {
    let safe = safe_name(name.as_str());
    let fallback: String = safe.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut out = format!("{}; filename=\"{fallback}\"", disposition.name());
    if fallback != safe {
        out.push_str("; filename*=UTF-8''");
        for byte in safe.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// True for characters that every client reads alike inside a quoted string.
fn plain(c: char) -> bool {
    (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%')
}

/// A name that is harmless on the downloader's disk: no characters that reorder text or separate paths, no hidden
/// files, no device names.
pub(in crate::engine) fn safe_name(name: &str) -> String {
    const RESERVED_DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let reorders = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let kept = name.chars().filter(|c| !reorders(*c) && !c.is_control());
    let kept: String = kept.map(|c| if matches!(c, '/' | '\\' | ':') { '_' } else { c }).collect();
    let trimmed = kept.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    let stem = trimmed.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt"));
    match trimmed {
        "" => "download".to_owned(),
        _ if RESERVED_DEVICE_NAMES.contains(&stem.as_str())
            || (numbered && stem.ends_with(|c: char| c.is_ascii_digit())) =>
        {
            format!("_{trimmed}")
        }
        _ => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attachment(name: &str) -> String {
        content_disposition(Disposition::Attachment, &name.parse().unwrap())
    }

    #[test]
    fn names_in_any_script() {
        assert_eq!(attachment("report.pdf"), "attachment; filename=\"report.pdf\"");
        assert_eq!(
            attachment("naïve €.txt"),
            "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"
        );
        assert_eq!(
            attachment("a\"b\\c%20.txt"),
            "attachment; filename=\"a_b_c_20.txt\"; filename*=UTF-8''a%22b_c%2520.txt"
        );
    }

    #[test]
    fn names_from_hell() {
        assert_eq!(attachment("..."), "attachment; filename=\"download\"");
        assert_eq!(attachment(".bashrc"), "attachment; filename=\"bashrc\"");
        assert_eq!(attachment("nul.txt"), "attachment; filename=\"_nul.txt\"");
        assert_eq!(attachment("COM1"), "attachment; filename=\"_COM1\"");
        assert_eq!(attachment("invoice\u{202e}fdp.exe"), "attachment; filename=\"invoicefdp.exe\"");
        assert_eq!(attachment("C:\\fakepath\\x"), "attachment; filename=\"C__fakepath_x\"");
    }

    proptest! {
        #[test]
        fn every_name_makes_one_header(name in "\\PC{1,80}") {
            let Ok(name) = name.parse::<FileName>() else { return Ok(()) };
            let header = content_disposition(Disposition::Inline, &name);
            prop_assert!(header.bytes().all(|b| (b' '..=b'~').contains(&b)), "{header}");
            prop_assert_eq!(header.matches('"').count(), 2);
            prop_assert!(header.matches(';').count() <= 2 + name.as_str().matches(';').count());
        }
    }
}
