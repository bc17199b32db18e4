//! ListObjects, ListObjectsV2 and ListObjectVersions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as TOKEN;
use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{count, encode, etag, length, ok, owner, page, timestamp};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::meta::listing::{self, ListingEntry, ListingPage, ListingQuery};

pub(super) async fn v1(
    core: &StoreCore,
    request: S3Request<ListObjectsInput>,
) -> Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let url = encode(input.encoding_type.as_ref())?;
    let marker = input.marker.clone().unwrap_or_default();
    let (prefix, delimiter) = (input.prefix.clone().unwrap_or_default(), given(input.delimiter.clone()));
    let query = ListingQuery {
        after: listing::after_key(&marker, &prefix, delimiter.as_deref()),
        bucket: input.bucket.clone(),
        prefix,
        delimiter,
        limit: page(input.max_keys)?,
    };
    let max_keys = Some(count(query.limit));
    let found = core.meta.read(move |db| listing::list(db, &query)).await?;
    let last = found.entries.last().map(|entry| &entry.key).max(found.prefixes.last());
    ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(url(input.prefix.as_deref().unwrap_or_default())),
        marker: Some(url(&marker)),
        delimiter: given(input.delimiter).as_deref().map(&url),
        max_keys,
        is_truncated: Some(found.next.is_some()),
        next_marker: last.filter(|_| found.next.is_some()).map(|last| url(last)),
        common_prefixes: prefixes(&found, &url),
        contents: contents(found, true, &url),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

pub(super) async fn v2(
    core: &StoreCore,
    request: S3Request<ListObjectsV2Input>,
) -> Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let url = encode(input.encoding_type.as_ref())?;
    let after = match input.continuation_token.as_deref() {
        Some(token) => TOKEN.decode(token).map_err(|_| Error::InvalidArgument("the continuation token is invalid"))?,
        None => input.start_after.clone().unwrap_or_default().into_bytes(),
    };
    let query = ListingQuery {
        after,
        bucket: input.bucket.clone(),
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: given(input.delimiter.clone()),
        limit: page(input.max_keys)?,
    };
    let max_keys = Some(count(query.limit));
    let found = core.meta.read(move |db| listing::list(db, &query)).await?;
    ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(url(input.prefix.as_deref().unwrap_or_default())),
        delimiter: given(input.delimiter).as_deref().map(&url),
        max_keys,
        key_count: Some(count(found.entries.len() + found.prefixes.len())),
        continuation_token: input.continuation_token,
        start_after: input.start_after.as_deref().map(&url),
        is_truncated: Some(found.next.is_some()),
        next_continuation_token: found.next.as_ref().map(|next| TOKEN.encode(next)),
        common_prefixes: prefixes(&found, &url),
        contents: contents(found, input.fetch_owner == Some(true), &url),
        encoding_type: input.encoding_type,
        ..ListObjectsV2Output::default()
    })
}

/// ListObjectVersions for a bucket without versions: every object is its own latest version, `null`, and there are no
/// delete markers.
pub(super) async fn versions(
    core: &StoreCore,
    request: S3Request<ListObjectVersionsInput>,
) -> Result<S3Response<ListObjectVersionsOutput>> {
    let input = request.input;
    let url = encode(input.encoding_type.as_ref())?;
    let marker = input.key_marker.clone().unwrap_or_default();
    if marker.is_empty() && input.version_id_marker.as_ref().is_some_and(|id| !id.is_empty()) {
        return Err(Error::InvalidArgument("a version-id marker cannot be specified without a key marker"));
    }
    let (prefix, delimiter) = (input.prefix.clone().unwrap_or_default(), given(input.delimiter.clone()));
    let query = ListingQuery {
        after: listing::after_key(&marker, &prefix, delimiter.as_deref()),
        bucket: input.bucket.clone(),
        prefix,
        delimiter,
        limit: page(input.max_keys)?,
    };
    let max_keys = Some(count(query.limit));
    let found = core.meta.read(move |db| listing::list(db, &query)).await?;
    let more = found.next.is_some();
    let last = found.entries.last().map(|entry| &entry.key).max(found.prefixes.last()).filter(|_| more);
    ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(url(input.prefix.as_deref().unwrap_or_default())),
        key_marker: Some(url(&marker)),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        delimiter: given(input.delimiter).as_deref().map(&url),
        max_keys,
        is_truncated: Some(more),
        next_key_marker: last.map(|last| url(last)),
        next_version_id_marker: last.map(|_| NULL_VERSION.to_owned()),
        common_prefixes: prefixes(&found, &url),
        versions: Some(found.entries.iter().map(|entry| version(entry, &url)).collect()),
        encoding_type: input.encoding_type,
        ..ListObjectVersionsOutput::default()
    })
}

/// Version id of objects in a bucket without versions.
const NULL_VERSION: &str = "null";

fn version(entry: &ListingEntry, url: impl Fn(&str) -> String) -> ObjectVersion {
    ObjectVersion {
        key: Some(url(&entry.key)),
        version_id: Some(NULL_VERSION.to_owned()),
        is_latest: Some(true),
        size: Some(length(entry.size)),
        e_tag: Some(etag(&entry.etag)),
        last_modified: Some(timestamp(entry.modified)),
        owner: Some(owner()),
        storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
        ..ObjectVersion::default()
    }
}

fn given(delimiter: Option<String>) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty())
}

fn prefixes(page: &ListingPage, url: impl Fn(&str) -> String) -> Option<Vec<CommonPrefix>> {
    let prefixes = page.prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(url(prefix)) });
    (!page.prefixes.is_empty()).then(|| prefixes.collect())
}

fn contents(page: ListingPage, owned: bool, url: impl Fn(&str) -> String) -> Option<Vec<Object>> {
    let object = |entry: ListingEntry| Object {
        key: Some(url(&entry.key)),
        size: Some(length(entry.size)),
        e_tag: Some(etag(&entry.etag)),
        last_modified: Some(timestamp(entry.modified)),
        owner: owned.then(owner),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    };
    (!page.entries.is_empty()).then(|| page.entries.into_iter().map(object).collect())
}
