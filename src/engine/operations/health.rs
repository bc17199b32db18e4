//! Health of the engine's dependencies.

use std::time::Duration;

use super::OperationEngine;
use crate::blob::{BlobKey, StoreCapabilities};
use crate::domain::reason::chain;
use crate::engine::disk::DiskState;

/// Time after which a dependency without a response counts as down.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Health of each dependency. The reasons of failures are for operators.
#[derive(Clone, Debug)]
pub struct DependencyHealth {
    /// The database.
    pub database: Result<(), String>,
    /// The bucket.
    pub store: Result<(), String>,
}

impl DependencyHealth {
    /// True if requests can be served.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.database.is_ok() && self.store.is_ok()
    }
}

impl OperationEngine {
    /// Pings the database and the bucket.
    #[tracing::instrument(skip_all)]
    pub async fn check_health(&self) -> DependencyHealth {
        let marker = BlobKey::Instance.path();
        let (database, store) = tokio::join!(
            tokio::time::timeout(PING_TIMEOUT, self.store.ping()),
            tokio::time::timeout(PING_TIMEOUT, self.blobs.head(&marker)),
        );
        let late = |_| "no answer in time".to_owned();
        DependencyHealth {
            database: database.map_err(late).and_then(|answer| answer.map_err(|error| chain(&error).to_string())),
            store: store.map_err(late).and_then(|answer| answer.map(|_| ()).map_err(|error| chain(&error).to_string())),
        }
    }

    /// The disk of the data directory; `None` if nothing is kept there.
    #[must_use]
    pub fn measure_disk(&self) -> Option<DiskState> {
        self.disk.measure(self.store.now())
    }

    /// Capabilities that were detected in the bucket's store.
    #[must_use]
    pub fn capabilities(&self) -> &StoreCapabilities {
        self.blobs.capabilities()
    }
}
