//! Glue of the drafts: parse, call the engine, render.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::sync::watch;

use super::super::pieces;
use super::super::relayed::{self, Call, WithBody};
use super::super::server::interim::Interim;
use super::digest;
use super::draft::{Draft, Spoken};
use super::error::Refusal;
use super::wire::{self, About, Creation};
use crate::domain::access::Actor;
use crate::domain::append::{Ledger, Said};
use crate::domain::ids::UploadId;
use crate::domain::upload::{Protocol, Upload, UploadState};
use crate::engine::{AppendBytes, CompleteUpload, Ends, Error, Incoming, OpenAppend};

type Answer = Result<Response, Refusal>;

/// 104, which IANA lists as temporary for the drafts.
const RESUMABLE: StatusCode = match StatusCode::from_u16(104) {
    Ok(status) => status,
    Err(_) => StatusCode::PROCESSING,
};
const REASON: &str = "Upload Resumption Supported";
/// How long the answer to a file's last bytes waits for its digest, if the client wants that: it is established by the
/// workers. A client that gets none asks again by HEAD.
const DIGEST_PATIENCE: Duration = Duration::from_secs(10);

/// What this protocol asks of a request beside what all of them do.
impl Call {
    /// Where to say how it is going, and in which draft, if the client asked for that and may have it.
    fn heard(&self) -> Option<(&Interim, Draft)> {
        self.interim.as_ref().zip(wire::hears_interim(&self.headers))
    }

    /// Where an upload is, as this client reaches it.
    fn url(&self, upload: &Upload) -> String {
        format!("{}/{}", self.collection("files"), upload.id)
    }

    /// Tells where an upload is while its content is still coming: all that URLSession needs to go on after a cut.
    async fn tell_begun(&self, upload: &Upload) {
        let Some((interim, draft)) = self.heard() else { return };
        let (limits, now) = (self.limits().await, self.site.engine.now());
        let about = About { upload, limits: &limits, now };
        interim.send(RESUMABLE, REASON, &about.begun(draft, &self.url(upload)));
    }

    /// Appends, and tells meanwhile how far the content is safe.
    async fn append(&self, actor: &Actor, id: UploadId, mut wish: AppendBytes) -> Result<Upload, Error> {
        let engine = &self.site.engine;
        let Some((interim, draft)) = self.heard() else { return engine.append(actor, id, wish).await };
        let (heard, mut offsets) = watch::channel(wish.offset);
        wish.heard = Some(heard);
        let mut work = std::pin::pin!(engine.append(actor, id, wish));
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                Ok(()) = offsets.changed() => {
                    let offset = *offsets.borrow_and_update();
                    interim.send(RESUMABLE, REASON, &wire::reached(draft, offset));
                }
            }
        }
    }

    /// The draft in which to answer.
    fn draft(&self) -> Draft {
        Spoken::in_headers(&self.headers).map_or(Draft::Latest, Spoken::or_latest)
    }

    /// Renders an answer about an upload, with the file's digest if it is wanted and established within `patience`.
    async fn about(
        &self,
        actor: &Actor,
        upload: &Upload,
        patience: Duration,
        render: impl FnOnce(&About<'_>) -> Response,
    ) -> Response {
        let engine = &self.site.engine;
        let limits = engine.limits_for(actor).await.unwrap_or_else(|_| engine.limits());
        let mut response = render(&About { upload, limits: &limits, now: engine.now() });
        if upload.state == UploadState::Completed && digest::is_wanted(&self.headers) {
            // The file is here, whatever becomes of this question.
            let sha256 = engine.established_digest(actor, upload.asset, patience).await.unwrap_or_default();
            wire::say_digest(response.headers_mut(), sha256);
        }
        response
    }
}

pub(super) async fn collection(WithBody(call, body): WithBody) -> Response {
    let answer = match call.method {
        Method::OPTIONS => Ok(wire::options(&call.limits().await, call.draft())),
        Method::POST => create(&call, body).await,
        _ => return no_method("OPTIONS, POST"),
    };
    finished(&call, answer).await
}

pub(super) async fn upload(WithBody(call, body): WithBody) -> Response {
    let answer = match call.method {
        Method::OPTIONS => Ok(wire::options(&call.limits().await, call.draft())),
        Method::HEAD | Method::GET => look(&call).await,
        Method::PATCH => append(&call, body).await,
        Method::DELETE => cancel(&call).await,
        _ => return no_method("OPTIONS, HEAD, GET, PATCH, DELETE"),
    };
    finished(&call, answer).await
}

/// What answers of every kind have in common: the number that was said, and limits where one was passed.
async fn finished(call: &Call, answer: Answer) -> Response {
    let draft = call.draft();
    let mut response = answer.unwrap_or_else(|refusal| refusal.to(&call.method).render(draft));
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        wire::say_limit(response.headers_mut(), draft, &call.limits().await, None);
    }
    wire::say_draft(response.headers_mut(), draft);
    response
}

fn no_method(allowed: &'static str) -> Response {
    let detail = "This address does not answer to this method.";
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut response = refusal.render(Draft::Latest);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn look(call: &Call) -> Answer {
    wire::is_not_tus(&call.headers)?;
    let actor = call.actor().await?;
    wire::says_nothing_of_bytes(&call.headers)?;
    let upload = call.site.engine.progress(&actor, call.upload()?).await?;
    Ok(call.about(&actor, &upload, Duration::ZERO, |about| about.progress(call.draft())).await)
}

async fn cancel(call: &Call) -> Answer {
    wire::is_not_tus(&call.headers)?;
    let actor = call.actor().await?;
    wire::says_nothing_of_bytes(&call.headers)?;
    call.site.engine.terminate(&actor, call.upload()?).await?;
    Ok(wire::cancelled())
}

async fn append(call: &Call, body: Body) -> Answer {
    wire::is_not_tus(&call.headers)?;
    let (actor, id) = (call.actor().await?, call.upload()?);
    match appended(call, body, &actor, id).await {
        Ok(upload) => Ok(call.about(&actor, &upload, DIGEST_PATIENCE, |about| about.appended(call.draft())).await),
        Err(refusal) => Err(seen(call, refusal, &actor, id).await),
    }
}

/// A refusal that says where the upload stands.
async fn seen(call: &Call, refusal: Refusal, actor: &Actor, id: UploadId) -> Refusal {
    let upload = call.site.engine.glance(actor, id).await.ok();
    let provided = wire::offset(&call.headers).ok().flatten();
    refusal.seen(upload.as_ref(), provided, call.draft())
}

async fn appended(call: &Call, body: Body, actor: &Actor, id: UploadId) -> Result<Upload, Refusal> {
    let wire::Append { offset, ends, length, checksum } = wire::append(&call.headers, call.draft(), call.announced)?;
    let (announced, body) = (call.announced, incoming(body));
    let wish = AppendBytes { offset, length, announced, checksum, ends, heard: None, body };
    let upload = call.append(actor, id, wish).await?;
    meant_complete(call, actor, upload).await
}

/// The upload, completed if its client will never say that it is.
async fn meant_complete(call: &Call, actor: &Actor, upload: Upload) -> Result<Upload, Refusal> {
    let whole = upload.state == UploadState::Open && upload.ledger().is_some_and(Ledger::is_whole);
    if !whole || !call.draft().is_tus_js() {
        return Ok(upload);
    }
    let engine = &call.site.engine;
    engine.complete(actor, upload.id, CompleteUpload::default()).await?;
    Ok(engine.glance(actor, upload.id).await?)
}

async fn create(call: &Call, body: Body) -> Answer {
    wire::is_not_tus(&call.headers)?;
    let actor = call.actor().await?;
    pieces::check_content(&call.headers, call.query.as_deref(), call.announced)?;
    let creation = wire::creation(&call.headers, call.announced)?;
    let draft = creation.draft;
    let upload = opened(call, body, &actor, creation).await?;
    Ok(call.about(&actor, &upload, DIGEST_PATIENCE, |about| about.created(draft, &call.url(&upload))).await)
}

/// The upload, once its first bytes are here.
async fn opened(call: &Call, body: Body, actor: &Actor, creation: Creation) -> Result<Upload, Refusal> {
    let Creation { draft, ends, length, described, sha256, checksum } = creation;
    let engine = &call.site.engine;
    let limit = engine.limits().max_append;
    if call.announced.is_some_and(|bytes| bytes > limit) {
        return Err(Error::TooLarge { limit }.into());
    }
    let wish = OpenAppend {
        protocol: Protocol::Ietf,
        name: described.name,
        media_type: described.media_type,
        metadata: described.metadata,
        sha256,
        length,
        partial: false,
        said: Said::default(),
        first: None,
        content_follows: call.announced != Some(0),
    };
    let upload = engine.open_append(actor, wish).await?;
    if upload.state != UploadState::Open {
        return repeated(call, body, actor, upload).await;
    }
    if ends == Ends::Later && call.announced == Some(0) {
        return Ok(upload);
    }
    if draft.is_some() {
        call.tell_begun(&upload).await;
    }
    let (announced, body) = (call.announced, incoming(body));
    let wish = AppendBytes { offset: 0, length: None, announced, checksum, ends, heard: None, body };
    match call.append(actor, upload.id, wish).await {
        Ok(upload) => meant_complete(call, actor, upload).await,
        Err(error) => {
            let unheard = matches!(error, Error::ChecksumMismatch) || draft.is_none();
            if unheard && matches!(actor, Actor::Key { .. }) {
                // Nobody knows where it is, or nobody could go on with it.
                let _ = engine.terminate(actor, upload.id).await;
            }
            Err(seen(call, error.into(), actor, upload.id).await)
        }
    }
}

/// The upload that has ended before the content of its creation came, if that is the content it has.
async fn repeated(call: &Call, body: Body, actor: &Actor, upload: Upload) -> Result<Upload, Refusal> {
    if call.announced == Some(0) {
        return Ok(upload);
    }
    let engine = &call.site.engine;
    let id = upload.id;
    match engine.repeat_file(actor, id, call.announced, incoming(body)).await {
        Ok(upload) => Ok(upload),
        Err(error) => {
            // Just created, as an empty file that has content after all: its client hears of no upload.
            if matches!(actor, Actor::Key { .. }) {
                let _ = engine.terminate(actor, id).await;
            }
            Err(error.into())
        }
    }
}

fn incoming(body: Body) -> Incoming {
    relayed::incoming(body, |trailers| digest::of_content(trailers).ok().flatten())
}
