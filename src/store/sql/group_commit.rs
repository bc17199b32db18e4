//! The lanes on which transactions are carried out, in tasks of their own.
//!
//! A lane takes what has queued up while the commit before was under way: on SQLite everything, on PostgreSQL one
//! transaction, or every waiting one that only adds rows. That is group commit: one fsync for many callers. If a
//! group fails, its members are tried again one by one, so that only the guilty one hears of it.
//!
//! Callers wait for the answer but do not own the work: dropping the future changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, Pool};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::failure::{GroupFailure, undone};
use super::{BEGIN, Db, GROUP_EVERYTHING};
use super::{SqlConnection, failed, insert, tenancy, write};
use crate::store::{CacheGenerations, Result, StoreError, Tx};

/// Transactions that may wait. Beyond it, callers wait for [`QUEUE_TIMEOUT`] and are then told that we are busy.
const MAX_QUEUED_TX: usize = 4096;
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// Transactions in one commit.
const MAX_GROUP_TX: usize = 256;
/// Groups of additions that are under way at once: one is written while the other is made durable. More would only be
/// smaller, and every group costs the database the same round trips and fsync.
const MAX_ADDING_LANES: usize = 2;
/// A database that takes longer than this for one group is treated as gone; the outcome is then unknown.
const COMMIT_DEADLINE: Duration = Duration::from_secs(30);
/// Tries of a transaction that the database itself asks to repeat (serialization failure, deadlock).
const MAX_COMMIT_ATTEMPTS: u32 = 5;

struct WaitingTx {
    tx: Tx,
    answer: oneshot::Sender<Result<()>>,
}

/// The queue and its lanes.
pub(super) struct GroupCommit {
    queue: mpsc::Sender<WaitingTx>,
}

impl GroupCommit {
    /// Starts `count` lanes on connections of `pool`. They end when this value is dropped.
    /// What they change is counted in `turns`.
    pub(super) fn start(pool: &Pool<Db>, count: usize, turns: &Arc<CacheGenerations>) -> Self {
        let (queue, incoming) = mpsc::channel(MAX_QUEUED_TX);
        let source = Arc::new(Mutex::new(CommitSource::new(incoming)));
        for _ in 0..count {
            tokio::spawn(lane(pool.clone(), Arc::clone(&source), Arc::clone(turns)));
        }
        Self { queue }
    }

    /// Queues a transaction and waits for its outcome.
    pub(super) async fn commit(&self, tx: Tx) -> Result<()> {
        let (answer, outcome) = oneshot::channel();
        self.queue.send_timeout(WaitingTx { tx, answer }, QUEUE_TIMEOUT).await.map_err(|_| StoreError::Busy)?;
        outcome.await.map_err(|_| StoreError::Unavailable("the writer has stopped".to_owned()))?
    }
}

/// Where lanes get their work.
struct CommitSource {
    incoming: mpsc::Receiver<WaitingTx>,
    /// Taken out of the channel while looking for the end of a group.
    held: VecDeque<WaitingTx>,
    adders: Arc<Semaphore>,
}

/// Transactions for one commit, and the permit to be one of the [`MAX_ADDING_LANES`] if that is all they do.
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

    /// Lets everybody who is about to queue up do so, as long as somebody does. Callers that were answered together
    /// come back together, and the first of them must not have a commit of its own while the others wait for it.
    async fn gather(&self) {
        let mut before = usize::MAX;
        while self.incoming.len() != before && self.incoming.len() < MAX_GROUP_TX {
            before = self.incoming.len();
            tokio::task::yield_now().await;
        }
    }
}

async fn lane(pool: Pool<Db>, source: Arc<Mutex<CommitSource>>, turns: Arc<CacheGenerations>) {
    loop {
        let group = source.lock().await.next_group().await;
        let Some(CommitGroup { waiting, _adder }) = group else { return };
        let (txs, answers): (Vec<Tx>, Vec<_>) = waiting.into_iter().map(|w| (w.tx, w.answer)).unzip();
        let outcomes = carry_out(&pool, &txs).await;
        // Whatever became of them: an unknown outcome may be a change.
        txs.iter().for_each(|tx| turns.count(tx));
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // The caller may have gone; its transaction counts all the same.
            let _ = answer.send(outcome);
        }
    }
}

async fn carry_out(pool: &Pool<Db>, txs: &[Tx]) -> Vec<Result<()>> {
    if let [only] = txs {
        return vec![alone(pool, only).await];
    }
    match attempt(pool, &txs.iter().collect::<Vec<_>>()).await {
        Ok(()) => txs.iter().map(|_| Ok(())).collect(),
        Err(GroupFailure::Unknown(error)) => txs.iter().map(|_| Err(error.clone())).collect(),
        Err(GroupFailure::Undone { .. }) => {
            let mut outcomes = Vec::with_capacity(txs.len());
            for tx in txs {
                outcomes.push(alone(pool, tx).await);
            }
            outcomes
        }
    }
}

async fn alone(pool: &Pool<Db>, tx: &Tx) -> Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(pool, &[tx]).await {
            Ok(()) => return Ok(()),
            Err(GroupFailure::Undone { again: true, .. }) if tries < MAX_COMMIT_ATTEMPTS => {}
            Err(GroupFailure::Undone { error, .. } | GroupFailure::Unknown(error)) => return Err(error),
        }
    }
}

/// One BEGIN … COMMIT on a connection that goes back to the pool only if it is known to be out of the transaction.
async fn attempt(pool: &Pool<Db>, txs: &[&Tx]) -> std::result::Result<(), GroupFailure> {
    let mut conn = pool.acquire().await.map_err(undone)?;
    let outcome = match tokio::time::timeout(COMMIT_DEADLINE, transaction(&mut conn, txs)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(GroupFailure::Unknown(StoreError::Unavailable("no answer in time".to_owned()))),
    };
    let clean = match &outcome {
        Ok(()) => true,
        Err(GroupFailure::Undone { error: StoreError::Unavailable(_), again: false } | GroupFailure::Unknown(_)) => {
            false
        }
        Err(GroupFailure::Undone { .. }) => sqlx::query("ROLLBACK").execute(&mut *conn).await.is_ok(),
    };
    if !clean {
        // Closing ends a transaction whose state nobody knows, and leaves a server that has become read-only.
        drop(tokio::spawn(conn.detach().close_hard()));
    }
    outcome
}

async fn transaction(conn: &mut SqlConnection, txs: &[&Tx]) -> std::result::Result<(), GroupFailure> {
    sqlx::query(BEGIN).execute(&mut *conn).await.map_err(undone)?;
    if txs.iter().all(|tx| tx.only_inserts()) {
        insert::all(conn, txs).await?;
        tenancy::charge(conn, txs.iter().flat_map(|tx| tx.charges())).await?;
    } else {
        for tx in txs {
            write::apply(conn, tx).await?;
        }
    }
    let commit = sqlx::query("COMMIT").execute(&mut *conn).await;
    commit.map(|_| ()).map_err(|error| match error {
        // The database itself refused: nothing was written. Anything else leaves us in the dark.
        sqlx::Error::Database(_) => undone(error),
        other => GroupFailure::Unknown(failed(other)),
    })
}
