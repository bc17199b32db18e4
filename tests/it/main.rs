//! The one integration binary: linking is the expensive part of a test run.
//!
//! Servers come from `tests/run.sh` (or `tests/servers.sh`) through `GANTRY_TEST_*`; a missing one fails the tests that
//! need it and is never skipped.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]
#![expect(unreachable_pub, reason = "tests")]

mod blob;
mod calls;
mod care;
mod chaos;
mod client;
mod companion;
mod connections;
mod contract;
mod crash;
mod crossing;
mod damaged_database;
mod delivery;
mod doctor;
mod embedded_store;
mod engine;
mod events;
mod first_contact;
mod fuzz;
mod guides;
mod handoff;
mod house;
mod identity;
mod ietf;
mod lessons;
mod limits;
mod logs;
mod media;
mod metrics;
mod names;
mod naming;
mod native;
mod operate;
mod overruns;
mod pages;
mod presign;
mod private_ca;
mod processing;
mod production;
mod reload;
mod repository;
mod scan;
mod schema;
mod simulation;
mod store;
mod support;
mod tenants;
mod tls;
mod tus;
mod unix_socket;
mod webhooks;
