//! verify: a whole instance, rows against objects. Runs beside the service: a difference counts only if the row is still
//! the same when it is read again after the store was asked.
//!
//! * each asset with bytes has its object, with size, entity tag and write token as recorded, and its derivatives; with
//!   digests, its bytes have the established SHA-256
//! * each asset that waits for a worker has a job, and the events of each asset are numbered without a gap
//! * acknowledged bytes of open uploads are in the store
//! * each object and multipart upload of the bucket has a row, or is younger than the grace period
//! * each kept sum of usage is what the rows come to
//!
//! `checks` has the comparisons, without I/O; tests judge by the same functions. Damage of a ready asset is recorded as
//! the asset's problem, and found to be mended by a recheck; nothing else is changed.

use std::collections::BinaryHeap;

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::OperationEngine;
use crate::domain::asset::Asset;
use crate::domain::asset_order::SortDirection;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AssetId, TenantId, UploadId};
use crate::domain::reason::chain;
use crate::domain::tenant::Tenant;
use crate::engine::Result;
use crate::store::{AssetQuery, StoreError};

mod assets;
mod checks;
mod instance;
mod uploads;

pub use checks::{
    Difference, InconsistencyKind, check_derivative, check_events, check_ledger, check_object, check_object_key,
    check_usage,
};

/// Rows that are read at a time.
const ROWS_PER_PAGE: u32 = 500;
/// Assets or uploads that are checked at the same time.
const MAX_PARALLEL_CHECKS: usize = 16;
/// Attempts to check a row that changes meanwhile.
const MAX_CHECK_ATTEMPTS: u32 = 5;
/// Setting that holds the last report.
const LAST_REPORT_SETTING: &str = "verify:last";

/// Scope of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyScope {
    /// Read the bytes of every asset and compare their SHA-256.
    pub digests: bool,
    /// Check only so many assets, chosen at random; uploads and the bucket are left out.
    pub sample: Option<usize>,
    /// Check only this tenant's rows, by name or id; the bucket is left out.
    pub tenant: Option<String>,
}

/// A difference between rows and bytes, or between rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyInconsistency {
    /// Code of its kind.
    pub kind: &'static str,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// The upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// Key of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Description.
    pub detail: String,
}

impl VerifyInconsistency {
    fn of_instance(kind: InconsistencyKind, detail: String) -> Self {
        Self { kind: kind.code(), tenant: None, asset: None, upload: None, key: None, detail }
    }

    fn of_asset(asset: &Asset, (kind, detail): Difference) -> Self {
        let key = asset.state.content().map(|content| content.key.clone());
        Self { kind: kind.code(), tenant: Some(asset.tenant), asset: Some(asset.id), upload: None, key, detail }
    }
}

/// Numbers of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyReport {
    /// Start of the verification.
    pub at: Timestamp,
    /// True if all rows and the whole bucket were in its scope.
    pub whole: bool,
    /// True if bytes were read.
    pub digests: bool,
    /// Assets checked.
    pub assets: u64,
    /// Assets and derivatives whose bytes were read and compared.
    pub digested: u64,
    /// Assets and derivatives without a digest to compare with.
    pub without_digest: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Open uploads checked.
    pub uploads: u64,
    /// Objects of the bucket.
    pub objects: u64,
    /// Assets whose damage was recorded now.
    pub marked: u64,
    /// Inconsistencies found.
    pub inconsistencies: u64,
}

/// Receiver of what a verification finds, and of its progress.
pub trait VerifyObserver: Send {
    /// An inconsistency was found.
    fn found(&mut self, what: &VerifyInconsistency);
    /// The numbers so far.
    fn progressed(&mut self, report: &VerifyReport);
}

/// A verification under way.
pub(super) struct VerifyRun<'a> {
    pub(super) report: VerifyReport,
    observer: &'a mut dyn VerifyObserver,
}

impl VerifyRun<'_> {
    fn tell(&mut self, found: &VerifyInconsistency) {
        self.report.inconsistencies += 1;
        self.observer.found(found);
    }
}

impl OperationEngine {
    /// Verifies the instance and remembers the report.
    ///
    /// # Errors
    /// Rows or bytes cannot be read, or there is no such tenant. What was found before was told.
    #[tracing::instrument(skip_all)]
    pub async fn verify(&self, scope: &VerifyScope, observer: &mut dyn VerifyObserver) -> Result<VerifyReport> {
        let whole = scope.sample.is_none() && scope.tenant.is_none();
        let report = VerifyReport { at: self.store.now(), whole, digests: scope.digests, ..VerifyReport::default() };
        let mut run = VerifyRun { report, observer };
        let tenant = self.find_tenant_named(scope.tenant.as_deref()).await?;
        if let Err(error) = self.store.verify().await {
            match error {
                StoreError::Malformed(_) => {
                    run.tell(&VerifyInconsistency::of_instance(InconsistencyKind::Database, chain(&error).to_string()));
                }
                other => return Err(other.into()),
            }
        }
        match scope.sample {
            Some(size) => self.verify_sample(scope, tenant.as_ref(), size, &mut run).await?,
            None => self.verify_all_assets(scope, tenant.as_ref(), &mut run).await?,
        }
        self.verify_sums(tenant.as_ref(), &mut run).await?;
        if scope.sample.is_none() {
            self.verify_open_uploads(tenant.as_ref(), &mut run).await?;
        }
        if whole {
            self.verify_bucket(&mut run).await?;
        }
        // A damaged database takes no report.
        if let Err(error) = self.store.set_setting(LAST_REPORT_SETTING, &to_json(&run.report)).await {
            tracing::warn!(error = %chain(&error), "the report of the verification is not remembered");
        }
        Ok(run.report)
    }

    /// Report of the last verification on any node; `None` before the first.
    pub async fn read_last_verification(&self) -> Result<Option<VerifyReport>> {
        let text = self.store.read_setting(LAST_REPORT_SETTING).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn verify_all_assets(
        &self,
        scope: &VerifyScope,
        tenant: Option<&Tenant>,
        run: &mut VerifyRun<'_>,
    ) -> Result<()> {
        let mut query = asset_page(tenant);
        loop {
            let page = self.store.list_assets(&query).await?;
            self.verify_assets(scope, page.assets, run).await?;
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Checks assets that are chosen by the smallest values of a random order: all are read once, few are kept.
    async fn verify_sample(
        &self,
        scope: &VerifyScope,
        tenant: Option<&Tenant>,
        size: usize,
        run: &mut VerifyRun<'_>,
    ) -> Result<()> {
        let (seed, mut chosen) = (self.rows.new_id(), BinaryHeap::new());
        let mut query = asset_page(tenant);
        loop {
            let page = self.store.list_assets(&query).await?;
            for asset in page.assets.iter().filter(|asset| assets::has_bytes(asset, run.report.at)) {
                let rank: [u8; 32] = Sha256::new().chain_update(seed).chain_update(asset.id.0).finalize().into();
                chosen.push((rank, asset.id));
                if chosen.len() > size {
                    chosen.pop();
                }
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let ids: Vec<AssetId> = chosen.into_iter().map(|(_, id)| id).collect();
        for page in ids.chunks(ROWS_PER_PAGE as usize) {
            let assets = self.store.find_assets(page).await?;
            self.verify_assets(scope, assets, run).await?;
        }
        Ok(())
    }

    async fn verify_assets(&self, scope: &VerifyScope, assets: Vec<Asset>, run: &mut VerifyRun<'_>) -> Result<()> {
        let checks = assets.into_iter().map(|asset| self.verify_asset(scope, asset));
        let mut checks = stream::iter(checks).buffer_unordered(MAX_PARALLEL_CHECKS);
        while let Some(checked) = checks.next().await {
            let checked = checked?;
            run.report.assets += 1;
            run.report.digested += checked.digested;
            run.report.without_digest += checked.without_digest;
            run.report.read_bytes += checked.read_bytes;
            run.report.marked += u64::from(checked.marked);
            checked.found.iter().for_each(|found| run.tell(found));
            run.observer.progressed(&run.report);
        }
        Ok(())
    }
}

fn asset_page(tenant: Option<&Tenant>) -> AssetQuery {
    AssetQuery {
        tenant: tenant.map(|tenant| tenant.id),
        direction: SortDirection::Ascending,
        limit: ROWS_PER_PAGE,
        ..AssetQuery::default()
    }
}

/// The report as JSON. Serialising numbers cannot fail.
fn to_json(report: &VerifyReport) -> String {
    serde_json::to_string(report).unwrap_or_default()
}
