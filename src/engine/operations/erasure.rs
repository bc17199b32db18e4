//! erasure: a tenant is deleted with everything it has. An operator counts first, then starts it; a job does it.
//!
//! Each run of the job deletes what is left, in an order in which a crash at any point leaves rows that lead to the rest:
//! uploads under way are aborted, then objects are removed by the tenant's prefixes, then rows. Signed URLs may bring
//! bytes until they expire: the row of the tenant goes when they have, after another look at the store.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::OperationEngine;
use crate::blob::{BlobKey, ListedObject};
use crate::crash;
use crate::domain::access::Actor;
use crate::domain::clock::{Timestamp, after, before};
use crate::domain::ids::{JobId, TenantId};
use crate::domain::job::{Job, JobSubject, NewJob, Priority};
use crate::domain::reason::chain;
use crate::domain::tenant::{DEFAULT_TENANT, Tenant};
use crate::domain::tenant_deletion::{DeletionPhase, TenantContents, TenantDeletion};
use crate::domain::upload::UploadState;
use crate::engine::audit::{self, AuditedAct};
use crate::engine::request_context::RequestContext;
use crate::engine::uploads::complete::CompleteUpload;
use crate::engine::{Error, Result};
use crate::store::{NewRow, RowChange, TenancyWrite, Tx, UploadQuery};
use crate::traces;

/// Time after which every node knows that the tenant is suspended, and requests under way have seen it.
const SETTLE_TIME: Duration = Duration::from_secs(10);
/// Time by which clocks of store and database may differ at the end of a signed URL.
const URL_MARGIN: Duration = Duration::from_secs(60);
/// Rows of each kind that a transaction deletes, and uploads of a page.
const BATCH_ROWS: u32 = 500;
/// Objects that are removed at once.
const MAX_PARALLEL_DELETES: usize = 16;

/// A tenant before its deletion, or during it.
#[derive(Clone, Debug)]
pub struct TenantErasure {
    /// The tenant.
    pub tenant: Tenant,
    /// Numbers of what it has now.
    pub contents: TenantContents,
    /// How far the deletion is; `None`: not begun.
    pub deletion: Option<TenantDeletion>,
    /// Time until which signed URLs may bring bytes; the deletion does not end before.
    pub urls_until: Option<Timestamp>,
}

/// Outcome of a run of the job.
pub enum ErasureStep {
    /// The tenant is deleted.
    Done,
    /// The rest can be deleted at this time, for this reason.
    Later(Timestamp, &'static str),
    /// Another worker has the job.
    LeaseLost,
}

impl OperationEngine {
    /// Counts what a tenant has, and with its name as `confirm` begins to delete it: the tenant is suspended at once, a
    /// job deletes the rest. For a deletion under way, tells how far it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another text than the tenant's name, and for the tenant `default`.
    #[tracing::instrument(skip_all)]
    pub async fn erase_tenant(&self, actor: &Actor, named: &str, confirm: Option<&str>) -> Result<TenantErasure> {
        self.require_operator(actor).await?;
        let tenant = self.tenants.registry().tenant(named).await?.ok_or(Error::NotFound)?;
        if tenant.name == DEFAULT_TENANT {
            return Err(Error::invalid("id", "this tenant cannot be deleted: its administrators run the instance"));
        }
        if confirm.is_some_and(|confirm| confirm != tenant.name) {
            return Err(Error::invalid("confirm", format!("must be the tenant's name, \"{}\"", tenant.name)));
        }
        let contents = self.store.count_tenant_contents(tenant.id).await?;
        if confirm.is_some() {
            self.begin_erasure(actor, &tenant, contents).await?;
        }
        let deletion = self.store.find_tenant_deletion(tenant.id).await?;
        let urls_until = deletion.as_ref().map(|deletion| self.quiet_at(deletion));
        Ok(TenantErasure { tenant, contents, deletion, urls_until })
    }

    /// Suspends the tenant and writes the job. If the deletion has begun, only sees to it that there is a job: an earlier
    /// one may have been given up.
    async fn begin_erasure(&self, actor: &Actor, tenant: &Tenant, found: TenantContents) -> Result<()> {
        let now = self.store.now();
        let begun = self.store.find_tenant_deletion(tenant.id).await?.is_some();
        let tx = Tx::new().with(RowChange::OweJob(NewJob {
            id: JobId(self.rows.new_id()),
            work: JobSubject::Erase(tenant.id),
            // Of the operators: it is among their jobs, and no row of the tenant's.
            tenant: self.operating_tenant().await?,
            priority: Priority::Normal,
            run_at: if begun { now } else { after(now, SETTLE_TIME) },
            traceparent: traces::current_traceparent(),
        }));
        if begun {
            return Ok(self.rows.commit(tx).await?);
        }
        let suspended = Tenant { suspended_at: Some(tenant.suspended_at.unwrap_or(now)), ..tenant.clone() };
        let deletion = TenantDeletion {
            tenant: tenant.id,
            started_at: now,
            actor: audit::name_of(actor),
            request: Some(RequestContext::current().request_id).filter(|id| !id.is_empty()),
            phase: DeletionPhase::Uploads,
            found,
            objects: 0,
            bytes: 0,
            rows: 0,
        };
        let deed = AuditedAct::new(tenant.id, actor, "tenant.delete", format!("tenant:{}", tenant.id));
        let tx = tx.with(TenancyWrite::UpdateTenant(suspended)).with(TenancyWrite::BeginDeletion(Box::new(deletion)));
        // Another request may have begun it at the same moment.
        self.rows.commit_if_unchanged(tx.with(self.audit.audited(deed.after(json!(found))))).await?;
        self.tenants.tenancy.forget(tenant.id).await;
        tracing::warn!(tenant = %tenant.id, "an operator deletes a tenant");
        Ok(())
    }

    /// The tenant whose administrators run the instance.
    async fn operating_tenant(&self) -> Result<TenantId> {
        let tenant = self.store.find_tenant_by_name(DEFAULT_TENANT).await?;
        Ok(tenant.ok_or(Error::Internal("there is no tenant default".into()))?.id)
    }

    /// Time after which nothing arrives any more, by no node and by no URL.
    fn quiet_at(&self, deletion: &TenantDeletion) -> Timestamp {
        let urls = self.rows.upload_timeouts().url_ttl + URL_MARGIN;
        let closes_keys = self.blobs.capabilities().enforces_limits;
        after(deletion.started_at, if closes_keys { SETTLE_TIME } else { urls })
    }

    /// Deletes what is left of a tenant. For workers.
    #[tracing::instrument(skip_all, fields(tenant = %tenant))]
    pub async fn continue_erasure(&self, job: &Job, tenant: TenantId) -> Result<ErasureStep> {
        let Some(mut deletion) = self.store.find_tenant_deletion(tenant).await? else {
            let tx = Tx::new().with(RowChange::FinishJob(job.clone()));
            let finished = self.rows.commit_if_unchanged(tx).await?;
            return Ok(if finished { ErasureStep::Done } else { ErasureStep::LeaseLost });
        };
        let begun = self.store.now();
        if self.abort_uploads_of(tenant).await? > 0 {
            return Ok(ErasureStep::Later(after(self.store.now(), SETTLE_TIME), "uploads were aborted"));
        }
        self.erase_objects(&mut deletion).await?;
        self.erase_rows(&mut deletion).await?;
        let quiet_at = self.quiet_at(&deletion);
        if begun < quiet_at {
            self.note_erasure(&mut deletion, DeletionPhase::Urls).await?;
            return Ok(ErasureStep::Later(quiet_at, "signed URLs may still bring bytes"));
        }
        self.finish_erasure(job, &deletion).await
    }

    /// Ends the tenant's uploads that are under way. Returns how many were aborted.
    async fn abort_uploads_of(&self, tenant: TenantId) -> Result<u64> {
        let mut aborted = 0;
        for state in [UploadState::Open, UploadState::Completing] {
            let mut query =
                UploadQuery { tenant: Some(tenant), state: Some(state), limit: BATCH_ROWS, ..UploadQuery::default() };
            loop {
                let page = self.store.list_uploads(&query).await?;
                for entry in page.uploads {
                    if state == UploadState::Open {
                        aborted += u64::from(self.uploads.abort_unless_completed(entry.upload, None).await?);
                    } else if let Err(error) = self.uploads.finish_upload(entry.upload, CompleteUpload::default()).await
                    {
                        // Its parts and its object are removed with all others.
                        tracing::debug!(error = %chain(&error), "a completion of the deleted tenant does not end");
                    }
                }
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
        }
        Ok(aborted)
    }

    /// Removes everything below the tenant's prefixes, and tails of its uploads.
    async fn erase_objects(&self, deletion: &mut TenantDeletion) -> Result<()> {
        self.note_erasure(deletion, DeletionPhase::Objects).await?;
        for prefix in BlobKey::prefixes_of(deletion.tenant) {
            self.erase_multiparts(deletion, &prefix).await?;
            let mut position = None;
            loop {
                let page = self.blobs.list(&prefix, position.as_deref()).await?;
                let (count, bytes) = (page.items.len(), page.items.iter().map(|object| object.size).sum::<u64>());
                let removals = page.items.into_iter().map(|object| self.clone().erase_object(object));
                stream::iter(removals).buffer_unordered(MAX_PARALLEL_DELETES).try_collect::<()>().await?;
                (deletion.objects, deletion.bytes) = (deletion.objects + count as u64, deletion.bytes + bytes);
                if count > 0 {
                    self.note_erasure(deletion, DeletionPhase::Objects).await?;
                    crash::point("in_erasure_of_objects");
                }
                position = page.next;
                if position.is_none() {
                    break;
                }
            }
        }
        self.erase_tails(deletion.tenant).await
    }

    /// Removes an object. Its key is closed if a URL for it may be valid.
    async fn erase_object(self, object: ListedObject) -> Result<()> {
        let life = self.rows.upload_timeouts().url_ttl;
        let fresh = object.modified.is_none_or(|modified| modified > before(self.store.now(), life + URL_MARGIN));
        if !(fresh && self.blobs.close_key(&object.key, life).await?) {
            self.blobs.delete(&object.key).await?;
        }
        Ok(())
    }

    async fn erase_multiparts(&self, deletion: &mut TenantDeletion, prefix: &str) -> Result<()> {
        let mut position = None;
        loop {
            let page = self.blobs.list_multiparts(prefix, position.as_ref()).await?;
            for multipart in page.items {
                self.uploads.abort_until_gone(&multipart.key, &multipart.store_id).await?;
                deletion.objects += 1;
            }
            position = page.next;
            if position.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes tails, whose keys name uploads only.
    async fn erase_tails(&self, tenant: TenantId) -> Result<()> {
        let mut query = UploadQuery { tenant: Some(tenant), limit: BATCH_ROWS, ..UploadQuery::default() };
        loop {
            let page = self.store.list_uploads(&query).await?;
            for entry in page.uploads.iter().filter(|entry| entry.upload.ledger().is_some()) {
                self.uploads.delete_tails(&entry.upload).await?;
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    async fn erase_rows(&self, deletion: &mut TenantDeletion) -> Result<()> {
        loop {
            let gone = self.store.erase_tenant_rows(deletion.tenant, BATCH_ROWS).await?;
            deletion.rows += gone;
            self.note_erasure(deletion, DeletionPhase::Rows).await?;
            crash::point("in_erasure_of_rows");
            if gone == 0 {
                return Ok(());
            }
        }
    }

    async fn note_erasure(&self, deletion: &mut TenantDeletion, phase: DeletionPhase) -> Result<()> {
        deletion.phase = phase;
        Ok(self.rows.commit(Tx::new().with(TenancyWrite::NoteDeletion(Box::new(deletion.clone())))).await?)
    }

    /// Deletes the row of the tenant, and writes the entry that stays: without names, and without an address.
    async fn finish_erasure(&self, job: &Job, deletion: &TenantDeletion) -> Result<ErasureStep> {
        let now = self.store.now();
        let subject = format!("tenant:{}", deletion.tenant);
        let operators = self.operating_tenant().await?;
        let deed = AuditedAct::by(deletion.actor.clone(), operators, "tenant.delete", subject).after(json!({
            "started_at": deletion.started_at.to_string(),
            "found": deletion.found,
            "deleted": { "objects": deletion.objects, "bytes": deletion.bytes, "rows": deletion.rows + 1 },
        }));
        let mut entry = deed.entry(self.rows.new_id(), now);
        (entry.peer, entry.request) = (None, deletion.request.clone());
        let tx = Tx::new()
            .with(TenancyWrite::EndDeletion(deletion.tenant))
            .with(RowChange::FinishJob(job.clone()))
            .with(NewRow::Audit(Box::new(entry)));
        if !self.rows.commit_if_unchanged(tx).await? {
            return Ok(ErasureStep::LeaseLost);
        }
        self.tenants.tenancy.forget(deletion.tenant).await;
        tracing::warn!(tenant = %deletion.tenant, objects = deletion.objects, rows = deletion.rows, "a tenant was deleted");
        Ok(ErasureStep::Done)
    }
}
