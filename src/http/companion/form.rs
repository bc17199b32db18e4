//! Forms with a single file (`multipart/form-data`, RFC 7578), parsed while they arrive: the file is never held in
//! memory as a whole, and the fields are bounded, however the connection splits the body. Answers are those of an S3
//! POST.
//!
//! A form may turn out to be invalid only after its file. Its body stream then ends with an error, upon which the
//! engine discards the bytes, and the reason is kept in [`FormErrorSlot`].

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::response::{Html, IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use multer::{Field, Multipart};

use super::body_stream::{FormBodyError, FormBodyStream, ParseProgress};
use super::disposition::FormPartNames;
use super::error::CompanionError;
use super::wire;
use crate::domain::asset::{Asset, AssetMetadata};
use crate::domain::drop_box::SenderField;
use crate::domain::name::FileName;
use crate::engine::{AppendBody, BodyFrame, Error, GrantDescription, TruncatedBody};
use crate::http::chunk_detection::ChunkClaims;
use crate::http::html_page::{MessagePage, message_response, size_text};

/// Maximum bytes of the value of a field.
const MAX_FIELD_BYTES: usize = 16 << 10;
/// Maximum bytes of a form without its file: boundaries, headers and values.
const MAX_FORM_BYTES: u64 = 64 << 10;
/// The name of the field that holds the file.
const FILE_FIELD: &str = "file";

/// Fields of a form apart from its file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FormFields {
    pub(super) key: Option<String>,
    /// Requested status of a successful answer (`success_action_status`).
    success_status: Option<String>,
    /// Name of the file; empty if it has none.
    filename: String,
    /// Media type of the file as the client declares it.
    content_type: Option<String>,
    /// What the form says of the person who sends, as the upload page of a grant asks.
    sender: AssetMetadata,
}

fn invalid_form(problem: impl ToString) -> Error {
    Error::invalid("form", problem)
}

impl FormFields {
    /// Name and type that the browser sent for the chosen file. An invalid name or type is treated as absent.
    pub(super) fn description(&self) -> GrantDescription {
        GrantDescription {
            name: FileName::salvage(&self.filename).unwrap_or_else(|_| FileName::nameless()),
            media_type: self.content_type.as_deref().and_then(|text| text.parse().ok()),
            metadata: self.sender.clone(),
        }
    }
}

/// Data about a form from outside of its body.
#[derive(Default)]
pub(super) struct FormRequest {
    /// `Content-Type`; empty if absent.
    pub(super) content_type: String,
    /// Size of the file by `Content-Range`, if sent.
    pub(super) length: Option<u64>,
    /// Chunk parameters found in the query.
    pub(super) claims: ChunkClaims,
}

/// Reason why the body stream of a form's file ended with an error, if the form was at fault and not the connection.
#[derive(Clone, Default)]
pub(super) struct FormErrorSlot(Arc<Mutex<Option<CompanionError>>>);

impl FormErrorSlot {
    fn set(&self, refusal: CompanionError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    /// The error to be rendered when the engine reports that the file's body broke off, or refuses for a reason of its
    /// own.
    pub(super) fn explain(&self, error: Error) -> CompanionError {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (error, found) {
            (Error::BodyTruncated, Some(refusal)) => refusal,
            (error, _) => error.into(),
        }
    }
}

/// Parses the fields of a form up to its file. Returns the fields, the file as a stream, and the slot for its error.
///
/// # Errors
/// 400 if the body is not a form with a whole file, as far as that shows before the file; 503 if the connection broke
/// off.
pub(super) async fn parse_form(
    request: FormRequest,
    body: Body,
) -> Result<(FormFields, AppendBody, FormErrorSlot), CompanionError> {
    let boundary = multer::parse_boundary(&request.content_type)
        .map_err(|_| invalid_form("is not multipart/form-data with a boundary"))?;
    let mut reader = FormReader::new(boundary, request, body);
    match reader.next_file().await? {
        Some(file) => {
            let form = std::mem::take(&mut reader.form);
            let verdict = FormErrorSlot::default();
            Ok((form, stream_file(reader, file, verdict.clone()), verdict))
        }
        None if reader.no_file_chosen => Err(invalid_form("has no file: none was chosen").into()),
        None => Err(invalid_form(format!("has no file: a part named {FILE_FIELD} with a filename")).into()),
    }
}

/// True for `sender_name` and the other answers to [`SenderField`].
fn is_sender_field(name: &str) -> bool {
    name.strip_prefix("sender_").is_some_and(|field| field.parse::<SenderField>().is_ok())
}

/// A part with a file. Its first bytes may have been read already.
struct FormFilePart {
    field: Field<'static>,
    peeked: Option<Bytes>,
}

/// A form that has been read in part.
struct FormReader {
    parts: Multipart<'static>,
    progress: Arc<ParseProgress>,
    form: FormFields,
    claims: ChunkClaims,
    /// Size of the file, if the request names it.
    length: Option<u64>,
    /// A file input in which no file was chosen has come.
    no_file_chosen: bool,
    /// Bytes of a boundary and its line break.
    boundary_bytes: u64,
    /// Bytes of boundaries, headers and values so far.
    form_bytes: u64,
}

impl FormReader {
    fn new(boundary: String, request: FormRequest, body: Body) -> Self {
        let progress = Arc::new(ParseProgress::default());
        let boundary_bytes = boundary.len() as u64 + 8;
        let parts = Multipart::new(FormBodyStream::new(body, Arc::clone(&progress), MAX_FORM_BYTES), boundary);
        let FormRequest { length, claims, .. } = request;
        let form = FormFields::default();
        Self { parts, progress, form, claims, length, no_file_chosen: false, boundary_bytes, form_bytes: 0 }
    }

    /// Reads fields up to the next file. `None`: the form has ended.
    async fn next_file(&mut self) -> Result<Option<FormFilePart>, CompanionError> {
        loop {
            self.progress.advance();
            let Some(mut field) = self.parts.next_field().await.map_err(form_read_error)? else {
                self.claims.check_whole_file()?;
                return Ok(None);
            };
            self.progress.advance();
            let names = FormPartNames::from_headers(field.headers());
            let headers = field.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
            self.count_form_bytes(self.boundary_bytes + headers.sum::<usize>() as u64)?;
            let Some(filename) = names.filename else {
                let value = self.read_value(&mut field, &names.name).await?;
                self.store_field(&names.name, value);
                continue;
            };
            // A file input in which no file was chosen is sent as an empty file without a name.
            let peeked = if filename.is_empty() { self.peek_part(&mut field).await? } else { None };
            if filename.is_empty() && peeked.is_none() {
                self.no_file_chosen = true;
                continue;
            }
            if names.name != FILE_FIELD {
                let found = short_field_name(&names.name);
                return Err(invalid_form(format!(
                    "has a file in the field {found}; the file must be in the field {FILE_FIELD}"
                ))
                .into());
            }
            self.claims.check_whole_file()?;
            self.form.content_type = field.headers().get(header::CONTENT_TYPE).and_then(header_to_string);
            self.form.filename = filename;
            return Ok(Some(FormFilePart { field, peeked }));
        }
    }

    fn store_field(&mut self, name: &str, value: String) {
        self.claims.add_parameter(name, &value);
        match name {
            "key" => self.form.key = Some(value),
            "success_action_status" => self.form.success_status = Some(value),
            sender if is_sender_field(sender) && !value.is_empty() => {
                self.form.sender.insert(sender.to_owned(), value.into());
            }
            _ => {}
        }
    }

    fn count_form_bytes(&mut self, bytes: u64) -> Result<(), Error> {
        self.form_bytes = self.form_bytes.saturating_add(bytes);
        if self.form_bytes > MAX_FORM_BYTES {
            return Err(invalid_form(format!("has more than {MAX_FORM_BYTES} bytes of fields besides its file")));
        }
        Ok(())
    }

    /// The value of a field that is no file.
    async fn read_value(&mut self, field: &mut Field<'static>, name: &str) -> Result<String, CompanionError> {
        let mut value = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(form_read_error)? {
            self.progress.advance();
            if value.len() + bytes.len() > MAX_FIELD_BYTES {
                let hint = if name == FILE_FIELD { "; the part of a file must have a filename" } else { "" };
                let name = short_field_name(name);
                return Err(
                    invalid_form(format!("has a field {name} of more than {MAX_FIELD_BYTES} bytes{hint}")).into()
                );
            }
            value.extend_from_slice(&bytes);
        }
        self.count_form_bytes(value.len() as u64)?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// The first bytes of a part, `None` if it is empty.
    async fn peek_part(&mut self, field: &mut Field<'static>) -> Result<Option<Bytes>, CompanionError> {
        while let Some(bytes) = field.chunk().await.map_err(form_read_error)? {
            self.progress.advance();
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Reads the form after its file and checks the form as a whole.
    async fn read_rest(&mut self, file_bytes: u64) -> Result<(), CompanionError> {
        self.progress.end_file();
        if self.next_file().await?.is_some() {
            return Err(invalid_form("has more than one file; an upload takes a single file").into());
        }
        match self.length {
            Some(length) if length != file_bytes => {
                Err(invalid_form(format!("has a file of {file_bytes} bytes, but Content-Range says {length}")).into())
            }
            _ => Ok(()),
        }
    }
}

/// The file as a stream. Ends without an error only when the form has ended and is valid.
fn stream_file(reader: FormReader, file: FormFilePart, verdict: FormErrorSlot) -> AppendBody {
    struct FileReadState {
        reader: FormReader,
        file: FormFilePart,
        bytes: u64,
    }
    reader.progress.begin_file();
    let reading = FileReadState { reader, file, bytes: 0 };
    let step = move |reading: Option<FileReadState>| {
        let verdict = verdict.clone();
        async move {
            let mut reading = reading?;
            let next = match reading.file.peeked.take() {
                Some(bytes) => Ok(Some(bytes)),
                None => reading.file.field.chunk().await,
            };
            match next {
                Ok(Some(bytes)) => {
                    reading.bytes += bytes.len() as u64;
                    Some((Ok(BodyFrame::Bytes(bytes)), Some(reading)))
                }
                Ok(None) => {
                    let FileReadState { mut reader, file, bytes } = reading;
                    // The parser lends out a single part at a time.
                    drop(file);
                    let refusal = reader.read_rest(bytes).await.err()?;
                    verdict.set(refusal);
                    Some((Err(TruncatedBody), None))
                }
                Err(error) => {
                    verdict.set(form_read_error(error));
                    Some((Err(TruncatedBody), None))
                }
            }
        }
    };
    stream::unfold(Some(reading), step).boxed()
}

/// The error for a form that cannot be parsed further.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn form_read_error(error: multer::Error) -> CompanionError {
    match &error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast_ref::<FormBodyError>() {
            Some(FormBodyError::NoField) => invalid_form(format!(
                "has {MAX_FORM_BYTES} bytes without a field boundary; check the boundary parameter"
            ))
            .into(),
            Some(FormBodyError::Truncated) | None => Error::BodyTruncated.into(),
        },
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => invalid_form("ends before its closing boundary").into(),
        _ => invalid_form("has a field with headers that cannot be read").into(),
    }
}

fn header_to_string(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(ToOwned::to_owned)
}

/// A field's name, cut to a length that fits a message.
fn short_field_name(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    if short.is_empty() { "without a name".to_owned() } else { short }
}

/// The answer of an S3 POST: empty, unless the form asks for more.
pub(super) fn s3_response(form: &FormFields, asset: &Asset, public_url: &str) -> Response {
    let (location, key) = (wire::asset_location(public_url, asset.id), wire::asset_key(asset.id));
    let etag = asset.state.content().map_or_else(String::new, |content| format!("\"{}\"", content.etag));
    let mut response = match form.success_status.as_deref() {
        Some("201") => {
            let quoted = etag.replace('"', "&quot;");
            let bucket = super::view::BUCKET_PLACEHOLDER;
            let xml = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{location}</Location>\
                 <Bucket>{bucket}</Bucket><Key>{key}</Key><ETag>{quoted}</ETag></PostResponse>"
            );
            (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
        }
        Some("200") => StatusCode::OK.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    };
    for (name, value) in [(header::LOCATION, location), (header::ETAG, etag)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The answer of an S3 POST. If the form does not say which answer it wants: a page for browsers, a sentence for programs.
pub(super) fn page_or_s3_response(form: &FormFields, asset: &Asset, public_url: &str, by_browser: bool) -> Response {
    if form.success_status.is_some() {
        return s3_response(form, asset, public_url);
    }
    if by_browser {
        return received_page(asset, public_url);
    }
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Uploaded</title>\
                <p>The file has arrived. You can close this page.";
    let mut response = Html(page).into_response();
    let policy = HeaderValue::from_static("default-src 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// The page for a person who sent a form.
fn received_page(asset: &Asset, public_url: &str) -> Response {
    let received = format!("Received: 1 file, {}. You can close this page.", size_text(asset.size));
    let page =
        MessagePage { heading: "The file has arrived", sentences: &[&received], link: None, details: &[], good: true };
    message_response(public_url, StatusCode::OK, &page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use proptest::prelude::*;

    const KIND: &str = "multipart/form-data; boundary=B";

    fn body(text: &[u8], at: &[usize]) -> Body {
        let (mut pieces, mut rest) = (Vec::new(), text);
        for cut in at {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
            rest = later;
        }
        pieces.push(Ok(Bytes::copy_from_slice(rest)));
        Body::from_stream(stream::iter(pieces))
    }

    fn field(name: &str, value: &str) -> Vec<u8> {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes()
    }

    fn file(name: &str, filename: &str, bytes: &[u8]) -> Vec<u8> {
        let head = format!(
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\nContent-Type: a/b\r\n\r\n"
        );
        [head.as_bytes(), bytes, b"\r\n"].concat()
    }

    fn form(bytes: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
        let fields: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        [fields, file("file", "x", bytes), b"--B--\r\n".to_vec()].concat()
    }

    /// What comes of a form: the file, or the refusal.
    async fn outcome(kind: &str, body: Body) -> Result<(FormFields, Vec<u8>), (StatusCode, String)> {
        let request = FormRequest { content_type: kind.to_owned(), ..FormRequest::default() };
        let shown = |refusal: CompanionError| {
            let problem = refusal.into_problem();
            (problem.status, problem.detail)
        };
        let (form, bytes, verdict) = parse_form(request, body).await.map_err(shown)?;
        let whole = bytes.try_fold(Vec::new(), async |mut out, piece| match piece {
            BodyFrame::Bytes(bytes) => {
                out.extend_from_slice(&bytes);
                Ok(out)
            }
            BodyFrame::Checksum(_) => Err(TruncatedBody),
        });
        match whole.await {
            Ok(whole) => Ok((form, whole)),
            Err(TruncatedBody) => Err(shown(verdict.explain(Error::BodyTruncated))),
        }
    }

    async fn refused(text: &[u8]) -> String {
        let (status, detail) = outcome(KIND, body(text, &[])).await.unwrap_err();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{detail}");
        // The same in pieces of every size.
        for size in [1, 1000, 70_000] {
            let pieces = outcome(KIND, body(text, &vec![size; text.len() / size])).await;
            assert_eq!(pieces, Err((status, detail.clone())), "{size}");
        }
        detail
    }

    proptest! {
        #[test]
        fn wherever_the_network_cuts(bytes in prop::collection::vec(prop::sample::select(b"-B\r\n\0x".to_vec()), 0..80),
            at in prop::collection::vec(1usize..20, 0..30)) {
            prop_assume!(!bytes.windows(5).any(|window| window == b"\r\n--B") && !bytes.starts_with(b"--B"));
            let text = form(&bytes, &[("key", "k"), ("success_action_status", "201"), ("other", "ü")]);
            let behind = [&text[..text.len() - 7], &field("later", "v"), b"--B--\r\n"].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for text in [text, behind] {
                let (read_form, read_bytes) = runtime.block_on(outcome(KIND, body(&text, &at))).unwrap();
                prop_assert_eq!((read_form.key, read_form.success_status), (Some("k".to_owned()), Some("201".to_owned())));
                prop_assert_eq!((read_form.filename, &read_bytes), ("x".to_owned(), &bytes));
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        for kind in ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary="] {
            assert!(outcome(kind, body(&form(b"x", &[]), &[])).await.is_err(), "{kind}");
        }
        let nameless = b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--\r\n";
        for text in [
            &b""[..],
            b"--B--\r\n",
            b"nonsense",
            b"--B\r\n\r\n",
            b"--B\r\n\r\nx\r\n--B--\r\n",
            nameless,
            b"--B\r\nno header\r\n\r\nx\r\n--B--\r\n",
            &field("a", "x"),
        ] {
            refused(text).await;
        }
    }

    /// The limits count what the form says, however the connection cuts it and however large the file is.
    #[tokio::test]
    async fn limits_count_the_fields_and_not_the_pieces() {
        let large = vec![7; 600_000];
        let text = form(&large, &[("title", "x"), ("key", "k"), ("more", &"y".repeat(MAX_FIELD_BYTES))]);
        for at in [vec![], vec![1000; 10], vec![70_000; 3], vec![400_000], vec![1; 300]] {
            let (read_form, bytes) = outcome(KIND, body(&text, &at)).await.unwrap();
            assert!(bytes == large && read_form.key.as_deref() == Some("k"), "{at:?}");
        }
        let long = "x".repeat(MAX_FIELD_BYTES + 1);
        assert_eq!(
            refused(&form(b"x", &[("title", &long)])).await,
            "form: has a field title of more than 16384 bytes."
        );
        assert!(refused(&form(b"x", &[("file", &long)])).await.ends_with("the part of a file must have a filename."));
        let many: Vec<_> = (0..1000).map(|_| ("padding", "some words that are nobody's business")).collect();
        let together = "form: has more than 65536 bytes of fields besides its file.";
        assert_eq!(refused(&form(&large, &many)).await, together);
        let behind: Vec<u8> = many.iter().flat_map(|(name, value)| field(name, value)).collect();
        assert_eq!(refused(&[&file("file", "x", b"y"), &behind[..], b"--B--\r\n"].concat()).await, together);
        for endless in ["--B\r\nContent-Disposition: form-data; name=\"", ""] {
            let endless = [endless.as_bytes().to_vec(), vec![b'a'; 400_000]].concat();
            let (_, detail) = outcome(KIND, body(&endless, &[10_000; 40])).await.unwrap_err();
            assert!(detail.contains("65536 bytes without a field boundary"), "{detail}");
        }
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_does_not_look_whole() {
        let text = form(b"hello", &[]);
        for len in 0..text.len() - 2 {
            assert!(outcome(KIND, body(&text[..len], &[])).await.is_err(), "{len}");
        }
        let cut =
            stream::iter([Ok(Bytes::copy_from_slice(&text[..text.len() - 3])), Err(std::io::Error::other("cut"))]);
        assert_eq!(outcome(KIND, Body::from_stream(cut)).await.unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
    }

    /// As FilePond sends it, if its field is named so: what is known of the file, then the file.
    #[tokio::test]
    async fn a_part_without_a_filename_is_a_field() {
        let text = [field("file", "{}"), form(b"hello", &[])].concat();
        assert_eq!(outcome(KIND, body(&text, &[])).await.unwrap().1, b"hello");
        let only = [field("file", "{}"), b"--B--\r\n".to_vec()].concat();
        assert_eq!(refused(&only).await, "form: has no file: a part named file with a filename.");
    }

    #[tokio::test]
    async fn one_file_and_no_more() {
        let end = b"--B--\r\n".to_vec();
        let unchosen = file("file", "", b"");
        assert_eq!(refused(&[unchosen.clone(), end.clone()].concat()).await, "form: has no file: none was chosen.");
        let (one, two) = (file("file", "a", b"1"), file("file", "b", b"2"));
        let several = "form: has more than one file; an upload takes a single file.";
        assert_eq!(refused(&[one.clone(), two.clone(), end.clone()].concat()).await, several);
        assert_eq!(refused(&[one.clone(), field("a", "b"), two, end.clone()].concat()).await, several);
        let cover = file("cover", "c", b"3");
        for text in [[one.clone(), cover.clone(), end.clone()].concat(), [cover, one.clone(), end.clone()].concat()] {
            assert!(refused(&text).await.contains("has a file in the field cover; the file must be in the field file"));
        }
        // Other inputs of the page, in which nothing was chosen.
        for text in [[one.clone(), unchosen.clone(), end.clone()], [unchosen, one, end.clone()]] {
            let (read_form, bytes) = outcome(KIND, body(&text.concat(), &[])).await.unwrap();
            assert_eq!((read_form.filename.as_str(), &bytes[..]), ("a", &b"1"[..]));
        }
        // A file that is empty, and one that has no name.
        for (filename, bytes) in [("a", &b""[..]), ("", b"1")] {
            let text = [file("file", filename, bytes), end.clone()].concat();
            assert_eq!(outcome(KIND, body(&text, &[])).await.unwrap().1, bytes);
        }
    }

    #[tokio::test]
    async fn one_part_of_a_file_is_not_the_file() {
        let part = [("dzchunkindex", "0"), ("dztotalchunkcount", "3")];
        assert!(refused(&form(b"hello", &part)).await.contains("tus at /tus"));
        let behind: Vec<u8> = part.iter().flat_map(|(name, value)| field(name, value)).collect();
        assert!(
            refused(&[file("file", "x", b"y"), behind, b"--B--\r\n".to_vec()].concat()).await.contains("dzchunkindex")
        );
        let whole = [("dzchunkindex", "0"), ("dztotalchunkcount", "1")];
        assert_eq!(outcome(KIND, body(&form(b"hello", &whole), &[])).await.unwrap().1, b"hello");
        for (length, right) in [(5, true), (6, false)] {
            let request = FormRequest { content_type: KIND.to_owned(), length: Some(length), ..FormRequest::default() };
            let (_, bytes, _) = parse_form(request, body(&form(b"hello", &[]), &[])).await.unwrap();
            assert_eq!(bytes.try_collect::<Vec<_>>().await.is_ok(), right);
        }
    }
}
