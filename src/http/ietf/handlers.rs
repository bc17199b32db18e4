//! Glue of the drafts: parse, call the engine, render.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::watch;

use super::digest;
use super::draft::{DraftVersion, RequestedDraft};
use super::error::IetfError;
use super::wire::{self, CreationRequest, UploadResponseContext};
use crate::domain::access::Actor;
use crate::domain::append::{AppendLedger, EchoedHeaders};
use crate::domain::ids::UploadId;
use crate::domain::upload::{Upload, UploadProtocol, UploadState};
use crate::engine::{AppendBody, AppendBytes, CompleteUpload, EndOfBody, Error, OpenAppend};
use crate::http::chunk_detection;
use crate::http::server::interim::InterimSender;
use crate::http::upload_request::{self, UploadRequest, UploadRequestWithBody};

type IetfResult = Result<Response, IetfError>;

/// 104, which is a temporary entry in IANA's registry, for the drafts.
const UPLOAD_RESUMPTION_STATUS: StatusCode = match StatusCode::from_u16(104) {
    Ok(status) => status,
    Err(_) => StatusCode::PROCESSING,
};
const UPLOAD_RESUMPTION_REASON: &str = "Upload Resumption Supported";
/// Time for which the answer to the last bytes of a file waits for the digest that the client wants: workers compute
/// it. A client that gets no digest asks again by HEAD.
const DIGEST_WAIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Methods of a request that only this protocol needs.
impl UploadRequest {
    /// Sender of interim answers and the draft version for them, if the client asked for interim answers and may get
    /// them.
    fn interim_channel(&self) -> Option<(&InterimSender, DraftVersion)> {
        self.interim.as_ref().zip(wire::interim_draft(&self.headers))
    }

    /// URL of an upload, as this client reaches it.
    fn upload_url(&self, upload: &Upload) -> String {
        format!("{}/{}", self.collection_url("files"), upload.id)
    }

    /// Sends the upload's URL in an interim answer while content still arrives: URLSession needs it to resume after a
    /// disconnect.
    async fn send_upload_location(&self, upload: &Upload) {
        let Some((interim, draft)) = self.interim_channel() else { return };
        let (limits, now) = (self.load_limits().await, self.site.engine.now());
        let about = UploadResponseContext { upload, limits: &limits, now };
        interim.send(
            UPLOAD_RESUMPTION_STATUS,
            UPLOAD_RESUMPTION_REASON,
            &about.location_headers(draft, &self.upload_url(upload)),
        );
    }

    /// Appends, and reports the durable offset in interim answers meanwhile.
    async fn append_with_progress(&self, actor: &Actor, id: UploadId, mut wish: AppendBytes) -> Result<Upload, Error> {
        let engine = &self.site.engine;
        let Some((interim, draft)) = self.interim_channel() else {
            return engine.append().append_bytes(actor, id, wish).await;
        };
        let (heard, mut offsets) = watch::channel(wish.offset);
        wish.offset_sender = Some(heard);
        let mut work = std::pin::pin!(engine.append().append_bytes(actor, id, wish));
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                Ok(()) = offsets.changed() => {
                    let offset = *offsets.borrow_and_update();
                    interim.send(UPLOAD_RESUMPTION_STATUS, UPLOAD_RESUMPTION_REASON, &wire::offset_headers(draft, offset));
                }
            }
        }
    }

    /// The draft version in which to answer.
    fn response_draft(&self) -> DraftVersion {
        RequestedDraft::from_headers(&self.headers).map_or(DraftVersion::Latest, RequestedDraft::or_latest)
    }

    /// Renders an answer about an upload, with the file's digest if the client wants it and it is computed within
    /// `patience`.
    async fn respond_about(
        &self,
        actor: &Actor,
        upload: &Upload,
        patience: Duration,
        render: impl FnOnce(&UploadResponseContext<'_>) -> Response,
    ) -> Response {
        let engine = &self.site.engine;
        let limits = engine.uploads().load_limits_for(actor).await.unwrap_or_else(|_| engine.uploads().limits());
        let mut response = render(&UploadResponseContext { upload, limits: &limits, now: engine.now() });
        if upload.state == UploadState::Completed && digest::wants_repr_digest(&self.headers) {
            // The file is stored, whatever the outcome of this query.
            let sha256 = engine.assets().wait_for_digest(actor, upload.asset, patience).await.unwrap_or_default();
            wire::set_repr_digest(response.headers_mut(), sha256);
        }
        response
    }
}

pub(super) async fn handle_collection(UploadRequestWithBody(call, body): UploadRequestWithBody) -> Response {
    let answer = match call.method {
        Method::OPTIONS => Ok(wire::options_response(&call.load_limits().await, call.response_draft())),
        Method::POST => create_upload(&call, body).await,
        _ => return method_not_allowed_response("OPTIONS, POST"),
    };
    finish_response(&call, answer).await
}

pub(super) async fn handle_upload(UploadRequestWithBody(call, body): UploadRequestWithBody) -> Response {
    let answer = match call.method {
        Method::OPTIONS => Ok(wire::options_response(&call.load_limits().await, call.response_draft())),
        Method::HEAD | Method::GET => get_progress(&call).await,
        Method::PATCH => append_content(&call, body).await,
        Method::DELETE => cancel_upload(&call).await,
        _ => return method_not_allowed_response("OPTIONS, HEAD, GET, PATCH, DELETE"),
    };
    finish_response(&call, answer).await
}

/// Adds what all answers have in common: the interop number, and the limits where an error concerns them.
async fn finish_response(call: &UploadRequest, answer: IetfResult) -> Response {
    let draft = call.response_draft();
    let mut response = answer.unwrap_or_else(|refusal| refusal.for_method(&call.method).render(draft));
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        wire::set_limit_header(response.headers_mut(), draft, &call.load_limits().await, None);
    }
    wire::set_draft_header(response.headers_mut(), draft);
    response
}

fn method_not_allowed_response(allowed: &'static str) -> Response {
    let detail = "This address does not support this method.";
    let refusal = IetfError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut response = refusal.render(DraftVersion::Latest);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn get_progress(call: &UploadRequest) -> IetfResult {
    wire::refuse_tus(&call.headers)?;
    let actor = call.admit_sender().await?;
    wire::refuse_byte_headers(&call.headers)?;
    let upload = call.site.engine.append().wait_for_progress(&actor, call.upload_id()?).await?;
    Ok(call
        .respond_about(&actor, &upload, Duration::ZERO, |about| about.progress_response(call.response_draft()))
        .await)
}

async fn cancel_upload(call: &UploadRequest) -> IetfResult {
    wire::refuse_tus(&call.headers)?;
    let actor = call.admit_sender().await?;
    wire::refuse_byte_headers(&call.headers)?;
    call.site.engine.append().terminate_upload(&actor, call.upload_id()?).await?;
    Ok(wire::cancellation_response())
}

async fn append_content(call: &UploadRequest, body: Body) -> IetfResult {
    wire::refuse_tus(&call.headers)?;
    let (actor, id) = (call.admit_sender().await?, call.upload_id()?);
    match append_to_upload(call, body, &actor, id).await {
        Ok(upload) => Ok(call
            .respond_about(&actor, &upload, DIGEST_WAIT_TIMEOUT, |about| about.append_response(call.response_draft()))
            .await),
        Err(refusal) => Err(add_standing(call, refusal, &actor, id).await),
    }
}

/// Adds the upload's offset to an error.
async fn add_standing(call: &UploadRequest, refusal: IetfError, actor: &Actor, id: UploadId) -> IetfError {
    let upload = call.site.engine.append().read_progress(actor, id).await.ok();
    let provided = wire::parse_offset(&call.headers).ok().flatten();
    refusal.with_standing(upload.as_ref(), provided, call.response_draft())
}

async fn append_to_upload(call: &UploadRequest, body: Body, actor: &Actor, id: UploadId) -> Result<Upload, IetfError> {
    let wire::AppendRequest { offset, ends, length, checksum } =
        wire::parse_append(&call.headers, call.response_draft(), call.content_length)?;
    let (announced, body) = (call.content_length, append_body(body));
    let wish = AppendBytes {
        offset,
        length,
        content_length: announced,
        checksum,
        end_of_body: ends,
        offset_sender: None,
        body,
    };
    let upload = call.append_with_progress(actor, id, wish).await?;
    complete_if_meant(call, actor, upload).await
}

/// The upload, completed here if its client never sends the completeness header.
async fn complete_if_meant(call: &UploadRequest, actor: &Actor, upload: Upload) -> Result<Upload, IetfError> {
    let whole = upload.state == UploadState::Open && upload.ledger().is_some_and(AppendLedger::is_whole);
    if !whole || !call.response_draft().is_tus_js() {
        return Ok(upload);
    }
    let engine = &call.site.engine;
    engine.uploads().complete_upload(actor, upload.id, CompleteUpload::default()).await?;
    Ok(engine.append().read_progress(actor, upload.id).await?)
}

async fn create_upload(call: &UploadRequest, body: Body) -> IetfResult {
    wire::refuse_tus(&call.headers)?;
    let actor = call.admit_sender().await?;
    chunk_detection::check_whole_content(&call.headers, call.query.as_deref(), call.content_length)?;
    let creation = wire::parse_creation(&call.headers, call.content_length)?;
    let draft = creation.draft;
    let upload = open_with_content(call, body, &actor, creation).await?;
    Ok(call
        .respond_about(&actor, &upload, DIGEST_WAIT_TIMEOUT, |about| {
            about.creation_response(draft, &call.upload_url(&upload))
        })
        .await)
}

/// Opens an upload and appends the content of the creation.
async fn open_with_content(
    call: &UploadRequest,
    body: Body,
    actor: &Actor,
    creation: CreationRequest,
) -> Result<Upload, IetfError> {
    let CreationRequest { draft, ends, length, metadata: described, sha256, checksum } = creation;
    let engine = &call.site.engine;
    let limit = engine.uploads().limits().max_append;
    if call.content_length.is_some_and(|bytes| bytes > limit) {
        return Err(Error::TooLarge { limit }.into());
    }
    let wish = OpenAppend {
        protocol: UploadProtocol::Ietf,
        name: described.name,
        media_type: described.media_type,
        metadata: described.metadata,
        sha256,
        length,
        partial: false,
        echoed: EchoedHeaders::default(),
        first_bytes: None,
        content_follows: call.content_length != Some(0),
    };
    let upload = engine.append().open_append(actor, wish).await?;
    if upload.state != UploadState::Open {
        return compare_repeated_content(call, body, actor, upload).await;
    }
    if ends == EndOfBody::MoreFollows && call.content_length == Some(0) {
        return Ok(upload);
    }
    if draft.is_some() {
        call.send_upload_location(&upload).await;
    }
    let (announced, body) = (call.content_length, append_body(body));
    let wish = AppendBytes {
        offset: 0,
        length: None,
        content_length: announced,
        checksum,
        end_of_body: ends,
        offset_sender: None,
        body,
    };
    match call.append_with_progress(actor, upload.id, wish).await {
        Ok(upload) => complete_if_meant(call, actor, upload).await,
        Err(error) => {
            let unheard = matches!(error, Error::ChecksumMismatch) || draft.is_none();
            if unheard && !matches!(actor, Actor::Uploader { .. }) {
                // The client does not know the upload's URL or cannot continue it.
                let _ = engine.append().terminate_upload(actor, upload.id).await;
            }
            Err(add_standing(call, error.into(), actor, upload.id).await)
        }
    }
}

/// Compares the content of a creation with an upload that had ended before the content came. Returns the upload if they
/// are equal.
async fn compare_repeated_content(
    call: &UploadRequest,
    body: Body,
    actor: &Actor,
    upload: Upload,
) -> Result<Upload, IetfError> {
    if call.content_length == Some(0) {
        return Ok(upload);
    }
    let engine = &call.site.engine;
    let id = upload.id;
    match engine.append().compare_repeated_file(actor, id, call.content_length, append_body(body)).await {
        Ok(upload) => Ok(upload),
        Err(error) => {
            // The upload was just created as an empty file, but the request has content: the client does not learn of
            // this upload.
            if !matches!(actor, Actor::Uploader { .. }) {
                let _ = engine.append().terminate_upload(actor, id).await;
            }
            Err(error.into())
        }
    }
}

fn append_body(body: Body) -> AppendBody {
    upload_request::append_body(body, |trailers| digest::content_digest(trailers).ok().flatten())
}
