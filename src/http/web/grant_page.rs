//! The upload page of a grant, for its holder without an account: the file or files that it takes, and a form that works
//! without scripts.
//!
//! The grant is in the page's address and in that of its form, nowhere else: the page sends no `Referer`, is kept by no
//! cache, and logs name its route alone. Programs get the answer of an unknown address.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::{EmbeddedWebFiles, content_security_policy, with_versions};
use crate::domain::access::Actor;
use crate::domain::asset::{Asset, AssetState};
use crate::domain::clock::Timestamp;
use crate::domain::drop_box::{DropBox, SenderField};
use crate::domain::name::TypePattern;
use crate::domain::upload::Upload;
use crate::engine::Error;
use crate::http::AppState;
use crate::http::context::{self, PathId};
use crate::http::html_page::{MessagePage, accepts_html, escape_html, message_response, set_page_headers, size_text};
use crate::http::openapi::access::GRANT_PAGE_ACCESS;
use crate::http::openapi::{OperationSpec, op, string_type};
use crate::http::problem::{self, ProblemDetails};
use crate::http::time_text::SortableTime;

/// The route's entry in the contract.
pub(super) fn describe_grant_page() -> OperationSpec {
    op("The upload page of a grant")
        .operation_id("getGrantPage")
        .access(GRANT_PAGE_ACCESS)
        .description("For browsers (`Accept: text/html`); for all others there is nothing here. It needs no credential but the grant in its address.")
        .header("Accept", string_type().optional().example("text/html"), "A page for those who accept HTML.")
        .media_response(200, "text/html", "The page.")
        .error_codes(&["not_found", "gone", "rate_limited", "suspended", "unavailable"])
        .with_error_pages()
}

pub(super) async fn get_grant_page(
    State(site): State<AppState>,
    headers: HeaderMap,
    PathId(grant): PathId<String>,
) -> Result<Response, ProblemDetails> {
    if !accepts_html(&headers) {
        return Err(problem::route_not_found().await);
    }
    let Some(template) = EmbeddedWebFiles::get("grant.html") else { return Err(problem::route_not_found().await) };
    let template = String::from_utf8_lossy(&template.data);
    let html = match load_offer(&site, &grant).await? {
        GrantState::Open(offer) => with_versions(&offer.text().fill(&template, &grant)),
        GrantState::DropBox(offer) => with_versions(&offer.text().fill(&template, &grant)),
        GrantState::Received(asset) => return Ok(received_page(&site, &asset)),
    };
    let mut response = Body::from(html).into_response();
    let policy = content_security_policy(&site, "'self'");
    set_page_headers(response.headers_mut(), "text/html; charset=utf-8", &policy, "no-store");
    Ok(response)
}

/// The file that a grant allows its holder to send.
struct GrantOffer {
    upload: Upload,
    asset: Asset,
    /// Largest size in bytes.
    max_size: u64,
}

/// The files that a grant for many allows its holders to send.
struct DropBoxOffer {
    drop_box: DropBox,
    /// Largest size of a file in bytes.
    max_size: u64,
}

/// State of a grant.
enum GrantState {
    /// More files may come.
    DropBox(Box<DropBoxOffer>),
    /// The file is still to come.
    Open(Box<GrantOffer>),
    /// The file is here.
    Received(Box<Asset>),
}

async fn load_offer(site: &AppState, grant: &str) -> Result<GrantState, ProblemDetails> {
    let actor = match context::admit_grant(&site.engine, grant).await {
        Err(Error::Unauthenticated) if site.engine.tenants().is_ended_grant(grant) => return Err(expired()),
        Err(Error::Unauthenticated) => return Err(Error::NotFound.into()),
        admitted => admitted?,
    };
    let limits = site.engine.uploads().load_limits_for(&actor).await?;
    let Actor::Uploader { upload: id } = actor else {
        let drop_box = site.engine.tenants().describe_drop_box(&actor).await?;
        if drop_box.remaining_files() == Some(0) {
            return Err(used_up());
        }
        return Ok(GrantState::DropBox(Box::new(DropBoxOffer { drop_box, max_size: limits.max_size })));
    };
    let upload = site.engine.uploads().peek_upload(&actor, id).await?;
    let asset = site.engine.assets().asset(&actor, upload.asset).await?;
    match &asset.state {
        AssetState::Awaiting => {}
        AssetState::Abandoned | AssetState::Deleted { .. } => return Err(expired()),
        _ => return Ok(GrantState::Received(Box::new(asset))),
    }
    Ok(GrantState::Open(Box::new(GrantOffer { upload: (*upload).clone(), asset, max_size: limits.max_size })))
}

fn expired() -> ProblemDetails {
    let detail = "The time for sending a file to this address is over. Ask whoever sent it for a new one.";
    ProblemDetails::new(StatusCode::GONE, "gone", detail)
}

fn used_up() -> ProblemDetails {
    let detail = "All files that may be sent to this address have arrived. Ask whoever sent it for a new one.";
    ProblemDetails::new(StatusCode::GONE, "gone", detail)
}

/// The page of a grant that was used. Its status says that nothing more can be sent.
fn received_page(site: &AppState, asset: &Asset) -> Response {
    let size = size_text(asset.size);
    let received = if asset.name.is_nameless() {
        format!("Received: 1 file, {size}.")
    } else {
        format!("Received: \u{201c}{}\u{201d}, {size}.", asset.name)
    };
    let page = MessagePage {
        heading: "The file has arrived",
        sentences: &[&received, "Nothing more can be sent to this address. You can close this page."],
        link: None,
        details: &[],
        good: true,
    };
    message_response(&site.public_url, StatusCode::GONE, &page)
}

/// What the page says of a grant, for one file or for many.
struct GrantPageText<'a> {
    title: &'static str,
    what: String,
    /// Patterns of accepted types; empty: any.
    types: &'a [TypePattern],
    expires_at: Timestamp,
    /// Largest size of a file in bytes.
    max_size: u64,
    /// Id under which the page keeps what it remembers.
    scope: String,
    max_files: u64,
    is_for_many: bool,
    sender: &'a [SenderField],
}

impl GrantOffer {
    fn text(&self) -> GrantPageText<'_> {
        let exact = self.upload.transfer.size();
        let name = if self.asset.name.is_nameless() { String::new() } else { self.asset.name.to_string() };
        let what = match (name.as_str(), exact) {
            ("", Some(size)) => format!("Send one file of {}", size_text(size)),
            ("", None) => format!("Send one file, up to {}", size_text(self.max_size)),
            (name, Some(size)) => format!("Send the file \u{201c}{name}\u{201d}, {}", size_text(size)),
            (name, None) => format!("Send the file \u{201c}{name}\u{201d}, up to {}", size_text(self.max_size)),
        };
        GrantPageText {
            title: "Send a file",
            what,
            types: &self.asset.allowed,
            expires_at: self.upload.expires_at,
            max_size: exact.unwrap_or(self.max_size),
            scope: self.upload.id.to_string(),
            max_files: 1,
            is_for_many: false,
            sender: &[],
        }
    }
}

/// Most files that the page takes at once from a grant without a limit.
const PAGE_FILES: u64 = 10_000;

impl DropBoxOffer {
    fn text(&self) -> GrantPageText<'_> {
        let found = &self.drop_box;
        let most = size_text(found.remaining_bytes().map_or(self.max_size, |left| left.min(self.max_size)));
        let what = match found.remaining_files() {
            Some(1) => format!("Send one file, up to {most}"),
            Some(files) => format!("Send up to {files} files of up to {most} each"),
            None => format!("Send files of up to {most} each"),
        };
        GrantPageText {
            title: "Send files",
            what,
            types: &found.terms.allowed,
            expires_at: found.expires_at,
            max_size: self.max_size,
            scope: found.id.to_string(),
            max_files: found.remaining_files().map_or(PAGE_FILES, |left| left.min(PAGE_FILES)),
            is_for_many: true,
            sender: &found.terms.sender,
        }
    }
}

impl GrantPageText<'_> {
    /// The template with this text. Every value is escaped.
    fn fill(&self, template: &str, grant: &str) -> String {
        let types: Vec<&str> = self.types.iter().map(TypePattern::as_str).collect();
        let values = [
            ("{{title}}", self.title.to_owned()),
            ("{{what}}", self.what.clone()),
            ("{{types}}", type_sentence(&types)),
            ("{{accept}}", types.join(",")),
            ("{{expires}}", SortableTime(self.expires_at).to_string()),
            ("{{until}}", self.expires_at.strftime("%-d %B %Y, %H:%M UTC").to_string()),
            ("{{max-size}}", self.max_size.to_string()),
            ("{{max-files}}", self.max_files.to_string()),
            ("{{many}}", if self.is_for_many { "yes" } else { "no" }.to_owned()),
            ("{{upload}}", self.scope.clone()),
            ("{{form}}", format!("/u/{grant}/form")),
        ];
        let fill = |page: String, (mark, value): &(&str, String)| page.replace(mark, &escape_html(value));
        // HTML of this module, and so not escaped.
        values.iter().fold(template.to_owned(), fill).replace("{{sender}}", &sender_inputs(self.sender))
    }
}

/// Inputs for what the page asks of the person who sends. A name and an address are required, a note is not.
fn sender_inputs(fields: &[SenderField]) -> String {
    let input = |field: &SenderField| match field {
        SenderField::Name => {
            "<label for=\"sender_name\">Your name</label><input id=\"sender_name\" name=\"sender_name\" autocomplete=\"name\" maxlength=\"200\" required>"
        }
        SenderField::Email => {
            "<label for=\"sender_email\">Your e-mail address</label><input id=\"sender_email\" name=\"sender_email\" type=\"email\" autocomplete=\"email\" maxlength=\"254\" required>"
        }
        SenderField::Note => {
            "<label for=\"sender_note\">A note (optional)</label><textarea id=\"sender_note\" name=\"sender_note\" rows=\"2\" maxlength=\"1000\"></textarea>"
        }
    };
    fields.iter().map(input).collect()
}

/// The accepted types in words.
fn type_sentence(types: &[&str]) -> String {
    let word = |kind: &&str| match *kind {
        "image/*" => "images".to_owned(),
        "video/*" => "videos".to_owned(),
        "audio/*" => "audio".to_owned(),
        "text/*" => "text".to_owned(),
        "application/pdf" => "PDF".to_owned(),
        other => other.to_owned(),
    };
    let words: Vec<_> = types.iter().map(word).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => format!("Accepted: {only}."),
        Some((last, others)) => format!("Accepted: {} and {last}.", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_in_words() {
        let texts = [&[][..], &["image/*"], &["image/*", "application/pdf", "text/csv"]].map(type_sentence);
        let expected = ["", "Accepted: images.", "Accepted: images, PDF and text/csv."];
        assert_eq!(texts, expected);
    }
}
