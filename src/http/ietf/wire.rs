//! Headers of the drafts, and their way to commands and from domain values. Pure: no engine, no bodies.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::super::metadata::{self, Described};
use super::digest;
use super::draft::{COMPLETE, Draft, INCOMPLETE, INTEROP, Spoken};
use super::error::Refusal;
use super::fields;
use crate::domain::append::Length;
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::name::FileName;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::{Checksum, Ends, Error, Limits};

const PARTIAL: &str = "application/partial-upload";

const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const DEFER: HeaderName = HeaderName::from_static("upload-defer-length");
const TUS: HeaderName = HeaderName::from_static("tus-resumable");

/// What a POST to the collection asks for.
pub(super) struct Creation {
    /// `None`: an ordinary upload, whose client has never heard of the drafts, or of one that we have not heard of.
    pub(super) draft: Option<Draft>,
    pub(super) ends: Ends,
    pub(super) length: Length,
    pub(super) described: Described,
    pub(super) sha256: Option<Sha256Digest>,
    pub(super) checksum: Checksum,
}

/// What a PATCH asks for.
pub(super) struct Append {
    pub(super) offset: u64,
    pub(super) ends: Ends,
    pub(super) length: Option<u64>,
    pub(super) checksum: Checksum,
}

/// The draft of a client that asked for interim answers: one with a number, for whoever sends none may be taken by surprise.
pub(super) fn hears_interim(headers: &HeaderMap) -> Option<Draft> {
    let asked = headers.contains_key(INTEROP) && !headers.contains_key(TUS);
    match Spoken::in_headers(headers) {
        Ok(Spoken::Known(draft)) if asked => Some(draft),
        Ok(_) | Err(_) => None,
    }
}

/// Whoever says `Tus-Resumable` means tus; URLSession adds its own headers to such requests without being asked.
pub(super) fn is_not_tus(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(TUS) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "other_protocol", "tus is spoken at /tus."));
    }
    Ok(())
}

/// Whether the client says that this is all.
fn said_complete(headers: &HeaderMap, draft: Draft) -> Result<Option<bool>, Error> {
    let (name, field, complete) = draft.completeness();
    Ok(fields::boolean(headers, &name, field)?.map(|value| value == complete))
}

fn missing_completeness() -> Error {
    Error::invalid("Upload-Complete", "is this all (?1), or will more come (?0)?")
}

/// The draft of a creation, and what the end of its content means.
fn manner(headers: &HeaderMap) -> Result<(Option<Draft>, Ends), Error> {
    let spoken = Spoken::in_headers(headers)?;
    let draft = spoken.or_latest();
    let said = match spoken {
        Spoken::Known(draft) => said_complete(headers, draft)?,
        // Its own word for it may be either, and part of a file must not be taken for all of it.
        Spoken::Unknown => {
            let complete = fields::boolean(headers, &COMPLETE, "Upload-Complete")?;
            let incomplete = fields::boolean(headers, &INCOMPLETE, "Upload-Incomplete")?;
            if complete == Some(false) || incomplete == Some(true) {
                return Err(Error::invalid("Upload-Draft-Interop-Version", "3 to 10 are understood"));
            }
            return Ok((None, Ends::Here));
        }
    };
    let speaks = [INTEROP, OFFSET, LENGTH, METADATA, DEFER].iter().any(|name| headers.contains_key(name));
    match said {
        Some(true) => Ok((Some(draft), Ends::Here)),
        Some(false) => Ok((Some(draft), Ends::Later)),
        None if speaks => Err(missing_completeness()),
        None => Ok((None, Ends::Here)),
    }
}

/// The file's length, said in as many words or by the length of content that is all of it.
fn new_length(headers: &HeaderMap, announced: Option<u64>, ends: Ends) -> Result<Length, Error> {
    let said = length(headers)?;
    match (said, announced) {
        (Some(said), Some(bytes)) if bytes > said => Err(Error::OtherLength("the content is longer")),
        (Some(said), Some(bytes)) if ends == Ends::Here && bytes != said => {
            Err(Error::OtherLength("the content is shorter, and said to be all"))
        }
        (None, Some(bytes)) if ends == Ends::Here => Ok(Length::Known(bytes)),
        (Some(said), _) => Ok(Length::Known(said)),
        (None, _) => Ok(Length::Deferred),
    }
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    fields::integer(headers, &LENGTH, "Upload-Length")
}

/// Reads a POST to the collection whose content will have so many bytes.
pub(super) fn creation(headers: &HeaderMap, announced: Option<u64>) -> Result<Creation, Refusal> {
    let (draft, ends) = manner(headers)?;
    if offset(headers)?.is_some_and(|offset| offset != 0) {
        return Err(Error::invalid("Upload-Offset", "a file begins at 0").into());
    }
    let content = media_type(headers)?;
    if draft.is_none() && content.as_deref().is_some_and(|content| content.starts_with("multipart/form-data")) {
        let detail = "The content is the file itself, not a form that holds it.";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(Creation {
        draft,
        ends,
        length: new_length(headers, announced, ends)?,
        described: described(headers, content.as_deref())?,
        sha256: digest::of_file(headers)?,
        checksum: digest::announced(headers)?,
    })
}

/// What kind of content it is said to be, in lower case and without parameters.
fn media_type(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::invalid("Content-Type", "is not ASCII"))?;
    Ok(Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()))
}

/// Name and type of the file: `Upload-Metadata` as tus-js-client sends it, otherwise what HTTP has for that.
fn described(headers: &HeaderMap, content: Option<&str>) -> Result<Described, Error> {
    let said = headers.get(METADATA).map(HeaderValue::to_str).transpose();
    let said = said.map_err(|_| Error::invalid("Upload-Metadata", "is not ASCII"))?;
    let mut described = metadata::parse(said.unwrap_or_default())?;
    // What curl says of everything, and what appends are, is not the file's.
    let own = content.filter(|content| ![PARTIAL, "application/x-www-form-urlencoded", ""].contains(content));
    if let (Some(_), None) = (own, &described.media_type) {
        let whole = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        described.media_type = Some(whole.parse().map_err(|bad| Error::invalid("Content-Type", bad))?);
    }
    if described.name == FileName::nameless()
        && let Some(name) = metadata::named(headers)
    {
        described.name = name;
    }
    if let Some(coding) = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()) {
        described.metadata.insert("content_encoding".to_owned(), coding.into());
    }
    Ok(described)
}

pub(super) fn offset(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    fields::integer(headers, &OFFSET, "Upload-Offset")
}

/// Reads a PATCH whose content will have so many bytes.
pub(super) fn append(headers: &HeaderMap, draft: Draft, announced: Option<u64>) -> Result<Append, Refusal> {
    if draft.types_appends() && media_type(headers)?.as_deref() != Some(PARTIAL) {
        let detail = format!("Bytes of a file come as {PARTIAL}.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let offset = offset(headers)?.ok_or_else(|| Error::invalid("Upload-Offset", "where do these bytes belong?"))?;
    let length = length(headers)?;
    let complete = match said_complete(headers, draft)? {
        Some(complete) => complete,
        None if draft.is_tus_js() && announced == Some(0) && length == Some(offset) => true,
        None => return Err(missing_completeness().into()),
    };
    let ends = if complete { Ends::Here } else { Ends::Later };
    Ok(Append { offset, ends, length, checksum: digest::announced(headers)? })
}

/// A question, or a farewell, says nothing of bytes (-01 §5 to -05 §7).
pub(super) fn says_nothing_of_bytes(headers: &HeaderMap) -> Result<(), Error> {
    for (name, field) in [
        (OFFSET, "Upload-Offset"),
        (COMPLETE, "Upload-Complete"),
        (INCOMPLETE, "Upload-Incomplete"),
        (LENGTH, "Upload-Length"),
    ] {
        if headers.contains_key(name) {
            return Err(Error::invalid(field, "is no part of this request"));
        }
    }
    Ok(())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        headers.insert(name, value);
    }
}

/// Repeats the draft's number.
pub(super) fn say_draft(headers: &mut HeaderMap, draft: Draft) {
    if let Some(number) = draft.number() {
        headers.insert(INTEROP, HeaderValue::from(u16::from(number)));
    }
}

/// What uploads are bounded by: bytes, and seconds to live.
pub(super) fn say_limit(headers: &mut HeaderMap, draft: Draft, limits: &Limits, upload: Option<(&Upload, Timestamp)>) {
    let Some(life) = draft.life() else { return };
    let left = match upload {
        None => limits.upload_ttl.as_secs(),
        Some((upload, now)) => u64::try_from(upload.expires_at.duration_since(now).as_secs()).unwrap_or_default(),
    };
    // Whoever has arrived has no time left to count.
    let ended = upload.is_some_and(|(upload, _)| upload.state != UploadState::Open);
    let life = if ended { String::new() } else { format!(", {life}={left}") };
    let request = limits.max_request_body.map(|bytes| format!(", max-append-size={bytes}")).unwrap_or_default();
    set(headers, LIMIT, format!("max-size={}{request}{life}", limits.max_append));
}

pub(super) fn offset_of(upload: &Upload) -> u64 {
    // Of a file that came by another door and ended there, every byte is here.
    let ended = upload.transfer.size().filter(|_| is_complete(upload));
    upload.ledger().map_or(ended.unwrap_or(0), |ledger| ledger.offset)
}

fn is_complete(upload: &Upload) -> bool {
    upload.state == UploadState::Completed
}

/// Where an upload stands, and whether that is its end.
pub(super) fn say_standing(response: &mut Response, draft: Draft, offset: Option<u64>, complete: bool) {
    let headers = response.headers_mut();
    let (name, _, word) = draft.completeness();
    headers.insert(name, HeaderValue::from_static(if complete == word { "?1" } else { "?0" }));
    if let Some(offset) = offset {
        headers.insert(OFFSET, HeaderValue::from(offset));
    }
}

/// What every answer about an upload says.
pub(super) struct About<'a> {
    pub(super) upload: &'a Upload,
    pub(super) limits: &'a Limits,
    pub(super) now: Timestamp,
}

impl About<'_> {
    fn answer(&self, status: StatusCode, draft: Draft) -> Response {
        let mut response = Response::default();
        *response.status_mut() = status;
        say_standing(&mut response, draft, Some(offset_of(self.upload)), is_complete(self.upload));
        say_limit(response.headers_mut(), draft, self.limits, Some((self.upload, self.now)));
        response
    }

    /// The answer to a creation. A client without a draft hears nothing of drafts.
    pub(super) fn created(&self, draft: Option<Draft>, url: &str) -> Response {
        let mut response = match draft {
            Some(draft) => self.answer(StatusCode::CREATED, draft),
            None => Response::default(),
        };
        *response.status_mut() = StatusCode::CREATED;
        set(response.headers_mut(), header::LOCATION, url);
        self.with_result(response)
    }

    /// The answer to an append.
    pub(super) fn appended(&self, draft: Draft) -> Response {
        let status = if is_complete(self.upload) { StatusCode::OK } else { draft.appended() };
        self.with_result(self.answer(status, draft))
    }

    /// The answer to HEAD and GET.
    pub(super) fn progress(&self, draft: Draft) -> Response {
        let mut response = self.answer(StatusCode::NO_CONTENT, draft);
        set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
        if let Some(length) = self.upload.transfer.size() {
            response.headers_mut().insert(LENGTH, HeaderValue::from(length));
        }
        response
    }

    /// What the upload has become, for those who want to go on with that. Always the same, however often it is asked for.
    fn with_result(&self, mut response: Response) -> Response {
        if is_complete(self.upload) {
            let upload = self.upload;
            let result = json!({
                "upload": { "id": upload.id, "state": upload.state.name(), "size": upload.transfer.size() },
                "asset": { "id": upload.asset },
            });
            *response.body_mut() = result.to_string().into();
            set(response.headers_mut(), header::CONTENT_TYPE, "application/json");
        }
        response
    }

    /// Headers of the interim answer that tells where an upload is, before its content has come.
    pub(super) fn begun(&self, draft: Draft, url: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        say_draft(&mut headers, draft);
        set(&mut headers, header::LOCATION, url);
        say_limit(&mut headers, draft, self.limits, Some((self.upload, self.now)));
        headers
    }
}

/// Headers of an interim answer that tells how far the content is safe.
pub(super) fn reached(draft: Draft, offset: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    say_draft(&mut headers, draft);
    headers.insert(OFFSET, HeaderValue::from(offset));
    headers
}

/// What this composition can do.
pub(super) fn options(limits: &Limits, draft: Draft) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    say_limit(response.headers_mut(), draft, limits, None);
    set(response.headers_mut(), HeaderName::from_static("accept-patch"), PARTIAL);
    response
}

/// Says the whole file's digest, once the service has established it (RFC 9530 §4).
pub(super) fn say_digest(headers: &mut HeaderMap, sha256: Option<Sha256Digest>) {
    if let Some(sha256) = sha256 {
        set(headers, digest::REPRESENTATION, format!("sha-256=:{}:", sha256.base64()));
    }
}

/// The answer to a cancellation.
pub(super) fn cancelled() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
