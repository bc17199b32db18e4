//! What tests share: databases, clocks, seeds.

pub mod bucket;
pub mod database;
pub mod directory;
pub mod faulty;
pub mod faulty_operations;
pub mod patience;
pub mod process;
pub mod receiver;
pub mod requests;
pub mod seed;
pub mod servers;
pub mod service;
pub mod transcript;

/// Runs one test body on SQLite and on PostgreSQL, as two tests.
#[macro_export]
macro_rules! on_both_databases {
    ($(async fn $name:ident($db:ident) $body:block)*) => { $(
        async fn $name($db: $crate::support::database::Database) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$name($crate::support::database::Database::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                super::$name($crate::support::database::Database::postgres().await).await;
            }
        }
    )* };
}

/// Runs one test body against a whole service on SQLite and on PostgreSQL, and asserts afterwards that nothing was
/// left behind. A second argument shapes the service.
#[macro_export]
macro_rules! on_both_services {
    () => {};
    (async fn $name:ident($service:ident) $body:block $($rest:tt)*) => {
        $crate::on_both_services!(@one $name $service $body { $crate::support::service::Shape::default() });
        $crate::on_both_services!($($rest)*);
    };
    (async fn $name:ident($service:ident, $shape:expr) $body:block $($rest:tt)*) => {
        $crate::on_both_services!(@one $name $service $body { use super::*; $shape });
        $crate::on_both_services!($($rest)*);
    };
    (@one $name:ident $service:ident $body:block $shape:block) => {
        async fn $name($service: &$crate::support::service::Service) $body

        mod $name {
            async fn run(database: $crate::support::database::Database) {
                let service = $crate::support::service::Service::start(database, $shape).await;
                super::$name(&service).await;
                service.assert_clean().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::support::database::Database::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::support::database::Database::postgres().await).await;
            }
        }
    };
}

/// Plays a transcript (see [`transcript`]) and returns the values that it met.
#[macro_export]
macro_rules! transcript {
    ($service:expr, $text:expr $(, $name:ident = $value:expr)*) => {{
        let mut names = $crate::support::transcript::Names::new();
        $( names.insert(stringify!($name).to_owned(), $value.to_string()); )*
        $crate::support::transcript::play($service, &mut names, $text).await;
        names
    }};
}
