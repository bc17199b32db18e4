//! Request content as the engine takes it: bytes, and perhaps a digest behind them.

use axum::body::Body;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::BodyStream;

use super::digest;
use crate::engine::{Arrival, BrokenOff, Incoming};

/// The bytes of a request as they come. Trailers that make no sense are left out: then the digest is missing.
pub(super) fn incoming(body: Body) -> Incoming {
    let arrivals = BodyStream::new(body).filter_map(async |frame| match frame.map(Frame::into_data) {
        Ok(Ok(bytes)) => Some(Ok(Arrival::Bytes(bytes))),
        Ok(Err(frame)) => {
            let trailers = frame.into_trailers().ok()?;
            let expected = digest::of_content(&trailers).ok().flatten()?;
            Some(Ok(Arrival::Checksum(expected)))
        }
        Err(_) => Some(Err(BrokenOff)),
    });
    arrivals.boxed()
}
