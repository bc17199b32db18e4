//! ListParts and ListMultipartUploads.

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{count, encode, etag, initiator, length, marker, ok, owner, page, sums_out, timestamp};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::Result;
use crate::blob::embedded::meta::uploads::{self, ListedUpload};
use crate::blob::embedded::meta::{buckets, contents, listing};
use crate::blob::embedded::model::ObjectAddress;

pub(super) async fn parts(core: &StoreCore, request: S3Request<ListPartsInput>) -> Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let (max, after) = (page(input.max_parts)?, marker(input.part_number_marker)?);
    let (at, id) = (ObjectAddress { bucket: input.bucket.clone(), key: input.key.clone() }, input.upload_id.clone());
    let find = move |db: &rusqlite::Connection| {
        let upload = uploads::require(db, &at, &id)?;
        let parts = contents::parts(db, upload.content, after, max + 1)?;
        Ok((upload, parts))
    };
    let (upload, mut found) = core.meta.read(find).await?;
    let truncated = found.len() > max;
    found.truncate(max);
    ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        max_parts: Some(count(max)),
        part_number_marker: Some(after.into()),
        next_part_number_marker: found.last().map(|part| part.segment.number.into()),
        is_truncated: Some(truncated),
        owner: Some(owner()),
        initiator: Some(initiator()),
        parts: Some(found.iter().map(part).collect()),
        checksum_algorithm: Some(ChecksumAlgorithm::from_static(upload.algorithm.name())),
        checksum_type: Some(ChecksumType::from_static(upload.kind.name())),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..ListPartsOutput::default()
    })
}

fn part(part: &contents::StoredPartRow) -> Part {
    let mut output = Part {
        part_number: Some(part.segment.number.into()),
        size: Some(length(part.segment.size)),
        e_tag: Some(etag(&hex::encode(part.md5))),
        last_modified: Some(timestamp(part.modified)),
        ..Part::default()
    };
    sums_out!(output, part.sums);
    output
}

/// Uploads and rolled-up prefixes of a page.
#[derive(Default)]
struct MultipartListingPage {
    uploads: Vec<ListedUpload>,
    prefixes: Vec<String>,
    truncated: bool,
}

pub(super) async fn list(
    core: &StoreCore,
    request: S3Request<ListMultipartUploadsInput>,
) -> Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    let url = encode(input.encoding_type.as_ref())?;
    let max = page(input.max_uploads)?;
    let asked = input.clone();
    let found = core.meta.read(move |db| collect(db, &asked, max)).await?;
    let key = found.uploads.last().map(|upload| &upload.key);
    let next_key = key.max(found.prefixes.last()).filter(|_| found.truncated);
    let next_id = found.uploads.last().filter(|upload| Some(&upload.key) == next_key);
    ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: input.prefix.as_deref().map(&url),
        delimiter: input.delimiter.as_deref().map(&url),
        key_marker: Some(url(input.key_marker.as_deref().unwrap_or_default())),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        max_uploads: Some(count(max)),
        is_truncated: Some(found.truncated),
        next_key_marker: next_key.map(|key| url(key)),
        next_upload_id_marker: next_id.map(|upload| upload.id.clone()),
        common_prefixes: Some(found.prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(url(prefix)) }).collect()),
        uploads: Some(found.uploads.into_iter().map(|upload| output(upload, &url)).collect()),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

/// Collects a page of uploads. A key marker without an upload id skips all uploads of its key.
fn collect(db: &rusqlite::Connection, asked: &ListMultipartUploadsInput, max: usize) -> Result<MultipartListingPage> {
    buckets::require(db, &asked.bucket)?;
    let (prefix, key_marker) = (asked.prefix.as_deref().unwrap_or_default(), asked.key_marker.as_deref());
    let delimiter = asked.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let mut id = asked.upload_id_marker.clone().unwrap_or_default();
    let mut key = key_marker.unwrap_or_default().as_bytes().to_vec();
    if id.is_empty() && !key.is_empty() {
        key = listing::after_key(key_marker.unwrap_or_default(), prefix, delimiter);
        id = "~".to_owned();
    }
    let mut page = MultipartListingPage::default();
    'pages: loop {
        let found = uploads::list(db, &asked.bucket, prefix.as_bytes(), (&key, &id), max + 1)?;
        if found.is_empty() {
            return Ok(page);
        }
        for upload in found {
            let Some(rest) = upload.key.strip_prefix(prefix) else { return Ok(page) };
            if page.uploads.len() + page.prefixes.len() == max {
                page.truncated = max > 0;
                return Ok(page);
            }
            (key, id) = (upload.key.as_bytes().to_vec(), upload.id.clone());
            if let Some(rolled) = listing::roll_up(&upload.key, rest, delimiter) {
                key = listing::behind(rolled);
                page.prefixes.push(rolled.to_owned());
                continue 'pages;
            }
            page.uploads.push(upload);
        }
    }
}

fn output(upload: ListedUpload, url: impl Fn(&str) -> String) -> MultipartUpload {
    MultipartUpload {
        key: Some(url(&upload.key)),
        upload_id: Some(upload.id),
        owner: Some(owner()),
        initiator: Some(initiator()),
        initiated: Some(timestamp(upload.created)),
        checksum_algorithm: Some(ChecksumAlgorithm::from_static(upload.algorithm.name())),
        checksum_type: Some(ChecksumType::from_static(upload.kind.name())),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
    }
}
