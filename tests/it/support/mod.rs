//! What tests share: databases, clocks, seeds.

pub mod bucket;
pub mod database;
pub mod seed;

/// Runs one test body on SQLite and on PostgreSQL, as two tests.
#[macro_export]
macro_rules! on_both_databases {
    ($(async fn $name:ident($db:ident) $body:block)*) => { $(
        mod $name {
            use super::*;

            async fn body($db: $crate::support::database::Database) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                body($crate::support::database::Database::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                body($crate::support::database::Database::postgres().await).await;
            }
        }
    )* };
}
