//! Glue of tus: parse, call the engine, render.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::metadata;
use super::super::pieces;
use super::super::relayed::{self, Call, WithBody};
use super::error::Refusal;
use super::wire::{self, Wanted};
use crate::domain::access::Actor;
use crate::domain::append::Said;
use crate::domain::ids::UploadId;
use crate::domain::upload::{Protocol, Upload};
use crate::engine::{AppendBytes, Checksum, Concatenate, Ends, Error, Incoming, OpenAppend};

type Answer = Result<Response, Refusal>;

pub(super) async fn collection(WithBody(call, body): WithBody) -> Response {
    match call.method {
        Method::OPTIONS => wire::options(&call.limits().await),
        Method::POST => {
            let max_request_body = call.site.engine.limits().max_request_body;
            wire::say_limit(create(call, body).await.into_response(), max_request_body)
        }
        _ => no_method("OPTIONS, POST"),
    }
}

pub(super) async fn upload(WithBody(call, body): WithBody) -> Response {
    let method = call.method.clone();
    let max_request_body = call.site.engine.limits().max_request_body;
    let answer = match method {
        Method::OPTIONS => return wire::options(&call.limits().await),
        Method::HEAD => look(call).await,
        Method::PATCH => append(call, body).await,
        Method::DELETE => terminate(call).await,
        _ => return no_method("OPTIONS, HEAD, PATCH, DELETE"),
    };
    wire::say_limit(answer.map_err(|refusal| refusal.to(&method)).into_response(), max_request_body)
}

fn no_method(allowed: &'static str) -> Response {
    let detail = "This address does not answer to this method.";
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut response = refusal.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

async fn look(call: Call) -> Answer {
    wire::speaks_tus(&call.headers, true)?;
    let actor = call.actor().await?;
    let upload = call.site.engine.progress(&actor, call.upload()?).await?;
    Ok(wire::progress(&upload))
}

async fn append(call: Call, body: Body) -> Answer {
    wire::speaks_tus(&call.headers, false)?;
    let actor = call.actor().await?;
    if !wire::is_content(&call.headers) {
        return Err(wire::wrong_content());
    }
    let wish = AppendBytes {
        offset: wire::offset(&call.headers)?,
        length: wire::length(&call.headers)?,
        announced: call.announced,
        checksum: wire::announced_checksum(&call.headers)?,
        ends: Ends::ByLength,
        heard: None,
        body: incoming(body),
    };
    let upload = call.site.engine.append(&actor, call.upload()?, wish).await?;
    Ok(wire::appended(&upload))
}

async fn terminate(call: Call) -> Answer {
    wire::speaks_tus(&call.headers, false)?;
    let actor = call.actor().await?;
    call.site.engine.terminate(&actor, call.upload()?).await?;
    Ok(wire::terminated())
}

async fn create(call: Call, body: Body) -> Answer {
    wire::speaks_tus(&call.headers, false)?;
    let actor = call.actor().await?;
    let collection = call.collection("tus");
    let upload = match wire::concat(&call.headers, &call.site.public_url)? {
        Wanted::Final(of, said) => {
            let said = said.to_owned();
            concatenate(&call, &actor, of, said).await?
        }
        Wanted::Partial => open(&call, body, &actor, true).await?,
        Wanted::Whole => open(&call, body, &actor, false).await?,
    };
    Ok(wire::created(&upload, &collection))
}

async fn concatenate(call: &Call, actor: &Actor, of: Vec<UploadId>, concat: String) -> Result<Upload, Refusal> {
    if wire::length(&call.headers)?.is_some() {
        return Err(Error::invalid("Upload-Length", "a final upload is as long as its pieces").into());
    }
    let (raw, described) = described(&call.headers)?;
    let wish = Concatenate {
        name: described.name,
        media_type: described.media_type,
        metadata: described.metadata,
        of,
        said: Said { metadata: raw, concat: Some(concat) },
    };
    Ok(call.site.engine.concatenate(actor, wish).await?)
}

async fn open(call: &Call, body: Body, actor: &Actor, partial: bool) -> Result<Upload, Refusal> {
    let (raw, described) = described(&call.headers)?;
    let (engine, length) = (call.site.engine.clone(), wire::new_length(&call.headers)?);
    let wish = OpenAppend {
        protocol: Protocol::Tus,
        name: described.name,
        media_type: described.media_type,
        metadata: described.metadata,
        sha256: None,
        length,
        partial,
        said: Said { metadata: raw, concat: partial.then(|| "partial".to_owned()) },
        first: first_bytes(call, body)?,
        content_follows: false,
    };
    Ok(engine.open_append(actor, wish).await?)
}

fn described(headers: &HeaderMap) -> Result<(Option<String>, metadata::Described), Error> {
    let raw = wire::metadata(headers)?;
    Ok((raw.map(ToOwned::to_owned), metadata::parse(raw.unwrap_or_default())?))
}

/// The bytes that come with a creation, if any do.
fn first_bytes(call: &Call, body: Body) -> Result<Option<(Option<u64>, Checksum, Incoming)>, Refusal> {
    if call.announced == Some(0) {
        return Ok(None);
    }
    if !wire::is_content(&call.headers) {
        return Err(wire::wrong_content());
    }
    pieces::whole_range(&call.headers)?;
    Ok(Some((call.announced, wire::announced_checksum(&call.headers)?, incoming(body))))
}

fn incoming(body: Body) -> Incoming {
    relayed::incoming(body, |trailers| wire::checksum(trailers).ok().flatten())
}
