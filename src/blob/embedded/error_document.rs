//! XML error documents as S3 sends them: with message, resource and request id. For a signature that does not match,
//! also the server's canonical request and string to sign, so that both sides can be compared line by line.
//!
//! `s3s` writes code and message only. A canonical request contains no secret from the client that sent it.

use std::collections::BTreeSet;

use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// Head of a request, for error documents.
pub(super) struct RequestHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// Longest canonical request in an error document, in bytes.
const MAX_CANONICAL_REQUEST_BYTES: usize = 32 << 10;
/// Characters that Signature Version 4 does not encode.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Characters that Signature Version 4 does not encode in a path.
const UNRESERVED_IN_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

impl RequestHead {
    /// Copies the head of a request, which `s3s` consumes.
    pub(super) fn of(request: &Parts) -> Self {
        Self { method: request.method.clone(), uri: request.uri.clone(), headers: request.headers.clone() }
    }

    /// Completed document; `None` if `xml` is not an S3 error.
    pub(super) fn complete(&self, xml: &str, request_id: &str) -> Option<String> {
        let (begin, _) = xml.split_once("</Error>").filter(|(begin, _)| begin.contains("<Error><Code>"))?;
        let (_, after_code) = begin.split_once("<Code>")?;
        let (code, _) = after_code.split_once("</Code>")?;
        let mut document = begin.to_owned();
        let mut add = |name: &str, text: &str| document.push_str(&format!("<{name}>{}</{name}>", escape(text)));
        if !begin.contains("<Message>") {
            add("Message", message(code));
        }
        if code == "SignatureDoesNotMatch"
            && let Some(signed) = SignedRequest::of(self)
        {
            add("AWSAccessKeyId", &signed.access_key);
            add("StringToSign", &signed.string_to_sign());
            add("SignatureProvided", &signed.signature);
            add("CanonicalRequest", &signed.canonical_request);
        }
        add("Resource", &percent_decode_str(self.uri.path()).decode_utf8_lossy());
        add("RequestId", request_id);
        document.push_str("</Error>");
        Some(document)
    }
}

/// Message for codes that `s3s` sends without a message.
fn message(code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your secret key and \
             compare the canonical request below with yours: method, path, query, signed headers, hash of the body."
        }
        "AccessDenied" => "Access Denied",
        "NotImplemented" => "A header or parameter you provided implies functionality that is not implemented.",
        "NoSuchBucket" => "The specified bucket does not exist",
        "InternalError" => "We encountered an internal error. Please try again.",
        _ => "The request cannot be carried out; the code says why.",
    }
}

/// Escapes text for XML 1.0, which has no control characters except tab and line breaks.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Inputs of Signature Version 4 in a request.
struct SignedRequest {
    access_key: String,
    /// `date/region/s3/aws4_request`.
    scope: String,
    /// `x-amz-date`.
    date: String,
    signature: String,
    canonical_request: String,
}

impl SignedRequest {
    /// `None` if the request is not signed, or its canonical form is too long.
    fn of(request: &RequestHead) -> Option<Self> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let query: Vec<_> = url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).collect();
        let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string());
        let authorization = header(AUTHORIZATION.as_str());
        let field = |name: &str| {
            let (_, rest) = authorization.split_once(name)?;
            rest.split([',', ' ']).next().map(ToOwned::to_owned)
        };
        let presigned = parameter("X-Amz-Signature").is_some();
        let given = |in_query: &str, in_header: &str| if presigned { parameter(in_query) } else { field(in_header) };
        let credential = given("X-Amz-Credential", "Credential=")?;
        let names = given("X-Amz-SignedHeaders", "SignedHeaders=")?;
        let (access_key, scope) = credential.split_once('/')?;
        let payload = if presigned { "UNSIGNED-PAYLOAD" } else { header("x-amz-content-sha256") };
        let canonical_request = canonical_request(request, &names, payload);
        (canonical_request.len() <= MAX_CANONICAL_REQUEST_BYTES).then_some(Self {
            access_key: access_key.to_owned(),
            scope: scope.to_owned(),
            date: if presigned { parameter("X-Amz-Date")? } else { header("x-amz-date").to_owned() },
            signature: given("X-Amz-Signature", "Signature=")?,
            canonical_request,
        })
    }

    fn string_to_sign(&self) -> String {
        let hash = hex::encode(Sha256::digest(self.canonical_request.as_bytes()));
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.date, self.scope)
    }
}

/// Canonical request: method, path, query, headers, header names and body hash, each on its own line.
fn canonical_request(request: &RequestHead, signed_headers: &str, payload: &str) -> String {
    let path = percent_decode_str(request.uri.path()).collect::<Vec<u8>>();
    let path = percent_encoding::percent_encode(&path, UNRESERVED_IN_PATH);
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let pairs = url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes());
    let mut pairs: Vec<_> = pairs
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| format!("{}={}", encode(&name), encode(&value)))
        .collect();
    pairs.sort_unstable();
    let names: BTreeSet<String> = signed_headers.split(';').map(str::to_ascii_lowercase).collect();
    let mut headers = String::new();
    for name in &names {
        let values = request.headers.get_all(name.as_str()).iter().filter_map(|value| value.to_str().ok());
        let mut value = values.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
        let authority = || request.uri.authority().map(ToString::to_string).filter(|_| name == "host");
        let first = value.next().or_else(authority).unwrap_or_default();
        let all = value.fold(first, |all, more| format!("{all},{more}"));
        headers.push_str(&format!("{name}:{all}\n"));
    }
    let names = names.into_iter().collect::<Vec<_>>().join(";");
    format!("{}\n{path}\n{}\n{headers}\n{names}\n{payload}", request.method, pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> RequestHead {
        let request =
            headers.iter().fold(http::Request::get(uri), |request, (name, value)| request.header(*name, *value));
        RequestHead::of(&request.body(()).unwrap().into_parts().0)
    }

    const MISMATCH: &str =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SignatureDoesNotMatch</Code></Error>";

    /// Example of the S3 documentation, "GET Object", with a known hash.
    #[test]
    fn what_was_signed_is_told_as_amazon_has_it() {
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
            SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb8";
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", authorization),
        ];
        let told = head("/test.txt", &headers).complete(MISMATCH, "ID").unwrap();
        assert!(told.contains("<SignatureProvided>f0e8bdb8</SignatureProvided>"), "{told}");
        assert!(told.contains("<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>"));
        assert!(told.contains(
            "20130524/us-east-1/s3/aws4_request\n7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972<"
        ));
        assert!(
            told.contains("<CanonicalRequest>GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n")
        );
        assert!(told.contains("<Message>The request signature") && told.contains("<Resource>/test.txt</Resource>"));
        assert!(told.ends_with("<RequestId>ID</RequestId></Error>"));
    }

    #[test]
    fn a_presigned_url_is_told_without_its_signature() {
        let uri = "/b/a%20b?X-Amz-Credential=k%2F20260101%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20260101T000000Z\
            &X-Amz-SignedHeaders=host&X-Amz-Signature=00ff&x-id=GetObject";
        let told = head(uri, &[("host", "h:1")]).complete(MISMATCH, "ID").unwrap();
        let canonical = "GET\n/b/a%20b\nX-Amz-Credential=k%2F20260101%2Fr%2Fs3%2Faws4_request&amp;X-Amz-Date=20260101T000000Z\
            &amp;X-Amz-SignedHeaders=host&amp;x-id=GetObject\nhost:h:1\n\nhost\nUNSIGNED-PAYLOAD";
        assert!(told.contains(canonical), "{told}");
    }

    #[test]
    fn every_error_has_a_message_a_resource_and_an_id_and_is_xml() {
        let named = "<Error><Code>NoSuchKey</Code><Message>the key does not exist</Message></Error>";
        let told = head("/b/a%3C%26%00", &[]).complete(named, "7").unwrap();
        assert_eq!(
            told,
            "<Error><Code>NoSuchKey</Code><Message>the key does not exist</Message>\
             <Resource>/b/a&lt;&amp;\u{fffd}</Resource><RequestId>7</RequestId></Error>"
        );
        assert!(
            head("/", &[]).complete("<Error><Code>AccessDenied</Code></Error>", "7").unwrap().contains("<Message>")
        );
        assert_eq!(head("/", &[]).complete("<ListBucketResult/>", "7"), None);
    }
}
