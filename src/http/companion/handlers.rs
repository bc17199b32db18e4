//! Glue of Companion's contract: parse, call the engine, render.

use std::collections::HashMap;

use axum::Json as Rendered;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, StatusCode, header};

use super::error::CompanionError;
use super::form::{self, FormFields, FormRequest};
use super::view::{
    self, AbortedMultipartView, CompanionPartView, CompanionUrlsView, CompletedMultipartView, CreatedMultipartView,
};
use super::wire::{self, CompanionQuery, CompleteMultipartBody, CreateMultipartBody};
use crate::domain::access::Actor;
use crate::domain::asset::Asset;
use crate::domain::ids::UploadId;
use crate::engine::Error;
use crate::http::chunk_detection::{self, ChunkClaims};
use crate::http::html_page::accepts_html;
use crate::http::json_body::{JsonBody, JsonListBody};
use crate::http::problem::ProblemDetails;
use crate::http::{AppState, context};

type CompanionResult<T = Response> = Result<T, CompanionError>;

/// A request of Companion's API: its path, query and caller. Callers with a grant in the path send no headers.
pub(super) struct CompanionRequest {
    site: AppState,
    actor: Actor,
    path: HashMap<String, String>,
    query: CompanionQuery,
}

impl FromRequestParts<AppState> for CompanionRequest {
    type Rejection = CompanionError;

    async fn from_request_parts(parts: &mut Parts, site: &AppState) -> Result<Self, CompanionError> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, site).await;
        let path = path.map(|Path(path)| path).unwrap_or_default();
        let actor = match path.get("grant") {
            Some(grant) => context::admit_grant(&site.engine, grant).await?,
            None => context::admit_bearer(&site.engine, &parts.headers).await?,
        };
        Ok(Self { site: site.clone(), actor, path, query: CompanionQuery::new(parts.uri.query()) })
    }
}

impl CompanionRequest {
    /// The upload in the path, if the key in the query belongs to it.
    async fn verify_upload(&self) -> Result<UploadId, Error> {
        let key = self.query.required_key()?;
        let id = self.path.get("id").and_then(|text| text.parse().ok()).ok_or(Error::NotFound)?;
        let upload = self.site.engine.uploads().peek_upload(&self.actor, id).await?;
        if wire::asset_key(upload.asset) == key { Ok(id) } else { Err(Error::NotFound) }
    }
}

pub(super) async fn get_upload_form(call: CompanionRequest) -> CompanionResult {
    let (kind, wish) = call.query.form_command()?;
    let (upload, grant) = call.site.engine.append().open_form_upload(&call.actor, wish).await?;
    let url = format!("{}/s3/form/{grant}", call.site.public_url);
    Ok(Rendered(view::form_view(&upload, &url, &kind, call.site.engine.now())).into_response())
}

pub(super) async fn create_multipart(
    call: CompanionRequest,
    body: Result<JsonBody<CreateMultipartBody>, ProblemDetails>,
) -> CompanionResult<Rendered<CreatedMultipartView>> {
    let upload = call.site.engine.uploads().open_unplanned(&call.actor, body?.value.into_command()?).await?;
    Ok(Rendered(view::created_view(&upload)))
}

pub(super) async fn list_parts(call: CompanionRequest) -> CompanionResult<Rendered<Vec<CompanionPartView>>> {
    let id = call.verify_upload().await?;
    Ok(Rendered(view::parts_view(&call.site.engine.uploads().list_upload_parts(&call.actor, id).await?)))
}

pub(super) async fn sign_part(call: CompanionRequest) -> CompanionResult {
    let part = wire::parse_part_number(call.path.get("number").map_or("", String::as_str))?;
    let id = call.verify_upload().await?;
    let signed = call.site.engine.uploads().sign_unplanned(&call.actor, id, &[part]).await?;
    let only = signed.first().ok_or_else(|| Error::Internal("no URL for one part".into()))?;
    Ok(Rendered(view::signed_url_view(only, call.site.engine.now())).into_response())
}

pub(super) async fn sign_parts(call: CompanionRequest) -> CompanionResult<Rendered<CompanionUrlsView>> {
    let parts = call.query.part_numbers()?;
    let id = call.verify_upload().await?;
    let signed = call.site.engine.uploads().sign_unplanned(&call.actor, id, &parts).await?;
    Ok(Rendered(view::signed_urls_view(&parts, signed)))
}

pub(super) async fn complete_multipart(
    call: CompanionRequest,
    body: Result<JsonListBody<CompleteMultipartBody>, ProblemDetails>,
) -> CompanionResult<Rendered<CompletedMultipartView>> {
    let wish = body?.into_value().into_command()?;
    let id = call.verify_upload().await?;
    let asset = call.site.engine.uploads().complete_upload(&call.actor, id, wish).await?;
    Ok(Rendered(view::completed_view(&asset, &call.site.public_url)))
}

pub(super) async fn abort_multipart(call: CompanionRequest) -> CompanionResult<Rendered<AbortedMultipartView>> {
    let id = call.verify_upload().await?;
    call.site.engine.uploads().abort(&call.actor, id).await?;
    Ok(Rendered(AbortedMultipartView {}))
}

/// Refuses requests for credentials of the store: no browser gets them.
pub(super) async fn refuse_credentials() -> CompanionError {
    CompanionError::new(
        StatusCode::NOT_FOUND,
        "not_offered",
        "Temporary credentials are not supported: this service signs parts.",
    )
}

/// Stores the file of a form in the upload of the grant in its address.
async fn receive_form(site: &AppState, grant: &str, request: Request) -> CompanionResult<(FormFields, Asset)> {
    let actor = context::admit_grant(&site.engine, grant).await?;
    let (head, body) = request.into_parts();
    chunk_detection::check_resumption_headers(&head.headers)?;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let said = FormRequest {
        content_type: content_type.unwrap_or_default().to_owned(),
        length: chunk_detection::whole_file_size(&head.headers)?,
        claims: ChunkClaims::in_query(head.uri.query()),
    };
    let (form, file, verdict) = form::parse_form(said, body).await?;
    if let (Some(key), Actor::Uploader { upload }) = (&form.key, &actor) {
        let upload = site.engine.uploads().peek_upload(&actor, *upload).await?;
        if *key != wire::asset_key(upload.asset) {
            return Err(Error::NotFound.into());
        }
    }
    let taken = site.engine.append().take_granted_file(&actor, form.description(), None, file).await;
    let asset = taken.map_err(|error| verdict.explain(error))?;
    Ok((form, asset))
}

pub(super) async fn post_form(
    State(site): State<AppState>,
    Path(grant): Path<String>,
    request: Request,
) -> CompanionResult {
    let (form, asset) = receive_form(&site, &grant, request).await?;
    Ok(form::s3_response(&form, &asset, &site.public_url))
}

/// Redirects the URL that Uppy 6 builds from a form's address and a key to the content of that asset.
pub(super) async fn redirect_to_content(
    State(site): State<AppState>,
    Path((_, key)): Path<(String, String)>,
) -> CompanionResult<(StatusCode, [(HeaderName, String); 1])> {
    let asset = key.parse().map_err(|_| Error::NotFound)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, wire::asset_location(&site.public_url, asset))]))
}

pub(super) async fn post_plain_form(
    State(site): State<AppState>,
    Path(grant): Path<String>,
    request: Request,
) -> CompanionResult {
    let by_browser = accepts_html(request.headers());
    let (form, asset) = receive_form(&site, &grant, request).await?;
    Ok(form::page_or_s3_response(&form, &asset, &site.public_url, by_browser))
}
