//! The one integration binary: linking is the expensive part of a test run.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![expect(unreachable_pub, reason = "tests")]

mod embedded_store;
