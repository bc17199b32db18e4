//! import: exported rows on an empty system, with the same ids. An asset is imported only if the bucket has its object.
//!
//! Repeatable: rows that are there already are left as they are.

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{EXPORT_FORMAT, ExportLine, ExportedAsset, ExportedTenant};
use crate::domain::asset::{Asset, AssetState};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{AssetId, JobId, TenantId};
use crate::domain::job::{JobSubject, NewJob, Priority};
use crate::domain::policy::Policy;
use crate::domain::quota::TenantQuota;
use crate::engine::operations::OperationEngine;
use crate::engine::operations::verify::{check_object, check_object_key};
use crate::engine::{Error, Result};
use crate::store::{NewRow, QuotaCharge, RowChange, StoreError, TenancyWrite, Tx};

/// Assets that are imported at the same time.
const MAX_PARALLEL_IMPORTS: usize = 16;

/// An asset that was not imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportProblem {
    /// The asset.
    pub asset: AssetId,
    /// Reason, with the object's key.
    pub detail: String,
}

/// Numbers of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Tenants that were created.
    pub tenants: u64,
    /// Assets that were imported.
    pub assets: u64,
    /// Bytes of these assets.
    pub bytes: u64,
    /// Assets that were there already.
    pub present: u64,
    /// Assets without bytes, which an import leaves out: awaited, abandoned, deleted.
    pub without_bytes: u64,
    /// Assets that were not imported.
    pub problems: u64,
}

/// An import under way.
pub struct AssetImport {
    engine: OperationEngine,
    /// Limits, which are set when all assets are there.
    quotas: Vec<(TenantId, TenantQuota)>,
    /// Numbers so far.
    pub report: ImportReport,
}

/// Outcome of the import of an asset.
enum ImportOutcome {
    Imported(u64),
    Present,
    WithoutBytes,
    Problem(ImportProblem),
}

impl OperationEngine {
    /// Begins an import.
    #[must_use]
    pub fn begin_import(&self) -> AssetImport {
        AssetImport { engine: self.clone(), quotas: Vec::new(), report: ImportReport::default() }
    }

    async fn import_asset(&self, exported: ExportedAsset) -> Result<ImportOutcome> {
        let id = exported.id;
        let problem = |detail: String| Ok(ImportOutcome::Problem(ImportProblem { asset: id, detail }));
        let asset = match exported.into_asset() {
            Ok(Some(asset)) => asset,
            Ok(None) => return Ok(ImportOutcome::WithoutBytes),
            Err(field) => return problem(format!("{field} has an invalid value")),
        };
        if self.store.find_asset(id).await?.is_some() {
            return Ok(ImportOutcome::Present);
        }
        let Some(content) = asset.state.content() else { return Ok(ImportOutcome::WithoutBytes) };
        let object = self.blobs.head(&content.key).await?;
        let differs =
            check_object_key(&asset, &content.key).or_else(|| check_object(&asset, content, None, object.as_ref()));
        if let Some((_, detail)) = differs {
            return problem(format!("{detail} [{}]", content.key));
        }
        let size = asset.size;
        match self.rows.commit(self.import_tx(asset)).await {
            Ok(()) => Ok(ImportOutcome::Imported(size)),
            Err(StoreError::Conflict) => Ok(ImportOutcome::Present),
            Err(other) => Err(other.into()),
        }
    }

    /// The row of an asset with its first event, and its job if it waits for a worker. A new row awaits its bytes; the
    /// second write of the transaction brings them.
    fn import_tx(&self, mut asset: Asset) -> Tx {
        let usage = asset.settle_charge();
        let awaiting = Asset { state: AssetState::Awaiting, quota_charge: Some(0), ..asset.clone() };
        let (tenant, id) = (asset.tenant, asset.id);
        let data = Map::from_iter([("filename".to_owned(), Value::from(asset.name.as_str()))]);
        let event = NewEvent {
            tenant,
            asset: id,
            kind: EventKind::AssetCreated,
            at: asset.created_at,
            data,
            traceparent: None,
        };
        let waits = matches!(asset.state, AssetState::Stored(_));
        let tx = Tx::new().with(QuotaCharge { tenant, usage });
        let tx = tx.with(NewRow::Asset(Box::new(awaiting))).with(NewRow::FirstEvent(event));
        let tx = tx.with(RowChange::UpdateAsset(Box::new(asset)));
        if !waits {
            return tx;
        }
        let job = NewJob {
            id: JobId(self.rows.new_id()),
            work: JobSubject::Process(id),
            tenant,
            priority: Priority::Low,
            run_at: self.store.now(),
            traceparent: None,
        };
        tx.with(NewRow::Job(job))
    }
}

impl AssetImport {
    /// Imports lines in their order; tenants come before their assets. `told` gets each asset that was not imported.
    ///
    /// # Errors
    /// A line of another format, or a tenant whose name or id is taken by another.
    pub async fn import(&mut self, lines: Vec<ExportLine>, mut told: impl FnMut(&ImportProblem)) -> Result<()> {
        let mut assets = Vec::new();
        for line in lines {
            match line {
                ExportLine::Instance { format, .. } if format == EXPORT_FORMAT => {}
                ExportLine::Instance { format, .. } => {
                    return Err(Error::invalid("format", format!("{format} is not known to this version")));
                }
                ExportLine::Tenant(tenant) => {
                    self.import_assets(std::mem::take(&mut assets), &mut told).await?;
                    self.import_tenant(*tenant).await?;
                }
                ExportLine::Asset(asset) => assets.push(*asset),
            }
        }
        self.import_assets(assets, &mut told).await
    }

    async fn import_assets(&mut self, assets: Vec<ExportedAsset>, told: &mut impl FnMut(&ImportProblem)) -> Result<()> {
        let engine = self.engine.clone();
        let imports = assets.into_iter().map(|asset| engine.import_asset(asset));
        let mut imports = stream::iter(imports).buffer_unordered(MAX_PARALLEL_IMPORTS);
        while let Some(outcome) = imports.next().await {
            match outcome? {
                ImportOutcome::Imported(size) => {
                    self.report.assets += 1;
                    self.report.bytes += size;
                }
                ImportOutcome::Present => self.report.present += 1,
                ImportOutcome::WithoutBytes => self.report.without_bytes += 1,
                ImportOutcome::Problem(problem) => {
                    self.report.problems += 1;
                    told(&problem);
                }
            }
        }
        Ok(())
    }

    async fn import_tenant(&mut self, exported: ExportedTenant) -> Result<()> {
        let ExportedTenant { tenant, quota, policies } = exported;
        let (id, engine) = (tenant.id, &self.engine);
        match (engine.store.find_tenant(id).await?, engine.store.find_tenant_by_name(&tenant.name).await?) {
            (Some(there), _) if there.name == tenant.name => return Ok(()),
            (None, None) => {}
            _ => {
                let name = &tenant.name;
                let problem =
                    format!("{name} is there with another id: import into a database of which no service ran");
                return Err(Error::invalid("tenant", problem));
            }
        }
        let mut tx = Tx::new().with(RowChange::InsertTenant(tenant.clone())).with(TenancyWrite::UpdateTenant(tenant));
        for policy in policies {
            let policy = Policy {
                tenant: id,
                name: policy.name,
                rules: policy.rules,
                created_at: policy.created_at,
                changed_at: policy.changed_at,
            };
            tx = tx.with(TenancyWrite::PutPolicy(Box::new(policy)));
        }
        engine.rows.commit(tx).await?;
        self.report.tenants += 1;
        self.quotas.push((id, quota));
        Ok(())
    }

    /// Sets the limits of the tenants that were created.
    pub async fn finish(self) -> Result<ImportReport> {
        for (tenant, quota) in self.quotas {
            self.engine.rows.commit(Tx::new().with(TenancyWrite::SetQuota(tenant, quota))).await?;
        }
        Ok(self.report)
    }
}
