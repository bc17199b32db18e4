//! Group commit: tasks ("lanes") that carry out queued transactions.
//!
//! A lane takes what was queued during the previous commit: on SQLite everything, on PostgreSQL either a single
//! transaction or all waiting transactions that only add rows. So many callers share an fsync. If a group fails, its
//! members are retried separately, so that only the failing transaction reports an error.
//!
//! Callers wait for the outcome but do not own the work: dropping the future does not cancel the transaction.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::failure::{GroupFailure, undone};
use super::insert::RowBatch;
use super::{BEGIN, DbPool, GROUP_EVERYTHING};
use super::{SqlConnection, drop_boxes, failed, tenancy, write};
use crate::domain::backoff::ExponentialBackoff;
use crate::domain::clock::{OsEntropy, Timestamp};
use crate::store::{CacheGenerations, Result, StoreClock, StoreError, Tx};

/// Maximum number of queued transactions. When the queue is full, callers wait for [`QUEUE_TIMEOUT`] and then get
/// [`StoreError::Busy`].
const MAX_QUEUED_TX: usize = 4096;
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of transactions in a commit.
const MAX_GROUP_TX: usize = 256;
/// Maximum number of concurrent groups that only add rows: while a group is being made durable, the next is written.
/// More lanes would only make the groups smaller, and every group costs the same round trips and fsync.
const MAX_ADDING_LANES: usize = 2;
/// Time limit for a group. After that the database counts as unavailable, and the outcome is unknown.
const COMMIT_DEADLINE: Duration = Duration::from_secs(30);
/// Attempts at a transaction when the database itself asks for a retry (serialization failure, deadlock).
const MAX_COMMIT_ATTEMPTS: u32 = 5;
/// Delays before these attempts.
const COMMIT_BACKOFF: ExponentialBackoff = ExponentialBackoff::new(Duration::from_millis(2), Duration::from_millis(50));

struct WaitingTx {
    tx: Tx,
    answer: oneshot::Sender<Result<()>>,
}

/// The queue of transactions and its lanes.
pub(super) struct GroupCommit {
    queue: mpsc::Sender<WaitingTx>,
}

impl GroupCommit {
    /// Starts `count` lanes on connections of `pool`. The lanes end when this value is dropped. Changes of assets are
    /// counted in `turns`. Records of a transaction's own time take it from `clock`.
    pub(super) fn start(pool: &DbPool, count: usize, turns: &Arc<CacheGenerations>, clock: &StoreClock) -> Self {
        let (queue, incoming) = mpsc::channel(MAX_QUEUED_TX);
        let source = Arc::new(Mutex::new(CommitSource::new(incoming)));
        for _ in 0..count {
            tokio::spawn(lane(pool.clone(), Arc::clone(&source), Arc::clone(turns), clock.clone()));
        }
        Self { queue }
    }

    /// Queues a transaction and waits for its outcome.
    pub(super) async fn commit(&self, tx: Tx) -> Result<()> {
        let (answer, outcome) = oneshot::channel();
        self.queue.send_timeout(WaitingTx { tx, answer }, QUEUE_TIMEOUT).await.map_err(|_| StoreError::Busy)?;
        outcome.await.map_err(|_| StoreError::Unavailable("the writer has stopped".into()))?
    }
}

/// Forms groups from the queue.
struct CommitSource {
    incoming: mpsc::Receiver<WaitingTx>,
    /// Transactions taken from the channel that did not fit the previous group.
    held: VecDeque<WaitingTx>,
    adders: Arc<Semaphore>,
}

/// Transactions for a single commit. If they only add rows, the group holds a permit of [`MAX_ADDING_LANES`].
struct CommitGroup {
    waiting: Vec<WaitingTx>,
    _adder: Option<OwnedSemaphorePermit>,
}

impl CommitSource {
    fn new(incoming: mpsc::Receiver<WaitingTx>) -> Self {
        Self { incoming, held: VecDeque::new(), adders: Arc::new(Semaphore::new(MAX_ADDING_LANES)) }
    }

    async fn next_group(&mut self) -> Option<CommitGroup> {
        let first = match self.held.pop_front() {
            Some(first) => first,
            None => self.incoming.recv().await?,
        };
        self.gather().await;
        let additions = first.tx.only_inserts();
        let adder = if additions { Arc::clone(&self.adders).acquire_owned().await.ok() } else { None };
        let mut group = vec![first];
        while group.len() < MAX_GROUP_TX && (GROUP_EVERYTHING || additions) {
            let Ok(next) = self.incoming.try_recv() else { break };
            if GROUP_EVERYTHING || next.tx.only_inserts() {
                group.push(next);
            } else {
                self.held.push_back(next);
                break;
            }
        }
        Some(CommitGroup { waiting: group, _adder: adder })
    }

    /// Yields as long as transactions keep arriving. Callers whose transactions were committed together queue the next
    /// ones together; without this, the first would get a commit of its own while the rest wait for it.
    async fn gather(&self) {
        let mut before = usize::MAX;
        while self.incoming.len() != before && self.incoming.len() < MAX_GROUP_TX {
            before = self.incoming.len();
            tokio::task::yield_now().await;
        }
    }
}

async fn lane(pool: DbPool, source: Arc<Mutex<CommitSource>>, turns: Arc<CacheGenerations>, clock: StoreClock) {
    loop {
        let group = source.lock().await.next_group().await;
        let Some(CommitGroup { waiting, _adder }) = group else { return };
        let (txs, answers): (Vec<Tx>, Vec<_>) = waiting.into_iter().map(|w| (w.tx, w.answer)).unzip();
        let outcomes = carry_out(&pool, &txs, clock.now()).await;
        // Counted for every outcome: an unknown outcome may be a change.
        txs.iter().for_each(|tx| turns.count(tx));
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // The caller may have gone; its transaction is committed all the same.
            let _ = answer.send(outcome);
        }
    }
}

async fn carry_out(pool: &DbPool, txs: &[Tx], now: Timestamp) -> Vec<Result<()>> {
    if let [only] = txs {
        return vec![alone(pool, only, now).await];
    }
    match attempt(pool, &txs.iter().collect::<Vec<_>>(), now).await {
        Ok(()) => txs.iter().map(|_| Ok(())).collect(),
        Err(GroupFailure::Unknown(error)) => txs.iter().map(|_| Err(error.clone())).collect(),
        Err(GroupFailure::Undone { .. }) => {
            let mut outcomes = Vec::with_capacity(txs.len());
            for tx in txs {
                outcomes.push(alone(pool, tx, now).await);
            }
            outcomes
        }
    }
}

async fn alone(pool: &DbPool, tx: &Tx, now: Timestamp) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(pool, &[tx], now).await {
            Ok(()) => return Ok(()),
            Err(GroupFailure::Undone { again: true, .. }) if tries < MAX_COMMIT_ATTEMPTS => {
                tokio::time::sleep(COMMIT_BACKOFF.delay(tries, &OsEntropy)).await;
            }
            Err(GroupFailure::Undone { error, .. } | GroupFailure::Unknown(error)) => return Err(error),
        }
    }
}

/// Runs a single BEGIN … COMMIT. The connection returns to the pool only if it is certainly outside the transaction.
async fn attempt(pool: &DbPool, txs: &[&Tx], now: Timestamp) -> std::result::Result<(), GroupFailure> {
    let mut conn = pool.acquire().await.map_err(undone)?;
    let outcome = match tokio::time::timeout(COMMIT_DEADLINE, transaction(&mut conn, txs, now)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(GroupFailure::Unknown(StoreError::Unavailable("no answer in time".into()))),
    };
    let clean = match &outcome {
        Ok(()) => true,
        Err(GroupFailure::Undone { error: StoreError::Unavailable(_), again: false } | GroupFailure::Unknown(_)) => {
            false
        }
        Err(GroupFailure::Undone { .. }) => sqlx::query("ROLLBACK").execute(&mut *conn).await.is_ok(),
    };
    if !clean {
        // Closing ends a transaction whose state is unknown, and abandons a server that has become read-only.
        drop(tokio::spawn(conn.detach().close_hard()));
    }
    outcome
}

async fn transaction(conn: &mut SqlConnection, txs: &[&Tx], now: Timestamp) -> std::result::Result<(), GroupFailure> {
    sqlx::query(BEGIN).execute(&mut *conn).await.map_err(undone)?;
    if txs.iter().all(|tx| tx.only_inserts()) {
        RowBatch::of(txs.iter().flat_map(|tx| tx.new_rows())).insert(conn).await?;
        drop_boxes::charge(conn, txs.iter().flat_map(|tx| tx.drop_box_charges())).await?;
        tenancy::charge(conn, txs.iter().flat_map(|tx| tx.charges())).await?;
    } else {
        for tx in txs {
            write::apply(conn, tx, now).await?;
        }
    }
    let commit = sqlx::query("COMMIT").execute(&mut *conn).await;
    commit.map(|_| ()).map_err(|error| match error {
        // The database itself refused: nothing was written. After any other error the outcome is unknown.
        sqlx::Error::Database(_) => undone(error),
        other => GroupFailure::Unknown(failed(other)),
    })
}
