//! Carries out the writes of a transaction, in order. Every update checks the revision that the writer read.

use sqlx::types::Json;

use super::failure::{GroupFailure, undone};
use super::insert::RowBatch;
use super::{SqlConnection, drop_boxes, insert, jobs, keys, links, tenancy, uploads, webhooks};
use crate::crash;
use crate::domain::asset::{Asset, LeftoverBytes};
use crate::domain::clock::Timestamp;
use crate::domain::event::NewEvent;
use crate::domain::findings::StoredDamage;
use crate::domain::ids::UploadId;
use crate::domain::upload::Upload;
use crate::store::rows::{LedgerCells, at, data_cell, transfer_cells};
use crate::store::{NewRow, RowChange, Tx, Write};

/// Carries out a transaction's writes at the time `now`. The caller issues BEGIN and COMMIT.
pub(super) async fn apply(conn: &mut SqlConnection, tx: &Tx, now: Timestamp) -> Result<(), GroupFailure> {
    for write in &tx.writes {
        match write {
            Write::Insert(row) => {
                if matches!(row, NewRow::Job(_)) {
                    crash::point("in_commit");
                }
                RowBatch::of([row]).insert(conn).await?;
            }
            Write::Change(change) => apply_change(conn, change, now).await?,
            // Charges are added after all other writes.
            Write::Charge(_) | Write::ChargeDropBox(_) => {}
        }
    }
    drop_boxes::charge(conn, tx.drop_box_charges()).await?;
    tenancy::charge(conn, tx.charges()).await
}

async fn apply_change(conn: &mut SqlConnection, change: &RowChange, now: Timestamp) -> Result<(), GroupFailure> {
    let query = match change {
        RowChange::UpdateAsset(asset) => return update_asset(conn, asset).await,
        RowChange::UpdateUpload(upload) => return update_upload(conn, upload).await,
        RowChange::NextEvent(event) => return next_event(conn, event).await,
        RowChange::Webhook(write) => return webhooks::write(conn, write).await,
        RowChange::Tenancy(write) => return tenancy::write(conn, write).await,
        RowChange::ReleaseJob(release) => return jobs::release(conn, release, now).await,
        RowChange::ForgetParts(upload) => return forget_parts(conn, *upload).await,
        RowChange::FinishJob(job) => return jobs::finish(conn, job, now).await,
        RowChange::CancelJob(work) => return jobs::cancel(conn, *work).await,
        RowChange::OweJob(new) => return jobs::owe(conn, new).await,
        RowChange::PostponeJob(release) => return jobs::postpone(conn, release, now).await,
        RowChange::RetryJob(job, tenant, now) => return jobs::retry(conn, *job, *tenant, *now).await,
        RowChange::DiscardJob(job, tenant) => {
            sqlx::query("DELETE FROM job WHERE id = $1 AND tenant_id = $2 AND state = 'dead'")
                .bind(job.0)
                .bind(tenant.0)
        }
        RowChange::PauseJobs(kind, paused, now) => return jobs::pause(conn, *kind, *paused, *now).await,
        RowChange::SetConcurrency(kind, jobs, now) => return jobs::set_concurrency(conn, *kind, *jobs, *now).await,
        RowChange::HurryJobs(kind, now) => return jobs::hurry(conn, *kind, *now).await,
        RowChange::InsertTenant(new) => sqlx::query("INSERT INTO tenant (id, name, created_at) VALUES ($1, $2, $3)")
            .bind(new.id.0)
            .bind(new.name.clone())
            .bind(at(new.created_at)),
        RowChange::InsertKey(new) => return keys::insert(conn, new).await,
        RowChange::RevokeKey(tenant, key, now) => return keys::revoke(conn, *tenant, *key, *now).await,
        RowChange::RotateKey(rotation) => return keys::rotate(conn, rotation).await,
        RowChange::NoteKeyUses(uses) => return keys::note(conn, uses).await,
        RowChange::NoteUploads(notes) => return uploads::note(conn, notes).await,
        RowChange::InsertParts(new) => return insert::parts(conn, new).await,
        RowChange::RevokeLinksOf(asset, now) => return links::revoke_of(conn, *asset, *now).await,
        RowChange::InsertCollection(new) => return links::insert_collection(conn, new).await,
        RowChange::CountUses(uses) => return links::count_uses(conn, uses).await,
        RowChange::RevokeLink(link, now) => {
            sqlx::query("UPDATE link SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
                .bind(link.0)
                .bind(at(*now))
        }
    };
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

pub(super) fn one_row(affected: u64) -> Result<(), GroupFailure> {
    if affected == 1 { Ok(()) } else { Err(GroupFailure::CONFLICT) }
}

async fn update_asset(conn: &mut SqlConnection, asset: &Asset) -> Result<(), GroupFailure> {
    let content = asset.state.content();
    let purge_at = match asset.state.leftover() {
        Some(LeftoverBytes::Until(at)) => Some(at),
        Some(LeftoverBytes::Gone) | None => None,
    };
    let query = sqlx::query(
        "UPDATE asset SET revision = revision + 1, state = $3, name = $4, external_id = $5, metadata = $6, \
         object_key = $7, etag = $8, version_id = $9, stored_at = $10, detected_type = $11, sha256 = $12, \
         verdict_code = $13, verdict_sentence = $14, purge_at = $15, changed_at = $16, declared_sha256 = $17, size = $18, \
         media_type = $19, findings = $20, quota_charge = $21, delete_at = $22, damage = $23, owner_id = $24 \
         WHERE id = $1 AND revision = $2",
    )
    .bind(asset.id.0)
    .bind(asset.revision)
    .bind(asset.state.name())
    .bind(asset.name.as_str().to_owned())
    .bind(asset.external_id.clone())
    .bind(Json(asset.metadata.clone()))
    .bind(content.map(|c| c.key.clone()))
    .bind(content.map(|c| c.etag.clone()))
    .bind(content.and_then(|c| c.version.clone()))
    .bind(content.map(|c| at(c.stored_at)))
    .bind(content.and_then(|c| c.detected.as_ref()).map(ToString::to_string))
    .bind(content.and_then(|c| c.sha256).map(|digest| digest.0.to_vec()))
    .bind(asset.state.verdict().map(|v| v.code.clone()))
    .bind(asset.state.verdict().map(|v| v.sentence.clone()))
    .bind(purge_at.map(at))
    .bind(at(asset.changed_at))
    .bind(asset.declared_sha256.map(|digest| digest.0.to_vec()))
    .bind(asset.size.cast_signed())
    .bind(asset.media_type.as_ref().map(ToString::to_string))
    .bind(content.map(|c| &c.findings).filter(|found| !found.is_empty()).cloned().map(Json))
    .bind(asset.quota_charge.map(u64::cast_signed))
    .bind(asset.delete_at.map(at))
    .bind(asset.damage().map(StoredDamage::code))
    .bind(asset.owner.0);
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

async fn update_upload(conn: &mut SqlConnection, upload: &Upload) -> Result<(), GroupFailure> {
    let (transfer, part_size, store_id, checksum) = transfer_cells(&upload.transfer);
    let ledger = LedgerCells::of(&upload.transfer);
    let query = sqlx::query(
        "UPDATE upload SET revision = revision + 1, state = $3, store_id = $4, changed_at = $5, expires_at = $6, \
         next_check_at = $7, size = $8, part_size = $9, appended = $10, tail = $11, next_part = $12, fence = $13, \
         leased_until = $14, lease_wanted = $15, transfer = $16, checksum = $17, \
         protocol = $18, echoed_metadata = $19, quota_charge = $20, reserved = $21, \
         last_activity_at = CASE WHEN last_activity_at < $22 THEN $22 ELSE last_activity_at END, drop_box_bytes = $23, \
         node = $24 WHERE id = $1 AND revision = $2",
    )
    .bind(upload.id.0)
    .bind(upload.revision)
    .bind(upload.state.name())
    .bind(store_id.map(ToOwned::to_owned))
    .bind(at(upload.changed_at))
    .bind(at(upload.expires_at))
    .bind(upload.next_check_at.map(at))
    .bind(upload.transfer.size().map(u64::cast_signed))
    .bind(part_size)
    .bind(ledger.appended)
    .bind(ledger.tail)
    .bind(ledger.next_part)
    .bind(ledger.fence)
    .bind(ledger.leased_until)
    .bind(ledger.lease_wanted)
    .bind(transfer)
    .bind(checksum)
    .bind(upload.protocol.name())
    .bind(ledger.said.metadata)
    .bind(upload.quota_charge.map(u64::cast_signed))
    .bind(upload.reserved.map(u64::cast_signed))
    .bind(at(upload.last_activity_at))
    .bind(upload.drop_box_bytes.map(u64::cast_signed))
    .bind(upload.node.clone());
    one_row(query.execute(conn).await.map_err(undone)?.rows_affected())
}

async fn forget_parts(conn: &mut SqlConnection, upload: UploadId) -> Result<(), GroupFailure> {
    let query = sqlx::query("DELETE FROM part WHERE upload_id = $1").bind(upload.0);
    query.execute(conn).await.map(|_| ()).map_err(undone)
}

/// Inserts an event with the asset's next sequence number. Two concurrent inserts cause a conflict, never the same
/// number.
async fn next_event(conn: &mut SqlConnection, event: &NewEvent) -> Result<(), GroupFailure> {
    let query = sqlx::query(
        "INSERT INTO event (asset_id, seq, tenant_id, kind, at, data, traceparent) \
         SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6 FROM event WHERE asset_id = $1",
    )
    .bind(event.asset.0)
    .bind(event.tenant.0)
    .bind(event.kind.name())
    .bind(at(event.at))
    .bind(data_cell(&event.data))
    .bind(event.traceparent.clone());
    query.execute(conn).await.map(|_| ()).map_err(undone)
}
