//! Named points at which a test can end the process, as kill -9 would: `GANTRY_CRASH_AT=after_intent` ends it at the
//! first pass, `GANTRY_CRASH_AT=after_intent:3` at the third.
//!
//! The names are the crash points of `tests/it/crash.rs`. Release builds contain none of this.

/// Ends the process here if `GANTRY_CRASH_AT` says so.
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

/// Does nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_name: &'static str) {}
