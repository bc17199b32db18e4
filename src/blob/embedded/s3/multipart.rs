//! CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.

use s3s::dto::*;
use s3s::{S3Request, S3Response};

use super::dto::{etag, headers_in, incoming, number_in, ok, part_number, sums_in, sums_out, tags_in, verified_out};
use crate::blob::embedded::checksum::{S3ChecksumAlgorithm, S3ChecksumType};
use crate::blob::embedded::conditions::WriteCondition;
use crate::blob::embedded::core::StoreCore;
use crate::blob::embedded::error::{Error, Result};
use crate::blob::embedded::meta::completion::{self, CompletionClaim, MultipartCompletion};
use crate::blob::embedded::meta::uploads::{self, NewUpload};
use crate::blob::embedded::model::ObjectAddress;

/// Request header of CreateMultipartUpload beyond S3: limit for the sum of all parts in bytes.
const MAX_BYTES_HEADER: &str = "x-gantry-max-bytes";

pub(super) async fn create(
    core: &StoreCore,
    request: S3Request<CreateMultipartUploadInput>,
) -> Result<S3Response<CreateMultipartUploadOutput>> {
    let max_bytes = number_in(&request.headers, MAX_BYTES_HEADER)?;
    let mut input = request.input;
    let asked =
        input.checksum_algorithm.as_ref().map(|asked| S3ChecksumAlgorithm::parse(asked.as_str())).transpose()?;
    let algorithm = asked.unwrap_or(S3ChecksumAlgorithm::Crc64Nvme);
    let kind = S3ChecksumType::choose(algorithm, input.checksum_type.as_ref().map(ChecksumType::as_str))?;
    let created = core.now();
    let upload = NewUpload {
        id: core.upload_id(created),
        headers: headers_in!(input),
        tags: tags_in!(input),
        at: ObjectAddress { bucket: input.bucket, key: input.key },
        algorithm,
        kind,
        max_bytes,
        created,
    };
    let output = CreateMultipartUploadOutput {
        bucket: Some(upload.at.bucket.clone()),
        key: Some(upload.at.key.clone()),
        upload_id: Some(upload.id.clone()),
        checksum_algorithm: asked.map(|asked| ChecksumAlgorithm::from_static(asked.name())),
        checksum_type: asked.map(|_| ChecksumType::from_static(kind.name())),
        ..CreateMultipartUploadOutput::default()
    };
    core.meta.write(move |db| uploads::create(db, &upload)).await?;
    ok(output)
}

pub(super) async fn put_part(
    core: &StoreCore,
    mut request: S3Request<UploadPartInput>,
) -> Result<S3Response<UploadPartOutput>> {
    let mut incoming = incoming!(request);
    let input = request.input;
    let number = part_number(input.part_number)?;
    let (at, id) = (ObjectAddress { bucket: input.bucket, key: input.key }, input.upload_id);
    let admitted = core.admit_part(&at, &id, number, incoming.length).await?;
    incoming.algorithms.push(admitted.algorithm);
    let stored = core.ingest.take(admitted.admission, incoming).await?;
    let segment = core.segment(&stored, number);
    let mut output = UploadPartOutput { e_tag: Some(etag(&hex::encode(stored.md5))), ..UploadPartOutput::default() };
    sums_out!(output, stored.sums);
    core.meta.commit_with_file(stored.file, move |db| uploads::put_part(db, &at, &id, &segment)).await?;
    drop(admitted.in_flight);
    ok(output)
}

pub(super) async fn complete(
    core: &StoreCore,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Result<S3Response<CompleteMultipartUploadOutput>> {
    let input = request.input;
    let sums = sums_in!(input);
    let size = input.mpu_object_size.map(u64::try_from).transpose();
    let listed = input.multipart_upload.and_then(|listed| listed.parts).unwrap_or_default();
    let asked = MultipartCompletion {
        claims: listed.iter().map(claim).collect::<Result<_>>()?,
        condition: WriteCondition::new(input.if_match, input.if_none_match)?,
        size: size.map_err(|_| Error::InvalidArgument("a size must not be negative"))?,
        at: ObjectAddress { bucket: input.bucket.clone(), key: input.key.clone() },
        id: input.upload_id,
        sums,
        now: core.now(),
    };
    let completed = core.meta.write(move |db| completion::complete(db, &asked)).await?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(etag(&completed.etag)),
        ..CompleteMultipartUploadOutput::default()
    };
    verified_out!(output, completed.verified);
    ok(output)
}

fn claim(part: &CompletedPart) -> Result<CompletionClaim> {
    let number = part.part_number.ok_or(Error::MalformedXml("a part has no PartNumber"))?;
    let number = u16::try_from(number).map_err(|_| Error::InvalidArgument("a part number is out of range"))?;
    let etag = part.e_tag.as_ref().ok_or(Error::MalformedXml("a part has no ETag"))?;
    Ok(CompletionClaim { number, etag: etag.value().to_ascii_lowercase(), sums: sums_in!(part) })
}

pub(super) async fn abort(
    core: &StoreCore,
    request: S3Request<AbortMultipartUploadInput>,
) -> Result<S3Response<AbortMultipartUploadOutput>> {
    let (input, now) = (request.input, core.now());
    let at = ObjectAddress { bucket: input.bucket, key: input.key };
    core.meta.write(move |db| uploads::abort(db, &at, &input.upload_id, now)).await?;
    ok(AbortMultipartUploadOutput::default())
}
