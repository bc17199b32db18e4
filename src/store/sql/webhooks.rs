//! Queries for webhook endpoints and deliveries.

use async_trait::async_trait;
use sqlx::QueryBuilder;
use sqlx::types::Json;
use uuid::Uuid;

use super::failure::{GroupFailure, undone};
use super::insert::{self, InsertTuple};
use super::write::one_row;
use super::{BEGIN, Db, DbPool};
use super::{SqlConnection, SqlStore, decode, failed};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{DeliveryId, TenantId, WebhookId};
use crate::domain::job::NewJob;
use crate::domain::webhook::{Delivery, DeliveryProblem, DeliveryState, Webhook, WebhookState, WhyDisabled};
use crate::store::rows::{DeliveryRow, WebhookRow, at, data_cell};
use crate::store::webhooks::{DeliveryBacklog, DeliveryQuery, WebhookStore, WebhookTroubles, WebhookWrite};
use crate::store::{Result, Store as _};

const DELIVERIES: &str = "INSERT INTO delivery (id, webhook_id, tenant_id, place, asset_id, seq, kind, at, data, replay, \
    state, tries, attempts, problem, next_try, created_at, finished_at) ";

fn delivery(mut row: InsertTuple<'_>, new: &Delivery) {
    let event = &new.event.event;
    row.push_bind(new.id.0)
        .push_bind(new.webhook.0)
        .push_bind(new.tenant.0)
        .push_bind(new.event.id)
        .push_bind(event.asset.0)
        .push_bind(event.seq)
        .push_bind(event.kind.clone())
        .push_bind(at(event.at))
        .push_bind(data_cell(&event.data))
        .push_bind(i64::from(new.replay))
        .push_bind(new.state.name())
        .push_bind(i64::from(new.tries))
        .push_bind(Json(new.attempts.clone()))
        .push_bind(new.problem.map(DeliveryProblem::name))
        .push_bind(new.next_try.map(at))
        .push_bind(at(new.created_at))
        .push_bind(new.finished_at.map(at));
}

/// Carries out a write to webhooks.
pub(super) async fn write(conn: &mut SqlConnection, write: &WebhookWrite) -> std::result::Result<(), GroupFailure> {
    match write {
        WebhookWrite::Insert(new) => insert_webhook(conn, new).await,
        WebhookWrite::Update(changed, whole) => update(conn, changed, *whole).await,
        WebhookWrite::Move(seen, to) => move_on(conn, seen, *to).await,
        WebhookWrite::Note(id, failing) => note(conn, *id, *failing).await,
        WebhookWrite::Disable(id, why, now) => disable(conn, *id, *why, *now).await,
        WebhookWrite::Deliver(new) => deliver(conn, new).await,
        WebhookWrite::Settle(delivery, from) => settle(conn, delivery, *from).await,
    }
}

async fn insert_webhook(conn: &mut SqlConnection, new: &Webhook) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "INSERT INTO webhook (id, tenant_id, revision, url, description, events, secret, state, cursor, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.id.0)
    .bind(new.tenant.0)
    .bind(new.revision)
    .bind(new.url.clone())
    .bind(new.description.clone())
    .bind(Json(new.events.patterns().to_vec()))
    .bind(new.secret.reveal())
    .bind(new.state.name())
    .bind(new.cursor)
    .bind(at(new.created_at));
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

async fn update(conn: &mut SqlConnection, changed: &Webhook, whole: bool) -> std::result::Result<(), GroupFailure> {
    let disabled = match changed.state {
        WebhookState::Disabled { why, at } => Some((why, at)),
        WebhookState::Active | WebhookState::Deleted => None,
    };
    let query = sqlx::query(
        "UPDATE webhook SET revision = revision + 1, url = $3, description = $4, events = $5, secret = $6, \
         old_secret = $7, old_until = $8, state = $9, reason = $10, disabled_at = $11, \
         cursor = CASE WHEN $12 = 1 THEN $13 ELSE cursor END, \
         failing_since = CASE WHEN $12 = 1 THEN $14 ELSE failing_since END WHERE id = $1 AND revision = $2",
    )
    .bind(changed.id.0)
    .bind(changed.revision)
    .bind(changed.url.clone())
    .bind(changed.description.clone())
    .bind(Json(changed.events.patterns().to_vec()))
    .bind(changed.secret.reveal())
    .bind(changed.old_secret.as_ref().map(|(secret, _)| secret.reveal()))
    .bind(changed.old_secret.as_ref().map(|(_, until)| at(*until)))
    .bind(changed.state.name())
    .bind(disabled.map(|(why, _)| why.name()))
    .bind(disabled.map(|(_, since)| at(since)))
    .bind(i64::from(whole))
    .bind(changed.cursor)
    .bind(changed.failing_since.map(at));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

async fn move_on(conn: &mut SqlConnection, seen: &Webhook, to: i64) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE webhook SET cursor = $4 WHERE id = $1 AND cursor = $2 AND revision = $3 AND state = 'active'",
    );
    let query = query.bind(seen.id.0).bind(seen.cursor).bind(seen.revision).bind(to);
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

async fn note(
    conn: &mut SqlConnection,
    id: WebhookId,
    failing: Option<Timestamp>,
) -> std::result::Result<(), GroupFailure> {
    let query = match failing {
        Some(since) => sqlx::query("UPDATE webhook SET failing_since = $2 WHERE id = $1 AND failing_since IS NULL")
            .bind(id.0)
            .bind(at(since)),
        None => sqlx::query("UPDATE webhook SET failing_since = NULL WHERE id = $1 AND failing_since IS NOT NULL")
            .bind(id.0),
    };
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

async fn disable(
    conn: &mut SqlConnection,
    id: WebhookId,
    why: WhyDisabled,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE webhook SET state = 'disabled', reason = $2, disabled_at = $3, revision = revision + 1 \
         WHERE id = $1 AND state = 'active'",
    );
    query.bind(id.0).bind(why.name()).bind(at(now)).execute(conn).await.map(|_| ()).map_err(undone)
}

async fn deliver(conn: &mut SqlConnection, new: &[(Delivery, NewJob)]) -> std::result::Result<(), GroupFailure> {
    let (deliveries, jobs): (Vec<_>, Vec<_>) = new.iter().map(|(delivery, job)| (delivery, job)).unzip();
    insert::rows(conn, DELIVERIES, &deliveries, delivery).await?;
    insert::rows(conn, insert::JOBS, &jobs, insert::job).await
}

async fn settle(
    conn: &mut SqlConnection,
    new: &Delivery,
    from: DeliveryState,
) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE delivery SET state = $3, replay = $4, tries = $5, attempts = $6, problem = $7, next_try = $8, \
         finished_at = $9 WHERE id = $1 AND state = $2",
    )
    .bind(new.id.0)
    .bind(from.name())
    .bind(new.state.name())
    .bind(i64::from(new.replay))
    .bind(i64::from(new.tries))
    .bind(Json(new.attempts.clone()))
    .bind(new.problem.map(DeliveryProblem::name))
    .bind(new.next_try.map(at))
    .bind(new.finished_at.map(at));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

async fn log(pool: &DbPool, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT * FROM delivery WHERE webhook_id = ");
    builder.push_bind(query.webhook.0);
    if let Some(state) = query.state {
        builder.push(" AND state = ").push_bind(state.name());
    }
    if let Some(after) = query.after {
        builder.push(" AND id < ").push_bind(after.0);
    }
    builder.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit));
    decode(builder.build_query_as::<DeliveryRow>().fetch_all(pool).await.map_err(failed)?)
}

/// Ids of pending deliveries whose endpoint is disabled or deleted. Test deliveries to disabled endpoints are left out.
async fn list_stranded_deliveries(pool: &DbPool, limit: u32) -> Result<Vec<Uuid>> {
    const FIND: &str = "SELECT delivery.id FROM webhook JOIN delivery ON delivery.webhook_id = webhook.id \
        WHERE webhook.state IN ('disabled', 'deleted') AND delivery.state = 'pending' AND (place > 0 OR webhook.state = 'deleted') LIMIT $1";
    sqlx::query_scalar(FIND).bind(i64::from(limit)).fetch_all(pool).await.map_err(failed)
}

/// Marks these deliveries dead and deletes their jobs, unless their endpoint has become active meanwhile.
async fn mark_deliveries_dead(pool: &DbPool, ids: Vec<Uuid>, now: Timestamp) -> Result<u64> {
    const END: &str = "UPDATE delivery SET state = 'dead', problem = 'disabled', next_try = NULL, finished_at = $2 \
        WHERE id = $1 AND state = 'pending' \
        AND EXISTS (SELECT 1 FROM webhook WHERE webhook.id = webhook_id AND webhook.state <> 'active')";
    const JOB: &str = "DELETE FROM job WHERE subject_id = $1 AND kind = 'deliver'";
    let mut tx = pool.begin_with(BEGIN).await.map_err(failed)?;
    let mut ended = 0;
    for id in ids {
        let done = sqlx::query(END).bind(id).bind(at(now)).execute(&mut *tx).await.map_err(failed)?;
        if done.rows_affected() == 1 {
            sqlx::query(JOB).bind(id).execute(&mut *tx).await.map_err(failed)?;
            ended += 1;
        }
    }
    tx.commit().await.map_err(failed)?;
    Ok(ended)
}

async fn forget(pool: &DbPool, before: Timestamp, limit: u32) -> Result<u64> {
    const OLD: &str = "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE finished_at < $1 LIMIT $2)";
    const OF_DELETED: &str = "DELETE FROM delivery WHERE id IN \
        (SELECT delivery.id FROM webhook JOIN delivery ON delivery.webhook_id = webhook.id \
         WHERE webhook.state = 'deleted' AND finished_at IS NOT NULL LIMIT $1)";
    const DELETED: &str = "DELETE FROM webhook WHERE state = 'deleted' \
        AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook_id = webhook.id)";
    let limit = i64::from(limit);
    let old = sqlx::query(OLD).bind(at(before)).bind(limit).execute(pool).await.map_err(failed)?;
    let of_deleted = sqlx::query(OF_DELETED).bind(limit).execute(pool).await.map_err(failed)?;
    sqlx::query(DELETED).execute(pool).await.map_err(failed)?;
    Ok(old.rows_affected() + of_deleted.rows_affected())
}

#[async_trait]
impl WebhookStore for SqlStore {
    #[tracing::instrument(level = "debug", skip_all, fields(webhook = %id))]
    async fn find_webhook(&self, id: WebhookId) -> Result<Option<Webhook>> {
        let query = sqlx::query_as::<_, WebhookRow>("SELECT * FROM webhook WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Webhook::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all, fields(tenant = %tenant))]
    async fn list_webhooks(&self, tenant: TenantId, after: Option<WebhookId>, limit: u32) -> Result<Vec<Webhook>> {
        let query = sqlx::query_as::<_, WebhookRow>(
            "SELECT * FROM webhook WHERE tenant_id = $1 AND id > $2 AND state <> 'deleted' ORDER BY id LIMIT $3",
        );
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let query = query.bind(tenant.0).bind(after).bind(i64::from(limit));
        decode(query.fetch_all(&self.read).await.map_err(failed)?)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn has_webhooks(&self) -> Result<bool> {
        let query = sqlx::query_scalar::<_, i64>("SELECT cursor FROM webhook LIMIT 1");
        Ok(query.fetch_optional(&self.read).await.map_err(failed)?.is_some())
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_webhooks_behind(&self, after: Option<WebhookId>, limit: u32) -> Result<Vec<Webhook>> {
        let query = sqlx::query_as::<_, WebhookRow>(
            "SELECT webhook.* FROM webhook JOIN feed ON feed.tenant_id = webhook.tenant_id \
             WHERE state = 'active' AND id > $1 AND cursor < last ORDER BY id LIMIT $2",
        );
        let query = query.bind(after.map_or(Uuid::nil(), |id| id.0)).bind(i64::from(limit));
        decode(query.fetch_all(&self.read).await.map_err(failed)?)
    }

    #[tracing::instrument(level = "debug", skip_all, fields(webhook = %id))]
    async fn count_backlog(&self, id: WebhookId, most: u32) -> Result<DeliveryBacklog> {
        let query = sqlx::query_as::<_, (i64, i64)>(
            "SELECT coalesce(sum(CASE WHEN tries = 0 THEN 1 ELSE 0 END), 0), count(*) FROM \
             (SELECT tries FROM delivery WHERE webhook_id = $1 AND state = 'pending' ORDER BY tries LIMIT $2) AS pending",
        );
        let (untried, pending) = query.bind(id.0).bind(i64::from(most)).fetch_one(&self.read).await.map_err(failed)?;
        Ok(DeliveryBacklog { untried: untried.cast_unsigned(), pending: pending.cast_unsigned() })
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        let query = sqlx::query_as::<_, DeliveryRow>("SELECT * FROM delivery WHERE id = $1").bind(id.0);
        query.fetch_optional(&self.read).await.map_err(failed)?.map(Delivery::try_from).transpose()
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn list_deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>> {
        log(&self.read, query).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn drop_deliveries(&self, limit: u32) -> Result<u64> {
        let ids = list_stranded_deliveries(&self.read, limit).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let now = self.now();
        self.run_detached(move |pool| async move { mark_deliveries_dead(&pool, ids, now).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn forget_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64> {
        self.run_detached(move |pool| async move { forget(&pool, before, limit).await }).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn find_webhook_troubles(&self, failing_before: Timestamp) -> Result<WebhookTroubles> {
        let query = sqlx::query_as::<_, (i64, i64)>(
            "SELECT (SELECT count(*) FROM webhook WHERE state = 'disabled' AND reason <> 'asked'), \
             (SELECT count(*) FROM webhook WHERE state = 'active' AND failing_since < $1)",
        );
        let (disabled, failing) = query.bind(at(failing_before)).fetch_one(&self.read).await.map_err(failed)?;
        Ok(WebhookTroubles { disabled: disabled.cast_unsigned(), failing: failing.cast_unsigned() })
    }

    async fn wait_for_dispatches(&self) {
        self.wires.news.wait_for_dispatch().await;
    }
}
