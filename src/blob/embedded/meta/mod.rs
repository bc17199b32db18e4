//! Metadata of the store in SQLite: connections and transactions. The submodules contain the statements by subject, as
//! plain functions on a connection.
//!
//! These functions run inside a transaction of the [writer](writer) or inside a read, never on an async thread.

pub(super) mod buckets;
pub(super) mod closed_keys;
pub(super) mod completion;
pub(super) mod contents;
pub(super) mod listing;
pub(super) mod objects;
mod readers;
mod rows;
pub(super) mod saved_files;
mod schema;
pub(super) mod trash;
pub(super) mod uploads;
mod writer;

use crate::domain::reason::FailureCause;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::EmbeddedOpenError;
use super::error::{Error, Result};
use super::files::{DataFiles, NewFile};
use super::health::StoreHealth;
use readers::ReadConnections;
use schema::SchemaState;
use writer::MetadataWriter;

/// Names of buckets with their CORS rules as JSON.
type CorsRows = Vec<(String, String)>;

/// Metadata of a store.
#[derive(Clone)]
pub(super) struct MetadataStore {
    writer: MetadataWriter,
    readers: ReadConnections,
}

impl MetadataStore {
    /// Opens `meta.db` in `dir`; creates it only if there are no data files. Also returns the buckets' CORS rules.
    pub(super) fn open(
        dir: &Path,
        files: &DataFiles,
        health: Arc<StoreHealth>,
    ) -> Result<(Self, CorsRows), EmbeddedOpenError> {
        let path = dir.join("meta.db");
        if !path.exists() && !files.is_empty()? {
            return Err(EmbeddedOpenError::MetadataMissing(path));
        }
        let broken = |error: Error| EmbeddedOpenError::Metadata(FailureCause::of(error));
        let (db, found) = schema::open_writer(&path).map_err(broken)?;
        if let SchemaState::FromTheFuture(version) = found {
            return Err(EmbeddedOpenError::TooNew { version });
        }
        let cors = buckets::all_cors(&db).map_err(broken)?;
        Ok((Self { writer: MetadataWriter::start(db, health)?, readers: ReadConnections::new(&path) }, cors))
    }

    /// True if the metadata in `dir` names data files. False if it is missing or unreadable: opening it reports why.
    pub(super) fn names_files(dir: &Path) -> bool {
        let path = dir.join("meta.db");
        let names = |db: Connection| db.query_row("SELECT EXISTS (SELECT 1 FROM segment)", [], |row| row.get(0));
        path.exists() && schema::open_reader(&path).is_ok_and(|db| names(db).unwrap_or(false))
    }

    /// Reads; `work` sees everything that was committed before the call.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.read(work).await
    }

    /// Writes; durable when this returns. Either all of `work` takes effect or nothing.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(None, work).await
    }

    /// Writes rows that make `file` part of the store. If that fails, the file is removed.
    pub(super) async fn commit_with_file<T: Send + 'static>(
        &self,
        file: NewFile,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(Some(file), work).await
    }
}
