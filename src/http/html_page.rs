//! Pages that a handler writes itself: a sentence or two for a person at a browser, where programs get JSON.
//!
//! Every text is escaped. The pages load a style sheet of the public origin and nothing else, and send no `Referer`:
//! their addresses may hold grants.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// True if the client prefers a page: browsers name `text/html` when a person goes to an address; programs do not.
pub(super) fn accepts_html(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|range| {
        let mut words = range.split(';').map(str::trim);
        let is_html = words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        let quality = words.find_map(|word| word.strip_prefix("q=")).and_then(|text| text.parse::<f32>().ok());
        is_html && quality.unwrap_or(1.0) > 0.0
    })
}

/// A text as content of an element or as a quoted attribute.
pub(super) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number of bytes for people, in decimal units: `8 bytes`, `1.2 GB`.
pub(super) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = if bytes == 1 { "byte" } else { "bytes" };
    for larger in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    let digits = usize::from(bytes >= 1000 && value < 99.95);
    let text = format!("{value:.digits$}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Content of a page that tells something.
pub(super) struct MessagePage<'a> {
    /// Heading and title.
    pub(super) heading: &'a str,
    /// Paragraphs below it.
    pub(super) sentences: &'a [&'a str],
    /// Address and text of a link below them.
    pub(super) link: Option<(&'a str, &'a str)>,
    /// Terms and values for a report, behind "Details".
    pub(super) details: &'a [(&'a str, &'a str)],
    /// True for a success.
    pub(super) good: bool,
}

/// Answers with a page that tells something. `public_url`: the origin that serves the style sheet.
pub(super) fn message_response(public_url: &str, status: StatusCode, page: &MessagePage<'_>) -> Response {
    let style = format!("{public_url}/web/style.css");
    let policy = format!(
        "default-src 'none'; style-src {style}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    );
    let mut response = Response::new(Body::from(render_message(&style, page)));
    *response.status_mut() = status;
    set_page_headers(response.headers_mut(), "text/html; charset=utf-8", &policy, "no-store");
    response
}

/// Pages use none of these. A file input that opens the camera of a phone needs no permission.
const PERMISSIONS_POLICY: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), midi=()";

/// Sets the headers of a page or of a file of one: its type, its content security policy, and how it may be kept. A
/// browser guesses no other type, and names the address to no other page.
pub(super) fn set_page_headers(headers: &mut HeaderMap, kind: &str, policy: &str, cache_control: &str) {
    let texts = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, cache_control),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    }
}

fn render_message(style: &str, page: &MessagePage<'_>) -> String {
    let heading = escape_html(page.heading);
    let paragraphs: String = page.sentences.iter().map(|text| format!("<p>{}</p>\n", escape_html(text))).collect();
    let link = page.link.map_or_else(String::new, |(address, text)| {
        format!("<p><a class=\"button\" href=\"{}\">{}</a></p>\n", escape_html(address), escape_html(text))
    });
    let pair = |(term, value): &(&str, &str)| format!("<dt>{}</dt><dd>{}</dd>", escape_html(term), escape_html(value));
    let details = match page.details {
        [] => String::new(),
        pairs => {
            let pairs: String = pairs.iter().map(pair).collect();
            format!("<details><summary>Details</summary><dl>{pairs}</dl></details>\n")
        }
    };
    let class = if page.good { "message good" } else { "message" };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{heading}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"{style}\">\n</head>\n\
         <body>\n<main class=\"{class}\">\n<h1>{heading}</h1>\n{paragraphs}{link}{details}</main>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_for_those_who_name_html() {
        let accepts = |text: &'static str| {
            accepts_html(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))]))
        };
        assert!(
            accepts("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8") && accepts("Text/HTML;q=0.1")
        );
        assert!(!accepts("*/*") && !accepts("application/json") && !accepts("text/html;q=0, */*") && !accepts(""));
        assert!(!accepts_html(&HeaderMap::new()));
    }

    #[test]
    fn texts_stay_texts() {
        let page = MessagePage {
            heading: "<script>",
            sentences: &["\"a\" & 'b'"],
            link: Some(("/u/x\"y", "<b>")),
            details: &[("<i>", "<u>")],
            good: false,
        };
        let text = render_message("https://files.example/web/style.css", &page);
        for foreign in ["<script>", "<b>", "<i>", "<u>", "x\"y", "'b'"] {
            assert!(!text.contains(foreign), "{foreign} is in {text}");
        }
    }

    #[test]
    fn sizes_are_for_people() {
        let texts = [0, 1, 999, 1000, 1536, 999_499, 999_500, 1_200_000_000, 734_003_200, u64::MAX].map(size_text);
        let expected =
            ["0 bytes", "1 byte", "999 bytes", "1 kB", "1.5 kB", "999 kB", "1 MB", "1.2 GB", "734 MB", "18447 PB"];
        assert_eq!(texts, expected);
    }
}
