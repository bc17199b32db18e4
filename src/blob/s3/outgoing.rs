//! Streamed request bodies: sent once, with their exact length, unsigned. The connection to the store is trusted, and
//! hashing every byte for SigV4 would cost more than sending it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::{ByteStream as SdkStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::blob::{BlobError, ByteStream, PutPayload};

/// Lowest transfer rate in bytes per second; a slower store is treated as unavailable.
const MIN_BYTES_PER_SECOND: u64 = 256 << 10;

/// A stream as a body of known length. The mutex is never locked; it makes the stream `Sync`, which the SDK requires.
struct OutgoingBody {
    bytes: Mutex<ByteStream>,
    left: u64,
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        let bytes = self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let chunk = match bytes.as_mut().poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(chunk)) => chunk,
        };
        Poll::Ready(Some(chunk.map(|chunk| {
            self.left = self.left.saturating_sub(chunk.len() as u64);
            Frame::data(chunk)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The payload as a body of the SDK.
pub(super) fn stream(payload: PutPayload) -> SdkStream {
    let body = OutgoingBody { bytes: Mutex::new(payload.bytes), left: payload.len };
    SdkStream::new(SdkBody::from_body_1_x(body))
}

/// Timeouts for sending `len` bytes: the SDK counts from the first byte sent to the first byte received.
pub(super) fn patience(len: u64) -> Builder {
    let read = Duration::from_secs(60 + len / MIN_BYTES_PER_SECOND);
    aws_sdk_s3::config::Config::builder().timeout_config(TimeoutConfig::builder().read_timeout(read).build())
}
