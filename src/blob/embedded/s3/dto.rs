//! Conversion between the types of `s3s` and those of the store. The checksum and header fields repeat in many
//! structures of `s3s`, hence the macros.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use s3s::dto::{ETag, Initiator, Owner, Timestamp, TimestampFormat};
use s3s::{S3Response, S3Result};

use crate::blob::embedded::checksum::S3ChecksumAlgorithm;
use crate::blob::embedded::error::{Error, Result};

/// Owner of all buckets and objects: the store has a single access key.
pub(super) fn owner() -> Owner {
    Owner { id: Some("gantry".to_owned()), display_name: Some("gantry".to_owned()) }
}

/// Initiator of all uploads.
pub(super) fn initiator() -> Initiator {
    Initiator { id: Some("gantry".to_owned()), display_name: Some("gantry".to_owned()) }
}

/// Response without extra headers.
pub(super) fn ok<T>(output: T) -> Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

/// Converts the store's errors of an operation to S3 errors.
pub(super) fn answer<T>(result: Result<S3Response<T>>) -> S3Result<S3Response<T>> {
    Ok(result?)
}

/// Timestamp of `s3s` from microseconds since 1970.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

/// Whole seconds since 1970 of a timestamp of `s3s`.
pub(super) fn seconds(time: &Timestamp) -> Result<i64> {
    let mut text = Vec::new();
    let bad = Error::InvalidArgument("a date is out of range");
    if time.format(TimestampFormat::EpochSeconds, &mut text).is_err() {
        return Err(bad);
    }
    let text = String::from_utf8(text).unwrap_or_default();
    text.split('.').next().and_then(|whole| whole.parse().ok()).ok_or(bad)
}

/// Entity tag of `s3s`.
pub(super) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

/// Length for an output field.
pub(super) fn length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Count for an output field.
pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Page size of a request: at most 1000, which is also the default, as in S3.
pub(super) fn page(asked: Option<i32>) -> Result<usize> {
    let asked = usize::try_from(asked.unwrap_or(1000));
    Ok(asked.map_err(|_| Error::InvalidArgument("the page size must not be negative"))?.min(1000))
}

/// Checks a part number: 1 to 10 000, as in S3.
pub(super) fn part_number(number: i32) -> Result<u16> {
    let valid = u16::try_from(number).ok().filter(|number| (1..=10_000).contains(number));
    valid.ok_or(Error::InvalidArgument("part number must be an integer between 1 and 10000, inclusive"))
}

/// Part number to continue after; 0 or `None`: from the beginning.
pub(super) fn marker(number: Option<i32>) -> Result<u16> {
    u16::try_from(number.unwrap_or(0)).map_err(|_| Error::InvalidArgument("a part number marker is out of range"))
}

/// Refuses version ids: objects have no versions; `null` names the only version.
pub(super) fn no_version(id: Option<&str>) -> Result<()> {
    match id {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(Error::NoSuchVersion),
    }
}

/// Encoder for keys in listings: unchanged, or percent-encoded on request, because XML has no control characters.
pub(super) fn encode(asked: Option<&s3s::dto::EncodingType>) -> Result<impl Fn(&str) -> String + use<>> {
    /// Characters that S3 does not encode: letters, digits and `-_.~/*`.
    const CODED_CHARACTERS: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b'/')
        .remove(b'*');
    let url = match asked.map(s3s::dto::EncodingType::as_str) {
        None => false,
        Some("url") => true,
        Some(_) => return Err(Error::InvalidArgument("the encoding type must be url")),
    };
    Ok(
        move |text: &str| {
            if url {
                percent_encoding::utf8_percent_encode(text, CODED_CHARACTERS).to_string()
            } else {
                text.to_owned()
            }
        },
    )
}

/// Length of the decoded body.
pub(super) fn body_length(declared: Option<i64>, headers: &HeaderMap) -> Result<u64> {
    let decoded = headers.get("x-amz-decoded-content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    decoded.or_else(|| u64::try_from(declared?).ok()).ok_or(Error::MissingLength)
}

/// Number in a header of Gantry's own; `None` without the header.
pub(super) fn number_in(headers: &HeaderMap, name: &str) -> Result<Option<u64>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|value| value.parse().ok());
    number.map(Some).ok_or(Error::InvalidArgument("a header that begins with x-gantry- is not a number"))
}

/// Checksum algorithms that `x-amz-trailer` announces.
pub(super) fn announced(headers: &HeaderMap) -> Vec<S3ChecksumAlgorithm> {
    let names = headers.get_all("x-amz-trailer").into_iter().filter_map(|value| value.to_str().ok());
    let names: Vec<&str> = names.flat_map(|value| value.split(',')).map(str::trim).collect();
    let named =
        |algorithm: &S3ChecksumAlgorithm| names.iter().any(|name| name.eq_ignore_ascii_case(algorithm.header()));
    S3ChecksumAlgorithm::ALL.into_iter().filter(named).collect()
}

/// User metadata in the form of `s3s`.
pub(super) fn metadata(ours: std::collections::BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!ours.is_empty()).then(|| ours.into_iter().collect())
}

/// Checksums of an input.
macro_rules! sums_in {
    ($input:expr) => {{
        let mut sums = $crate::blob::embedded::checksum::ChecksumSet::default();
        let fields = [
            ($crate::blob::embedded::checksum::S3ChecksumAlgorithm::Crc32, &$input.checksum_crc32),
            ($crate::blob::embedded::checksum::S3ChecksumAlgorithm::Crc32c, &$input.checksum_crc32c),
            ($crate::blob::embedded::checksum::S3ChecksumAlgorithm::Crc64Nvme, &$input.checksum_crc64nvme),
            ($crate::blob::embedded::checksum::S3ChecksumAlgorithm::Sha1, &$input.checksum_sha1),
            ($crate::blob::embedded::checksum::S3ChecksumAlgorithm::Sha256, &$input.checksum_sha256),
        ];
        for (algorithm, value) in fields {
            if let Some(value) = value {
                sums.set(algorithm, value.clone());
            }
        }
        sums
    }};
}

/// Sets the checksums of an output.
macro_rules! sums_out {
    ($output:expr, $sums:expr) => {{
        use $crate::blob::embedded::checksum::S3ChecksumAlgorithm;
        let sums = &$sums;
        $output.checksum_crc32 = sums.get(S3ChecksumAlgorithm::Crc32).cloned();
        $output.checksum_crc32c = sums.get(S3ChecksumAlgorithm::Crc32c).cloned();
        $output.checksum_crc64nvme = sums.get(S3ChecksumAlgorithm::Crc64Nvme).cloned();
        $output.checksum_sha1 = sums.get(S3ChecksumAlgorithm::Sha1).cloned();
        $output.checksum_sha256 = sums.get(S3ChecksumAlgorithm::Sha256).cloned();
    }};
}

/// Sets the checksums and their type in an output.
macro_rules! verified_out {
    ($output:expr, $verified:expr) => {{
        let verified = &$verified;
        $crate::blob::embedded::s3::dto::sums_out!($output, verified.sums);
        $output.checksum_type = verified.kind.map(|kind| s3s::dto::ChecksumType::from_static(kind.name()));
    }};
}

/// Object headers of an input.
macro_rules! headers_in {
    ($input:expr) => {{
        let seconds = $input.expires.as_ref().map($crate::blob::embedded::s3::dto::seconds).transpose()?;
        $crate::blob::embedded::model::ObjectHeaders {
            content_type: $input.content_type.take(),
            content_encoding: $input.content_encoding.as_deref().and_then($crate::blob::embedded::s3::dto::encoding),
            content_disposition: $input.content_disposition.take(),
            content_language: $input.content_language.take(),
            cache_control: $input.cache_control.take(),
            expires: seconds.map(|seconds| seconds.saturating_mul(1_000_000)),
            metadata: $input.metadata.take().into_iter().flatten().collect(),
        }
        .check()?
    }};
}

/// Tags of an input's `x-amz-tagging`.
macro_rules! tags_in {
    ($input:expr) => {
        match $input.tagging.take() {
            Some(tagging) => $crate::blob::embedded::model::ObjectTags::from_header(&tagging)?,
            None => $crate::blob::embedded::model::ObjectTags::default(),
        }
    };
}

/// Body of a PutObject or UploadPart request, with its declared properties.
macro_rules! incoming {
    ($request:expr) => {{
        let request = &mut $request;
        let asked = request.input.checksum_algorithm.as_ref();
        let asked = asked
            .map(|asked| $crate::blob::embedded::checksum::S3ChecksumAlgorithm::parse(asked.as_str()))
            .transpose()?;
        let md5 = request.input.content_md5.as_deref();
        $crate::blob::embedded::ingest::IncomingBody {
            length: $crate::blob::embedded::s3::dto::body_length(request.input.content_length, &request.headers)?,
            declared: $crate::blob::embedded::s3::dto::sums_in!(request.input),
            algorithms: asked.into_iter().collect(),
            announced: $crate::blob::embedded::s3::dto::announced(&request.headers),
            md5: md5.map($crate::blob::embedded::checksum::content_md5).transpose()?,
            body: request.input.body.take(),
            trailers: request.trailing_headers.take(),
            fate: request.extensions.remove(),
        }
    }};
}

/// Sets the fields of an output that GetObject and HeadObject share.
macro_rules! object_out {
    ($output:expr, $object:expr) => {{
        let object = $object;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.e_tag = Some($crate::blob::embedded::s3::dto::etag(&object.etag));
        $output.last_modified = Some($crate::blob::embedded::s3::dto::timestamp(object.modified));
        let content_type = object.headers.content_type;
        $output.content_type = Some(content_type.unwrap_or_else(|| "binary/octet-stream".to_owned()));
        $output.content_encoding = object.headers.content_encoding;
        $output.content_disposition = object.headers.content_disposition;
        $output.content_language = object.headers.content_language;
        $output.cache_control = object.headers.cache_control;
        $output.expires = object.headers.expires.map($crate::blob::embedded::s3::dto::timestamp);
        $output.metadata = $crate::blob::embedded::s3::dto::metadata(object.headers.metadata);
    }};
}

pub(super) use {headers_in, incoming, object_out, sums_in, sums_out, tags_in, verified_out};

/// Content encoding without `aws-chunked`, which applies to the transfer only.
pub(super) fn encoding(value: &str) -> Option<String> {
    let rest: Vec<&str> =
        value.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked")).collect();
    let rest = rest.join(", ");
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_chunked_is_for_the_way_only() {
        assert_eq!(encoding("aws-chunked"), None);
        assert_eq!(encoding("AWS-chunked,br").as_deref(), Some("br"));
        assert_eq!(encoding("deflate, gzip").as_deref(), Some("deflate, gzip"));
        assert_eq!(encoding("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(encoding("gzip").as_deref(), Some("gzip"));
    }

    #[test]
    fn times_go_there_and_back() {
        assert_eq!(seconds(&timestamp(1_767_225_600_999_999)).unwrap(), 1_767_225_600);
    }

    #[test]
    fn limits() {
        assert_eq!((page(None).unwrap(), page(Some(5000)).unwrap(), page(Some(0)).unwrap()), (1000, 1000, 0));
        assert!(page(Some(-1)).is_err());
        assert!(part_number(0).is_err() && part_number(10_001).is_err());
        assert_eq!((part_number(1).unwrap(), part_number(10_000).unwrap()), (1, 10_000));
    }
}
