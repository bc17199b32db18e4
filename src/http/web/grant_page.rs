//! The upload page of a grant, for its holder without an account: the file that it takes, and a form that works without
//! scripts.
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
    let offer = match load_offer(&site, &grant).await? {
        GrantState::Open(offer) => offer,
        GrantState::Received(asset) => return Ok(received_page(&site, &asset)),
    };
    let Some(template) = EmbeddedWebFiles::get("grant.html") else { return Err(problem::route_not_found().await) };
    let html = with_versions(&offer.fill(&String::from_utf8_lossy(&template.data), &grant));
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

/// State of a grant.
enum GrantState {
    /// The file is still to come.
    Open(Box<GrantOffer>),
    /// The file is here.
    Received(Box<Asset>),
}

async fn load_offer(site: &AppState, grant: &str) -> Result<GrantState, ProblemDetails> {
    let actor = match context::admit_grant(&site.engine, grant).await {
        Err(Error::Unauthenticated) if site.engine.tenants().is_expired_grant(grant) => return Err(expired()),
        Err(Error::Unauthenticated) => return Err(Error::NotFound.into()),
        admitted => admitted?,
    };
    let Actor::Uploader { upload: id } = actor else { return Err(Error::NotFound.into()) };
    let upload = site.engine.uploads().peek_upload(&actor, id).await?;
    let asset = site.engine.assets().asset(&actor, upload.asset).await?;
    match &asset.state {
        AssetState::Awaiting => {}
        AssetState::Abandoned | AssetState::Deleted { .. } => return Err(expired()),
        _ => return Ok(GrantState::Received(Box::new(asset))),
    }
    let limits = site.engine.uploads().load_limits_for(&actor).await?;
    Ok(GrantState::Open(Box::new(GrantOffer { upload: (*upload).clone(), asset, max_size: limits.max_size })))
}

fn expired() -> ProblemDetails {
    let detail = "The time for sending a file to this address is over. Ask whoever sent it for a new one.";
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

impl GrantOffer {
    /// The template with this offer. Every value is escaped.
    fn fill(&self, template: &str, grant: &str) -> String {
        let exact = self.upload.transfer.size();
        let name = if self.asset.name.is_nameless() { String::new() } else { self.asset.name.to_string() };
        let what = match (name.as_str(), exact) {
            ("", Some(size)) => format!("Send one file of {}", size_text(size)),
            ("", None) => format!("Send one file, up to {}", size_text(self.max_size)),
            (name, Some(size)) => format!("Send the file \u{201c}{name}\u{201d}, {}", size_text(size)),
            (name, None) => format!("Send the file \u{201c}{name}\u{201d}, up to {}", size_text(self.max_size)),
        };
        let types: Vec<&str> = self.asset.allowed.iter().map(TypePattern::as_str).collect();
        let expires_at = self.upload.expires_at;
        let values = [
            ("{{what}}", what),
            ("{{types}}", type_sentence(&types)),
            ("{{accept}}", types.join(",")),
            ("{{expires}}", SortableTime(expires_at).to_string()),
            ("{{until}}", expires_at.strftime("%-d %B %Y, %H:%M UTC").to_string()),
            ("{{max-size}}", exact.unwrap_or(self.max_size).to_string()),
            ("{{upload}}", self.upload.id.to_string()),
            ("{{form}}", format!("/u/{grant}/form")),
        ];
        values.iter().fold(template.to_owned(), |page, (mark, value)| page.replace(mark, &escape_html(value)))
    }
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
