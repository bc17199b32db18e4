//! The guides of `web/guides`, rendered from Markdown to pages under `/docs/`.
//!
//! A guide links to another by its file, `phones.md#tus`, as readers of the repository need it; its page links to the other's
//! page. HTML within a guide is left out, so that comments may mark code for tests.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::EmbeddedWebFiles;

/// Names of the guides, in the order in which pages list them.
const GUIDE_NAMES: &[&str] = &[
    "put-an-upload-into-a-page",
    "phones",
    "command-line",
    "backends",
    "javascript",
    "python",
    "django",
    "operators",
    "deploy",
    "upgrade",
    "backup",
    "runbooks",
    "scale",
    "processors",
    "errors",
    "behaviour",
];

/// Pages by the names of their guides.
static GUIDE_PAGES: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(render_guide_pages);

/// The page of this guide, whose files do not have their version yet.
pub(super) fn find_guide_page(name: &str) -> Option<&'static str> {
    GUIDE_PAGES.get(name).map(String::as_str)
}

/// A heading within a guide.
struct GuideHeading {
    level: HeadingLevel,
    id: String,
    /// Its text as HTML.
    html: String,
}

/// A guide as HTML, with its headings.
struct RenderedGuide {
    headings: Vec<GuideHeading>,
    html: String,
}

impl RenderedGuide {
    /// The text of its first heading, as HTML.
    fn title(&self) -> &str {
        self.headings.first().map_or("", |heading| &heading.html)
    }
}

fn render_guide_pages() -> BTreeMap<&'static str, String> {
    let text_of = |name: &str| EmbeddedWebFiles::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
    let template = text_of("guide.html").unwrap_or_default();
    let guides = GUIDE_NAMES.iter().filter_map(|name| Some((*name, text_of(&format!("guides/{name}.md"))?)));
    let guides: Vec<_> = guides.map(|(name, text)| (name, render_guide(&text))).collect();
    let page = |(name, guide): &(&'static str, RenderedGuide)| {
        let filled = template
            .replace("{{title}}", guide.title())
            .replace("{{guides}}", &guide_links(&guides, name))
            .replace("{{headings}}", &heading_links(guide))
            .replace("{{content}}", &guide.html);
        (*name, filled)
    };
    guides.iter().map(page).collect()
}

fn guide_links(guides: &[(&str, RenderedGuide)], current: &str) -> String {
    let link = |(name, guide): &(&str, RenderedGuide)| {
        let mark = if *name == current { " aria-current=\"page\"" } else { "" };
        format!("<a href=\"/docs/{name}\"{mark}>{}</a>\n", guide.title())
    };
    guides.iter().map(link).collect()
}

fn heading_links(guide: &RenderedGuide) -> String {
    let below_title = guide.headings.iter().skip(1).filter(|heading| heading.level <= HeadingLevel::H3);
    let link = |heading: &GuideHeading| {
        let class = if heading.level == HeadingLevel::H3 { " class=\"h3\"" } else { "" };
        format!("<a href=\"#{}\"{class}>{}</a>\n", heading.id, heading.html)
    };
    below_title.map(link).collect()
}

/// Renders CommonMark with tables. Headings get ids as GitHub makes them, so that one link serves both readers.
fn render_guide(markdown: &str) -> RenderedGuide {
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES)
        .filter(|event| !matches!(event, Event::Html(_) | Event::InlineHtml(_)))
        .map(link_to_page)
        .collect();
    mark_code_rows(&mut events);
    let mut headings: Vec<GuideHeading> = Vec::new();
    let mut begin = 0;
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { .. }) => begin = at,
            Event::End(TagEnd::Heading(level)) => {
                let heading = read_heading(*level, &events[begin + 1..at], &headings);
                if let Event::Start(Tag::Heading { id, .. }) = &mut events[begin] {
                    *id = Some(CowStr::from(heading.id.clone()));
                }
                headings.push(heading);
            }
            _ => {}
        }
    }
    let mut rendered = String::new();
    html::push_html(&mut rendered, events.into_iter());
    RenderedGuide { headings, html: rendered }
}

/// Gives rows of tables that begin with code an id of their own: the row of an error code is `#code-gone`.
fn mark_code_rows(events: &mut Vec<Event<'_>>) {
    for at in (2..events.len()).rev() {
        if let [Event::Start(Tag::TableRow), Event::Start(Tag::TableCell), Event::Code(code)] = &events[at - 2..=at] {
            let mark = format!("<span id=\"code-{}\"></span>", slug(code));
            events.insert(at, Event::InlineHtml(mark.into()));
        }
    }
}

fn read_heading(level: HeadingLevel, inner: &[Event<'_>], before: &[GuideHeading]) -> GuideHeading {
    let words = inner.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        _ => None,
    });
    let plain = slug(&words.collect::<String>());
    let repeated = |id: &str| before.iter().any(|heading| heading.id == id);
    let numbered = (1..).map(|number| format!("{plain}-{number}"));
    let id = std::iter::once(plain.clone()).chain(numbered).find(|id| !repeated(id)).unwrap_or(plain);
    let mut rendered = String::new();
    html::push_html(&mut rendered, inner.iter().cloned());
    GuideHeading { level, id, html: rendered }
}

/// A heading's id: lower case, spaces as hyphens, without punctuation.
fn slug(text: &str) -> String {
    let kept = text.to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect()
}

/// Lets a link to another guide's file lead to its page.
fn link_to_page(mut event: Event<'_>) -> Event<'_> {
    if let Event::Start(Tag::Link { dest_url, .. }) = &mut event {
        let (file, fragment) = dest_url.split_once('#').map_or((&**dest_url, None), |(file, id)| (file, Some(id)));
        if let Some(name) = file.strip_suffix(".md").filter(|name| GUIDE_NAMES.contains(name)) {
            let fragment = fragment.map(|id| format!("#{id}")).unwrap_or_default();
            *dest_url = format!("/docs/{name}{fragment}").into();
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_get_ids_of_their_own() {
        let guide = render_guide("# The `title` & more\n\n## Links\n\n## Links\n");
        let ids: Vec<_> = guide.headings.iter().map(|heading| heading.id.as_str()).collect();
        assert_eq!(ids, ["the-title--more", "links", "links-1"]);
        assert_eq!(guide.title(), "The <code>title</code> &amp; more");
        assert!(guide.html.contains("<h2 id=\"links-1\">Links</h2>"), "{}", guide.html);
    }

    #[test]
    fn links_to_files_of_guides_lead_to_their_pages() {
        let guide = render_guide("[a](phones.md) [b](errors.md#gone) [c](/docs#createUpload) [d](other.md)\n");
        for link in ["\"/docs/phones\"", "\"/docs/errors#gone\"", "\"/docs#createUpload\"", "\"other.md\""] {
            assert!(guide.html.contains(link), "{link} is not in {}", guide.html);
        }
    }

    #[test]
    fn rows_of_codes_can_be_linked_to() {
        let guide = render_guide("| code | cause |\n|---|---|\n| `not_found` | Nothing. |\n| words | `code` |\n");
        assert!(
            guide.html.contains("<td><span id=\"code-not_found\"></span><code>not_found</code></td>"),
            "{}",
            guide.html
        );
        assert_eq!(guide.html.matches("id=").count(), 1, "{}", guide.html);
    }

    #[test]
    fn html_of_a_guide_is_left_out() {
        let guide = render_guide("<!-- a mark -->\n\nText <script>alert(1)</script> and `<b>`.\n");
        assert_eq!(guide.html, "<p>Text alert(1) and <code>&lt;b&gt;</code>.</p>\n");
    }
}
