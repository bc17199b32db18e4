//! operations: work that no request does, and what operators see and do.
//!
//! * `sweep`: uploads and assets whose time has come; `orphans`: objects that no row names
//! * `jobs`: dead letters and chores; `queues`: numbers of jobs, pauses, concurrency; `alarms`: what an operator should look at; `health`: dependencies
//! * `overview`: numbers for one screen, failures by code; `release`: out of quarantine; `uploads`: end or extend one
//! * `verify`: rows against objects, on demand; `transfer`: rows as text, out and in; `nodes`: processes of the service
//! * `storage`: what takes up space; `erasure`: a tenant is deleted with everything it has
//! * `snapshot`: numbers for metrics; `log_filter`: which lines this process logs; `performance`: how fast it answers

use std::sync::{Arc, Mutex};

use crate::blob::BlobStore;
use crate::domain::access::Actor;
use crate::domain::ids::UploadId;
use crate::engine::Result;
use crate::engine::append::AppendEngine;
use crate::engine::assets::AssetEngine;
use crate::engine::audit::AuditTrail;
use crate::engine::content_reader::ContentReader;
use crate::engine::disk::DiskWatch;
use crate::engine::events::EventEngine;
use crate::engine::rows::RowAccess;
use crate::engine::settings::EngineSettings;
use crate::engine::tenants::TenantEngine;
use crate::engine::tokens::TokenSigner;
use crate::engine::uploads::UploadEngine;
use crate::engine::webhooks::WebhookEngine;
use crate::store::Store;

mod alarms;
mod erasure;
mod health;
mod jobs;
mod log_filter;
mod nodes;
mod orphans;
mod overview;
mod performance;
mod queues;
mod release;
mod snapshot;
mod storage;
mod sweep;
mod transfer;
mod uploads;
mod verify;

pub use alarms::OperatorAlarm;
pub use erasure::{ErasureStep, TenantErasure};
pub use health::DependencyHealth;
pub use jobs::{JobDiscard, JobHistory, ListJobs};
pub use nodes::NODE_NOTE_INTERVAL;
pub use orphans::{OrphanKind, OrphanReport, OrphanedBlob};
pub use overview::{FailureSummary, InstanceOverview};
pub use performance::CacheLookups;
pub use queues::JobQueues;
pub use sweep::{RetentionReport, SweepReport};
pub use transfer::{
    AssetImport, EXPORT_FORMAT, ExportFilter, ExportLine, ExportedAsset, ExportedContent, ExportedPolicy,
    ExportedTenant, ImportProblem, ImportReport,
};
pub use uploads::UploadDetail;
pub use verify::{
    Difference, InconsistencyKind, VerifyInconsistency, VerifyObserver, VerifyReport, VerifyScope, check_derivative,
    check_events, check_ledger, check_object, check_object_key, check_usage,
};

/// The room of operations: work that no request does, and what operators see.
#[derive(Clone)]
pub struct OperationEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) tokens: Arc<TokenSigner>,
    pub(super) tenants: Arc<TenantEngine>,
    pub(super) events: Arc<EventEngine>,
    pub(super) webhooks: Arc<WebhookEngine>,
    pub(super) uploads: Arc<UploadEngine>,
    pub(super) assets: Arc<AssetEngine>,
    pub(super) append: Arc<AppendEngine>,
    pub(super) disk: Arc<DiskWatch>,
    pub(super) content: Arc<ContentReader>,
    pub(super) instance_id: Arc<str>,
    /// Last upload about which the alarms asked the store.
    pub(super) idle_cursor: Arc<Mutex<Option<UploadId>>>,
}

impl OperationEngine {
    /// Signs tokens with the first of another signer's secrets from now on, and verifies with all of them.
    pub fn replace_signing_keys(&self, signer: &TokenSigner) {
        self.tokens.replace(signer);
    }

    /// Refuses all actors except operators of the instance, the administrators of the tenant `default`.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::engine::Error::Forbidden).
    pub async fn require_operator(&self, actor: &Actor) -> Result<()> {
        self.tenants.require_operator(actor).await
    }
}
