//! SVG: never drawn, only searched for scripts and active content.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::media::protocol::{ChildFindings, ChildResponse};

/// Number of bytes that are read at a time; the constant below is the overlap with the previous chunk.
const CHUNK_BYTES: usize = 1 << 20;
const OVERLAP_BYTES: usize = 64;

/// Inspects markup. `script` is true if it has scripts, event handlers, foreign content or links that run.
pub(super) fn inspect_svg(file: &Path) -> ChildResponse {
    let mut found = ChildFindings::default();
    found.set_detail("kind", "drawing");
    let script = File::open(file).and_then(holds_script);
    match script {
        Ok(script) => found.set_detail("script", script),
        Err(error) => return ChildResponse::Unable(error.to_string()),
    }
    ChildResponse::Found(found)
}

fn holds_script(mut input: impl Read) -> std::io::Result<bool> {
    let mut text = Vec::new();
    loop {
        let kept = text.len().min(OVERLAP_BYTES);
        text.drain(..text.len() - kept);
        if input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut text)? == 0 {
            return Ok(false);
        }
        // UTF-16 is searched as its bytes without zeros.
        text.retain(|byte| *byte != 0);
        if may_run_script(&text) {
            return Ok(true);
        }
    }
}

/// Errs on the safe side: entities can spell anything, so an entity declaration counts as a script.
fn may_run_script(text: &[u8]) -> bool {
    const SCRIPT_MARKERS: [&[u8]; 9] = [
        b"script",
        b"foreignobject",
        b"<iframe",
        b"<embed",
        b"<object",
        b"<!entity",
        b"data:text/html",
        b"<handler",
        b"<set attributename=\"href\"",
    ];
    let lower = text.to_ascii_lowercase();
    let word = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
    SCRIPT_MARKERS.into_iter().any(word) || has_event_handler(&lower)
}

/// True if the text has an attribute such as ` onload=`.
fn has_event_handler(lower: &[u8]) -> bool {
    lower.windows(3).enumerate().any(|(at, window)| {
        let begins = matches!(window[0], b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'"' | b'\'') && &window[1..] == b"on";
        let rest = &lower[at + 3..];
        let name = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        begins && name > 0 && rest[name..].trim_ascii_start().first() == Some(&b'=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_is_seen_and_drawings_are_not_accused() {
        let script = |text: &str| holds_script(text.as_bytes()).unwrap();
        for text in [
            "<svg><script>alert(1)</script></svg>",
            "<svg onload = 'x()'/>",
            "<svg><a xlink:href=\"JavaScript:x()\"/></svg>",
            "<svg><foreignObject/></svg>",
            "<!DOCTYPE svg [<!ENTITY a \"x\">]><svg/>",
            "<svg><g/onclick=x()></svg>",
        ] {
            assert!(script(text), "{text}");
        }
        for text in ["<svg><path d='M0 0'/><text>on the road = on</text></svg>", "<svg font='x' one-on='1'/>"] {
            assert!(!script(text), "{text}");
        }
        let utf16: Vec<u8> = "<svg onload='x'/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(holds_script(&*utf16).unwrap());
        let long = format!("<svg>{}<script/></svg>", " ".repeat(CHUNK_BYTES - 9));
        assert!(script(&long), "a word across two reads");
    }
}
