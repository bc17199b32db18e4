//! Read connections for the blocking pool. Readers and the writer do not wait for each other.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema;
use crate::blob::embedded::error::{Error, Result};

/// Largest number of concurrent reads; more reads wait.
const MAX_READ_CONNECTIONS: usize = 16;

/// A pool of read-only connections.
#[derive(Clone)]
pub(super) struct ReadConnections(Arc<ConnectionPool>);

struct ConnectionPool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    slots: Semaphore,
}

impl ReadConnections {
    /// An empty pool; connections are opened when they are needed.
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(ConnectionPool {
            path: path.to_owned(),
            idle: Mutex::default(),
            slots: Semaphore::new(MAX_READ_CONNECTIONS),
        }))
    }

    /// Runs `work` on the blocking pool.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = self.0.slots.acquire().await.map_err(|_| Error::Stopped("reading has ended"))?;
        let pool = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || pool.run(work)).await;
        drop(slot);
        read.map_err(|_| Error::Stopped("a metadata read panicked"))?
    }
}

impl ConnectionPool {
    fn run<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = idle.map_or_else(|| schema::open_reader(&self.path), Ok)?;
        let result = work(&db);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        result
    }
}
