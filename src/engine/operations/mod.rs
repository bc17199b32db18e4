//! operations: work that no request does, and what operators see and do.
//!
//! * `sweep`: uploads and assets whose time has come; `orphans`: objects that no row names
//! * `jobs`: queues, dead letters and chores; `alarms`: what an operator should look at; `health`: dependencies
//! * `snapshot`: numbers for metrics; `log_filter`: which lines this process logs
//! * `overview`: numbers for one screen, failures by code; `release`: out of quarantine

use std::sync::{Arc, Mutex};

use crate::blob::BlobStore;
use crate::domain::ids::UploadId;
use crate::engine::append::AppendEngine;
use crate::engine::assets::AssetEngine;
use crate::engine::audit::AuditTrail;
use crate::engine::events::EventEngine;
use crate::engine::rows::RowAccess;
use crate::engine::settings::EngineSettings;
use crate::engine::tenants::TenantEngine;
use crate::engine::uploads::UploadEngine;
use crate::engine::webhooks::WebhookEngine;
use crate::store::Store;

mod alarms;
mod health;
mod jobs;
mod log_filter;
mod orphans;
mod overview;
mod release;
mod snapshot;
mod sweep;

pub use alarms::OperatorAlarm;
pub use health::DependencyHealth;
pub use jobs::{JobHistory, JobQueues, ListJobs};
pub use orphans::{OrphanKind, OrphanReport, OrphanedBlob};
pub use overview::{FailureSummary, InstanceOverview};
pub use sweep::{RetentionReport, SweepReport};

/// The room of operations: work that no request does, and what operators see.
#[derive(Clone)]
pub struct OperationEngine {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) settings: Arc<EngineSettings>,
    pub(super) rows: Arc<RowAccess>,
    pub(super) audit: Arc<AuditTrail>,
    pub(super) tenants: Arc<TenantEngine>,
    pub(super) events: Arc<EventEngine>,
    pub(super) webhooks: Arc<WebhookEngine>,
    pub(super) uploads: Arc<UploadEngine>,
    pub(super) assets: Arc<AssetEngine>,
    pub(super) append: Arc<AppendEngine>,
    pub(super) instance_id: Arc<str>,
    /// Last upload about which the alarms asked the store.
    pub(super) idle_cursor: Arc<Mutex<Option<UploadId>>>,
}
