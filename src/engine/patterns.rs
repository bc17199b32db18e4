//! Patterns of names, compiled once however many uploads and policies go by them. A pattern is its text, so nothing here
//! grows old; how many are kept bounds the memory that tenants can have us use.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::Result;
use crate::domain::policy::NamePattern;

/// Patterns that are kept; others are compiled at every use.
const MOST: u64 = 256;
/// What nobody goes by for so long is not kept.
const UNUSED: Duration = Duration::from_secs(600);

/// Compiled patterns by their texts.
pub(super) struct Patterns(Cache<String, Arc<NamePattern>>);

impl Patterns {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_idle(UNUSED).build())
    }

    /// This pattern, compiled.
    pub(super) async fn compiled(&self, pattern: &str) -> Result<Arc<NamePattern>> {
        let compile = async { NamePattern::new(pattern).map(Arc::new) };
        let compiled = self.0.try_get_with_by_ref(pattern, compile).await;
        compiled.map_err(|objection| (*objection).clone().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pattern_is_compiled_once() {
        let patterns = Patterns::new();
        let (one, same) = (patterns.compiled("[a-z]+").await.unwrap(), patterns.compiled("[a-z]+").await.unwrap());
        assert!(Arc::ptr_eq(&one, &same));
        assert!(!Arc::ptr_eq(&one, &patterns.compiled("[0-9]+").await.unwrap()));
        assert!(patterns.compiled("(a{1000}){1000}").await.is_err());
    }
}
