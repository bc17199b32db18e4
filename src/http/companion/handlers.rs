//! Glue of Companion's contract: parse, call the engine, render.

use std::collections::HashMap;

use axum::Json as Rendered;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use serde_json::{Map, Value, json};

use super::super::body::{Json, JsonList};
use super::super::pieces::{self, CutClaims};
use super::super::problem::Problem;
use super::super::{Site, context};
use super::error::Refusal;
use super::form::{self, Form, FormRequest};
use super::wire::{self, Completion, NewMultipart, Query};
use crate::domain::access::Actor;
use crate::domain::asset::Asset;
use crate::domain::ids::UploadId;
use crate::engine::Error;

type Answer<T = Rendered<Value>> = Result<T, Refusal>;

/// Who asks, and for what. Those who come with a grant in the path send no headers.
pub(super) struct Call {
    site: Site,
    actor: Actor,
    path: HashMap<String, String>,
    query: Query,
}

impl FromRequestParts<Site> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Refusal> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, site).await;
        let path = path.map(|Path(path)| path).unwrap_or_default();
        let actor = match path.get("grant") {
            Some(grant) => context::granted(&site.engine, grant).await?,
            None => context::actor(&site.engine, &parts.headers).await?,
        };
        Ok(Self { site: site.clone(), actor, path, query: Query::new(parts.uri.query()) })
    }
}

impl Call {
    /// The upload in the path, if what is said of its key is true.
    async fn upload(&self) -> Result<UploadId, Error> {
        let key = self.query.key()?;
        let id = self.path.get("id").and_then(|text| text.parse().ok()).ok_or(Error::Hidden)?;
        let upload = self.site.engine.peek(&self.actor, id).await?;
        if wire::key(upload.asset) == key { Ok(id) } else { Err(Error::Hidden) }
    }
}

pub(super) async fn single(call: Call) -> Answer {
    let (kind, wish) = call.query.single()?;
    let (upload, grant) = call.site.engine.open_form(&call.actor, wish).await?;
    let url = format!("{}/s3/form/{grant}", call.site.public_url);
    Ok(Rendered(wire::form(&upload, &url, &kind, call.site.engine.now())))
}

pub(super) async fn create(call: Call, body: Result<Json<NewMultipart>, Problem>) -> Answer {
    let upload = call.site.engine.open_cut(&call.actor, body?.value.command()?).await?;
    Ok(Rendered(wire::created(&upload)))
}

pub(super) async fn list_parts(call: Call) -> Answer {
    let id = call.upload().await?;
    Ok(Rendered(wire::parts(&call.site.engine.parts_of(&call.actor, id).await?)))
}

pub(super) async fn sign(call: Call) -> Answer {
    let part = wire::part_number(call.path.get("number").map_or("", String::as_str))?;
    let id = call.upload().await?;
    let signed = call.site.engine.sign_cut(&call.actor, id, &[part]).await?;
    let only = signed.first().ok_or_else(|| Error::Internal("no URL for one part".to_owned()))?;
    Ok(Rendered(wire::signed(only, call.site.engine.now())))
}

pub(super) async fn sign_many(call: Call) -> Answer {
    let parts = call.query.part_numbers()?;
    let id = call.upload().await?;
    let signed = call.site.engine.sign_cut(&call.actor, id, &parts).await?;
    let urls: Map<_, _> =
        parts.iter().zip(signed).map(|(part, signed)| (part.to_string(), Value::from(signed.url))).collect();
    Ok(Rendered(json!({ "presignedUrls": urls })))
}

pub(super) async fn complete(call: Call, body: Result<JsonList<Completion>, Problem>) -> Answer {
    let wish = body?.into_value().command()?;
    let id = call.upload().await?;
    let asset = call.site.engine.complete(&call.actor, id, wish).await?;
    Ok(Rendered(wire::completed(&asset, &call.site.public_url)))
}

pub(super) async fn abort(call: Call) -> Answer {
    let id = call.upload().await?;
    call.site.engine.abort(&call.actor, id).await?;
    Ok(Rendered(json!({})))
}

/// Credentials for the store are nothing that a browser gets from here.
pub(super) async fn no_credentials() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_offered", "Temporary credentials are not offered: parts are signed here.")
}

/// Takes the file of a form to the upload that the grant in its address is for.
async fn take_form(site: &Site, grant: &str, request: Request) -> Answer<(Form, Asset)> {
    let actor = context::granted(&site.engine, grant).await?;
    let Actor::Uploader { upload: id } = actor else { return Err(Error::Unauthenticated.into()) };
    let (head, body) = request.into_parts();
    pieces::check_resumption(&head.headers)?;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let said = FormRequest {
        content_type: content_type.unwrap_or_default().to_owned(),
        length: pieces::whole_range(&head.headers)?,
        claims: CutClaims::in_query(head.uri.query()),
    };
    let (form, file, verdict) = form::read(said, body).await?;
    let upload = site.engine.peek(&actor, id).await?;
    if form.key.as_ref().is_some_and(|key| *key != wire::key(upload.asset)) {
        return Err(Error::Hidden.into());
    }
    let taken = site.engine.take_file(&actor, id, form.description(), None, file).await;
    let asset = taken.map_err(|error| verdict.explain(error))?;
    Ok((form, asset))
}

pub(super) async fn post_form(
    State(site): State<Site>,
    Path(grant): Path<String>,
    request: Request,
) -> Answer<Response> {
    let (form, asset) = take_form(&site, &grant, request).await?;
    Ok(form::answer(&form, &asset, &site.public_url))
}

/// From the link that Uppy 6 makes of a form's address and a key to the content of that asset.
pub(super) async fn redirect_to_content(
    State(site): State<Site>,
    Path((_, key)): Path<(String, String)>,
) -> Answer<(StatusCode, [(HeaderName, String); 1])> {
    let asset = key.parse().map_err(|_| Error::Hidden)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, wire::location(&site.public_url, asset))]))
}

pub(super) async fn post_plain_form(
    State(site): State<Site>,
    Path(grant): Path<String>,
    request: Request,
) -> Answer<Response> {
    let (form, asset) = take_form(&site, &grant, request).await?;
    Ok(form::page_or_answer(&form, &asset, &site.public_url))
}
