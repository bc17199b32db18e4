//! A fresh database per test, on either adapter, with a clock that is moved by hand.

use std::sync::Arc;

use gantry::domain::clock::{Clock, ManualClock, Timestamp};
use gantry::store::postgres::PostgresOptions;
use gantry::store::{Store, StoreClock, postgres, sqlite};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tempfile::TempDir;

use super::directory::directory;

/// Where the rows are.
#[derive(Clone)]
pub enum Place {
    Sqlite(Arc<TempDir>),
    /// A schema of its own in the test server; the URL leads into it.
    Postgres(String),
}

/// A database of the test's own.
#[derive(Clone)]
pub struct Database {
    pub place: Place,
    pub clock: Arc<ManualClock>,
    pub store: Arc<dyn Store>,
}

impl Database {
    pub async fn sqlite() -> Self {
        Self::sqlite_at(Timestamp::now()).await
    }

    /// On SQLite, with a clock that begins at `start`.
    pub async fn sqlite_at(start: Timestamp) -> Self {
        Self::at(Place::fresh_file(), start).await
    }

    pub async fn postgres() -> Self {
        Self::at(Place::fresh_schema().await, Timestamp::now()).await
    }

    async fn at(place: Place, start: Timestamp) -> Self {
        let clock = Arc::new(ManualClock::at(start));
        let store = place.open(clock.clone(), 8).await;
        Self { place, clock, store }
    }

    /// Runs a statement behind everybody's back; what the database says against it.
    pub async fn run(&self, statement: &'static str) -> Result<(), String> {
        let outcome = match &self.place {
            Place::Sqlite(dir) => {
                let options = SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
                options.connect().await.unwrap().execute(statement).await.map(|_| ())
            }
            Place::Postgres(url) => {
                let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
                options.connect().await.unwrap().execute(statement).await.map(|_| ())
            }
        };
        outcome.map_err(|error| error.to_string())
    }

    /// A second node on the same rows.
    pub async fn another_node(&self) -> Arc<dyn Store> {
        self.place.open(self.clock.clone(), 8).await
    }
}

impl Place {
    pub fn fresh_file() -> Self {
        Self::Sqlite(Arc::new(directory()))
    }

    pub async fn fresh_schema() -> Self {
        let url = std::env::var("GANTRY_TEST_POSTGRES").expect("GANTRY_TEST_POSTGRES: start tests/servers.sh");
        let schema = format!("t{}", uuid::Uuid::new_v4().simple());
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let mut admin = options.connect().await.expect("the test server answers");
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        Self::Postgres(format!("{url}?options=-csearch_path%3D{schema}"))
    }

    pub async fn open(&self, clock: Arc<dyn Clock>, connections: u32) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(dir) => sqlite::open(&dir.path().join("gantry.db"), clock).await.unwrap(),
            Self::Postgres(url) => {
                let clock = Some(StoreClock::Given(clock));
                postgres::open(url, PostgresOptions { connections, clock, ..PostgresOptions::default() }).await.unwrap()
            }
        }
    }

    /// As `GANTRY_DATABASE_URL` wants it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite://{}", dir.path().join("gantry.db").display()),
            Self::Postgres(url) => url.clone(),
        }
    }
}
