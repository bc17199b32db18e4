//! Glue of requests for many uploads or assets: parse, call the engine for each, render. What fails leaves the rest alone.

use axum::Json as Rendered;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::HeaderMap;

use super::bulk_view::{BulkResultView, BulkResultsView, OpenedResultView, OpenedUploadsView};
use super::bulk_wire::{BulkAction, BulkAssetsBody, BulkCommand, BulkTarget, CreateUploadsBody};
use super::link_view::made_link_view;
use super::upload_view::opened_upload_view;
use crate::domain::access::{Action, Actor};
use crate::domain::ids::AssetId;
use crate::engine::{Error, IdempotencyKey, LinkWish, MadeLink, OpenedUpload, ReprocessScope};
use crate::http::AppState;
use crate::http::context::AuthenticatedActor;
use crate::http::json_body::{JsonListBody, parse_idempotency_key};
use crate::http::problem::ProblemDetails;

type BulkAnswer<T = Response> = Result<T, ProblemDetails>;

/// Creations of a request that run at a time: their rows share commits.
const CREATIONS_AT_ONCE: usize = 32;
/// Changes of assets of a request that run at a time.
const CHANGES_AT_ONCE: usize = 8;

pub(super) async fn create_uploads(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    headers: HeaderMap,
    body: JsonListBody<CreateUploadsBody>,
) -> BulkAnswer {
    site.engine.tenants().check_scope(&actor, Action::CreateUpload)?;
    body.value.check_length()?;
    let repeat = parse_idempotency_key(&headers, body.fingerprint)?;
    let wishes = body.into_value().uploads.into_iter().enumerate();
    let (actor, site, repeat) = (&actor, &site, &repeat);
    let creations = wishes.map(|(position, wish)| async move {
        let wish = wish.into_command(repeat.as_ref().map(|key| key_of_item(key, position)))?;
        site.engine.uploads().create_upload(actor, wish).await
    });
    let opened: Vec<Result<OpenedUpload, Error>> = stream::iter(creations).buffered(CREATIONS_AT_ONCE).collect().await;
    let results = opened.iter().map(|opened| match opened {
        Ok(opened) => OpenedResultView { opened: Some(opened_upload_view(opened, &site.public_url)), error: None },
        Err(error) => OpenedResultView { opened: None, error: Some(ProblemDetails::from(error.clone()).view()) },
    });
    Ok(Rendered(OpenedUploadsView { results: results.collect() }).into_response())
}

/// The `Idempotency-Key` of an upload of a batch.
fn key_of_item(key: &IdempotencyKey, position: usize) -> IdempotencyKey {
    IdempotencyKey { token: format!("{}#{position}", key.token), fingerprint: key.fingerprint }
}

pub(super) async fn change_assets(
    AuthenticatedActor(actor): AuthenticatedActor,
    State(site): State<AppState>,
    body: JsonListBody<BulkAssetsBody>,
) -> BulkAnswer {
    let BulkCommand { action, target, dry_run } = body.into_value().into_command()?;
    site.engine.tenants().check_scope(&actor, action.permission())?;
    let (ids, next) = match target {
        BulkTarget::Ids(ids) => (ids, None),
        BulkTarget::Filter(list) => {
            let page = site.engine.assets().list_assets(&actor, *list).await?;
            (page.assets.iter().map(|asset| asset.id.to_string()).collect(), page.next)
        }
    };
    let (actor, site, action) = (&actor, &site, &action);
    let changes = ids.clone().into_iter().map(|id| async move {
        let asset = id.parse().map_err(|_| Error::NotFound)?;
        if dry_run {
            return site.engine.assets().check_permission(actor, action.permission(), asset).await.map(|()| None);
        }
        change_asset(site, actor, action, asset).await
    });
    let outcomes: Vec<Result<Option<MadeLink>, Error>> =
        stream::iter(changes).buffered(CHANGES_AT_ONCE).collect().await;
    let results = ids.iter().zip(&outcomes).map(|(id, outcome)| BulkResultView {
        id,
        link: outcome.as_ref().ok().and_then(Option::as_ref).map(|made| made_link_view(made, &site.content_url)),
        error: outcome.as_ref().err().map(|error| ProblemDetails::from(error.clone()).view()),
    });
    Ok(Rendered(BulkResultsView { results: results.collect(), next, dry_run }).into_response())
}

async fn change_asset(
    site: &AppState,
    actor: &Actor,
    action: &BulkAction,
    asset: AssetId,
) -> Result<Option<MadeLink>, Error> {
    let engine = &site.engine;
    match action {
        BulkAction::Delete => engine.assets().delete_asset(actor, asset).await.map(|()| None),
        BulkAction::Tag(patch) => engine.assets().patch_asset(actor, asset, patch.clone()).await.map(|_| None),
        BulkAction::SetOwner(owner) => engine.assets().change_owner(actor, asset, *owner).await.map(|_| None),
        BulkAction::Reprocess => {
            engine.processing().look_again(actor, asset, ReprocessScope::Everything).await.map(|()| None)
        }
        BulkAction::Link { expires_in } => {
            let wish = LinkWish { expires_in: *expires_in, ..LinkWish::to(asset) };
            let made = engine.delivery().make_links(actor, vec![wish], None).await?;
            made.into_iter().next().unwrap_or(Err(Error::NotFound)).map(Some)
        }
    }
}
