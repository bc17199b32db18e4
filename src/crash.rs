//! Named crash points for tests: `GANTRY_CRASH_AT=after_intent` aborts the process at the first pass, as kill -9 would,
//! `GANTRY_CRASH_AT=after_intent:3` at the third pass.
//!
//! The names are used in `tests/it/crash.rs`. Release builds contain no crash points.

/// Aborts the process here if `GANTRY_CRASH_AT` names this point.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static TARGET: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let wish = std::env::var("GANTRY_CRASH_AT").ok()?;
        let (name, pass) = wish.split_once(':').unwrap_or((&wish, "1"));
        Some((name.to_owned(), AtomicU32::new(pass.parse().ok()?)))
    });
    if let Some((wanted, passes)) = target
        && wanted == name
        && passes.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Does nothing in release builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_name: &'static str) {}
