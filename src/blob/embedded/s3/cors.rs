//! PutBucketCors, GetBucketCors, DeleteBucketCors.

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::ok;
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::cors::CorsRule;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::meta::buckets;

pub(super) async fn put(
    core: &StoreCore,
    request: S3Request<PutBucketCorsInput>,
) -> Result<S3Response<PutBucketCorsOutput>> {
    let PutBucketCorsInput { bucket, cors_configuration, .. } = request.input;
    let rules = cors_configuration.cors_rules.into_iter().map(rule).collect::<Result<Vec<_>>>()?;
    if rules.is_empty() || rules.len() > 100 {
        return Err(Error::MalformedXml("a CORS configuration must have 1 to 100 rules"));
    }
    let stored = serde_json::to_string(&rules).map_err(|_| Error::MalformedXml("the rules cannot be stored"))?;
    let name = bucket.clone();
    core.meta.write(move |db| buckets::set_cors(db, &name, Some(&stored))).await?;
    core.cors.set(&bucket, Some(rules));
    ok(PutBucketCorsOutput {})
}

pub(super) async fn get(
    core: &StoreCore,
    request: S3Request<GetBucketCorsInput>,
) -> Result<S3Response<GetBucketCorsOutput>> {
    let bucket = request.input.bucket;
    let name = bucket.clone();
    core.meta.read(move |db| buckets::require(db, &name)).await?;
    let rules: Vec<CORSRule> = core.cors.rules(&bucket).into_iter().map(output).collect();
    if rules.is_empty() {
        return Err(Error::NoSuchCors);
    }
    ok(GetBucketCorsOutput { cors_rules: Some(rules) })
}

pub(super) async fn delete(
    core: &StoreCore,
    request: S3Request<DeleteBucketCorsInput>,
) -> Result<S3Response<DeleteBucketCorsOutput>> {
    let bucket = request.input.bucket;
    let name = bucket.clone();
    core.meta.write(move |db| buckets::set_cors(db, &name, None)).await?;
    core.cors.set(&bucket, None);
    ok(DeleteBucketCorsOutput {})
}

fn rule(rule: CORSRule) -> Result<CorsRule> {
    let stars = |text: &String| text.matches('*').count() > 1;
    let headers = rule.allowed_headers.unwrap_or_default();
    if rule.allowed_origins.iter().chain(&headers).any(stars) {
        return Err(Error::InvalidRequest("an allowed origin or header can have at most one *"));
    }
    if !rule.allowed_methods.iter().all(|method| ["GET", "PUT", "POST", "HEAD", "DELETE"].contains(&method.as_str())) {
        return Err(Error::InvalidRequest("allowed methods are GET, PUT, POST, HEAD and DELETE"));
    }
    Ok(CorsRule {
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers,
        expose: rule.expose_headers.unwrap_or_default(),
        max_age: rule.max_age_seconds,
        id: rule.id,
    })
}

fn output(rule: CorsRule) -> CORSRule {
    CORSRule {
        allowed_headers: Some(rule.headers),
        allowed_methods: rule.methods,
        allowed_origins: rule.origins,
        expose_headers: Some(rule.expose),
        id: rule.id,
        max_age_seconds: rule.max_age,
    }
}
