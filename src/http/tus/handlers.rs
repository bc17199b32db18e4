//! Glue of tus: parse, call the engine, render.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::error::TusError;
use super::wire::{self, ConcatRequest};
use crate::domain::access::Actor;
use crate::domain::append::EchoedHeaders;
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadProtocol};
use crate::engine::{AppendBody, AppendBytes, AppendChecksum, ConcatenateUploads, EndOfBody, Error, OpenAppend};
use crate::http::chunk_detection;
use crate::http::upload_metadata;
use crate::http::upload_request::{self, UploadRequest, UploadRequestWithBody};

type TusResult = Result<Response, TusError>;

pub(super) async fn handle_collection(UploadRequestWithBody(call, body): UploadRequestWithBody) -> Response {
    match call.method {
        Method::OPTIONS => wire::options_response(&call.load_limits().await),
        Method::POST => {
            let max_request_body = call.site.engine.uploads().limits().max_request_body;
            wire::with_limit_header(create_upload(call, body).await.into_response(), max_request_body)
        }
        _ => method_not_allowed_response("OPTIONS, POST"),
    }
}

pub(super) async fn handle_upload(UploadRequestWithBody(call, body): UploadRequestWithBody) -> Response {
    let method = call.method.clone();
    let max_request_body = call.site.engine.uploads().limits().max_request_body;
    let answer = match method {
        Method::OPTIONS => return wire::options_response(&call.load_limits().await),
        Method::HEAD => get_offset(call).await,
        Method::PATCH => append_content(call, body).await,
        Method::DELETE => terminate_upload(call).await,
        _ => return method_not_allowed_response("OPTIONS, HEAD, PATCH, DELETE"),
    };
    wire::with_limit_header(answer.map_err(|refusal| refusal.for_method(&method)).into_response(), max_request_body)
}

fn method_not_allowed_response(allowed: &'static str) -> Response {
    let detail = "This address does not support this method.";
    let refusal = TusError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut response = refusal.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn get_offset(call: UploadRequest) -> TusResult {
    wire::check_version(&call.headers, true)?;
    let actor = call.admit_sender().await?;
    let upload = call.site.engine.append().wait_for_progress(&actor, call.upload_id()?).await?;
    Ok(wire::progress_response(&upload))
}

async fn append_content(call: UploadRequest, body: Body) -> TusResult {
    wire::check_version(&call.headers, false)?;
    let actor = call.admit_sender().await?;
    if !wire::is_offset_stream(&call.headers) {
        return Err(wire::wrong_content_type());
    }
    let wish = AppendBytes {
        offset: wire::parse_offset(&call.headers)?,
        length: wire::parse_length(&call.headers)?,
        content_length: call.content_length,
        checksum: wire::announced_checksum(&call.headers)?,
        end_of_body: EndOfBody::ByLength,
        offset_sender: None,
        body: append_body(body),
    };
    let upload = call.site.engine.append().append_bytes(&actor, call.upload_id()?, wish).await?;
    Ok(wire::append_response(&upload))
}

async fn terminate_upload(call: UploadRequest) -> TusResult {
    wire::check_version(&call.headers, false)?;
    let actor = call.admit_sender().await?;
    call.site.engine.append().terminate_upload(&actor, call.upload_id()?).await?;
    Ok(wire::termination_response())
}

async fn create_upload(call: UploadRequest, body: Body) -> TusResult {
    wire::check_version(&call.headers, false)?;
    let actor = call.admit_sender().await?;
    let collection = call.collection_url("tus");
    let upload = match wire::parse_concat(&call.headers, &call.site.public_url)? {
        ConcatRequest::Final(of, said) => {
            let said = said.to_owned();
            concatenate_uploads(&call, &actor, of, said).await?
        }
        ConcatRequest::Partial => open_upload(&call, body, &actor, true).await?,
        ConcatRequest::Whole => open_upload(&call, body, &actor, false).await?,
    };
    Ok(wire::creation_response(&upload, &collection))
}

async fn concatenate_uploads(
    call: &UploadRequest,
    actor: &Actor,
    of: Vec<UploadId>,
    concat: String,
) -> Result<Upload, TusError> {
    if wire::parse_length(&call.headers)?.is_some() {
        return Err(Error::invalid(
            "Upload-Length",
            "must be absent: a final upload is as long as its partial uploads",
        )
        .into());
    }
    let (raw, described) = parse_metadata(&call.headers)?;
    let wish = ConcatenateUploads {
        name: described.name,
        media_type: described.media_type,
        metadata: described.metadata,
        uploads: of,
        echoed: EchoedHeaders { metadata: raw, concat: Some(concat) },
    };
    Ok(call.site.engine.append().concatenate_uploads(actor, wish).await?)
}

async fn open_upload(call: &UploadRequest, body: Body, actor: &Actor, partial: bool) -> Result<Upload, TusError> {
    let (raw, described) = parse_metadata(&call.headers)?;
    let (engine, length) = (call.site.engine.clone(), wire::creation_length(&call.headers)?);
    let wish = OpenAppend {
        protocol: UploadProtocol::Tus,
        name: described.name,
        media_type: described.media_type,
        metadata: described.metadata,
        sha256: None,
        length,
        partial,
        echoed: EchoedHeaders { metadata: raw, concat: partial.then(|| "partial".to_owned()) },
        first_bytes: creation_content(call, body)?,
        content_follows: false,
    };
    Ok(engine.append().open_append(actor, wish).await?)
}

fn parse_metadata(headers: &HeaderMap) -> Result<(Option<String>, upload_metadata::UploadMetadata), Error> {
    let raw = wire::metadata_header(headers)?;
    Ok((raw.map(ToOwned::to_owned), upload_metadata::parse_upload_metadata(raw.unwrap_or_default())?))
}

/// The bytes that come with a creation, if any.
fn creation_content(
    call: &UploadRequest,
    body: Body,
) -> Result<Option<(Option<u64>, AppendChecksum, AppendBody)>, TusError> {
    if call.content_length == Some(0) {
        return Ok(None);
    }
    if !wire::is_offset_stream(&call.headers) {
        return Err(wire::wrong_content_type());
    }
    chunk_detection::whole_file_size(&call.headers)?;
    Ok(Some((call.content_length, wire::announced_checksum(&call.headers)?, append_body(body))))
}

fn append_body(body: Body) -> AppendBody {
    upload_request::append_body(body, |trailers| wire::parse_checksum(trailers).ok().flatten())
}
