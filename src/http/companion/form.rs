//! Forms with a file (`multipart/form-data`, RFC 7578), read as they arrive: the fields first, the field `file` last,
//! its bytes never all in memory. Answered as S3 answers them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::response::{Html, IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use http::{HeaderValue, StatusCode, header};
use multer::{Constraints, Multipart, SizeLimit};

use super::wire;
use crate::domain::asset::{Asset, Metadata};
use crate::domain::name::FileName;
use crate::engine::{Arrival, BrokenOff, Description, Error, Incoming};

/// Most bytes of a form before its file begins.
const MOST_BEFORE: u64 = 64 << 10;
const MOST_PER_FIELD: u64 = 16 << 10;

/// What a form says beside its file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) key: Option<String>,
    /// How success is to be answered.
    status: Option<String>,
    /// What is said of the file itself.
    file: (Option<String>, Option<String>),
}

fn bad(problem: impl ToString) -> Error {
    Error::invalid("form", problem)
}

impl Form {
    /// What browsers say of a file that was picked. A name or type that makes no sense is as good as none.
    pub(super) fn description(&self) -> Description {
        let (name, media_type) = &self.file;
        Description {
            name: name.as_deref().and_then(|text| FileName::salvage(text).ok()).unwrap_or_else(FileName::nameless),
            media_type: media_type.as_deref().and_then(|text| text.parse().ok()),
            metadata: Metadata::new(),
        }
    }
}

/// The fields of a form up to its file, and the file as it arrives.
pub(super) async fn read(content_type: &str, body: Body) -> Result<(Form, Incoming), Error> {
    let boundary =
        multer::parse_boundary(content_type).map_err(|_| bad("is not multipart/form-data with a boundary"))?;
    let sizes = SizeLimit::new().per_field(MOST_PER_FIELD).for_field("file", u64::MAX);
    let in_file = Arc::new(AtomicBool::new(false));
    let sips = Sips { body: body.into_data_stream(), in_file: Arc::clone(&in_file), rests: false, before: 0 };
    let mut fields = Multipart::with_constraints(sips, boundary, Constraints::new().size_limit(sizes));
    let mut form = Form::default();
    while let Some(field) = fields.next_field().await.map_err(bad)? {
        let slot = match field.name() {
            Some("file") => {
                in_file.store(true, Ordering::Relaxed);
                form.file = (field.file_name().map(ToOwned::to_owned), field.content_type().map(ToString::to_string));
                let bytes = field.map(|chunk| chunk.map(Arrival::Bytes).map_err(|_| BrokenOff));
                return Ok((form, bytes.boxed()));
            }
            Some("key") => Some(&mut form.key),
            Some("success_action_status") => Some(&mut form.status),
            _ => None,
        };
        let text = field.text().await.map_err(bad)?;
        if let Some(slot) = slot {
            *slot = Some(text);
        }
    }
    Err(bad("has no field named file"))
}

/// A body that is never read faster than the form is understood: the parser reads ahead as long as anything is there.
struct Sips {
    body: BodyDataStream,
    in_file: Arc<AtomicBool>,
    /// One piece was just given: the parser has to look at it before it gets another.
    rests: bool,
    before: u64,
}

impl Stream for Sips {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rests {
            self.rests = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.before > MOST_BEFORE && !self.in_file.load(Ordering::Relaxed) {
            let problem = format!("more than {MOST_BEFORE} bytes before the field file");
            return Poll::Ready(Some(Err(std::io::Error::other(problem))));
        }
        let next = self.body.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.before = self.before.saturating_add(bytes.len() as u64);
            self.rests = true;
        }
        next.map(|piece| piece.map(|piece| piece.map_err(std::io::Error::other)))
    }
}

/// What S3 answers to a form: nothing, unless the form wants to hear more.
pub(super) fn answer(form: &Form, asset: &Asset, public_url: &str) -> Response {
    let (location, key) = (wire::location(public_url, asset.id), wire::key(asset.id));
    let etag = asset.state.content().map_or_else(String::new, |content| format!("\"{}\"", content.etag));
    let mut response = match form.status.as_deref() {
        Some("201") => {
            let quoted = etag.replace('"', "&quot;");
            let bucket = wire::BUCKET;
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

/// The same, but a page for people if the form does not say what it wants.
pub(super) fn page_or_answer(form: &Form, asset: &Asset, public_url: &str) -> Response {
    if form.status.is_some() {
        return answer(form, asset, public_url);
    }
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Uploaded</title>\
                <p>The file has arrived. You can close this page.";
    let mut response = Html(page).into_response();
    let policy = HeaderValue::from_static("default-src 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{TryStreamExt, stream};
    use proptest::prelude::*;

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

    fn form(file: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in fields {
            out.extend(
                format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes(),
            );
        }
        out.extend(
            b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\nContent-Type: a/b\r\n\r\n",
        );
        out.extend_from_slice(file);
        out.extend(b"\r\n--B--\r\n");
        out
    }

    async fn all(file: Incoming) -> Option<Vec<u8>> {
        let whole = file.try_fold(Vec::new(), async |mut out, piece| match piece {
            Arrival::Bytes(bytes) => {
                out.extend_from_slice(&bytes);
                Ok(out)
            }
            Arrival::Checksum(_) => Err(BrokenOff),
        });
        whole.await.ok()
    }

    const KIND: &str = "multipart/form-data; boundary=B";

    proptest! {
        #[test]
        fn wherever_the_network_cuts(file in prop::collection::vec(prop::sample::select(b"-B\r\n\0x".to_vec()), 0..80),
            at in prop::collection::vec(1usize..20, 0..30)) {
            prop_assume!(!file.windows(5).any(|window| window == b"\r\n--B") && !file.starts_with(b"--B"));
            let text = form(&file, &[("key", "k"), ("success_action_status", "201"), ("other", "ü")]);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (read_form, bytes) = runtime.block_on(async {
                let (form, bytes) = read(KIND, body(&text, &at)).await.unwrap();
                (form, all(bytes).await)
            });
            prop_assert_eq!((read_form.key, read_form.status), (Some("k".to_owned()), Some("201".to_owned())));
            prop_assert_eq!(bytes, Some(file));
        }
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        for kind in ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary="] {
            assert!(read(kind, body(&form(b"x", &[]), &[])).await.is_err(), "{kind}");
        }
        for text in [
            &b""[..],
            b"--B--\r\n",
            b"nonsense",
            b"--B\r\n\r\n",
            b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--B--\r\n",
        ] {
            assert!(read(KIND, body(text, &[])).await.is_err(), "{text:?}");
        }
        let long = "x".repeat(20_000);
        assert!(read(KIND, body(&form(b"x", &[("key", &long)]), &[])).await.is_err());
        let endless = [b"--B\r\nContent-Disposition: form-data; name=\"".to_vec(), vec![b'a'; 400_000]].concat();
        assert!(read(KIND, body(&endless, &[10_000; 40])).await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_does_not_look_whole() {
        let text = form(b"hello", &[]);
        for len in 0..text.len() - 7 {
            if let Ok((_, file)) = read(KIND, body(&text[..len], &[])).await {
                assert_eq!(all(file).await, None, "{len}");
            }
        }
    }
}
