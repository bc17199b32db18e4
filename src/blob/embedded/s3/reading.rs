//! GetObject, HeadObject, GetObjectAttributes.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{self, count, etag, length, no_version, object_out, ok, sums_out, timestamp, verified_out};
use crate::blob::embedded::conditions::{self, ReadCondition};
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::meta::{contents, objects};
use crate::blob::embedded::model::{ObjectAddress, ObjectChecksums, ObjectRow as Row, SegmentManifest};
use crate::blob::embedded::read::{ObjectReader, SpanReader};
use crate::sendfile::SpanOutlet;

/// Range of an object that a response carries.
#[derive(Debug, PartialEq, Eq)]
struct ServedRange {
    start: u64,
    length: u64,
    /// True if part of the object was requested, so that the status is 206.
    partial: bool,
}

impl ServedRange {
    fn of(size: u64, range: Option<Range>) -> Result<Self> {
        let Some(range) = range else { return Ok(Self { start: 0, length: size, partial: false }) };
        let range = range.check(size).map_err(|_| Error::InvalidRange { size })?;
        Ok(Self { start: range.start, length: range.end - range.start, partial: true })
    }

    /// Range of a part, counted from 1 in order. An object of a single PUT is its own first part.
    fn of_part(manifest: &SegmentManifest, number: i32) -> Result<Self> {
        let number = dto::part_number(number)?;
        let (start, length) = manifest.part(number).ok_or(Error::NoSuchPart)?;
        Ok(Self { start, length, partial: length > 0 })
    }

    fn choose(manifest: &SegmentManifest, size: u64, range: Option<Range>, part: Option<i32>) -> Result<Self> {
        match part {
            Some(_) if range.is_some() => Err(Error::InvalidRequest("a range and a part number cannot be combined")),
            Some(part) => Self::of_part(manifest, part),
            None => Self::of(size, range),
        }
    }

    fn content_range(&self, size: u64) -> Option<String> {
        self.partial.then(|| format!("bytes {}-{}/{size}", self.start, self.start + self.length - 1))
    }
}

/// Applies `If-Range`: returns no range, for the whole object, if the object is not the version that the range was
/// meant for.
fn if_range(range: Option<Range>, headers: &http::HeaderMap, object: &Row) -> Option<Range> {
    let Some(wanted) = headers.get(http::header::IF_RANGE) else { return range };
    let wanted = wanted.to_str().unwrap_or_default();
    let date = Timestamp::parse(TimestampFormat::HttpDate, wanted).ok().and_then(|date| dto::seconds(&date).ok());
    let same = wanted.trim_matches('"') == object.etag || date == Some(conditions::seconds(object.modified));
    range.filter(|_| same)
}

macro_rules! condition_in {
    ($input:expr) => {
        ReadCondition {
            if_match: $input.if_match.take(),
            if_none_match: $input.if_none_match.take(),
            if_modified_since: $input.if_modified_since.as_ref().map(dto::seconds).transpose()?,
            if_unmodified_since: $input.if_unmodified_since.as_ref().map(dto::seconds).transpose()?,
        }
    };
}

/// Checksums of the whole object, or of the part that is requested by number. `None` for a range of bytes.
async fn read_checksums(
    core: &StoreCore,
    object: &Row,
    manifest: &SegmentManifest,
    part: Option<i32>,
    range: bool,
) -> Result<Option<ObjectChecksums>> {
    let Some(part) = part.filter(|_| object.etag.contains('-')) else {
        return Ok((!range).then(|| object.verified.clone()));
    };
    let segment = manifest.0.get(usize::from(dto::part_number(part)?) - 1).ok_or(Error::NoSuchPart)?;
    let (content, before) = (object.content, segment.number - 1);
    let found = core.meta.read(move |db| contents::parts(db, content, before, 1)).await?;
    let kind = object.verified.kind;
    Ok(found.into_iter().next().map(|part| ObjectChecksums { sums: part.sums, kind }))
}

macro_rules! checksums_out {
    ($output:expr, $mode:expr, $told:expr) => {
        if $mode.is_some()
            && let Some(verified) = $told.await?
        {
            verified_out!($output, verified);
        }
    };
}

pub(super) async fn get(core: &StoreCore, request: S3Request<GetObjectInput>) -> Result<S3Response<GetObjectOutput>> {
    let mut input = request.input;
    no_version(input.version_id.as_deref())?;
    let condition = condition_in!(input);
    let (object, manifest, pin) = core.open(ObjectAddress { bucket: input.bucket, key: input.key }).await?;
    condition.check(&object.etag, object.modified)?;
    let range = if_range(input.range, &request.headers, &object);
    let ranged = range.is_some();
    let view = ServedRange::choose(&manifest, object.size, range, input.part_number)?;
    let manifest = Arc::new(manifest);
    core.check_files(&manifest, view.start, view.length).await?;
    let mut output = GetObjectOutput {
        content_length: Some(length(view.length)),
        content_range: view.content_range(object.size),
        parts_count: input.part_number.filter(|_| object.etag.contains('-')).map(|_| count(manifest.0.len())),
        tag_count: (object.tags.len() > 0).then(|| count(object.tags.len())),
        ..GetObjectOutput::default()
    };
    checksums_out!(output, input.checksum_mode, read_checksums(core, &object, &manifest, input.part_number, ranged));
    object_out!(output, object);
    let files = Arc::clone(&core.files);
    output.body = Some(match SpanOutlet::of(&request.extensions, view.length) {
        Some(outlet) => {
            StreamingBlob::wrap(outlet.body(SpanReader::new(files, manifest, pin, view.start, view.length)))
        }
        None => StreamingBlob::new(ObjectReader::new(files, manifest, pin, view.start, view.length)),
    });
    ok(output)
}

pub(super) async fn head(
    core: &StoreCore,
    request: S3Request<HeadObjectInput>,
) -> Result<S3Response<HeadObjectOutput>> {
    let mut input = request.input;
    no_version(input.version_id.as_deref())?;
    let condition = condition_in!(input);
    let at = ObjectAddress { bucket: input.bucket, key: input.key };
    let (object, manifest) = core.meta.read(move |db| objects::open(db, &at)).await?;
    condition.check(&object.etag, object.modified)?;
    let range = if_range(input.range, &request.headers, &object);
    let ranged = range.is_some();
    let view = ServedRange::choose(&manifest, object.size, range, input.part_number)?;
    let mut output = HeadObjectOutput {
        content_length: Some(length(view.length)),
        content_range: view.content_range(object.size),
        parts_count: input.part_number.filter(|_| object.etag.contains('-')).map(|_| count(manifest.0.len())),
        ..HeadObjectOutput::default()
    };
    checksums_out!(output, input.checksum_mode, read_checksums(core, &object, &manifest, input.part_number, ranged));
    let tags = object.tags.len();
    object_out!(output, object);
    let mut response = S3Response::new(output);
    if tags > 0 {
        // `s3s` has no such member in HeadObject.
        response.headers.insert("x-amz-tagging-count", tags.into());
    }
    Ok(response)
}

pub(super) async fn attributes(
    core: &StoreCore,
    request: S3Request<GetObjectAttributesInput>,
) -> Result<S3Response<GetObjectAttributesOutput>> {
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    // `s3s` takes each header line for a single name, while clients write all names into a single line.
    let asked: Vec<&str> = input.object_attributes.iter().flat_map(|asked| asked.as_str().split(',')).collect();
    let has = |name: &str| asked.iter().any(|asked| asked.trim() == name);
    let (after, max) = (dto::marker(input.part_number_marker)?, dto::page(input.max_parts)?);
    let at = ObjectAddress { bucket: input.bucket.clone(), key: input.key.clone() };
    let wants_parts = has("ObjectParts");
    let find = move |db: &rusqlite::Connection| {
        let (object, manifest) = objects::open(db, &at)?;
        let wanted = wants_parts && object.etag.contains('-');
        let parts = if wanted { contents::parts(db, object.content, after, max + 1)? } else { Vec::new() };
        Ok((object, manifest, wanted.then_some(parts)))
    };
    let (object, manifest, parts) = core.meta.read(find).await?;
    let mut checksum = Checksum::default();
    verified_out!(checksum, object.verified);
    ok(GetObjectAttributesOutput {
        last_modified: Some(timestamp(object.modified)),
        e_tag: has("ETag").then(|| etag(&object.etag)),
        object_size: has("ObjectSize").then(|| length(object.size)),
        checksum: (has("Checksum") && !object.verified.sums.is_empty()).then_some(checksum),
        storage_class: has("StorageClass").then(|| StorageClass::from_static(StorageClass::STANDARD)),
        object_parts: parts.map(|parts| object_parts(parts, manifest.0.len(), after, max)),
        ..GetObjectAttributesOutput::default()
    })
}

fn object_parts(
    mut parts: Vec<contents::StoredPartRow>,
    total: usize,
    after: u16,
    max: usize,
) -> GetObjectAttributesParts {
    let truncated = parts.len() > max;
    parts.truncate(max);
    let next = parts.last().map(|part| i32::from(part.segment.number));
    let part = |part: &contents::StoredPartRow| {
        let mut output = ObjectPart {
            part_number: Some(part.segment.number.into()),
            size: Some(length(part.segment.size)),
            ..ObjectPart::default()
        };
        sums_out!(output, part.sums);
        output
    };
    GetObjectAttributesParts {
        is_truncated: Some(truncated),
        max_parts: Some(count(max)),
        next_part_number_marker: next,
        part_number_marker: Some(after.into()),
        parts: Some(parts.iter().map(part).collect()),
        total_parts_count: Some(count(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::embedded::model::{FileId, FileSegment};

    #[test]
    fn a_view_is_what_http_says_it_is() {
        let view = |range: &str| ServedRange::of(10, Some(Range::parse(range).unwrap()));
        assert_eq!(view("bytes=2-4").unwrap().content_range(10).unwrap(), "bytes 2-4/10");
        assert_eq!(view("bytes=-3").unwrap().content_range(10).unwrap(), "bytes 7-9/10");
        assert_eq!(view("bytes=5-99").unwrap().length, 5);
        assert!(matches!(view("bytes=10-"), Err(Error::InvalidRange { size: 10 })));
        assert!(matches!(
            ServedRange::of(0, Some(Range::parse("bytes=0-").unwrap())),
            Err(Error::InvalidRange { size: 0 })
        ));
        assert_eq!(ServedRange::of(10, None).unwrap().content_range(10), None);
    }

    #[test]
    fn an_empty_object_is_its_own_first_part_and_never_partial() {
        let manifest = SegmentManifest(vec![FileSegment { file: FileId([0; 16]), size: 0, number: 1 }]);
        assert_eq!(ServedRange::of_part(&manifest, 1).unwrap(), ServedRange { start: 0, length: 0, partial: false });
        assert!(ServedRange::of_part(&manifest, 2).is_err());
    }
}
