//! CopyObject, which copies no bytes, and UploadPartCopy, which reads and writes them.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{self, etag, headers_in, no_version, ok, part_number, sums_out, tags_in, timestamp, verified_out};
use crate::blob::embedded::conditions::{CopyCondition, ReadCondition};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::ingest::{IncomingBody, MAX_BODY_BYTES};
use crate::blob::embedded::meta::objects::{self, ObjectCopy};
use crate::blob::embedded::meta::uploads;
use crate::blob::embedded::model::ObjectAddress;
use crate::blob::embedded::read::ObjectReader;

macro_rules! source_condition_in {
    ($input:expr) => {
        CopyCondition(ReadCondition {
            if_match: $input.copy_source_if_match.take(),
            if_none_match: $input.copy_source_if_none_match.take(),
            if_modified_since: $input.copy_source_if_modified_since.as_ref().map(dto::seconds).transpose()?,
            if_unmodified_since: $input.copy_source_if_unmodified_since.as_ref().map(dto::seconds).transpose()?,
        })
    };
}

/// Address of the object to copy from. In S3 the header is encoded like a form, so that `+` is a blank; `s3s` keeps the
/// plus. Clients that do not encode the header mean a plus: that key is used if no object has the key with blanks.
async fn source(core: &StoreCore, source: &CopySource, headers: &http::HeaderMap) -> Result<ObjectAddress> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(Error::NotImplemented("copying from an access point"));
    };
    no_version(version_id.as_deref())?;
    let literal = ObjectAddress { bucket: bucket.to_string(), key: key.to_string() };
    let raw = headers.get("x-amz-copy-source").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(blank) = with_blanks(raw) else { return Ok(literal) };
    let blank = ObjectAddress { bucket: literal.bucket.clone(), key: blank };
    let asked = blank.clone();
    let found = core.meta.read(move |db| objects::find(db, &asked)).await?;
    Ok(if found.is_some() { blank } else { literal })
}

/// Key in a copy source, with blanks for `+`; `None` without `+` or without a key.
fn with_blanks(copy_source: &str) -> Option<String> {
    let path = copy_source.split_once('?').map_or(copy_source, |(path, _)| path);
    let encoded = path.contains('+').then(|| path.replace('+', "%20"))?;
    let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().ok()?;
    let (_, key) = decoded.strip_prefix('/').unwrap_or(&decoded).split_once('/')?;
    Some(key.to_owned())
}

pub(super) async fn object(
    core: &StoreCore,
    request: S3Request<CopyObjectInput>,
) -> Result<S3Response<CopyObjectOutput>> {
    let mut input = request.input;
    let from = source(core, &input.copy_source, &request.headers).await?;
    let replaces = |directive: Option<&str>| directive == Some("REPLACE");
    let headers = replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str));
    let tags = replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str));
    let copy = ObjectCopy {
        headers: if headers { Some(headers_in!(input)) } else { None },
        tags: if tags { Some(tags_in!(input)) } else { None },
        condition: source_condition_in!(input),
    };
    let (to, now) = (ObjectAddress { bucket: input.bucket, key: input.key }, core.now());
    let copied = core.meta.write(move |db| objects::copy(db, &from, &to, copy, now)).await?;
    let mut result = CopyObjectResult {
        e_tag: Some(etag(&copied.etag)),
        last_modified: Some(timestamp(copied.modified)),
        ..CopyObjectResult::default()
    };
    verified_out!(result, copied.verified);
    ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
}

pub(super) async fn part(
    core: &StoreCore,
    request: S3Request<UploadPartCopyInput>,
) -> Result<S3Response<UploadPartCopyOutput>> {
    let mut input = request.input;
    let number = part_number(input.part_number)?;
    let condition = source_condition_in!(input);
    let from = source(core, &input.copy_source, &request.headers).await?;
    let (at, id) = (ObjectAddress { bucket: input.bucket, key: input.key }, input.upload_id);
    let (of, named) = (at.clone(), id.clone());
    core.meta.read(move |db| uploads::require(db, &of, &named)).await?;
    let (object, manifest, pin) = core.open(from).await?;
    condition.check(&object.etag, object.modified)?;
    let (start, length) = range(input.copy_source_range.as_deref(), object.size)?;
    let manifest = Arc::new(manifest);
    core.check_files(&manifest, start, length).await?;
    let admitted = core.admit_part(&at, &id, number, length).await?;
    let reader = ObjectReader::new(core.files.clone(), manifest, pin, start, length);
    let mut incoming = IncomingBody::internal(StreamingBlob::new(reader), length);
    incoming.algorithms.push(admitted.algorithm);
    let stored = core.ingest.take(admitted.admission, incoming).await?;
    let segment = core.segment(&stored, number);
    let mut result = CopyPartResult {
        e_tag: Some(etag(&hex::encode(stored.md5))),
        last_modified: Some(timestamp(segment.modified)),
        ..CopyPartResult::default()
    };
    sums_out!(result, stored.sums);
    core.meta.commit_with_file(stored.file, move |db| uploads::put_part(db, &at, &id, &segment)).await?;
    drop(admitted.in_flight);
    ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

/// Parses `bytes=first-last`, both given and inside the source, as S3 requires here.
fn range(asked: Option<&str>, size: u64) -> Result<(u64, u64)> {
    let (start, end) = match asked.map(Range::parse) {
        None => (0, size),
        Some(Ok(Range::Int { first, last: Some(last) })) if last < size => (first, last + 1),
        Some(_) => return Err(Error::InvalidArgument("the copy source range is outside the source object")),
    };
    if end - start > MAX_BODY_BYTES { Err(Error::EntityTooLarge(MAX_BODY_BYTES)) } else { Ok((start, end - start)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_may_be_a_blank() {
        assert_eq!(with_blanks("/b/a+b%2Bc").as_deref(), Some("a b+c"));
        assert_eq!(with_blanks("b/a+b?versionId=null").as_deref(), Some("a b"));
        assert_eq!((with_blanks("b/a%2Bb"), with_blanks("b/a%20b")), (None, None));
    }
}
