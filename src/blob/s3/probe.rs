//! Capability probe: tests the real behaviour of the bucket with a few scratch objects.
//!
//! Stores differ without an error: Garage ignores `If-None-Match`, R2 requires parts of equal size, some stores drop
//! metadata. The caller records the result, which decides the code path. The probe writes only below
//! [`BlobKey::PROBES`].

use aws_sdk_s3::primitives::ByteStream as SdkStream;
use bytes::Bytes;
use uuid::Uuid;

use super::S3Blobs;
use super::errors::meaning;
use crate::blob::{BlobError, BlobKey, BlobStore, Result, StoreCapabilities};

/// Size in bytes of the first part: S3's minimum.
const PROBE_PART_BYTES: usize = 5 << 20;
const PROBE_TOKEN: &str = "probe";
/// SHA-256 of an empty body: wrong for every other body.
const WRONG_SHA256: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// Result of the probe.
#[derive(Clone, Debug)]
pub struct ProbeResult {
    /// Capabilities that were found.
    pub capabilities: StoreCapabilities,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

impl StoreCapabilities {
    /// Capabilities before the probe: the careful path everywhere.
    pub(super) fn unknown() -> Self {
        Self {
            conditional_put: false,
            part_checksums: false,
            undeclared_checksums: false,
            unequal_parts: false,
            repeated_complete: false,
            metadata: false,
            enforces_limits: false,
            cors: None,
        }
    }
}

/// Probes the bucket. `origin` is the origin of the pages that upload; `scratch` names the scratch object.
///
/// # Errors
/// Only conditions that make the bucket unusable: unreachable, denied, or unable to complete a multipart upload.
pub async fn probe(blobs: &S3Blobs, origin: &str, scratch: Uuid) -> Result<ProbeResult> {
    let mut found = StoreCapabilities::unknown();
    let key = BlobKey::Probe(scratch).path();
    let outcome = ask(blobs, &key, origin, &mut found).await;
    let _ = blobs.delete(&key).await;
    outcome?;
    let mut warnings = Vec::new();
    if !found.metadata {
        warnings
            .push("this store does not keep object metadata: completions are verified by key and size only".to_owned());
    }
    if !found.part_checksums {
        warnings.push("this store does not verify part checksums: they are accepted, but not checked".to_owned());
    }
    if found.cors == Some(false) {
        warnings.push(format!(
            "this bucket does not allow PUT from {origin}: add a CORS rule with that origin, methods PUT and GET, \
             headers *, and ETag exposed"
        ));
    }
    Ok(ProbeResult { capabilities: found, warnings })
}

async fn ask(blobs: &S3Blobs, key: &str, origin: &str, found: &mut StoreCapabilities) -> Result<()> {
    blobs.put(key, Bytes::from_static(b"probe")).await?;
    let again = blobs.client.put_object().bucket(&blobs.bucket).key(key).if_none_match("*");
    let again = again.body(SdkStream::from_static(b"again")).send().await.map_err(meaning);
    found.conditional_put = matches!(again, Err(BlobError::Precondition));
    found.cors = preflight(blobs, key, origin).await;
    checksums(blobs, key, found).await?;
    found.enforces_limits = limits(blobs, key).await?;
    multipart(blobs, key, found).await
}

async fn upload_part(
    blobs: &S3Blobs,
    key: &str,
    id: &str,
    number: i32,
    size: usize,
    sha256: Option<&str>,
) -> Result<()> {
    let body = SdkStream::from(Bytes::from(vec![0; size]));
    let part = blobs.client.upload_part().bucket(&blobs.bucket).key(key).upload_id(id).part_number(number);
    let part = part.set_checksum_sha256(sha256.map(ToOwned::to_owned)).body(body);
    part.send().await.map(|_| ()).map_err(meaning)
}

/// Probes part checksums, in an upload of its own: SeaweedFS remembers every part that was ever sent.
async fn checksums(blobs: &S3Blobs, key: &str, found: &mut StoreCapabilities) -> Result<()> {
    // SHA-256 of one zero byte.
    const RIGHT_SHA256: &str = "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=";
    let id = blobs.create_multipart(key, PROBE_TOKEN, None, None).await?;
    found.part_checksums = upload_part(blobs, key, &id, 1, 1, Some(WRONG_SHA256)).await.is_err();
    found.undeclared_checksums = upload_part(blobs, key, &id, 1, 1, Some(RIGHT_SHA256)).await.is_ok();
    blobs.abort_multipart(key, &id).await
}

/// True if an upload with a limit of 0 bytes refuses its first byte. Only Gantry's own store knows the header.
async fn limits(blobs: &S3Blobs, key: &str) -> Result<bool> {
    let id = blobs.create_limited_multipart(key, PROBE_TOKEN, None, Some(0)).await?;
    let enforced = upload_part(blobs, key, &id, 1, 1, None).await.is_err();
    blobs.abort_multipart(key, &id).await?;
    Ok(enforced)
}

async fn multipart(blobs: &S3Blobs, key: &str, found: &mut StoreCapabilities) -> Result<()> {
    let id = blobs.create_multipart(key, PROBE_TOKEN, None, None).await?;
    for (number, size) in [(1, PROBE_PART_BYTES), (2, PROBE_PART_BYTES + 1), (3, 1)] {
        upload_part(blobs, key, &id, number, size, None).await?;
    }
    let parts = blobs.list_parts(key, &id, None).await?.items;
    found.unequal_parts = match blobs.complete_multipart(key, &id, &parts).await {
        Ok(_) => true,
        Err(BlobError::BadParts(_)) => {
            blobs.abort_multipart(key, &id).await?;
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    found.repeated_complete = blobs.complete_multipart(key, &id, &parts).await.is_ok();
    found.metadata = blobs.head(key).await?.is_some_and(|facts| facts.token.as_deref() == Some(PROBE_TOKEN));
    Ok(())
}

/// Sends a CORS preflight as a browser would, for a PUT from this origin. `None`: no usable answer.
async fn preflight(blobs: &S3Blobs, key: &str, origin: &str) -> Option<bool> {
    let url = format!("{}{}/{key}", blobs.public_origin(), blobs.public.base_path);
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(5)).build().ok()?;
    let request = client.request(reqwest::Method::OPTIONS, url).header("origin", origin);
    let request = request
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "if-none-match,x-amz-checksum-sha256");
    let answer = request.send().await.ok()?;
    let allowed = answer.headers().get("access-control-allow-origin")?.to_str().ok()?;
    Some(answer.status().is_success() && (allowed == "*" || allowed == origin))
}
