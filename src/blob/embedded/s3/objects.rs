//! PutObject, DeleteObject, DeleteObjects.

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{etag, headers_in, incoming, no_version, number_in, ok, seconds, tags_in, verified_out};
use crate::blob::embedded::checksum::S3ChecksumType;
use crate::blob::embedded::conditions::{DeleteCondition, WriteCondition};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::meta::{buckets, closed_keys, objects};
use crate::blob::embedded::model::{ContentId, ObjectAddress, ObjectChecksums, ObjectRow as Row};

pub(super) async fn put(
    core: &StoreCore,
    mut request: S3Request<PutObjectInput>,
) -> Result<S3Response<PutObjectOutput>> {
    let incoming = incoming!(request);
    let mut input = request.input;
    let at = ObjectAddress { bucket: input.bucket, key: input.key };
    let condition = WriteCondition::new(input.if_match, input.if_none_match)?;
    let (headers, tags) = (headers_in!(input), tags_in!(input));
    let admission = core.admit_put(&at, &condition, incoming.length).await?;
    let stored = core.ingest.take(admission, incoming).await?;
    let segment = core.segment(&stored, 1);
    let object = Row {
        content: ContentId(0),
        size: stored.size,
        etag: hex::encode(stored.md5),
        modified: segment.modified,
        headers,
        tags,
        verified: ObjectChecksums { sums: stored.sums, kind: Some(S3ChecksumType::FullObject) },
    };
    let mut output = PutObjectOutput { e_tag: Some(etag(&object.etag)), ..PutObjectOutput::default() };
    verified_out!(output, object.verified);
    core.meta.commit_with_file(stored.file, move |db| objects::put_file(db, &at, object, &segment, &condition)).await?;
    ok(output)
}

/// Request header of DeleteObject beyond S3: number of seconds for which writes under the key are refused; open uploads
/// of the key are aborted.
const CLOSE_SECONDS_HEADER: &str = "x-gantry-close-seconds";

pub(super) async fn delete(
    core: &StoreCore,
    request: S3Request<DeleteObjectInput>,
) -> Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    let condition = WriteCondition::new(input.if_match, None)?;
    let (at, now) = (ObjectAddress { bucket: input.bucket, key: input.key }, core.now());
    let also = DeleteCondition {
        size: input.if_match_size,
        modified: input.if_match_last_modified_time.as_ref().map(seconds).transpose()?,
    };
    let closed_for = number_in(&request.headers, CLOSE_SECONDS_HEADER)?;
    let delete = move |db: &rusqlite::Connection| match closed_for {
        None => objects::delete_if(db, &at, &condition, also, now),
        Some(seconds) => {
            objects::check(db, &at, &condition)?;
            let micros = i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
            closed_keys::close(db, &at, now.saturating_add(micros), now)
        }
    };
    core.meta.write(delete).await?;
    ok(DeleteObjectOutput::default())
}

pub(super) async fn delete_many(
    core: &StoreCore,
    request: S3Request<DeleteObjectsInput>,
) -> Result<S3Response<DeleteObjectsOutput>> {
    let (bucket, Delete { objects: wanted, quiet }) = (request.input.bucket, request.input.delete);
    if wanted.is_empty() || wanted.len() > 1000 {
        return Err(Error::MalformedXml("1 to 1000 objects can be deleted at once"));
    }
    let now = core.now();
    let work = move |db: &rusqlite::Connection| {
        buckets::require(db, &bucket)?;
        let mut output = DeleteObjectsOutput::default();
        for object in wanted {
            let at = ObjectAddress { bucket: bucket.clone(), key: object.key };
            let condition = WriteCondition::new(object.e_tag.map(ETagCondition::ETag), None)?;
            let also = DeleteCondition {
                size: object.size,
                modified: object.last_modified_time.as_ref().map(seconds).transpose()?,
            };
            let checked = no_version(object.version_id.as_deref());
            match checked.and_then(|()| objects::delete_if(db, &at, &condition, also, now)) {
                Ok(()) => output
                    .deleted
                    .get_or_insert_default()
                    .push(DeletedObject { key: Some(at.key), ..DeletedObject::default() }),
                Err(error @ (Error::PreconditionFailed | Error::NoSuchKey | Error::NoSuchVersion)) => {
                    output.errors.get_or_insert_default().push(refusal(at.key, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(output)
    };
    let mut output = core.meta.write(work).await?;
    output.deleted = output.deleted.filter(|_| quiet != Some(true));
    ok(output)
}

fn refusal(key: String, error: Error) -> s3s::dto::Error {
    let error = s3s::S3Error::from(error);
    s3s::dto::Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id: None,
    }
}
