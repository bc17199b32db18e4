//! Headers of the drafts and their conversion to commands and from domain values. Pure: no engine, no bodies.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::digest;
use super::draft::{
    DraftVersion, INTEROP_VERSION_HEADER, RequestedDraft, UPLOAD_COMPLETE_HEADER, UPLOAD_INCOMPLETE_HEADER,
};
use super::error::IetfError;
use super::structured_fields;
use super::view::{CompletedUploadView, EndedAssetView, EndedUploadView};
use crate::domain::append::UploadLength;
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::Timestamp;
use crate::domain::name::FileName;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::{AppendChecksum, EndOfBody, Error, UploadLimits};
use crate::http::upload_metadata::{self, UploadMetadata};

const PARTIAL_UPLOAD_TYPE: &str = "application/partial-upload";

const UPLOAD_OFFSET_HEADER: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH_HEADER: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_LIMIT_HEADER: HeaderName = HeaderName::from_static("upload-limit");
const UPLOAD_METADATA_HEADER: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_DEFER_LENGTH_HEADER: HeaderName = HeaderName::from_static("upload-defer-length");
const TUS_RESUMABLE_HEADER: HeaderName = HeaderName::from_static("tus-resumable");

/// A parsed POST to the collection.
pub(super) struct CreationRequest {
    /// `None`: an ordinary upload, by a client that knows no draft or an unknown version.
    pub(super) draft: Option<DraftVersion>,
    pub(super) ends: EndOfBody,
    pub(super) length: UploadLength,
    pub(super) metadata: UploadMetadata,
    pub(super) sha256: Option<Sha256Digest>,
    pub(super) checksum: AppendChecksum,
}

/// A parsed PATCH.
pub(super) struct AppendRequest {
    pub(super) offset: u64,
    pub(super) ends: EndOfBody,
    pub(super) length: Option<u64>,
    pub(super) checksum: AppendChecksum,
}

/// The draft version of a client that asked for interim answers. Only with an interop number: other clients may not
/// expect interim answers.
pub(super) fn interim_draft(headers: &HeaderMap) -> Option<DraftVersion> {
    let asked = headers.contains_key(INTEROP_VERSION_HEADER) && !headers.contains_key(TUS_RESUMABLE_HEADER);
    match RequestedDraft::from_headers(headers) {
        Ok(RequestedDraft::Known(draft)) if asked => Some(draft),
        Ok(_) | Err(_) => None,
    }
}

/// Refuses requests with `Tus-Resumable`: they are meant for tus. URLSession adds its own headers to them unasked.
pub(super) fn refuse_tus(headers: &HeaderMap) -> Result<(), IetfError> {
    if headers.contains_key(TUS_RESUMABLE_HEADER) {
        return Err(IetfError::new(
            StatusCode::BAD_REQUEST,
            "other_protocol",
            "The tus protocol is available at /tus.",
        ));
    }
    Ok(())
}

/// Completeness header: true if the content ends the upload.
fn parse_completeness(headers: &HeaderMap, draft: DraftVersion) -> Result<Option<bool>, Error> {
    let (name, field, complete) = draft.completeness_header();
    Ok(structured_fields::parse_boolean(headers, &name, field)?.map(|value| value == complete))
}

fn missing_completeness_error() -> Error {
    Error::invalid("Upload-Complete", "required: ?1 if the content ends the file, otherwise ?0")
}

/// The draft version of a creation, and what the end of its content means.
fn parse_draft_and_end(headers: &HeaderMap) -> Result<(Option<DraftVersion>, EndOfBody), Error> {
    let spoken = RequestedDraft::from_headers(headers)?;
    let draft = spoken.or_latest();
    let said = match spoken {
        RequestedDraft::Known(draft) => parse_completeness(headers, draft)?,
        // The unknown version may use either header, and a part of a file must not be taken for the whole.
        RequestedDraft::Unknown => {
            let complete = structured_fields::parse_boolean(headers, &UPLOAD_COMPLETE_HEADER, "Upload-Complete")?;
            let incomplete = structured_fields::parse_boolean(headers, &UPLOAD_INCOMPLETE_HEADER, "Upload-Incomplete")?;
            if complete == Some(false) || incomplete == Some(true) {
                return Err(Error::invalid("Upload-Draft-Interop-Version", "only versions 3 to 10 are supported"));
            }
            return Ok((None, EndOfBody::EndsFile));
        }
    };
    let speaks = [
        INTEROP_VERSION_HEADER,
        UPLOAD_OFFSET_HEADER,
        UPLOAD_LENGTH_HEADER,
        UPLOAD_METADATA_HEADER,
        UPLOAD_DEFER_LENGTH_HEADER,
    ]
    .iter()
    .any(|name| headers.contains_key(name));
    match said {
        Some(true) => Ok((Some(draft), EndOfBody::EndsFile)),
        Some(false) => Ok((Some(draft), EndOfBody::MoreFollows)),
        None if speaks => Err(missing_completeness_error()),
        None => Ok((None, EndOfBody::EndsFile)),
    }
}

/// The file's length: from a header, or the length of the content if that is the whole file.
fn creation_length(headers: &HeaderMap, announced: Option<u64>, ends: EndOfBody) -> Result<UploadLength, Error> {
    let said = parse_length(headers)?;
    match (said, announced) {
        (Some(said), Some(bytes)) if bytes > said => Err(Error::LengthMismatch("the content is longer")),
        (Some(said), Some(bytes)) if ends == EndOfBody::EndsFile && bytes != said => {
            Err(Error::LengthMismatch("the content is shorter, although it ends the file"))
        }
        (None, Some(bytes)) if ends == EndOfBody::EndsFile => Ok(UploadLength::Known(bytes)),
        (Some(said), _) => Ok(UploadLength::Known(said)),
        (None, _) => Ok(UploadLength::Deferred),
    }
}

fn parse_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    structured_fields::parse_integer(headers, &UPLOAD_LENGTH_HEADER, "Upload-Length")
}

/// Parses a POST to the collection. `announced`: length of its content.
pub(super) fn parse_creation(headers: &HeaderMap, announced: Option<u64>) -> Result<CreationRequest, IetfError> {
    let (draft, ends) = parse_draft_and_end(headers)?;
    if parse_offset(headers)?.is_some_and(|offset| offset != 0) {
        return Err(Error::invalid("Upload-Offset", "must be 0 at creation").into());
    }
    let content = content_media_type(headers)?;
    if draft.is_none() && content.as_deref().is_some_and(|content| content.starts_with("multipart/form-data")) {
        let detail = "The content must be the file itself, not a form.";
        return Err(IetfError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(CreationRequest {
        draft,
        ends,
        length: creation_length(headers, announced, ends)?,
        metadata: file_description(headers, content.as_deref())?,
        sha256: digest::repr_digest(headers)?,
        checksum: digest::announced_content_digest(headers)?,
    })
}

/// Declared media type of the content, in lower case and without parameters.
fn content_media_type(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::invalid("Content-Type", "must be ASCII"))?;
    Ok(Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()))
}

/// Name and type of the file: from `Upload-Metadata` as tus-js-client sends it, otherwise from the standard HTTP
/// headers.
fn file_description(headers: &HeaderMap, content: Option<&str>) -> Result<UploadMetadata, Error> {
    let said = headers.get(UPLOAD_METADATA_HEADER).map(HeaderValue::to_str).transpose();
    let said = said.map_err(|_| Error::invalid("Upload-Metadata", "must be ASCII"))?;
    let mut described = upload_metadata::parse_upload_metadata(said.unwrap_or_default())?;
    // curl's default type and the type of appends are not the file's type.
    let own =
        content.filter(|content| ![PARTIAL_UPLOAD_TYPE, "application/x-www-form-urlencoded", ""].contains(content));
    if let (Some(_), None) = (own, &described.media_type) {
        let whole = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        described.media_type = Some(whole.parse().map_err(|bad| Error::invalid("Content-Type", bad))?);
    }
    if described.name == FileName::nameless()
        && let Some(name) = upload_metadata::disposition_filename(headers)
    {
        described.name = name;
    }
    if let Some(coding) = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()) {
        described.metadata.insert("content_encoding".to_owned(), coding.into());
    }
    Ok(described)
}

pub(super) fn parse_offset(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    structured_fields::parse_integer(headers, &UPLOAD_OFFSET_HEADER, "Upload-Offset")
}

/// Parses a PATCH. `announced`: length of its content.
pub(super) fn parse_append(
    headers: &HeaderMap,
    draft: DraftVersion,
    announced: Option<u64>,
) -> Result<AppendRequest, IetfError> {
    if draft.requires_append_type() && content_media_type(headers)?.as_deref() != Some(PARTIAL_UPLOAD_TYPE) {
        let detail = format!("The Content-Type must be {PARTIAL_UPLOAD_TYPE}.");
        return Err(IetfError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let offset = parse_offset(headers)?.ok_or_else(|| Error::invalid("Upload-Offset", "required"))?;
    let length = parse_length(headers)?;
    let complete = match parse_completeness(headers, draft)? {
        Some(complete) => complete,
        None if draft.is_tus_js() && announced == Some(0) && length == Some(offset) => true,
        None => return Err(missing_completeness_error().into()),
    };
    let ends = if complete { EndOfBody::EndsFile } else { EndOfBody::MoreFollows };
    Ok(AppendRequest { offset, ends, length, checksum: digest::announced_content_digest(headers)? })
}

/// Refuses headers about bytes in a HEAD or DELETE (-01 §5 to -05 §7).
pub(super) fn refuse_byte_headers(headers: &HeaderMap) -> Result<(), Error> {
    for (name, field) in [
        (UPLOAD_OFFSET_HEADER, "Upload-Offset"),
        (UPLOAD_COMPLETE_HEADER, "Upload-Complete"),
        (UPLOAD_INCOMPLETE_HEADER, "Upload-Incomplete"),
        (UPLOAD_LENGTH_HEADER, "Upload-Length"),
    ] {
        if headers.contains_key(name) {
            return Err(Error::invalid(field, "must be absent"));
        }
    }
    Ok(())
}

fn set_header(headers: &mut HeaderMap, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        headers.insert(name, value);
    }
}

/// Repeats the draft's interop number.
pub(super) fn set_draft_header(headers: &mut HeaderMap, draft: DraftVersion) {
    if let Some(number) = draft.interop_number() {
        headers.insert(INTEROP_VERSION_HEADER, HeaderValue::from(u16::from(number)));
    }
}

/// `Upload-Limit`: maximum bytes, and seconds until the upload expires.
pub(super) fn set_limit_header(
    headers: &mut HeaderMap,
    draft: DraftVersion,
    limits: &UploadLimits,
    upload: Option<(&Upload, Timestamp)>,
) {
    let Some(life) = draft.lifetime_parameter() else { return };
    let left = match upload {
        None => limits.upload_ttl.as_secs(),
        Some((upload, now)) => u64::try_from(upload.expires_at.duration_since(now).as_secs()).unwrap_or_default(),
    };
    // An upload that has ended has no time left to count.
    let ended = upload.is_some_and(|(upload, _)| upload.state != UploadState::Open);
    let life = if ended { String::new() } else { format!(", {life}={left}") };
    let request = limits.max_request_body.map(|bytes| format!(", max-append-size={bytes}")).unwrap_or_default();
    set_header(headers, UPLOAD_LIMIT_HEADER, format!("max-size={}{request}{life}", limits.max_append));
}

pub(super) fn confirmed_offset(upload: &Upload) -> u64 {
    // An upload that was sent by another protocol and has ended has all of its bytes.
    let ended = upload.transfer.size().filter(|_| is_complete(upload));
    upload.ledger().map_or(ended.unwrap_or(0), |ledger| ledger.offset)
}

fn is_complete(upload: &Upload) -> bool {
    upload.state == UploadState::Completed
}

/// Sets the upload's offset and completeness.
pub(super) fn set_standing_headers(response: &mut Response, draft: DraftVersion, offset: Option<u64>, complete: bool) {
    let headers = response.headers_mut();
    let (name, _, word) = draft.completeness_header();
    headers.insert(name, HeaderValue::from_static(if complete == word { "?1" } else { "?0" }));
    if let Some(offset) = offset {
        headers.insert(UPLOAD_OFFSET_HEADER, HeaderValue::from(offset));
    }
}

/// Data that every answer about an upload needs.
pub(super) struct UploadResponseContext<'a> {
    pub(super) upload: &'a Upload,
    pub(super) limits: &'a UploadLimits,
    pub(super) now: Timestamp,
}

impl UploadResponseContext<'_> {
    fn base_response(&self, status: StatusCode, draft: DraftVersion) -> Response {
        let mut response = Response::default();
        *response.status_mut() = status;
        set_standing_headers(&mut response, draft, Some(confirmed_offset(self.upload)), is_complete(self.upload));
        set_limit_header(response.headers_mut(), draft, self.limits, Some((self.upload, self.now)));
        response
    }

    /// The answer to a creation. A client without a draft version gets no headers of the drafts.
    pub(super) fn creation_response(&self, draft: Option<DraftVersion>, url: &str) -> Response {
        let mut response = match draft {
            Some(draft) => self.base_response(StatusCode::CREATED, draft),
            None => Response::default(),
        };
        *response.status_mut() = StatusCode::CREATED;
        set_header(response.headers_mut(), header::LOCATION, url);
        self.with_result(response)
    }

    /// The answer to an append.
    pub(super) fn append_response(&self, draft: DraftVersion) -> Response {
        let status = if is_complete(self.upload) { StatusCode::OK } else { draft.append_status() };
        self.with_result(self.base_response(status, draft))
    }

    /// The answer to HEAD and GET.
    pub(super) fn progress_response(&self, draft: DraftVersion) -> Response {
        let mut response = self.base_response(StatusCode::NO_CONTENT, draft);
        set_header(response.headers_mut(), header::CACHE_CONTROL, "no-store");
        if let Some(length) = self.upload.transfer.size() {
            response.headers_mut().insert(UPLOAD_LENGTH_HEADER, HeaderValue::from(length));
        }
        response
    }

    /// Adds the upload and its asset as the body, for clients that continue with them. Equal for every repetition of
    /// the request.
    fn with_result(&self, mut response: Response) -> Response {
        if is_complete(self.upload) {
            let upload = self.upload;
            let result = CompletedUploadView {
                upload: EndedUploadView { id: upload.id, state: upload.state.name(), size: upload.transfer.size() },
                asset: EndedAssetView { id: upload.asset },
            };
            *response.body_mut() = serde_json::to_vec(&result).unwrap_or_default().into();
            set_header(response.headers_mut(), header::CONTENT_TYPE, "application/json");
        }
        response
    }

    /// Headers of the interim answer that carries an upload's URL, before its content has arrived.
    pub(super) fn location_headers(&self, draft: DraftVersion, url: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        set_draft_header(&mut headers, draft);
        set_header(&mut headers, header::LOCATION, url);
        set_limit_header(&mut headers, draft, self.limits, Some((self.upload, self.now)));
        headers
    }
}

/// Headers of an interim answer that carries the durable offset.
pub(super) fn offset_headers(draft: DraftVersion, offset: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    set_draft_header(&mut headers, draft);
    headers.insert(UPLOAD_OFFSET_HEADER, HeaderValue::from(offset));
    headers
}

/// The answer to OPTIONS: features of this server.
pub(super) fn options_response(limits: &UploadLimits, draft: DraftVersion) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    set_limit_header(response.headers_mut(), draft, limits, None);
    set_header(response.headers_mut(), HeaderName::from_static("accept-patch"), PARTIAL_UPLOAD_TYPE);
    response
}

/// Adds the digest of the whole file, once it is computed (RFC 9530 §4).
pub(super) fn set_repr_digest(headers: &mut HeaderMap, sha256: Option<Sha256Digest>) {
    if let Some(sha256) = sha256 {
        set_header(headers, digest::REPR_DIGEST_HEADER, format!("sha-256=:{}:", sha256.base64()));
    }
}

/// The answer to a cancellation.
pub(super) fn cancellation_response() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
