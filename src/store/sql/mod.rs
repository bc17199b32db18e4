//! The port's SQL, compiled once per driver: `sqlite.rs` and `postgres.rs` each include this folder and define `Db` and
//! what differs between the dialects ([`super::BEGIN`], [`super::CLAIM`], [`super::NOW`]).
//!
//! Both databases accept the same text of every other statement: `$1` placeholders, RETURNING, row values, `->>`.

use std::sync::Arc;

use sqlx::{Database, Pool};
use tokio_util::task::AbortOnDropHandle;

use super::{
    APPLIED_STEPS, BEGIN, CLAIM, COUNT_NAMES, Db, ERASE_SIDE_ROWS, GROUP_EVERYTHING, HAS_APPLIED_STEPS, INDEX_NAMES,
    INTEGRITY_CHECK, LEASE_REQUESTS, LOCK_QUOTA, MANY_PROCESSES, NAME_KEY, NAMES_OWED, NOW, QUICK_CHECK,
    REFRESH_NAME_INDEX, SETTLE_TOTALS, class_of, is_stale_plan, trouble_of,
};
use crate::domain::reason::FailureCause;
use crate::metrics::timing;
use crate::store::rows::{
    AssetRow, AttemptRow, CollectionRow, ConcurrencyRow, CountRow, CountedRow, DropBoxRow, EntryRow, FeedRow, JobRow,
    LinkRow, MinuteRow, UploadEntryRow, at, limit_cell,
};
use crate::store::{CacheGenerations, DiskReserve, Notifier, Result, StoreClock, StoreError};

mod attempts;
mod drop_boxes;
mod erasure;
mod failure;
mod feed;
mod group_commit;
mod insert;
mod integrity;
mod jobs;
mod keys;
mod links;
mod list;
mod names;
mod nodes;
mod operations;
mod pool;
mod port;
mod rollup;
mod schema;
mod settings;
mod storage;
mod tenancy;
mod uploads;
mod webhooks;
mod write;

pub(in crate::store) use failure::DatabaseTrouble;
use failure::failed;
use group_commit::GroupCommit;
use integrity::IntegrityCheck;
use pool::DbPool;
pub(in crate::store) use schema::read_applied;

/// A connection of this driver.
type SqlConnection = <Db as Database>::Connection;

/// The store for this driver.
pub(in crate::store) struct SqlStore {
    read: DbPool,
    write: DbPool,
    lanes: GroupCommit,
    clock: StoreClock,
    wires: SqlStoreDeps,
    turns: Arc<CacheGenerations>,
    integrity: Arc<IntegrityCheck>,
    reserve: Option<DiskReserve>,
}

/// Notification of new events, on this node and between nodes.
#[derive(Default)]
pub(in crate::store) struct SqlStoreDeps {
    /// Wake-ups within this node.
    pub(in crate::store) news: Arc<Notifier>,
    /// Tasks that exchange wake-ups with other nodes; aborted when the store is dropped.
    #[expect(dead_code, reason = "held until the store goes")]
    pub(in crate::store) tasks: Vec<AbortOnDropHandle<()>>,
}

impl SqlStore {
    /// Starts a store. `write` is a single connection on SQLite; `lanes` is the number of concurrent commits. Inserts
    /// keep the `reserve` free.
    pub(in crate::store) fn new(
        read: Pool<Db>,
        write: Pool<Db>,
        lanes: usize,
        clock: StoreClock,
        wires: SqlStoreDeps,
        reserve: Option<DiskReserve>,
    ) -> Self {
        let turns = Arc::<CacheGenerations>::default();
        let (read, write) = (DbPool::new(read), DbPool::new(write));
        let lanes = GroupCommit::start(&write, lanes, &turns, &clock);
        Self { read, write, lanes, clock, wires, turns, integrity: Arc::default(), reserve }
    }

    /// Runs a writing statement in a separate task, so that a cancelled caller cannot interrupt it.
    async fn run_detached<T, F, Fut>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(DbPool) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        self.integrity.refuse_if_damaged()?;
        let work = timing::RequestTiming::in_current(work(self.write.clone()));
        tokio::spawn(work).await.map_err(|e| StoreError::Unavailable(FailureCause::of(e)))?
    }
}

/// Converts rows to domain values; stops at the first invalid row.
fn decode<Row, T: TryFrom<Row, Error = StoreError>>(rows: Vec<Row>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}
