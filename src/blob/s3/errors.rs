//! The SDK's errors by meaning. A code decides where there is one, the status where there is none.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::super::BlobError;

/// What an error of any operation means to the port.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn meaning<E>(error: SdkError<E, HttpResponse>) -> BlobError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    let text = || DisplayErrorContext(&error).to_string();
    match (code, status) {
        ("NoSuchKey" | "NoSuchUpload" | "NotFound", _) => BlobError::NotFound,
        ("PreconditionFailed" | "ConditionalRequestConflict", _) => BlobError::Precondition,
        ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "InvalidPartNumber" | "BadDigest", _) => {
            BlobError::BadParts(text())
        }
        ("InsufficientStorage" | "XMinioStorageFull" | "QuotaExceeded" | "EntityTooLarge", _) | (_, Some(507)) => {
            BlobError::Full
        }
        ("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed", _)
        | ("NoSuchBucket" | "ExpiredToken" | "InvalidToken", _) => BlobError::Denied(text()),
        ("", Some(404)) => BlobError::NotFound,
        ("", Some(412)) => BlobError::Precondition,
        ("", Some(401 | 403)) => BlobError::Denied(text()),
        _ => BlobError::Unavailable(text()),
    }
}
