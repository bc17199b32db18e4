//! Detects the markup that a text begins with. Markup that a browser would run is recognised behind blanks, comments,
//! declarations and a document type, where signatures do not look (WHATWG MIME Sniffing §7.1, XML 1.0 §2.8).

/// Kind of markup at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkupKind {
    /// An HTML page.
    Html,
    /// A tag with which both HTML pages and Markdown begin, without visible active content.
    Fragment,
    /// An XHTML page.
    Xhtml,
    /// An SVG image.
    Svg,
    /// Any other XML document.
    Xml,
    /// A PHP script.
    Php,
}

/// Elements with which only HTML pages begin.
const PAGE_TAGS: [&str; 8] = ["html", "head", "script", "iframe", "style", "title", "body", "meta"];
/// Elements with which Markdown begins as well.
const FRAGMENT_TAGS: [&str; 8] = ["h1", "div", "font", "table", "a", "b", "br", "p"];
/// Bytes at the beginning of an XML document in which `<svg` makes it an SVG image.
const SVG_WINDOW_BYTES: usize = 4096;

/// The markup at the beginning of the text; `None` if the text is no markup.
pub(super) fn leading_markup(text: &[u8]) -> Option<MarkupKind> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut rest, mut is_xml) = (text.trim_ascii_start(), false);
    loop {
        let (opening, closing): (usize, &[u8]) = match rest {
            _ if starts_with_ignoring_case(rest, b"<?xml") => {
                is_xml = true;
                (5, b"?>")
            }
            _ if starts_with_ignoring_case(rest, b"<?php") || starts_with_ignoring_case(rest, b"<?=") => {
                return Some(MarkupKind::Php);
            }
            _ if starts_with_ignoring_case(rest, b"<?") => (2, b"?>"),
            _ if starts_with_ignoring_case(rest, b"<!--") => (4, b"-->"),
            _ if starts_with_ignoring_case(rest, b"<!doctype") => {
                match first_word(&rest[9..]).as_str() {
                    "html" => return Some(if is_xml { MarkupKind::Xhtml } else { MarkupKind::Html }),
                    "svg" => return Some(MarkupKind::Svg),
                    _ => {}
                }
                let declares = rest.iter().position(|byte| matches!(byte, b'[' | b'>'));
                (9, if declares.is_some_and(|at| rest[at] == b'[') { b"]" } else { b">" })
            }
            _ => break,
        };
        let Some(end) = find_bytes(&rest[opening..], closing) else { break };
        rest = rest[opening + end + closing.len()..].trim_ascii_start();
        // A document type with declarations ends in "]>".
        rest = rest.strip_prefix(b">").map_or(rest, <[u8]>::trim_ascii_start);
    }
    root_element_markup(rest, is_xml).or_else(|| {
        let drawn = || find_bytes(&text[..text.len().min(SVG_WINDOW_BYTES)], b"<svg").is_some();
        is_xml.then(|| if drawn() { MarkupKind::Svg } else { MarkupKind::Xml })
    })
}

/// The kind of markup by the first element.
fn root_element_markup(rest: &[u8], is_xml: bool) -> Option<MarkupKind> {
    let name = first_word(rest.strip_prefix(b"<")?);
    let local = name.rsplit(':').next().unwrap_or_default();
    match local {
        "svg" => Some(MarkupKind::Svg),
        "html" if is_xml => Some(MarkupKind::Xhtml),
        _ if is_xml => None,
        tag if PAGE_TAGS.contains(&tag) => Some(MarkupKind::Html),
        tag if FRAGMENT_TAGS.contains(&tag) => {
            Some(if has_active_content(rest) { MarkupKind::Html } else { MarkupKind::Fragment })
        }
        _ => None,
    }
}

/// The first word in lower case, ended by a blank, `>` or `/`; empty if no such character follows.
fn first_word(text: &[u8]) -> String {
    let text = text.trim_ascii_start();
    let end =
        text.iter().take(64).position(|byte| matches!(byte, b' ' | b'>' | b'\t' | b'\n' | b'\r' | b'/' | b'\x0c'));
    String::from_utf8_lossy(&text[..end.unwrap_or(0)]).to_ascii_lowercase()
}

/// True if the text may contain active content. Prefers a false positive to a miss.
fn has_active_content(text: &[u8]) -> bool {
    const ACTIVE_MARKERS: [&[u8]; 13] = [
        b"<script",
        b"<iframe",
        b"<object",
        b"<embed",
        b"<form",
        b"<meta",
        b"<link",
        b"<style",
        b"<base",
        b"<svg",
        b"<math",
        b"javascript:",
        b"<html",
    ];
    let lower = text.to_ascii_lowercase();
    ACTIVE_MARKERS.into_iter().any(|word| find_bytes(&lower, word).is_some()) || has_handler(&lower)
}

/// True if the text contains an event handler attribute such as ` onload=`.
fn has_handler(lower: &[u8]) -> bool {
    lower.windows(3).enumerate().any(|(at, window)| {
        let begins = matches!(window[0], b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'"' | b'\'') && &window[1..] == b"on";
        let rest = &lower[at + 3..];
        let name = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        begins && name > 0 && rest[name..].trim_ascii_start().first() == Some(&b'=')
    })
}

fn starts_with_ignoring_case(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

fn find_bytes(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_behind_blanks_and_comments() {
        for html in [
            "<!DOCTYPE html><p>",
            "\n\n  <HTML>",
            "\u{feff}<script>alert(1)</script>",
            "<!-- c -->\n<html><p>x",
            "<!-- a --><!-- b -->\n<!doctype HTML>",
            "<p>x<script>1</script>",
            "<b onclick = x>",
            "<a href=\"JavaScript:x\">",
        ] {
            assert_eq!(leading_markup(html.as_bytes()), Some(MarkupKind::Html), "{html}");
        }
        assert_eq!(leading_markup(b"<?xml version='1.0'?><html xmlns='x'>"), Some(MarkupKind::Xhtml));
        assert_eq!(leading_markup(b"<?php echo 1;"), Some(MarkupKind::Php));
    }

    #[test]
    fn drawings_are_found_wherever_their_root_stands() {
        let long = format!("<?xml version='1.0'?>\n<!--{}-->\n<svg xmlns='x'/>", "x".repeat(6000));
        for svg in [
            "<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>",
            "<!-- Generator: Some Illustrator -->\n<svg>",
            "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://www.w3.org/x.dtd'>\n<svg>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><svg >",
            "<?xml version='1.0'?><s:svg xmlns:s='http://www.w3.org/2000/svg'/>",
            &long,
        ] {
            assert_eq!(leading_markup(svg.as_bytes()), Some(MarkupKind::Svg), "{svg}");
        }
    }

    #[test]
    fn markdown_and_other_texts_are_not_accused() {
        for text in
            ["<b>bold</b> start of *markdown*\n", "<p align=\"center\"><img src=\"a.png\"></p>\n", "<br/>on = off"]
        {
            assert_eq!(leading_markup(text.as_bytes()), Some(MarkupKind::Fragment), "{text}");
        }
        for text in ["<a@b.c> wrote:\n> hi\n", "<blah>", "plain", "", "<", "<!-- toc -->\n# Title <script>"] {
            assert_eq!(leading_markup(text.as_bytes()), None, "{text}");
        }
        assert_eq!(leading_markup(b"<?xml version='1.0'?><gpx><trk/></gpx>"), Some(MarkupKind::Xml));
    }
}
