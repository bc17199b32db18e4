//! Errors as pages, at the addresses that people open: a link, an upload page and its form.
//!
//! Status, headers and everything for programs stay as they are: the body alone becomes a page, for clients that accept
//! HTML.

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::AppState;
use super::html_page::{MessagePage, accepts_html, message_response};
use super::problem::ProblemSentence;
use crate::engine::RequestContext;

/// Purpose of an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PageAddress {
    /// A link to download something.
    Link,
    /// The upload page of a grant.
    Upload,
    /// The form of that page.
    Form,
}

/// A person at a browser, who waits for a page.
pub(super) struct ErrorPageReader {
    address: PageAddress,
    /// The upload page to which the form belongs.
    upload_page: Option<String>,
    accepts_html: bool,
}

impl ErrorPageReader {
    /// `None` at addresses that are for programs alone.
    pub(super) fn from_request(request: &Request) -> Option<Self> {
        let address = match request.extensions().get::<MatchedPath>()?.as_str() {
            "/d/{grant}" => PageAddress::Link,
            "/u/{grant}" => PageAddress::Upload,
            "/u/{grant}/form" => PageAddress::Form,
            _ => return None,
        };
        let upload_page = request.uri().path().strip_suffix("/form").map(ToOwned::to_owned);
        Some(Self { address, upload_page, accepts_html: accepts_html(request.headers()) })
    }
}

/// The answer for this reader: an error becomes a page if the reader accepts HTML.
pub(super) fn for_reader(site: &AppState, reader: Option<ErrorPageReader>, mut response: Response) -> Response {
    let Some(reader) = reader else { return response };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    let problem = response.extensions().get::<ProblemSentence>().filter(|_| reader.accepts_html);
    let Some(page) = problem.map(|problem| error_page(site, &reader, response.status(), problem)) else {
        return response;
    };
    let (mut head, _) = response.into_parts();
    let (page, body) = page.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::CONTENT_ENCODING);
    head.headers.extend(page.headers);
    Response::from_parts(head, body)
}

fn error_page(site: &AppState, reader: &ErrorPageReader, status: StatusCode, problem: &ProblemSentence) -> Response {
    let (heading, advice) = words_of(reader.address, status);
    let request_id = RequestContext::request_id();
    let back = reader.upload_page.as_deref().filter(|_| has_second_try(status));
    let page = MessagePage {
        heading,
        sentences: &[if advice.is_empty() { &problem.detail } else { advice }],
        link: back.map(|address| (address, "Try again")),
        details: &[("Code", problem.code), ("Request", &request_id)],
        good: false,
    };
    message_response(&site.public_url, status, &page)
}

/// True if the same address can take another file.
fn has_second_try(status: StatusCode) -> bool {
    ![StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::GONE, StatusCode::CONFLICT].contains(&status)
}

/// Heading and advice; without advice, the problem's own sentence is shown.
fn words_of(address: PageAddress, status: StatusCode) -> (&'static str, &'static str) {
    use PageAddress::{Form, Link, Upload};
    match (address, status) {
        (_, StatusCode::TOO_MANY_REQUESTS) => ("Too many attempts", "Wait a minute and load this page again."),
        (Link, StatusCode::NOT_FOUND) => (
            "This link does not lead to a file",
            "The address may be incomplete, or the file has been deleted. Ask whoever sent it for a new link.",
        ),
        (Link, StatusCode::GONE) => (
            "This link has ended",
            "It has expired, was withdrawn, or was used as often as it may be. Ask whoever sent it for a new link.",
        ),
        (Link, StatusCode::CONFLICT) => {
            ("The file is not ready yet", "It is still being received or checked. Load this page again in a minute.")
        }
        (Link, StatusCode::FORBIDDEN) => ("This file is not handed out", ""),
        (Upload | Form, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND) => (
            "Nothing can be sent to this address",
            "The address may be incomplete, or is not valid any more. Ask whoever sent it for a new one.",
        ),
        (Upload | Form, StatusCode::GONE | StatusCode::CONFLICT) => ("Nothing more can be sent here", ""),
        (Form, status) if status.is_client_error() => ("The file was not received", ""),
        _ => ("This did not work", ""),
    }
}
