//! [`BlobStore`] as S3 operations.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream as SdkStream;
use aws_sdk_s3::types::{ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::errors::meaning;
use super::{S3Blobs, outgoing};
use crate::blob::presign::{self, PartUrls};
use crate::blob::{
    BlobError, BlobStore, ByteStream, ListPage, ListedMultipart, ListedObject, LocalFile, MultipartMarker, ObjectFacts,
    PutPayload, ResponseHeaders, Result, SignedUrl, StoreCapabilities, StoredPart,
};
use crate::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use crate::domain::clock::{Timestamp, micros};
use crate::domain::plan::{PartNumber, StoreProfile};
use crate::domain::reason::FailureCause;
use crate::sendfile::FileSpans;

/// Metadata field of the write token.
const WRITE_TOKEN_METADATA: &str = "gantry-token";
/// Request header of the embedded store: limit for the sum of all parts of a multipart upload, in bytes.
const MAX_BYTES_HEADER: &str = "x-gantry-max-bytes";
/// Request header of the embedded store: number of seconds for which the key is closed.
const CLOSE_SECONDS_HEADER: &str = "x-gantry-close-seconds";
/// Read timeout of CompleteMultipartUpload, which may take minutes for a large object.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(600);

fn sdk(algorithm: ChecksumAlgorithm) -> aws_sdk_s3::types::ChecksumAlgorithm {
    match algorithm {
        ChecksumAlgorithm::Sha256 => aws_sdk_s3::types::ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Crc32c => aws_sdk_s3::types::ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme => aws_sdk_s3::types::ChecksumAlgorithm::Crc64Nvme,
    }
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn instant(time: Option<&aws_sdk_s3::primitives::DateTime>) -> Option<Timestamp> {
    let time = time?.as_nanos();
    i64::try_from(time / 1000).ok().map(micros)
}

fn bytes(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
}

fn stored(part: &aws_sdk_s3::types::Part) -> Option<StoredPart> {
    let number = PartNumber::new(u64::try_from(part.part_number()?).ok()?)?;
    let checksum =
        |algorithm, value: Option<&str>| value.map(|base64| PartChecksum { algorithm, base64: base64.to_owned() });
    Some(StoredPart {
        number,
        size: bytes(part.size()),
        etag: unquoted(part.e_tag()),
        checksum: checksum(ChecksumAlgorithm::Sha256, part.checksum_sha256())
            .or_else(|| checksum(ChecksumAlgorithm::Crc32c, part.checksum_crc32_c()))
            .or_else(|| checksum(ChecksumAlgorithm::Crc64Nvme, part.checksum_crc64_nvme())),
    })
}

/// The latest part for each number, ascending. SeaweedFS lists every body that was ever sent for a number, and sorts 10
/// 000 before 1 000.
fn latest(parts: &[aws_sdk_s3::types::Part]) -> Vec<StoredPart> {
    let mut parts: Vec<_> =
        parts.iter().filter_map(|part| Some((stored(part)?, instant(part.last_modified())))).collect();
    parts.sort_by_key(|(part, modified)| (part.number, std::cmp::Reverse(*modified)));
    parts.dedup_by_key(|(part, _)| part.number);
    parts.into_iter().map(|(part, _)| part).collect()
}

fn completed(part: &StoredPart) -> CompletedPart {
    let named = CompletedPart::builder().part_number(i32::from(part.number.get())).e_tag(&part.etag);
    let value = part.checksum.as_ref().map(|checksum| checksum.base64.clone());
    match part.checksum.as_ref().map(|checksum| checksum.algorithm) {
        None => named,
        Some(ChecksumAlgorithm::Sha256) => named.set_checksum_sha256(value),
        Some(ChecksumAlgorithm::Crc32c) => named.set_checksum_crc32_c(value),
        Some(ChecksumAlgorithm::Crc64Nvme) => named.set_checksum_crc64_nvme(value),
    }
    .build()
}

impl S3Blobs {
    /// CreateMultipartUpload with a limit for the sum of all parts, which only Gantry's own store knows.
    pub(super) async fn create_limited_multipart(
        &self,
        key: &str,
        token: &str,
        checksum: Option<ChecksumAlgorithm>,
        max_bytes: Option<u64>,
    ) -> Result<String> {
        let kind = checksum.map(|algorithm| match algorithm {
            ChecksumAlgorithm::Sha256 | ChecksumAlgorithm::Crc32c => ChecksumType::Composite,
            ChecksumAlgorithm::Crc64Nvme => ChecksumType::FullObject,
        });
        let request =
            self.client.create_multipart_upload().bucket(&self.bucket).key(key).metadata(WRITE_TOKEN_METADATA, token);
        let request = request.set_checksum_algorithm(checksum.map(sdk)).set_checksum_type(kind);
        let limited = request.customize().mutate_request(move |request| {
            if let Some(max_bytes) = max_bytes {
                request.headers_mut().insert(MAX_BYTES_HEADER, max_bytes.to_string());
            }
        });
        let answer = limited.send().await.map_err(meaning)?;
        answer.upload_id.ok_or_else(|| BlobError::Unavailable("an answer without an upload id".into()))
    }
}

#[async_trait]
impl BlobStore for S3Blobs {
    fn capabilities(&self) -> &StoreCapabilities {
        &self.capabilities
    }

    fn profile(&self) -> StoreProfile {
        StoreProfile::default()
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn create_multipart(
        &self,
        key: &str,
        token: &str,
        checksum: Option<ChecksumAlgorithm>,
        max_bytes: Option<u64>,
    ) -> Result<String> {
        let told = max_bytes.filter(|_| self.capabilities.enforces_limits);
        self.create_limited_multipart(key, token, checksum, told).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn list_parts(
        &self,
        key: &str,
        store_id: &str,
        after: Option<PartNumber>,
    ) -> Result<ListPage<StoredPart, PartNumber>> {
        let request = self.client.list_parts().bucket(&self.bucket).key(key).upload_id(store_id);
        let request = request.set_part_number_marker(after.map(|part| part.to_string()));
        let answer = request.send().await.map_err(meaning)?;
        let next = answer.next_part_number_marker().and_then(|n| n.parse().ok()).and_then(PartNumber::new);
        let next = next.filter(|_| answer.is_truncated() == Some(true));
        Ok(ListPage { items: latest(answer.parts()), next })
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn put_part(&self, key: &str, store_id: &str, number: PartNumber, payload: PutPayload) -> Result<String> {
        let (len, patience) = (payload.len.cast_signed(), outgoing::patience(payload.len));
        let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(store_id);
        let request = request.part_number(i32::from(number.get())).content_length(len).body(outgoing::stream(payload));
        let answer = request.customize().config_override(patience).send().await.map_err(meaning)?;
        Ok(unquoted(answer.e_tag()))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn complete_multipart(
        &self,
        key: &str,
        store_id: &str,
        parts: &[StoredPart],
    ) -> Result<(String, Option<String>)> {
        let parts = parts.iter().map(completed).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(store_id);
        let patient = aws_sdk_s3::config::timeout::TimeoutConfig::builder().read_timeout(COMPLETE_TIMEOUT).build();
        let patient = aws_sdk_s3::config::Config::builder().timeout_config(patient);
        let sent = request.multipart_upload(parts).customize().config_override(patient).send().await;
        let answer = sent.map_err(meaning)?;
        Ok((unquoted(answer.e_tag()), answer.version_id))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn abort_multipart(&self, key: &str, store_id: &str) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(store_id);
        match request.send().await.map_err(meaning) {
            Ok(_) | Err(BlobError::NotFound) => Ok(()),
            Err(other) => Err(other),
        }
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn head(&self, key: &str) -> Result<Option<ObjectFacts>> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await.map_err(meaning) {
            Ok(facts) => Ok(Some(ObjectFacts {
                size: bytes(facts.content_length()),
                etag: unquoted(facts.e_tag()),
                token: facts.metadata().and_then(|fields| fields.get(WRITE_TOKEN_METADATA)).cloned(),
                modified: instant(facts.last_modified()),
                version: facts.version_id,
            })),
            Err(BlobError::NotFound) => Ok(None),
            Err(other) => Err(other),
        }
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<ByteStream> {
        if let Some(near) = &self.near {
            return near.get(key, etag, range).await;
        }
        let wanted = range.end.saturating_sub(range.start);
        let request = self.client.get_object().bucket(&self.bucket).key(key).if_match(format!("\"{etag}\""));
        let request = request.range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let answer = request.send().await.map_err(meaning)?;
        // Detected before the first byte: the store has fewer bytes of the object than it had.
        if let Some(len) = answer.content_length().filter(|len| len.cast_unsigned() != wanted) {
            return Err(BlobError::Damaged(format!("{len} bytes came for a range of {wanted}").into()));
        }
        Ok(whole(answer.body, wanted))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn spans(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Option<FileSpans>> {
        match &self.near {
            Some(near) => near.spans(key, etag, range).await.map(Some),
            None => Ok(None),
        }
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn local_file(&self, key: &str, etag: &str) -> Result<Option<LocalFile>> {
        match &self.near {
            Some(near) => near.local_file(key, etag).await,
            None => Ok(None),
        }
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn put_object(
        &self,
        key: &str,
        token: Option<&str>,
        payload: PutPayload,
    ) -> Result<(String, Option<String>)> {
        let (len, patience) = (payload.len.cast_signed(), outgoing::patience(payload.len));
        let request = self.client.put_object().bucket(&self.bucket).key(key).content_length(len);
        let request = match token {
            Some(token) => request.metadata(WRITE_TOKEN_METADATA, token).if_none_match("*"),
            None => request,
        };
        let request = request.body(outgoing::stream(payload)).customize().config_override(patience);
        let answer = request.send().await.map_err(meaning)?;
        Ok((unquoted(answer.e_tag()), answer.version_id))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn put(&self, key: &str, body: Bytes) -> Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).body(SdkStream::from(body));
        request.send().await.map(|_| ()).map_err(meaning)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn delete(&self, key: &str) -> Result<()> {
        match self.client.delete_object().bucket(&self.bucket).key(key).send().await.map_err(meaning) {
            Ok(_) | Err(BlobError::NotFound) => Ok(()),
            Err(other) => Err(other),
        }
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn close_key(&self, key: &str, life: Duration) -> Result<bool> {
        if !self.capabilities.enforces_limits {
            return Ok(false);
        }
        let seconds = life.as_secs().saturating_add(1).to_string();
        let request = self.client.delete_object().bucket(&self.bucket).key(key).customize();
        let request = request.mutate_request(move |request| {
            request.headers_mut().insert(CLOSE_SECONDS_HEADER, seconds.clone());
        });
        request.send().await.map(|_| true).map_err(meaning)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<ListPage<ListedObject, String>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let answer = request.set_start_after(after.map(ToOwned::to_owned)).send().await.map_err(meaning)?;
        let object = |object: &aws_sdk_s3::types::Object| {
            let key = object.key()?.to_owned();
            Some(ListedObject { key, size: bytes(object.size()), modified: instant(object.last_modified()) })
        };
        let items: Vec<_> = answer.contents().iter().filter_map(object).collect();
        let next = items.last().map(|object| object.key.clone()).filter(|_| answer.is_truncated() == Some(true));
        Ok(ListPage { items, next })
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_multiparts(
        &self,
        prefix: &str,
        after: Option<&MultipartMarker>,
    ) -> Result<ListPage<ListedMultipart, MultipartMarker>> {
        let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(prefix).max_uploads(1000);
        let (key, id) = after.cloned().map_or((None, None), |(key, id)| (Some(key), id));
        let answer = request.set_key_marker(key).set_upload_id_marker(id).send().await.map_err(meaning)?;
        let upload = |upload: &aws_sdk_s3::types::MultipartUpload| {
            let (key, store_id) = (upload.key()?.to_owned(), upload.upload_id()?.to_owned());
            Some(ListedMultipart { key, store_id, initiated: instant(upload.initiated()) })
        };
        let items = answer.uploads().iter().filter_map(upload).collect();
        // SeaweedFS sets "truncated" without a marker for the next page: that is the end.
        let next = answer.next_key_marker().map(|key| (key.to_owned(), answer.next_upload_id_marker.clone()));
        Ok(ListPage { items, next: next.filter(|_| answer.is_truncated() == Some(true)) })
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn sign_put(&self, key: &str, len: u64, checksum: Option<&PartChecksum>, ttl: Duration) -> Result<SignedUrl> {
        let day_key = self.day_key().await?;
        let mut headers = vec![("content-length", len.to_string()), ("if-none-match", "*".to_owned())];
        headers.extend(checksum.map(|checksum| (checksum.algorithm.header(), checksum.base64.clone())));
        let request = presign::PresignRequest { method: "PUT", key, query: vec![("x-id", "PutObject")], headers };
        Ok(presign::presign(&self.public, &day_key, request, self.clock.now(), ttl))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn sign_parts(&self, key: &str, store_id: &str, ttl: Duration) -> Result<PartUrls> {
        let day_key = self.day_key().await?;
        Ok(PartUrls::new(&self.public, &day_key, key, store_id, self.clock.now(), ttl))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn sign_part(&self, key: &str, store_id: &str, part: PartNumber, ttl: Duration) -> Result<SignedUrl> {
        let (day_key, number) = (self.day_key().await?, part.to_string());
        let query = vec![("x-id", "UploadPart"), ("partNumber", number.as_str()), ("uploadId", store_id)];
        let request = presign::PresignRequest { method: "PUT", key, query, headers: Vec::new() };
        Ok(presign::presign(&self.public, &day_key, request, self.clock.now(), ttl))
    }

    #[tracing::instrument(level = "debug", skip_all, fields(key))]
    async fn sign_get(&self, key: &str, shown: &ResponseHeaders, ttl: Duration) -> Result<SignedUrl> {
        let day_key = self.day_key().await?;
        let mut query = vec![("x-id", "GetObject")];
        let overrides = [
            ("response-cache-control", &shown.cache_control),
            ("response-content-disposition", &shown.disposition),
            ("response-content-type", &shown.content_type),
        ];
        query.extend(overrides.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        let request = presign::PresignRequest { method: "GET", key, query, headers: Vec::new() };
        Ok(presign::presign(&self.public, &day_key, request, self.clock.now(), ttl))
    }
}

/// The body as a stream that ends in an error unless exactly `wanted` bytes came: a connection that broke off must
/// never look like the end of the object.
fn whole(body: SdkStream, wanted: u64) -> ByteStream {
    let broken = |cause: FailureCause| Some((Err(BlobError::Unavailable(cause)), None));
    let steps = stream::unfold(Some((body, wanted)), move |state| async move {
        let (mut body, left) = state?;
        match body.next().await {
            Some(Ok(chunk)) => {
                let Some(left) = left.checked_sub(chunk.len() as u64) else {
                    return broken("more bytes than the range has".into());
                };
                Some((Ok(chunk), Some((body, left))))
            }
            Some(Err(error)) => broken(FailureCause::of(error)),
            None if left == 0 => None,
            None => broken(format!("the store broke off {left} bytes before the end").into()),
        }
    });
    steps.boxed()
}
