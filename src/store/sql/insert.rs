//! Inserts of new rows. A group of transactions that only add rows costs a single statement per table and batch,
//! whatever its size.

use sqlx::QueryBuilder;
use sqlx::query_builder::Separated;
use sqlx::types::Json;

use super::Db;
use super::failure::{GroupFailure, undone};
use super::{SqlConnection, tenancy};
use crate::domain::append::RelayedPart;
use crate::domain::asset::Asset;
use crate::domain::audit::AuditEntry;
use crate::domain::event::NewEvent;
use crate::domain::grant::Link;
use crate::domain::job::NewJob;
use crate::domain::upload::Upload;
use crate::store::rows::{LedgerCells, at, data_cell, transfer_cells};
use crate::store::{IdempotencyRecord, NewRow};

pub(super) type InsertTuple<'a> = Separated<'a, Db, &'static str>;

const ASSETS: &str = "INSERT INTO asset (id, tenant_id, owner_id, revision, state, name, size, media_type, \
    declared_sha256, external_id, metadata, allowed, partial, quota_charge, policy, delete_at, created_at, changed_at) ";

fn asset(mut row: InsertTuple<'_>, asset: &Asset) {
    row.push_bind(asset.id.0)
        .push_bind(asset.tenant.0)
        .push_bind(asset.owner.0)
        .push_bind(asset.revision)
        .push_bind(asset.state.name())
        .push_bind(asset.name.as_str().to_owned())
        .push_bind(asset.size.cast_signed())
        .push_bind(asset.media_type.as_ref().map(ToString::to_string))
        .push_bind(asset.declared_sha256.map(|digest| digest.0.to_vec()))
        .push_bind(asset.external_id.clone())
        .push_bind(Json(asset.metadata.clone()))
        .push_bind(Json(asset.allowed.iter().map(|pattern| pattern.as_str().to_owned()).collect::<Vec<_>>()))
        .push_bind(i64::from(asset.partial))
        .push_bind(asset.quota_charge.map(u64::cast_signed))
        .push_bind(asset.policy.clone())
        .push_bind(asset.delete_at.map(at))
        .push_bind(at(asset.created_at))
        .push_bind(at(asset.changed_at));
}

const UPLOADS: &str = "INSERT INTO upload (id, tenant_id, asset_id, owner_id, revision, state, protocol, transfer, \
    size, part_size, store_id, checksum, object_key, write_token, external_id, created_at, changed_at, last_activity_at, \
    expires_at, next_check_at, appended, tail, next_part, fence, leased_until, lease_wanted, echoed_metadata, echoed_concat, concat, \
    max_size, quota_charge, reserved, drop_box_id, drop_box_bytes, node, client) ";

fn upload(mut row: InsertTuple<'_>, upload: &Upload) {
    let (transfer, part_size, store_id, checksum) = transfer_cells(&upload.transfer);
    let ledger = LedgerCells::of(&upload.transfer);
    row.push_bind(upload.id.0)
        .push_bind(upload.tenant.0)
        .push_bind(upload.asset.0)
        .push_bind(upload.owner.0)
        .push_bind(upload.revision)
        .push_bind(upload.state.name())
        .push_bind(upload.protocol.name())
        .push_bind(transfer)
        .push_bind(upload.transfer.size().map(u64::cast_signed))
        .push_bind(part_size)
        .push_bind(store_id.map(ToOwned::to_owned))
        .push_bind(checksum)
        .push_bind(upload.key.clone())
        .push_bind(upload.write_token.clone())
        .push_bind(upload.external_id.clone())
        .push_bind(at(upload.created_at))
        .push_bind(at(upload.changed_at))
        .push_bind(at(upload.last_activity_at))
        .push_bind(at(upload.expires_at))
        .push_bind(upload.next_check_at.map(at))
        .push_bind(ledger.appended)
        .push_bind(ledger.tail)
        .push_bind(ledger.next_part)
        .push_bind(ledger.fence)
        .push_bind(ledger.leased_until)
        .push_bind(ledger.lease_wanted)
        .push_bind(ledger.said.metadata)
        .push_bind(ledger.said.concat)
        .push_bind(ledger.concat)
        .push_bind(upload.max_size.map(u64::cast_signed))
        .push_bind(upload.quota_charge.map(u64::cast_signed))
        .push_bind(upload.reserved.map(u64::cast_signed))
        .push_bind(upload.drop_box.map(|grant| grant.0))
        .push_bind(upload.drop_box_bytes.map(u64::cast_signed))
        .push_bind(upload.node.clone())
        .push_bind(upload.client.clone());
}

const FIRST_EVENTS: &str = "INSERT INTO event (asset_id, seq, tenant_id, kind, at, data, traceparent) ";

fn first_event(mut row: InsertTuple<'_>, event: &NewEvent) {
    row.push_bind(event.asset.0)
        .push_bind(1i64)
        .push_bind(event.tenant.0)
        .push_bind(event.kind.name())
        .push_bind(at(event.at))
        .push_bind(data_cell(&event.data))
        .push_bind(event.traceparent.clone());
}

pub(super) const JOBS: &str = "INSERT INTO job \
    (id, kind, tenant_id, subject_id, priority, state, run_at, attempt, tries, created_at, traceparent) ";

pub(super) fn job(mut row: InsertTuple<'_>, job: &NewJob) {
    row.push_bind(job.id.0)
        .push_bind(job.work.kind().name())
        .push_bind(job.tenant.0)
        .push_bind(job.work.subject())
        .push_bind(job.priority.rank())
        .push_bind("ready")
        .push_bind(at(job.run_at))
        .push_bind(0i64)
        .push_bind(0i64)
        .push_bind(at(job.run_at))
        .push_bind(job.traceparent.clone());
}

const LINKS: &str = "INSERT INTO link (id, tenant_id, kind, subject_id, created_by, created_at, expires_at, \
    disposition, filename, variant, format, max_uses, used, network) ";

fn link(mut row: InsertTuple<'_>, link: &Link) {
    row.push_bind(link.id.0)
        .push_bind(link.tenant.0)
        .push_bind(link.target.kind())
        .push_bind(link.target.id())
        .push_bind(link.created_by.0)
        .push_bind(at(link.created_at))
        .push_bind(at(link.expires_at))
        .push_bind(link.disposition.name())
        .push_bind(link.filename.as_ref().map(ToString::to_string))
        .push_bind(link.variant.as_ref().map(|variant| variant.name.clone()))
        .push_bind(link.variant.as_ref().and_then(|variant| variant.format.clone()))
        .push_bind(link.max_uses.map(i64::from))
        .push_bind(i64::from(link.used))
        .push_bind(link.network.map(|network| network.to_string()));
}

const REPLAYS: &str = "INSERT INTO replay (key_id, route, token, fingerprint, result, expires_at) ";

fn replay(mut row: InsertTuple<'_>, replay: &IdempotencyRecord) {
    row.push_bind(replay.key.0)
        .push_bind(replay.route.clone())
        .push_bind(replay.token.clone())
        .push_bind(replay.fingerprint.to_vec())
        .push_bind(Json(replay.result.clone()))
        .push_bind(at(replay.expires_at));
}

const PARTS: &str = "INSERT INTO part (upload_id, number, size, etag) ";

fn part(mut row: InsertTuple<'_>, part: &RelayedPart) {
    row.push_bind(part.upload.0)
        .push_bind(i64::from(part.number.get()))
        .push_bind(part.size.cast_signed())
        .push_bind(part.etag.clone());
}

/// Number of rows per INSERT. Few distinct sizes keep the driver's cache of prepared statements effective; large
/// batches save round trips. The maximum is far below both databases' limits on bound values.
fn at_once(rows: usize) -> usize {
    const ROWS_STEP: usize = 8;
    const MAX_ROWS_PER_INSERT: usize = 64;
    if rows < ROWS_STEP { rows } else { (rows / ROWS_STEP * ROWS_STEP).min(MAX_ROWS_PER_INSERT) }
}

/// Inserts rows into a table. `head`: the statement up to VALUES.
pub(super) async fn rows<T>(
    conn: &mut SqlConnection,
    head: &'static str,
    rows: &[&T],
    bind: fn(InsertTuple<'_>, &T),
) -> Result<(), GroupFailure> {
    let mut rest = rows;
    while !rest.is_empty() {
        let (group, later) = rest.split_at(at_once(rest.len()));
        let mut builder = QueryBuilder::<Db>::new(head);
        builder.push_values(group, |row, value| bind(row, value));
        builder.build().execute(&mut *conn).await.map_err(undone)?;
        rest = later;
    }
    Ok(())
}

/// Rows to insert, by table: a statement per table and batch, whether the rows come from one transaction or many.
#[must_use = "the rows are not inserted yet"]
#[derive(Default)]
pub(super) struct RowBatch<'a> {
    assets: Vec<&'a Asset>,
    uploads: Vec<&'a Upload>,
    first_events: Vec<&'a NewEvent>,
    jobs: Vec<&'a NewJob>,
    links: Vec<&'a Link>,
    replays: Vec<&'a IdempotencyRecord>,
    audit: Vec<&'a AuditEntry>,
}

impl<'a> RowBatch<'a> {
    /// Sorts new rows by their table.
    pub(super) fn of(new_rows: impl IntoIterator<Item = &'a NewRow>) -> Self {
        let mut batch = Self::default();
        for row in new_rows {
            match row {
                NewRow::Asset(new) => batch.assets.push(new),
                NewRow::Upload(new) => batch.uploads.push(new),
                NewRow::FirstEvent(new) => batch.first_events.push(new),
                NewRow::Job(new) => batch.jobs.push(new),
                NewRow::Link(new) => batch.links.push(new),
                NewRow::Replay(new) => batch.replays.push(new),
                NewRow::Audit(new) => batch.audit.push(new),
            }
        }
        batch
    }

    /// Inserts the rows, table by table.
    #[deny(unused_variables, reason = "rows of a table that is not named here would be acknowledged and not written")]
    pub(super) async fn insert(self, conn: &mut SqlConnection) -> Result<(), GroupFailure> {
        let Self { assets, uploads, first_events, jobs, links, replays, audit } = self;
        rows(conn, ASSETS, &assets, asset).await?;
        rows(conn, UPLOADS, &uploads, upload).await?;
        rows(conn, FIRST_EVENTS, &first_events, first_event).await?;
        rows(conn, JOBS, &jobs, job).await?;
        rows(conn, LINKS, &links, link).await?;
        rows(conn, REPLAYS, &replays, replay).await?;
        rows(conn, tenancy::AUDIT, &audit, tenancy::audit).await
    }
}

/// Inserts parts of a relayed upload.
pub(super) async fn parts(conn: &mut SqlConnection, new: &[RelayedPart]) -> Result<(), GroupFailure> {
    rows(conn, PARTS, &new.iter().collect::<Vec<_>>(), part).await
}
