//! Detection of requests that send a part of a file to an address that takes whole files only, and their refusal.
//!
//! Three signs are recognised: `Content-Range`, headers of resumable uploads, and the parameters of libraries that
//! split files into chunks, in the query or in fields of a form. A request with the only part of a file carries the
//! whole file and passes. This module must not know which address is asked: callers say what applies there.

use http::{HeaderMap, HeaderName, StatusCode, header};
use percent_encoding::percent_decode_str;

use super::problem::ProblemDetails;

/// Error code of the refusal.
pub(super) const PARTIAL_FILE_CODE: &str = "part_of_a_file";

const UPLOAD_OFFSET_HEADER: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_COMPLETE_HEADER: HeaderName = HeaderName::from_static("upload-complete");
const UPLOAD_INCOMPLETE_HEADER: HeaderName = HeaderName::from_static("upload-incomplete");

/// Parameters with which a library numbers the chunks of a file.
struct ChunkParameters {
    /// Number of this chunk.
    index: &'static str,
    /// Total number of chunks; `None`: the library compares two sizes instead.
    count: Option<&'static str>,
    /// True if the names are ordinary words that other forms use too: only numbers under both names count.
    ambiguous: bool,
}

const fn of_library(index: &'static str, count: &'static str) -> ChunkParameters {
    ChunkParameters { index, count: Some(count), ambiguous: false }
}

/// Dropzone, resumable.js, flow.js, Fine Uploader, ng-file-upload, simple-uploader.js, and Plupload with Web Uploader.
const CHUNK_PARAMETERS: [ChunkParameters; 7] = [
    of_library("dzchunkindex", "dztotalchunkcount"),
    of_library("resumableChunkNumber", "resumableTotalChunks"),
    of_library("flowChunkNumber", "flowTotalChunks"),
    of_library("qqpartindex", "qqtotalparts"),
    ChunkParameters { index: "_chunkNumber", count: None, ambiguous: false },
    ChunkParameters { index: "chunkNumber", count: Some("totalChunks"), ambiguous: true },
    ChunkParameters { index: "chunk", count: Some("chunks"), ambiguous: true },
];

/// Sizes by which ng-file-upload marks a chunk: the size of the file and the size of the chunk.
const TOTAL_SIZE_PARAMETER: &str = "_totalSize";
const PART_SIZE_PARAMETER: &str = "_currentChunkSize";

/// Chunk parameters found in a request, with their values.
#[derive(Debug, Default)]
pub(super) struct ChunkClaims(Vec<(&'static str, String)>);

impl ChunkClaims {
    /// Chunk parameters in a query string.
    pub(super) fn in_query(query: Option<&str>) -> Self {
        let mut claims = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |coded: &str| percent_decode_str(coded).decode_utf8_lossy().into_owned();
            claims.add_parameter(&text(name), &text(value));
        }
        claims
    }

    /// Records a parameter. Parameters of no known library are ignored.
    pub(super) fn add_parameter(&mut self, name: &str, value: &str) {
        let counts = CHUNK_PARAMETERS.iter().filter_map(|parameters| parameters.count);
        let known = CHUNK_PARAMETERS
            .iter()
            .map(|parameters| parameters.index)
            .chain(counts)
            .chain([TOTAL_SIZE_PARAMETER, PART_SIZE_PARAMETER]);
        if let Some(known) = known.into_iter().find(|known| *known == name) {
            self.0.push((known, value.trim().to_owned()));
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// # Errors
    /// 400 unless the request carries the whole file.
    pub(super) fn check_whole_file(&self) -> Result<(), ProblemDetails> {
        match CHUNK_PARAMETERS.iter().find(|parameters| self.indicates_part(parameters)) {
            Some(parameters) => Err(partial_file_problem(&format!("as the field {} says", parameters.index))),
            None => Ok(()),
        }
    }

    fn indicates_part(&self, parameters: &ChunkParameters) -> bool {
        let (index, count) = (self.get(parameters.index), parameters.count.map(|name| self.get(name)));
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        match count {
            // Only numbers under both names, and more than one part.
            Some(count) if parameters.ambiguous => {
                number(index).is_some() && number(count).is_some_and(|count| count > 1)
            }
            Some(count) => (index.is_some() || count.is_some()) && number(count) != Some(1),
            None => {
                let (total, part) = (number(self.get(TOTAL_SIZE_PARAMETER)), number(self.get(PART_SIZE_PARAMETER)));
                index.is_some() && (total.is_none() || total != part)
            }
        }
    }
}

/// Size of the file in bytes, if `Content-Range` says that the content is the whole file (RFC 9110 §14.4).
///
/// # Errors
/// 400 for a range that is not the whole file or that cannot be parsed: §14.5 asks for it where partial PUT is not
/// supported.
pub(super) fn whole_file_size(headers: &HeaderMap) -> Result<Option<u64>, ProblemDetails> {
    let mut values = headers.get_all(header::CONTENT_RANGE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let total = value.to_str().ok().and_then(parse_whole_range).filter(|_| values.next().is_none());
    total.map(Some).ok_or_else(|| partial_file_problem("Content-Range must cover the whole file, as in bytes 0-99/100"))
}

/// The total of a range that begins at 0 and ends with the last byte.
fn parse_whole_range(text: &str) -> Option<u64> {
    let (unit, range) = text.trim().split_once(' ')?;
    let (range, total) = range.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (unit.eq_ignore_ascii_case("bytes") && first == 0 && last.checked_add(1) == Some(total)).then_some(total)
}

/// Checks that the content is the whole file, as far as headers and query tell. Returns its length, `None` if the
/// content is chunked.
///
/// # Errors
/// 400 if it is a part of a file, or if `Content-Range` names another length.
pub(super) fn check_whole_content(
    headers: &HeaderMap,
    query: Option<&str>,
    length: Option<u64>,
) -> Result<(), ProblemDetails> {
    ChunkClaims::in_query(query).check_whole_file()?;
    match whole_file_size(headers)? {
        Some(total) if length != Some(total) => Err(partial_file_problem("Content-Range and Content-Length differ")),
        _ => Ok(()),
    }
}

/// Checks that no header of resumable uploads (draft-ietf-httpbis-resumable-upload, tus) says that the content is a
/// part of the file, at an address that does not implement those protocols. Clients that announce the whole file, as
/// URLSession does, pass.
///
/// # Errors
/// 400 if the content is a part of the file.
pub(super) fn check_resumption_headers(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    let says = |name: &HeaderName, part: fn(&str) -> bool| {
        headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|text| part(text.trim())))
    };
    if says(&UPLOAD_OFFSET_HEADER, |text| text != "0") {
        return Err(partial_file_problem("Upload-Offset is not 0"));
    }
    if says(&UPLOAD_COMPLETE_HEADER, |text| text == "?0") || says(&UPLOAD_INCOMPLETE_HEADER, |text| text == "?1") {
        return Err(partial_file_problem("as the client says, more follows"));
    }
    Ok(())
}

fn partial_file_problem(why: &str) -> ProblemDetails {
    let detail = format!(
        "The request carries a part of a file ({why}), but this address accepts whole files only. Send the file in a \
         single request, or in parts by tus at /tus or by resumable uploads at /files."
    );
    ProblemDetails::new(StatusCode::BAD_REQUEST, PARTIAL_FILE_CODE, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn one(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_range_is_the_whole_file_or_refused() {
        for (value, total) in [("bytes 0-0/1", 1), ("bytes 0-99/100", 100), ("Bytes  0-4/5 ", 5)] {
            assert_eq!(whole_file_size(&one("content-range", value)).unwrap(), Some(total), "{value}");
        }
        for value in [
            "bytes 0-98/100",
            "bytes 1-99/100",
            "bytes 0-99/*",
            "bytes */100",
            "bytes 0-99",
            "items 0-0/1",
            "nonsense",
            "",
            "bytes 0--1/0",
            "bytes 0-18446744073709551615/0",
            "bytes 5-4/5",
            "bytes -5/5",
        ] {
            let problem = whole_file_size(&one("content-range", value)).unwrap_err();
            assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{value}");
            assert!(problem.detail.contains("/tus") && problem.detail.contains("/files"), "{}", problem.detail);
        }
        let mut twice = one("content-range", "bytes 0-4/5");
        twice.append("content-range", HeaderValue::from_static("bytes 0-4/5"));
        assert!(whole_file_size(&twice).is_err());
        assert_eq!(whole_file_size(&HeaderMap::new()).unwrap(), None);
        let whole = one("content-range", "bytes 0-4/5");
        assert!(check_whole_content(&whole, None, Some(5)).is_ok());
        assert!(
            check_whole_content(&whole, None, Some(4)).is_err() && check_whole_content(&whole, None, None).is_err()
        );
    }

    #[test]
    fn parts_that_libraries_number() {
        for part in [
            "dzchunkindex=0&dztotalchunkcount=3",
            "dzchunkindex=0",
            "dztotalchunkcount=2",
            "resumableChunkNumber=1&resumableTotalChunks=2",
            "flowChunkNumber=1&flowTotalChunks=9&flowTotalSize=1",
            "qqpartindex=0&qqtotalparts=2",
            "_chunkNumber=0",
            "_chunkNumber=0&_totalSize=10&_currentChunkSize=5",
            "chunk=0&chunks=2",
            "chunkNumber=1&totalChunks=3",
            "dzchunkindex=0&dztotalchunkcount=x",
            "a=b&flow%43hunkNumber=1",
        ] {
            let problem = check_whole_content(&HeaderMap::new(), Some(part), None).unwrap_err();
            assert_eq!((problem.status, problem.code), (StatusCode::BAD_REQUEST, PARTIAL_FILE_CODE), "{part}");
        }
        for whole in [
            "",
            "title=x",
            "dzchunkindex=0&dztotalchunkcount=1",
            "resumableChunkNumber=1&resumableTotalChunks=1",
            "flowChunkNumber=1&flowTotalChunks=1",
            "_chunkNumber=0&_totalSize=5&_currentChunkSize=5",
            "chunk=0&chunks=1",
            "chunk=the+first&chunks=2",
            "chunks=2",
            "chunk=1",
            "chunkNumber=1",
            "dzuuid=1",
            "%ff=%fe&&=",
        ] {
            assert!(check_whole_content(&HeaderMap::new(), Some(whole), None).is_ok(), "{whole}");
        }
    }

    #[test]
    fn headers_of_resumption() {
        for (name, value) in
            [("upload-offset", "5"), ("upload-offset", "x"), ("upload-complete", "?0"), ("upload-incomplete", "?1")]
        {
            assert!(check_resumption_headers(&one(name, value)).is_err(), "{name}: {value}");
        }
        for (name, value) in
            [("upload-offset", "0"), ("upload-complete", "?1"), ("upload-incomplete", "?0"), ("upload-length", "5")]
        {
            assert!(check_resumption_headers(&one(name, value)).is_ok(), "{name}: {value}");
        }
    }
}
