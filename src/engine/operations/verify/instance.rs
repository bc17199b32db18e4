//! Checks of the instance as a whole: sums of usage, and objects of the bucket without a row.

use super::checks::{Difference, InconsistencyKind, check_usage};
use super::{MAX_CHECK_ATTEMPTS, ROWS_PER_PAGE, VerifyInconsistency, VerifyRun};
use crate::blob::BlobKey;
use crate::domain::ids::TenantId;
use crate::domain::tenant::Tenant;
use crate::engine::operations::OperationEngine;
use crate::engine::operations::orphans::{OrphanKind, OrphanedBlob};
use crate::engine::{Error, Result};

/// Pause before sums that differ are read again.
const SUM_RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(100);

impl OperationEngine {
    /// Compares each kept sum with its rows. The two are read one after the other, so that a difference counts only if it
    /// stays.
    pub(super) async fn verify_sums(&self, only: Option<&Tenant>, run: &mut VerifyRun<'_>) -> Result<()> {
        let mut after = String::new();
        loop {
            let tenants = match only {
                Some(tenant) => vec![tenant.clone()],
                None => self.store.list_tenants(&after, ROWS_PER_PAGE).await?,
            };
            for tenant in &tenants {
                if let Some((kind, detail)) = self.compare_sums(tenant.id).await? {
                    let detail = format!("tenant {}: {detail}; mend it with `gantry tenant recompute`", tenant.name);
                    run.tell(&VerifyInconsistency {
                        tenant: Some(tenant.id),
                        ..VerifyInconsistency::of_instance(kind, detail)
                    });
                }
            }
            match tenants.last() {
                Some(last) if only.is_none() => last.name.clone_into(&mut after),
                _ => return Ok(()),
            }
        }
    }

    async fn compare_sums(&self, tenant: TenantId) -> Result<Option<Difference>> {
        let mut difference = None;
        for _ in 0..MAX_CHECK_ATTEMPTS {
            let Some((_, kept)) = self.store.find_quota(tenant).await? else { return Ok(None) };
            difference = check_usage(kept, self.store.sum_usage(tenant).await?);
            if difference.is_none() {
                return Ok(None);
            }
            tokio::time::sleep(SUM_RETRY_DELAY).await;
        }
        Ok(difference)
    }

    /// Looks for objects and multipart uploads that no row names.
    pub(super) async fn verify_bucket(&self, run: &mut VerifyRun<'_>) -> Result<()> {
        let scanned = self.scan_orphans(false, |orphan| run.tell(&of_orphan(orphan))).await;
        match scanned {
            Ok(scanned) => run.report.objects = scanned.objects,
            Err(Error::Taken(why)) => {
                run.tell(&VerifyInconsistency::of_instance(InconsistencyKind::Bucket, why.to_owned()));
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

fn of_orphan(orphan: &OrphanedBlob) -> VerifyInconsistency {
    let what = match orphan.kind {
        OrphanKind::Object => format!("no row names this object of {} bytes", orphan.size),
        OrphanKind::Multipart => "no row names this unfinished multipart upload".to_owned(),
    };
    let detail = format!("{what}; `gantry cleanup --apply` removes it");
    let original = BlobKey::parse_original(&orphan.key);
    VerifyInconsistency {
        tenant: original.map(|(tenant, ..)| tenant),
        asset: original.map(|(_, asset, _)| asset).or_else(|| BlobKey::parse_derivative(&orphan.key)),
        upload: original.map(|(.., upload)| upload).or_else(|| BlobKey::parse_tail(&orphan.key)),
        key: Some(orphan.key.clone()),
        ..VerifyInconsistency::of_instance(InconsistencyKind::Orphan, detail)
    }
}
