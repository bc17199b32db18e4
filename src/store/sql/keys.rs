//! Writes to API keys, and their number. The only secrets here are hashes of keys.

use std::time::Duration;

use super::DbPool;
use super::failure::{GroupFailure, undone};
use super::write::one_row;
use super::{SqlConnection, failed};
use crate::domain::clock::{Timestamp, before};
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::ApiKey;
use crate::store::rows::at;
use crate::store::{KeyRotation, Result};

/// Minimum age of the stored last use before a newer use is stored.
const KEY_USE_NOTE_INTERVAL: Duration = Duration::from_secs(60);

/// Number of a tenant's keys that are neither revoked nor expired.
pub(super) async fn count_live(pool: &DbPool, tenant: TenantId, now: Timestamp) -> Result<u64> {
    let query = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL \
         AND (expires_at IS NULL OR expires_at > $2)",
    );
    let count = query.bind(tenant.0).bind(at(now)).fetch_one(pool).await.map_err(failed)?;
    Ok(count.cast_unsigned())
}

/// Revokes a key. No change if it is revoked already.
pub(super) async fn revoke(
    conn: &mut SqlConnection,
    tenant: TenantId,
    key: KeyId,
    now: Timestamp,
) -> std::result::Result<(), GroupFailure> {
    let query =
        sqlx::query("UPDATE api_key SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.0)
            .bind(key.0)
            .bind(at(now));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) async fn insert(conn: &mut SqlConnection, new: &ApiKey) -> std::result::Result<(), GroupFailure> {
    let (old_hash, old_until) = new.old_secret.unzip();
    let query = sqlx::query(
        "INSERT INTO api_key (id, tenant_id, scopes, secret_hash, created_at, expires_at, revoked_at, name, last_used_at, \
         old_hash, old_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(new.id.0)
    .bind(new.tenant.0)
    .bind(new.scopes.to_string())
    .bind(new.secret_hash.to_vec())
    .bind(at(new.created_at))
    .bind(new.expires_at.map(at))
    .bind(new.revoked_at.map(at))
    .bind(new.name.clone())
    .bind(new.last_used_at.map(at))
    .bind(old_hash.map(|hash: [u8; 32]| hash.to_vec()))
    .bind(old_until.map(at));
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) async fn rotate(conn: &mut SqlConnection, rotation: &KeyRotation) -> std::result::Result<(), GroupFailure> {
    let query = sqlx::query(
        "UPDATE api_key SET old_hash = secret_hash, old_until = $4, secret_hash = $5 \
         WHERE tenant_id = $1 AND id = $2 AND secret_hash = $3 AND revoked_at IS NULL",
    )
    .bind(rotation.tenant.0)
    .bind(rotation.key.0)
    .bind(rotation.seen.to_vec())
    .bind(at(rotation.old_until))
    .bind(rotation.secret_hash.to_vec());
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

/// Stores the last use of keys. Other nodes store uses too; a use within a minute of the stored time changes nothing.
pub(super) async fn note(
    conn: &mut SqlConnection,
    uses: &[(KeyId, Timestamp)],
) -> std::result::Result<(), GroupFailure> {
    for (key, used) in uses {
        let query = sqlx::query(
            "UPDATE api_key SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
        );
        let query = query.bind(key.0).bind(at(*used)).bind(at(before(*used, KEY_USE_NOTE_INTERVAL)));
        query.execute(&mut *conn).await.map_err(undone)?;
    }
    Ok(())
}
