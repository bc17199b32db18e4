//! Connections for reading, used on the blocking pool: they never wait for the writer, nor it for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::error::{Error, Result};
use super::schema;

/// The most reads at once; further ones wait.
const READERS: usize = 16;

/// A pool of read-only connections.
#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    slots: Semaphore,
}

impl Readers {
    /// Connections are opened when they are first needed.
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(Pool { path: path.to_owned(), idle: Mutex::default(), slots: Semaphore::new(READERS) }))
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

impl Pool {
    fn run<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = idle.map_or_else(|| schema::open_reader(&self.path), Ok)?;
        let result = work(&db);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        result
    }
}
