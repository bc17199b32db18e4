//! CreateBucket, HeadBucket, ListBuckets, DeleteBucket, GetBucketLocation, GetBucketVersioning.

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::super::core::Core;
use super::super::error::{REGION, Result};
use super::super::meta::buckets;
use super::dto::{ok, timestamp};

pub(super) async fn create(
    core: &Core,
    request: S3Request<CreateBucketInput>,
) -> Result<S3Response<CreateBucketOutput>> {
    let (name, now) = (request.input.bucket, core.now());
    let location = Some(format!("/{name}"));
    core.meta.write(move |db| buckets::create(db, &name, now)).await?;
    ok(CreateBucketOutput { location })
}

pub(super) async fn delete(
    core: &Core,
    request: S3Request<DeleteBucketInput>,
) -> Result<S3Response<DeleteBucketOutput>> {
    let name = request.input.bucket;
    let gone = name.clone();
    core.meta.write(move |db| buckets::delete(db, &name)).await?;
    core.cors.set(&gone, None);
    ok(DeleteBucketOutput {})
}

pub(super) async fn head(core: &Core, request: S3Request<HeadBucketInput>) -> Result<S3Response<HeadBucketOutput>> {
    core.meta.read(move |db| buckets::require(db, &request.input.bucket)).await?;
    ok(HeadBucketOutput::default())
}

pub(super) async fn list(core: &Core, request: S3Request<ListBucketsInput>) -> Result<S3Response<ListBucketsOutput>> {
    let prefix = request.input.prefix;
    let all = core.meta.read(buckets::list).await?;
    let wanted = all.into_iter().filter(|bucket| prefix.as_ref().is_none_or(|prefix| bucket.name.starts_with(prefix)));
    let buckets = wanted
        .map(|bucket| Bucket {
            name: Some(bucket.name),
            creation_date: Some(timestamp(bucket.created)),
            ..Bucket::default()
        })
        .collect();
    let owner = Owner { id: Some("gantry".to_owned()), display_name: Some("gantry".to_owned()) };
    ok(ListBucketsOutput { buckets: Some(buckets), owner: Some(owner), prefix, ..ListBucketsOutput::default() })
}

pub(super) async fn location(
    core: &Core,
    request: S3Request<GetBucketLocationInput>,
) -> Result<S3Response<GetBucketLocationOutput>> {
    core.meta.read(move |db| buckets::require(db, &request.input.bucket)).await?;
    let location_constraint = Some(BucketLocationConstraint::from(REGION.to_owned()));
    ok(GetBucketLocationOutput { location_constraint })
}

pub(super) async fn versioning(
    core: &Core,
    request: S3Request<GetBucketVersioningInput>,
) -> Result<S3Response<GetBucketVersioningOutput>> {
    core.meta.read(move |db| buckets::require(db, &request.input.bucket)).await?;
    ok(GetBucketVersioningOutput::default())
}
