//! Integrity of the database's structure. A statement that meets a malformed page reports it; the store then checks its
//! file. A damaged database is not written any more, because acknowledged data must be found again. Reading continues
//! as far as possible.
//!
//! PostgreSQL has no such check: a report is logged there, for the server's operator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

use super::failed;
use super::failure::{DatabaseTrouble, trouble};
use super::{DbPool, INTEGRITY_CHECK, QUICK_CHECK, REFRESH_NAME_INDEX};
use crate::domain::reason::FailureCause;
use crate::store::{Result, StoreError};

/// Number of statements of this process that met a malformed page, in any database. The error does not name the
/// database, so each open store checks its own.
static REPORTS: AtomicU64 = AtomicU64::new(0);

/// Counts a report of damage. Logs the 1st, 2nd, 4th, 8th report, and so on.
pub(super) fn report_damage(text: &str) {
    let reports = REPORTS.fetch_add(1, Ordering::AcqRel) + 1;
    if reports.is_power_of_two() {
        tracing::error!(reports, text, "the database reports damage");
    }
}

/// Known state of a database's integrity.
pub(super) struct IntegrityCheck {
    /// Value of [`REPORTS`] at the last completed check.
    answered: AtomicU64,
    damage: OnceLock<String>,
    checking: Mutex<()>,
}

impl Default for IntegrityCheck {
    fn default() -> Self {
        let answered = AtomicU64::new(REPORTS.load(Ordering::Acquire));
        Self { answered, damage: OnceLock::new(), checking: Mutex::default() }
    }
}

impl IntegrityCheck {
    /// Fails with [`StoreError::Malformed`] once damage is known.
    pub(super) fn refuse_if_damaged(&self) -> Result<()> {
        self.damage.get().map_or(Ok(()), |what| Err(StoreError::Malformed(what.clone().into())))
    }

    /// Checks the whole structure if a malformed page was reported since the last check, and waits for the result.
    pub(super) async fn answer_reports(self: &Arc<Self>, pool: &DbPool) -> Result<()> {
        self.refuse_if_damaged()?;
        if REPORTS.load(Ordering::Acquire) == self.answered.load(Ordering::Acquire) {
            return Ok(());
        }
        self.check(pool, INTEGRITY_CHECK).await
    }

    /// Checks the structure of every page, but not the contents of indices. Takes time in proportion to the file size.
    pub(super) async fn check_quickly(self: &Arc<Self>, pool: &DbPool) -> Result<()> {
        self.check(pool, QUICK_CHECK).await
    }

    async fn check(self: &Arc<Self>, pool: &DbPool, statement: Option<&'static str>) -> Result<()> {
        let (integrity, pool) = (Arc::clone(self), pool.clone());
        // In a separate task: the caller may time out before a large file is read.
        let checked = tokio::spawn(async move { integrity.run_check(&pool, statement).await });
        checked.await.map_err(|error| StoreError::Unavailable(FailureCause::of(error)))?
    }

    async fn run_check(&self, pool: &DbPool, statement: Option<&'static str>) -> Result<()> {
        let _turn = self.checking.lock().await;
        let reports = REPORTS.load(Ordering::Acquire);
        if let Some(damage) = find_damage(pool, statement).await? {
            tracing::error!(
                damage,
                "the database is damaged, and nothing is written to it any more: stop the service and restore the file \
                 from a backup, or save what can be read with `sqlite3 FILE .recover`"
            );
            let _ = self.damage.set(damage);
        }
        self.answered.store(reports, Ordering::Release);
        self.refuse_if_damaged()
    }
}

async fn find_damage(pool: &DbPool, statement: Option<&'static str>) -> Result<Option<String>> {
    let Some(statement) = statement else { return Ok(None) };
    match run_in_transaction(pool, statement).await {
        Ok(lines) if lines == ["ok"] => Ok(None),
        Ok(lines) => Ok(Some(lines.join("; "))),
        Err(error) if trouble(&error) == Some(DatabaseTrouble::Malformed) => Ok(Some(error.to_string())),
        Err(error) => Err(failed(error)),
    }
}

/// The lines of a check. In a transaction that has read the index of names before: the check compares it with what this
/// connection remembers of it, and reports damage if another connection has written to it since (SQLite 3.51, FTS5).
async fn run_in_transaction(pool: &DbPool, statement: &'static str) -> sqlx::Result<Vec<String>> {
    let mut tx = pool.begin_with("BEGIN").await?;
    if let Some(refresh) = REFRESH_NAME_INDEX {
        sqlx::query(refresh).fetch_optional(&mut *tx).await?;
    }
    let lines = sqlx::query_scalar(statement).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(lines)
}
