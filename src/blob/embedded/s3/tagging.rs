//! PutObjectTagging, GetObjectTagging, DeleteObjectTagging.

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{no_version, ok};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::Result;
use crate::blob::embedded::meta::objects;
use crate::blob::embedded::model::{ObjectAddress, ObjectTags};

pub(super) async fn put(
    core: &StoreCore,
    request: S3Request<PutObjectTaggingInput>,
) -> Result<S3Response<PutObjectTaggingOutput>> {
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    let pairs = input.tagging.tag_set.into_iter();
    let tags =
        ObjectTags::new(pairs.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect())?;
    let at = ObjectAddress { bucket: input.bucket, key: input.key };
    core.meta.write(move |db| objects::set_tags(db, &at, &tags)).await?;
    ok(PutObjectTaggingOutput::default())
}

pub(super) async fn get(
    core: &StoreCore,
    request: S3Request<GetObjectTaggingInput>,
) -> Result<S3Response<GetObjectTaggingOutput>> {
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    let at = ObjectAddress { bucket: input.bucket, key: input.key };
    let object = core.meta.read(move |db| objects::require(db, &at)).await?;
    let tag = |(key, value)| Tag { key: Some(key), value: Some(value) };
    let tag_set = object.tags.into_pairs().into_iter().map(tag).collect();
    ok(GetObjectTaggingOutput { tag_set, version_id: None })
}

pub(super) async fn delete(
    core: &StoreCore,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Result<S3Response<DeleteObjectTaggingOutput>> {
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    let at = ObjectAddress { bucket: input.bucket, key: input.key };
    core.meta.write(move |db| objects::set_tags(db, &at, &ObjectTags::default())).await?;
    ok(DeleteObjectTaggingOutput::default())
}
