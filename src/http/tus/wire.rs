//! Headers of tus 1.0.0 and their conversion to commands and from domain values. Pure: no engine, no bodies.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::error::TusError;
use crate::domain::append::{ConcatRole, UploadLength};
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadState};
use crate::engine::{AppendChecksum, AppendDigestAlgorithm, Error, ExpectedDigest, UploadLimits};

const TUS_VERSION: &str = "1.0.0";
const OFFSET_STREAM_TYPE: &str = "application/offset+octet-stream";
/// Without spaces after the commas: TUSKit does not trim.
const TUS_EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,expiration,checksum,checksum-trailer,\
    termination,concatenation";

const TUS_RESUMABLE_HEADER: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET_HEADER: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH_HEADER: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH_HEADER: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA_HEADER: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CONCAT_HEADER: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_EXPIRES_HEADER: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_CHECKSUM_HEADER: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_LIMIT_HEADER: HeaderName = HeaderName::from_static("upload-limit");

/// Text of a header that may occur at most once.
fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName, field: &'static str) -> Result<Option<&'a str>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid(field, "must occur only once"));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| Error::invalid(field, "must be ASCII"))
}

/// A non-negative decimal number: digits only, up to 63 bits.
fn parse_number(headers: &HeaderMap, name: &HeaderName, field: &'static str) -> Result<Option<u64>, Error> {
    let Some(text) = header_text(headers, name, field)? else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && *number <= i64::MAX as u64);
    number.map(Some).ok_or_else(|| Error::invalid(field, "must be a non-negative decimal number"))
}

/// Checks that the client uses tus 1.0.0. `silence_is_fine`: the header may be absent.
pub(super) fn check_version(headers: &HeaderMap, silence_is_fine: bool) -> Result<(), TusError> {
    let version = headers.get(TUS_RESUMABLE_HEADER);
    match version {
        None if silence_is_fine => Ok(()),
        Some(version) if version == TUS_VERSION => Ok(()),
        _ => {
            let detail = "Only tus 1.0.0 is supported: send Tus-Resumable: 1.0.0.";
            Err(TusError::new(StatusCode::PRECONDITION_FAILED, "unsupported_version", detail))
        }
    }
}

/// `Upload-Length` or `Upload-Defer-Length`; exactly 1 of the two is required.
pub(super) fn creation_length(headers: &HeaderMap) -> Result<UploadLength, Error> {
    match (parse_length(headers)?, header_text(headers, &UPLOAD_DEFER_LENGTH_HEADER, "Upload-Defer-Length")?) {
        (Some(length), None) => Ok(UploadLength::Known(length)),
        (None, Some("1")) => Ok(UploadLength::Deferred),
        (None, Some(_)) => Err(Error::invalid("Upload-Defer-Length", "must be 1 or absent")),
        (Some(_), Some(_)) => Err(Error::invalid("Upload-Length", "cannot be combined with Upload-Defer-Length")),
        (None, None) => {
            Err(Error::invalid("Upload-Length", "required (or Upload-Defer-Length: 1, if the length is not known yet)"))
        }
    }
}

pub(super) fn parse_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    parse_number(headers, &UPLOAD_LENGTH_HEADER, "Upload-Length")
}

pub(super) fn parse_offset(headers: &HeaderMap) -> Result<u64, Error> {
    let offset = parse_number(headers, &UPLOAD_OFFSET_HEADER, "Upload-Offset")?;
    offset.ok_or_else(|| Error::invalid("Upload-Offset", "required"))
}

/// `Upload-Metadata` as it was sent; `None` if empty.
pub(super) fn metadata_header(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    Ok(header_text(headers, &UPLOAD_METADATA_HEADER, "Upload-Metadata")?.filter(|text| !text.is_empty()))
}

/// True if the content type declares the body to be bytes of a file.
pub(super) fn is_offset_stream(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(OFFSET_STREAM_TYPE)
}

pub(super) fn wrong_content_type() -> TusError {
    let detail = format!("The Content-Type must be {OFFSET_STREAM_TYPE}.");
    TusError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

/// `Upload-Checksum` in headers or trailers.
pub(super) fn parse_checksum(headers: &HeaderMap) -> Result<Option<ExpectedDigest>, Error> {
    let field = "Upload-Checksum";
    let Some(text) = header_text(headers, &UPLOAD_CHECKSUM_HEADER, field)? else { return Ok(None) };
    let (name, value) =
        text.split_once(' ').ok_or_else(|| Error::invalid(field, "must be an algorithm and a value"))?;
    let algorithm = AppendDigestAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    let algorithm = algorithm
        .ok_or_else(|| Error::invalid(field, format!("the algorithm must be one of {}", algorithm_names())))?;
    let value = BASE64.decode(value.trim()).ok().filter(|value| value.len() == algorithm.size());
    Ok(Some(ExpectedDigest {
        algorithm,
        value: value.ok_or_else(|| Error::invalid(field, "the value is not a checksum of this algorithm"))?,
    }))
}

/// The checksum of a request: in a header, or announced as a trailer.
pub(super) fn announced_checksum(headers: &HeaderMap) -> Result<AppendChecksum, Error> {
    if let Some(expected) = parse_checksum(headers)? {
        return Ok(AppendChecksum::Given(expected));
    }
    let trailers = headers.get_all(header::TRAILER).iter().filter_map(|value| value.to_str().ok());
    let comes = trailers
        .flat_map(|list| list.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case(UPLOAD_CHECKSUM_HEADER.as_str()));
    Ok(if comes { AppendChecksum::Trailing } else { AppendChecksum::None })
}

fn algorithm_names() -> String {
    AppendDigestAlgorithm::ALL.map(AppendDigestAlgorithm::name).join(",")
}

/// Parsed `Upload-Concat`.
#[derive(Debug, PartialEq)]
pub(super) enum ConcatRequest<'a> {
    /// An ordinary upload.
    Whole,
    /// A partial upload.
    Partial,
    /// A final upload made of these partial uploads; and the header as it was sent.
    Final(Vec<UploadId>, &'a str),
}

pub(super) fn parse_concat<'a>(headers: &'a HeaderMap, public_url: &str) -> Result<ConcatRequest<'a>, Error> {
    let field = "Upload-Concat";
    match header_text(headers, &UPLOAD_CONCAT_HEADER, field)? {
        None => Ok(ConcatRequest::Whole),
        Some("partial") => Ok(ConcatRequest::Partial),
        Some(text) => {
            let list =
                text.strip_prefix("final;").ok_or_else(|| Error::invalid(field, "must be partial or final;…"))?;
            let ids = list.split(' ').filter(|url| !url.is_empty()).map(|url| upload_id_in_url(url, public_url));
            let ids: Option<Vec<_>> = ids.collect();
            Ok(ConcatRequest::Final(
                ids.ok_or_else(|| Error::invalid(field, "lists a URL that is not an upload of this service"))?,
                text,
            ))
        }
    }
}

/// The upload that a URL of this service names; absolute or relative.
fn upload_id_in_url(url: &str, public_url: &str) -> Option<UploadId> {
    let path = url.strip_prefix(public_url).unwrap_or(url);
    let path = match path.strip_prefix("/u/") {
        Some(granted) => granted.split_once('/')?.1.strip_prefix("tus/")?,
        None => path.strip_prefix("/tus/")?,
    };
    path.parse().ok()
}

fn set_header(response: &mut Response, name: HeaderName, value: impl AsRef<str>) {
    // The value was read from a header, so that it is valid in a header.
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}

/// Adds the version, which every answer but that to OPTIONS carries.
pub(super) fn with_version(mut response: Response) -> Response {
    if response.status() == StatusCode::PRECONDITION_FAILED {
        set_header(&mut response, HeaderName::from_static("tus-version"), TUS_VERSION);
    }
    set_header(&mut response, TUS_RESUMABLE_HEADER, TUS_VERSION);
    response
}

fn empty_response(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    with_version(response)
}

/// The answer to OPTIONS: features of this server.
pub(super) fn options_response(limits: &UploadLimits) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    set_header(&mut response, HeaderName::from_static("tus-version"), TUS_VERSION);
    set_header(&mut response, HeaderName::from_static("tus-extension"), TUS_EXTENSIONS);
    set_header(&mut response, HeaderName::from_static("tus-max-size"), limits.max_append.to_string());
    set_header(&mut response, HeaderName::from_static("tus-checksum-algorithm"), algorithm_names());
    with_limit_header(response, limits.max_request_body)
}

/// Adds the maximum bytes of a PATCH, where proxies limit request bodies. tus has no header for it; that of the IETF
/// drafts is used.
pub(super) fn with_limit_header(mut response: Response, max_request_body: Option<u64>) -> Response {
    if let Some(bytes) = max_request_body {
        set_header(&mut response, UPLOAD_LIMIT_HEADER, format!("max-append-size={bytes}"));
    }
    response
}

/// `Upload-Expires`: when the unfinished upload expires; every append postpones it.
fn set_expires_header(response: &mut Response, upload: &Upload) {
    let at = u64::try_from(upload.expires_at.as_second()).ok().filter(|_| upload.state == UploadState::Open);
    if let Some(seconds) = at {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        set_header(response, UPLOAD_EXPIRES_HEADER, httpdate::fmt_http_date(at));
    }
}

fn confirmed_offset(upload: &Upload) -> u64 {
    // An upload that was sent by another protocol and has ended has all of its bytes.
    let ended = upload.transfer.size().filter(|_| upload.state == UploadState::Completed);
    upload.ledger().map_or(ended.unwrap_or(0), |ledger| ledger.offset)
}

/// The answer to a creation.
pub(super) fn creation_response(upload: &Upload, collection: &str) -> Response {
    let mut response = empty_response(StatusCode::CREATED);
    set_header(&mut response, header::LOCATION, format!("{collection}/{}", upload.id));
    set_header(&mut response, UPLOAD_OFFSET_HEADER, confirmed_offset(upload).to_string());
    set_expires_header(&mut response, upload);
    response
}

/// The answer to an append.
pub(super) fn append_response(upload: &Upload) -> Response {
    let mut response = empty_response(StatusCode::NO_CONTENT);
    set_header(&mut response, UPLOAD_OFFSET_HEADER, confirmed_offset(upload).to_string());
    set_expires_header(&mut response, upload);
    response
}

/// The answer to HEAD.
pub(super) fn progress_response(upload: &Upload) -> Response {
    let mut response = empty_response(StatusCode::OK);
    set_header(&mut response, header::CACHE_CONTROL, "no-store");
    set_expires_header(&mut response, upload);
    let Some(ledger) = upload.ledger() else { return response };
    // A final upload that is being assembled has no offset from which a client could continue.
    if !matches!(ledger.concat, ConcatRole::Final(_)) || upload.state == UploadState::Completed {
        set_header(&mut response, UPLOAD_OFFSET_HEADER, ledger.offset.to_string());
    }
    match ledger.length {
        UploadLength::Known(total) => set_header(&mut response, UPLOAD_LENGTH_HEADER, total.to_string()),
        UploadLength::Deferred => set_header(&mut response, UPLOAD_DEFER_LENGTH_HEADER, "1"),
    }
    for (name, said) in
        [(UPLOAD_METADATA_HEADER, &ledger.echoed.metadata), (UPLOAD_CONCAT_HEADER, &ledger.echoed.concat)]
    {
        if let Some(said) = said {
            set_header(&mut response, name, said);
        }
    }
    response
}

/// The answer to a termination.
pub(super) fn termination_response() -> Response {
    empty_response(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(parse_offset(&one("upload-offset", "9223372036854775807")).unwrap(), i64::MAX as u64);
        for bad in ["", "-1", "+1", "1.0", "0x1", "1e3", "9223372036854775808", "99999999999999999999999", "1 2"] {
            assert!(parse_offset(&one("upload-offset", bad)).is_err(), "{bad}");
        }
        let mut twice = one("upload-offset", "1");
        twice.append(UPLOAD_OFFSET_HEADER, HeaderValue::from_static("1"));
        assert!(parse_offset(&twice).is_err());
    }

    #[test]
    fn checksums() {
        let good = parse_checksum(&one("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")).unwrap().unwrap();
        assert_eq!((good.algorithm, good.value.len()), (AppendDigestAlgorithm::Sha1, 20));
        for bad in ["sha1", "sha1 ", "sha1 AAAA", "sha512 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "crc32 !!!!", ""] {
            assert!(parse_checksum(&one("upload-checksum", bad)).is_err(), "{bad}");
        }
        let later = announced_checksum(&one("trailer", "x, Upload-Checksum")).unwrap();
        assert_eq!(later, AppendChecksum::Trailing);
    }

    #[test]
    fn only_our_own_urls_name_uploads() {
        let id = "01900000-0000-7000-8000-000000000000";
        let ours = "https://files.example";
        for good in [format!("{ours}/tus/{id}"), format!("/tus/{id}"), format!("/u/gu_x.y/tus/{id}")] {
            assert!(upload_id_in_url(&good, ours).is_some(), "{good}");
        }
        for bad in
            [format!("https://evil.example/tus/{id}"), format!("tus/{id}"), id.to_owned(), "/tus/../x".to_owned()]
        {
            assert!(upload_id_in_url(&bad, ours).is_none(), "{bad}");
        }
        let list = format!("final;/tus/{id} {ours}/tus/{id}");
        let headers = one("upload-concat", &list);
        assert!(matches!(parse_concat(&headers, ours), Ok(ConcatRequest::Final(ids, _)) if ids.len() == 2));
        assert!(parse_concat(&one("upload-concat", "Final;x"), ours).is_err());
    }
}
