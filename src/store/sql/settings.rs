//! Settings that the cluster keeps in the database: a single value per name.

use super::DbPool;
use super::failure::failed;
use crate::store::Result;

const READ_SQL: &str = "SELECT value FROM setting WHERE name = $1";
const SET_SQL: &str =
    "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const SET_IF_ABSENT_SQL: &str = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

pub(super) async fn read(pool: &DbPool, name: &str) -> Result<Option<String>> {
    sqlx::query_scalar(READ_SQL).bind(name).fetch_optional(pool).await.map_err(failed)
}

pub(super) async fn set(pool: &DbPool, name: &str, value: &str) -> Result<()> {
    sqlx::query(SET_SQL).bind(name).bind(value).execute(pool).await.map(|_| ()).map_err(failed)
}

/// The value that the database has; `value` becomes it if there is none. Nodes that start together agree.
pub(super) async fn read_or_set(pool: &DbPool, name: &str, value: &str) -> Result<String> {
    sqlx::query(SET_IF_ABSENT_SQL).bind(name).bind(value).execute(pool).await.map_err(failed)?;
    sqlx::query_scalar(READ_SQL).bind(name).fetch_one(pool).await.map_err(failed)
}
