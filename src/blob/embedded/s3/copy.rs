//! CopyObject, which touches no byte, and UploadPartCopy, which reads and writes them.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::super::conditions::{CopyCondition, ReadCondition};
use super::super::core::Core;
use super::super::error::{Error, Result};
use super::super::ingest::{BODY_MAX, Incoming};
use super::super::meta::objects::{self, Copy};
use super::super::meta::uploads;
use super::super::read::Reader;
use super::super::record::Address;
use super::dto::{self, etag, headers_in, no_version, ok, part_number, sums_out, tags_in, timestamp, verified_out};

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

fn source(source: &CopySource) -> Result<Address> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            no_version(version_id.as_deref())?;
            Ok(Address { bucket: bucket.to_string(), key: key.to_string() })
        }
        _ => Err(Error::NotImplemented("copying from an access point")),
    }
}

pub(super) async fn object(core: &Core, request: S3Request<CopyObjectInput>) -> Result<S3Response<CopyObjectOutput>> {
    let mut input = request.input;
    let from = source(&input.copy_source)?;
    let replaces = |directive: Option<&str>| directive == Some("REPLACE");
    let headers = replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str));
    let tags = replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str));
    let copy = Copy {
        headers: if headers { Some(headers_in!(input)) } else { None },
        tags: if tags { Some(tags_in!(input)) } else { None },
        condition: source_condition_in!(input),
    };
    let (to, now) = (Address { bucket: input.bucket, key: input.key }, core.now());
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
    core: &Core,
    request: S3Request<UploadPartCopyInput>,
) -> Result<S3Response<UploadPartCopyOutput>> {
    let mut input = request.input;
    let number = part_number(input.part_number)?;
    let condition = source_condition_in!(input);
    let from = source(&input.copy_source)?;
    let (at, id) = (Address { bucket: input.bucket, key: input.key }, input.upload_id);
    let (of, named) = (at.clone(), id.clone());
    let upload = core.meta.read(move |db| uploads::require(db, &of, &named)).await?;
    let (object, manifest, pin) = core.open(from).await?;
    condition.check(&object.etag, object.modified)?;
    let (start, length) = range(input.copy_source_range.as_deref(), object.size)?;
    let admission = core.ingest.admit(length)?;
    let reader = Reader::new(core.files.clone(), Arc::new(manifest), pin, start, length);
    let mut incoming = Incoming::internal(StreamingBlob::new(reader), length);
    incoming.algorithms.push(upload.algorithm);
    let stored = core.ingest.take(admission, incoming).await?;
    let segment = core.segment(&stored, number);
    let mut result = CopyPartResult {
        e_tag: Some(etag(&hex::encode(stored.md5))),
        last_modified: Some(timestamp(segment.modified)),
        ..CopyPartResult::default()
    };
    sums_out!(result, stored.sums);
    core.meta.name(stored.file, move |db| uploads::put_part(db, &at, &id, &segment)).await?;
    ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

/// `bytes=first-last`, both given and inside the source, as S3 wants it here.
fn range(asked: Option<&str>, size: u64) -> Result<(u64, u64)> {
    let (start, end) = match asked.map(Range::parse) {
        None => (0, size),
        Some(Ok(Range::Int { first, last: Some(last) })) if last < size => (first, last + 1),
        Some(_) => return Err(Error::InvalidArgument("the copy source range is not inside the source")),
    };
    if end - start > BODY_MAX { Err(Error::EntityTooLarge(BODY_MAX)) } else { Ok((start, end - start)) }
}
