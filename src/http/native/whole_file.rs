//! A whole file as the body of a PUT, for clients that know nothing of signed URLs.

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use http_body::Body as _;

use crate::domain::asset::AssetMetadata;
use crate::domain::name::{FileName, MediaType};
use crate::engine::{AppendBody, BodyFrame, GrantDescription, TruncatedBody};
use crate::http::chunk_detection;
use crate::http::problem::ProblemDetails;

/// The body of a PUT that is a whole file.
pub(super) struct WholeFile {
    /// Length in bytes, if declared.
    pub(super) announced: Option<u64>,
    media_type: Option<MediaType>,
    pub(super) bytes: AppendBody,
}

impl WholeFile {
    /// Describes the file as far as the request does.
    pub(super) fn describe(&self, name: FileName) -> GrantDescription {
        GrantDescription { name, media_type: self.media_type.clone(), metadata: AssetMetadata::new() }
    }
}

/// Refuses a body that is a part of a file, or that belongs to a resumption.
pub(super) fn parse_whole_file(
    headers: &HeaderMap,
    query: Option<&str>,
    body: Body,
) -> Result<WholeFile, ProblemDetails> {
    let announced = body.size_hint().exact();
    chunk_detection::check_whole_content(headers, query, announced)?;
    chunk_detection::check_resumption_headers(headers)?;
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse().ok());
    let pieces = body.into_data_stream().map(|piece| piece.map(BodyFrame::Bytes).map_err(|_| TruncatedBody));
    Ok(WholeFile { announced, media_type, bytes: pieces.boxed() })
}
