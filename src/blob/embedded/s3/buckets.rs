//! CreateBucket, HeadBucket, ListBuckets, DeleteBucket, GetBucketLocation, GetBucketVersioning.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as TOKEN;
use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{ok, owner, timestamp};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::{Error, Result, STORE_REGION};
use crate::blob::embedded::meta::buckets;

/// Largest number of buckets in a page, as in S3.
const MAX_BUCKETS: usize = 10_000;

pub(super) async fn create(
    core: &StoreCore,
    request: S3Request<CreateBucketInput>,
) -> Result<S3Response<CreateBucketOutput>> {
    let (name, now) = (request.input.bucket, core.now());
    let location = Some(format!("/{name}"));
    core.meta.write(move |db| buckets::create(db, &name, now)).await?;
    ok(CreateBucketOutput { location })
}

pub(super) async fn delete(
    core: &StoreCore,
    request: S3Request<DeleteBucketInput>,
) -> Result<S3Response<DeleteBucketOutput>> {
    let (name, now) = (request.input.bucket, core.now());
    let gone = name.clone();
    core.meta.write(move |db| buckets::delete(db, &name, now)).await?;
    core.cors.set(&gone, None);
    ok(DeleteBucketOutput {})
}

pub(super) async fn head(
    core: &StoreCore,
    request: S3Request<HeadBucketInput>,
) -> Result<S3Response<HeadBucketOutput>> {
    core.meta.read(move |db| buckets::require(db, &request.input.bucket)).await?;
    ok(HeadBucketOutput::default())
}

pub(super) async fn list(
    core: &StoreCore,
    request: S3Request<ListBucketsInput>,
) -> Result<S3Response<ListBucketsOutput>> {
    let ListBucketsInput { prefix, max_buckets, continuation_token, .. } = request.input;
    let after = match continuation_token.as_deref() {
        Some(token) => TOKEN.decode(token).map_err(|_| Error::InvalidArgument("the continuation token is invalid"))?,
        None => Vec::new(),
    };
    let most = match max_buckets.map(usize::try_from) {
        None => MAX_BUCKETS,
        Some(Ok(most)) if (1..=MAX_BUCKETS).contains(&most) => most,
        Some(_) => return Err(Error::InvalidArgument("max-buckets must be 1 to 10000")),
    };
    let all = core.meta.read(buckets::list).await?;
    let wanted = |bucket: &buckets::BucketRow| {
        prefix.as_ref().is_none_or(|prefix| bucket.name.starts_with(prefix)) && bucket.name.as_bytes() > &after[..]
    };
    let mut wanted: Vec<_> = all.into_iter().filter(wanted).take(most + 1).collect();
    let more = wanted.len() > most;
    wanted.truncate(most);
    let next = wanted.last().filter(|_| more).map(|last| TOKEN.encode(&last.name));
    let buckets = wanted
        .into_iter()
        .map(|bucket| Bucket {
            name: Some(bucket.name),
            creation_date: Some(timestamp(bucket.created)),
            ..Bucket::default()
        })
        .collect();
    ok(ListBucketsOutput { buckets: Some(buckets), owner: Some(owner()), prefix, continuation_token: next })
}

pub(super) async fn location(
    core: &StoreCore,
    request: S3Request<GetBucketLocationInput>,
) -> Result<S3Response<GetBucketLocationOutput>> {
    core.meta.read(move |db| buckets::require(db, &request.input.bucket)).await?;
    let location_constraint = Some(BucketLocationConstraint::from(STORE_REGION.to_owned()));
    ok(GetBucketLocationOutput { location_constraint })
}

pub(super) async fn versioning(
    core: &StoreCore,
    request: S3Request<GetBucketVersioningInput>,
) -> Result<S3Response<GetBucketVersioningOutput>> {
    core.meta.read(move |db| buckets::require(db, &request.input.bucket)).await?;
    ok(GetBucketVersioningOutput::default())
}
