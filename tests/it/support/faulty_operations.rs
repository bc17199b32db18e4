//! What operators ask of a faulty store is asked of the store behind it.

use async_trait::async_trait;
use gantry::domain::clock::Timestamp;
use gantry::domain::ids::{AssetId, DeliveryId, JobId, TenantId};
use gantry::domain::job::{JobEntry, JobKind, JobState};
use gantry::domain::job_attempt::{AttemptMinute, JobAttempt};
use gantry::domain::node::ServiceNode;
use gantry::store::{
    AssetTotal, BacklogGauges, FailureGroup, OperationStore, StoreError, UploadCount, UploadPage, UploadQuery,
};

use super::faulty::{FaultyStore, no_database};

macro_rules! pass_on_operations {
    ($(async fn $name:ident(&self $(, $arg:ident: $kind:ty)*) -> $answer:ty;)*) => {
        #[async_trait]
        impl OperationStore for FaultyStore {
            $(async fn $name(&self $(, $arg: $kind)*) -> std::result::Result<$answer, StoreError> {
                let passage = self.faults.pass(stringify!($name), || format!("{:?}", ($(&$arg,)*))).await;
                self.faults.carry(passage, no_database, self.inner.$name($($arg),*)).await
            })*
        }
    };
}

pass_on_operations! {
    async fn list_uploads(&self, query: &UploadQuery) -> UploadPage;
    async fn count_uploads(&self, tenant: Option<TenantId>, idle_since: Timestamp, most: u32) -> UploadCount;
    async fn list_asset_totals(&self, tenant: Option<TenantId>) -> Vec<AssetTotal>;
    async fn settle_asset_totals(&self) -> ();
    async fn index_asset_names(&self, batches: u32) -> bool;
    async fn find_job_by_id(&self, id: JobId, tenant: Option<TenantId>) -> Option<JobEntry>;
    async fn list_job_ids(&self, kind: JobKind, state: JobState, limit: u32) -> Vec<JobId>;
    async fn list_job_attempts(&self, job: JobId, limit: u32) -> Vec<JobAttempt>;
    async fn list_asset_jobs(&self, asset: AssetId) -> Vec<JobEntry>;
    async fn list_asset_attempts(&self, asset: AssetId, limit: u32) -> Vec<JobAttempt>;
    async fn count_attempt_minutes(&self, tenant: Option<TenantId>, since: Timestamp, most: u32) -> Vec<AttemptMinute>;
    async fn list_dead_deliveries(&self, tenant: Option<TenantId>, limit: u32) -> Vec<DeliveryId>;
    async fn note_node(&self, node: &ServiceNode, forgotten: Timestamp) -> ();
    async fn forget_node(&self, id: uuid::Uuid) -> ();
    async fn list_nodes(&self, seen_after: Timestamp) -> Vec<ServiceNode>;
    async fn read_backlog_gauges(&self, most: u32) -> BacklogGauges;
    async fn list_failures(&self, tenant: Option<TenantId>) -> Vec<FailureGroup>;
}
