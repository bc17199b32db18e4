//! `Upload-Metadata` of tus: pairs of a key and a value in base64, as specified and as clients really send them
//! (tus-js-client also to IETF servers); and the name in `Content-Disposition`. Pure; does not define what a protocol
//! does with them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, header};

use crate::domain::asset::AssetMetadata;
use crate::domain::name::{FileName, MediaType};
use crate::engine::Error;

/// File description in the pairs.
#[derive(Debug, PartialEq)]
pub(super) struct UploadMetadata {
    pub(super) name: FileName,
    pub(super) media_type: Option<MediaType>,
    /// All other pairs.
    pub(super) metadata: AssetMetadata,
}

/// Keys of the file's name, in order of preference: tus-js-client's, then Uppy's.
const FILENAME_KEYS: [&str; 2] = ["filename", "name"];
/// Keys of the file's type.
const MEDIA_TYPE_KEYS: [&str; 4] = ["filetype", "type", "content_type", "contentType"];

fn invalid_metadata(problem: &str) -> Error {
    Error::invalid("Upload-Metadata", problem)
}

/// Parses the pairs. Also accepts forms that the specification does not allow: an empty header (tuspy), a space after a
/// key without value (tus-js-client), spaces around commas (old TUSKit).
pub(super) fn parse_upload_metadata(header: &str) -> Result<UploadMetadata, Error> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in header.split(',').map(str::trim) {
        if pair.is_empty() && header.trim().is_empty() {
            break;
        }
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid_metadata("keys must be visible ASCII and not empty"));
        }
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(invalid_metadata("a key occurs twice"));
        }
        let value = BASE64.decode(value.trim()).map_err(|_| invalid_metadata("values must be base64"))?;
        pairs.push((key.to_owned(), String::from_utf8_lossy(&value).into_owned()));
    }
    Ok(metadata_from_pairs(&pairs))
}

fn metadata_from_pairs(pairs: &[(String, String)]) -> UploadMetadata {
    let value = |keys: &[&str]| {
        let found = keys.iter().filter_map(|key| pairs.iter().find(|(known, _)| known == key));
        found.map(|(_, value)| value.clone()).find(|value| !value.is_empty())
    };
    let (name, media_type) = (value(&FILENAME_KEYS), value(&MEDIA_TYPE_KEYS));
    let told = |key: &str| FILENAME_KEYS.contains(&key) || MEDIA_TYPE_KEYS.contains(&key);
    let metadata = pairs.iter().filter(|(key, _)| !told(key)).map(|(key, value)| (key.clone(), value.clone().into()));
    UploadMetadata {
        name: FileName::salvage(name.as_deref().unwrap_or_default()).unwrap_or_else(|_| FileName::nameless()),
        media_type: media_type.and_then(|text| text.parse().ok()),
        metadata: metadata.collect(),
    }
}

/// The file name in `Content-Disposition` (RFC 6266): `filename*` before `filename`, for any disposition.
pub(super) fn disposition_filename(headers: &HeaderMap) -> Option<FileName> {
    let value = String::from_utf8_lossy(headers.get(header::CONTENT_DISPOSITION)?.as_bytes()).into_owned();
    let parameters = disposition_parameters(&value);
    let find = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let name = find("filename*").and_then(|value| decode_extended(&value)).or_else(|| find("filename"))?;
    FileName::salvage(&name).ok()
}

/// Decodes an extended parameter, `UTF-8''%e2%82%ac` (RFC 8187 §3.2). `None`: not UTF-8, or not of this form.
pub(super) fn decode_extended(value: &str) -> Option<String> {
    let (charset, coded) = value.split_once('\'')?;
    let coded = coded.split_once('\'')?.1;
    let utf8 = charset.eq_ignore_ascii_case("utf-8");
    utf8.then(|| percent_encoding::percent_decode_str(coded).decode_utf8_lossy().into_owned())
}

/// `; name=value` and `; name="quoted \"value\""`, with names in lower case.
fn disposition_parameters(value: &str) -> Vec<(String, String)> {
    let (mut parameters, mut current, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in value.chars().chain([';']) {
        match c {
            _ if escaped => {
                current.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                if let Some((name, value)) = current.split_once('=') {
                    parameters.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
                current.clear();
            }
            _ => current.push(c),
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_real_clients_send() {
        let tus_js = parse_upload_metadata("filename w6QudHh0,empty ,n bnVsbA==").unwrap();
        assert_eq!(tus_js.name.as_str(), "ä.txt");
        assert_eq!(serde_json::to_value(&tus_js.metadata).unwrap(), serde_json::json!({"empty": "", "n": "null"}));
        let uppy = parse_upload_metadata("relativePath bnVsbA==,name YS5wbmc=,type aW1hZ2UvcG5n,filetype aW1hZ2UvcG5n")
            .unwrap();
        assert_eq!((uppy.name.as_str(), uppy.media_type.unwrap().as_str()), ("a.png", "image/png"));
        assert_eq!(parse_upload_metadata("").unwrap().name, FileName::nameless());
        assert_eq!(parse_upload_metadata("is_confidential").unwrap().metadata["is_confidential"], "");
        assert_eq!(parse_upload_metadata("a YQ== , b Yg==").unwrap().metadata.len(), 2);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [",", "a YQ==,", "a YQ==,a Yg==", "a !!", "a YQ", "ä YQ==", "a YQ== Yg==", " ,a"] {
            assert!(parse_upload_metadata(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_replaced() {
        // "../.." and "a/b".
        assert_eq!(parse_upload_metadata("filename Li4vLi4=").unwrap().name, FileName::nameless());
        assert_eq!(parse_upload_metadata("filename YS9i").unwrap().name.as_str(), "b");
    }

    #[test]
    fn content_disposition() {
        for (value, name) in [
            ("attachment; filename=a.txt", "a.txt"),
            ("inline; filename=\"a; \\\"b\\\".txt\"", "a; \"b\".txt"),
            ("attachment; filename=\"fallback\"; filename*=UTF-8''%e2%82%ac%20x.txt", "€ x.txt"),
            ("form-data; FileName=\"../x\"", "x"),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, value.parse().unwrap())]);
            assert_eq!(disposition_filename(&headers).unwrap().as_str(), name, "{value}");
        }
        for value in ["inline", ";;;", "=;=", "\"", "attachment; filename*=utf-8"] {
            let headers = HeaderMap::from_iter([(header::CONTENT_DISPOSITION, value.parse().unwrap())]);
            assert_eq!(disposition_filename(&headers), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_a_panic(header in "\\PC{0,200}") {
            let _ = (parse_upload_metadata(&header), disposition_parameters(&header));
        }
    }
}
