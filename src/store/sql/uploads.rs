//! Pages of uploads by keyset, and notes on uploads under way.
//!
//! An index serves the tenant, the time of creation and "has not ended". Every other filter examines at most
//! [`MAX_SCANNED_ROWS`] rows per page; a page may then be short or empty and still have a next page.

use sqlx::QueryBuilder;

use super::failure::{GroupFailure, undone};
use super::list::MAX_SCANNED_ROWS;
use super::{Db, DbPool, SqlConnection, UploadEntryRow, at, decode, failed};
use crate::domain::ids::{UploadId, floor};
use crate::domain::upload::UploadState;
use crate::store::{Result, UploadEntry, UploadNote, UploadPage, UploadQuery};

/// Condition of the indexes of uploads that have not ended, in the letters of the migration: SQLite compares them.
const LIVE: &str = "state IN ('open', 'completing')";

pub(super) async fn page(pool: &DbPool, query: &UploadQuery) -> Result<UploadPage> {
    let scans = is_scan(query);
    let mut builder = QueryBuilder::<Db>::new(
        "SELECT found.*, (SELECT name FROM asset WHERE asset.id = found.asset_id) AS filename FROM (",
    );
    builder.push("SELECT * FROM upload");
    indexed(&mut builder, query);
    let rows = if scans { MAX_SCANNED_ROWS } else { query.limit + 1 };
    builder.push(" LIMIT ").push_bind(i64::from(rows)).push(") AS found WHERE true");
    unindexed(&mut builder, query);
    builder.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit) + 1);
    let rows: Vec<UploadEntryRow> = builder.build_query_as().fetch_all(pool).await.map_err(failed)?;
    let mut uploads = decode::<_, UploadEntry>(rows)?;
    let next = if uploads.len() > query.limit as usize {
        uploads.truncate(query.limit as usize);
        uploads.last().map(|entry| entry.upload.id)
    } else if scans {
        scan_end(pool, query).await?
    } else {
        None
    };
    Ok(UploadPage { uploads, next })
}

fn wants_live(query: &UploadQuery) -> bool {
    query.state.map_or(query.idle_since.is_some(), UploadState::is_live)
}

fn is_scan(query: &UploadQuery) -> bool {
    query.state.is_some() || query.owner.is_some() || query.protocol.is_some() || query.idle_since.is_some()
}

/// Adds the conditions that an index serves.
fn indexed(builder: &mut QueryBuilder<Db>, query: &UploadQuery) {
    builder.push(if wants_live(query) { format!(" WHERE {LIVE}") } else { " WHERE true".to_owned() });
    if let Some(tenant) = query.tenant {
        builder.push(" AND tenant_id = ").push_bind(tenant.0);
    }
    if let Some(asset) = query.asset {
        builder.push(" AND asset_id = ").push_bind(asset.0);
    }
    if let Some(time) = query.created_after {
        builder.push(" AND id >= ").push_bind(floor(time)).push(" AND created_at >= ").push_bind(at(time));
    }
    if let Some(after) = query.after {
        builder.push(" AND id < ").push_bind(after.0);
    }
    builder.push(" ORDER BY id DESC");
}

/// Adds the conditions that examine each row.
fn unindexed(builder: &mut QueryBuilder<Db>, query: &UploadQuery) {
    if let Some(state) = query.state {
        builder.push(" AND state = ").push_bind(state.name());
    }
    if let Some(owner) = query.owner {
        builder.push(" AND owner_id = ").push_bind(owner.0);
    }
    if let Some(protocol) = query.protocol {
        builder.push(" AND protocol = ").push_bind(protocol.name());
    }
    if let Some(since) = query.idle_since {
        builder.push(" AND last_activity_at <= ").push_bind(at(since));
    }
}

/// Last row of a scan that stopped at [`MAX_SCANNED_ROWS`]; `None` if it examined every row.
async fn scan_end(pool: &DbPool, query: &UploadQuery) -> Result<Option<UploadId>> {
    let mut builder = QueryBuilder::<Db>::new("SELECT id FROM upload");
    indexed(&mut builder, query);
    builder.push(" LIMIT 1 OFFSET ").push_bind(i64::from(MAX_SCANNED_ROWS) - 1);
    let id: Option<uuid::Uuid> = builder.build_query_scalar().fetch_optional(pool).await.map_err(failed)?;
    Ok(id.map(UploadId))
}

/// Adds notes to uploads that have not ended.
pub(super) async fn note(
    conn: &mut SqlConnection,
    notes: &[(UploadId, UploadNote)],
) -> std::result::Result<(), GroupFailure> {
    for (upload, note) in notes {
        let query = sqlx::query(
            "UPDATE upload SET seen_bytes = coalesce($3, seen_bytes), \
             last_activity_at = CASE WHEN last_activity_at < $2 THEN $2 ELSE last_activity_at END \
             WHERE id = $1 AND state IN ('open', 'completing')",
        );
        let query = query.bind(upload.0).bind(at(note.active_at)).bind(note.stored_bytes.map(u64::cast_signed));
        query.execute(&mut *conn).await.map_err(undone)?;
    }
    Ok(())
}
