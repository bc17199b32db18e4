//! The pool of connections, through which every query and transaction goes: waits, connections in use, and the time of
//! queries are measured here.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::Connection as _;
use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Describe, Either, Execute, Executor, Pool, SqlSafeStr as _, SqlStr, Transaction};

use super::{Db, SqlConnection, is_stale_plan};
use crate::metrics;
use crate::metrics::{GaugeGuard, timing};

type DbRow = <Db as Database>::Row;
type DbResult = <Db as Database>::QueryResult;

/// Connections that may have a stale statement, one after another.
const MAX_STALE_STATEMENTS: u32 = 64;

/// A pool of this driver; clones share the connections.
#[derive(Clone, Debug)]
pub(in crate::store) struct DbPool(Pool<Db>);

/// A connection of the pool, which counts as in use until it is dropped.
pub(super) struct DbConnection {
    inner: PoolConnection<Db>,
    _in_use: GaugeGuard,
}

/// A transaction, whose connection counts as in use until it ends.
pub(super) struct DbTransaction {
    inner: Transaction<'static, Db>,
    _in_use: GaugeGuard,
}

impl DbPool {
    pub(super) fn new(pool: Pool<Db>) -> Self {
        Self(pool)
    }

    /// A connection, as soon as the pool has a free connection.
    pub(super) async fn acquire(&self) -> sqlx::Result<DbConnection> {
        let begun = Instant::now();
        let inner = self.0.acquire().await?;
        Ok(DbConnection { inner, _in_use: metrics::database().enter_connection(begun.elapsed()) })
    }

    /// A transaction that the statement begins.
    pub(super) async fn begin_with(&self, statement: &'static str) -> sqlx::Result<DbTransaction> {
        let begun = Instant::now();
        // Acquired apart, so that the statement is no part of the wait.
        let connection = self.0.acquire().await?;
        let in_use = metrics::database().enter_connection(begun.elapsed());
        Ok(DbTransaction {
            inner: Transaction::begin(connection, Some(statement.into_sql_str())).await?,
            _in_use: in_use,
        })
    }
}

impl DbPool {
    /// All that a query answers. Repeats it when a migration of another process has changed the columns of its prepared
    /// statement.
    async fn fetch_whole(&self, query: &RepeatableQuery) -> sqlx::Result<Vec<Either<DbResult, DbRow>>> {
        for _ in 0..MAX_STALE_STATEMENTS {
            let mut connection = self.acquire().await?;
            let rows: sqlx::Result<Vec<_>> = connection.fetch_many(query.clone()).try_collect().await;
            match rows {
                Err(error) if is_stale_plan(&error) => connection.clear_cached_statements().await?,
                done => return done,
            }
        }
        Err(sqlx::Error::WorkerCrashed)
    }

    /// The first row that a query answers, repeated as in [`Self::fetch_whole`].
    async fn fetch_first(&self, query: &RepeatableQuery) -> sqlx::Result<Option<DbRow>> {
        for _ in 0..MAX_STALE_STATEMENTS {
            let mut connection = self.acquire().await?;
            let row = connection.fetch_optional(query.clone()).await;
            match row {
                Err(error) if is_stale_plan(&error) => connection.clear_cached_statements().await?,
                done => return done,
            }
        }
        Err(sqlx::Error::WorkerCrashed)
    }
}

impl DbConnection {
    /// Takes the connection out of the pool for good.
    pub(super) fn detach(self) -> SqlConnection {
        self.inner.detach()
    }
}

impl Deref for DbConnection {
    type Target = SqlConnection;

    fn deref(&self) -> &SqlConnection {
        &self.inner
    }
}

impl DerefMut for DbConnection {
    fn deref_mut(&mut self) -> &mut SqlConnection {
        &mut self.inner
    }
}

impl DbTransaction {
    pub(super) async fn commit(self) -> sqlx::Result<()> {
        self.inner.commit().await
    }
}

impl Deref for DbTransaction {
    type Target = SqlConnection;

    fn deref(&self) -> &SqlConnection {
        &self.inner
    }
}

impl DerefMut for DbTransaction {
    fn deref_mut(&mut self) -> &mut SqlConnection {
        &mut self.inner
    }
}

/// A query that can be sent again, when a migration has changed the columns of its prepared statement.
#[derive(Clone)]
struct RepeatableQuery {
    sql: SqlStr,
    arguments: Option<<Db as Database>::Arguments>,
    persistent: bool,
}

impl RepeatableQuery {
    fn of<'q, E: Execute<'q, Db>>(mut query: E) -> sqlx::Result<Self> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let persistent = query.persistent();
        Ok(Self { sql: query.sql(), arguments, persistent })
    }
}

impl Execute<'_, Db> for RepeatableQuery {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&<Db as Database>::Statement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<<Db as Database>::Arguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// Queries of all rows are read to their end before the first row is handed on: this service streams no query.
impl<'p> Executor<'p> for &'p DbPool {
    type Database = Db;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<DbResult, DbRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Db>,
    {
        let rows = async move {
            let begun = Instant::now();
            let rows = self.fetch_whole(&RepeatableQuery::of(query)?).await;
            timing::add_database_time(begun);
            Ok::<_, sqlx::Error>(stream::iter(rows?).map(Ok))
        };
        stream::once(rows).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<DbRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Db>,
    {
        Box::pin(async move {
            let begun = Instant::now();
            let row = self.fetch_first(&RepeatableQuery::of(query)?).await;
            timing::add_database_time(begun);
            row
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Db as Database>::TypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<<Db as Database>::Statement>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Db>>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.describe(sql).await })
    }
}
