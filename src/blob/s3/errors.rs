//! Mapping of SDK errors to [`BlobError`], by error code; by HTTP status for responses without a code.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::blob::BlobError;
use crate::domain::reason::innermost_cause;

/// [`BlobError`] for an SDK error of any operation.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn meaning<E>(error: SdkError<E, HttpResponse>) -> BlobError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    // Without the SDK's own chain, which can hold the response with its headers and body.
    let text = || words(&error).into();
    match (code, status) {
        ("NoSuchKey" | "NoSuchUpload" | "NotFound", _) => BlobError::NotFound,
        ("PreconditionFailed" | "ConditionalRequestConflict", _) => BlobError::Precondition,
        // Requested ranges are always inside the object: the store has fewer bytes than it had.
        ("InvalidRange", _) | ("", Some(416)) => BlobError::Damaged(text()),
        ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "InvalidPartNumber" | "BadDigest", _) => {
            BlobError::BadParts(text())
        }
        // Code of the embedded store.
        ("ObjectDamaged", _) => BlobError::Damaged(text()),
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

/// Text of an error: `NoSuchBucket: The specified bucket does not exist (HTTP 404)`, `no connection: Connection
/// refused`.
pub(super) fn words<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| format!(" (HTTP {})", response.status().as_u16()));
    match error {
        SdkError::ServiceError(service) => {
            let said = [service.err().code(), service.err().message()];
            let said: Vec<_> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
            let said = if said.is_empty() { "refused".to_owned() } else { said.join(": ") };
            said + &status.unwrap_or_default()
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "no answer in time".to_owned(),
        SdkError::ResponseError(_) => {
            format!("invalid answer{}: {}", status.unwrap_or_default(), innermost_cause(error))
        }
        _ => innermost_cause(error),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::head_bucket::HeadBucketError;

    use super::*;
    use crate::domain::reason::chain;

    #[test]
    fn no_signed_request_is_in_the_chain_of_an_error() {
        let mut answer = HttpResponse::new(403.try_into().unwrap(), "<StringToSign>hush</StringToSign>".into());
        answer.headers_mut().insert("x-amz-copied", "X-Amz-Signature=hush");
        let metadata = aws_sdk_s3::error::ErrorMetadata::builder().code("SignatureDoesNotMatch").message("Not signed");
        let metadata = metadata.custom("string_to_sign", "hush").build();
        let error = meaning(SdkError::service_error(HeadBucketError::generic(metadata), answer));
        let line = chain(&error).to_string();
        assert_eq!(line, "the store denies access: SignatureDoesNotMatch: Not signed (HTTP 403)");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }

    #[test]
    fn no_text_of_the_sdk_is_shown() {
        let refused = std::io::Error::from_raw_os_error(111);
        let connector = HttpResponse::new(404.try_into().unwrap(), "".into());
        let metadata = aws_sdk_s3::error::ErrorMetadata::builder().code("NoSuchBucket").message("It is not there");
        let service = SdkError::service_error(HeadBucketError::generic(metadata.build()), connector);
        assert_eq!(words(&service), "NoSuchBucket: It is not there (HTTP 404)");
        let broken: SdkError<HeadBucketError, HttpResponse> = SdkError::construction_failure(refused);
        assert_eq!(words(&broken), "Connection refused");
        let late: SdkError<HeadBucketError, HttpResponse> = SdkError::timeout_error("x");
        assert_eq!(words(&late), "no answer in time");
    }
}
