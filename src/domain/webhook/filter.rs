//! Filter for an endpoint's events: kinds, families of kinds, or all.

use crate::domain::event::EventKind;

/// Patterns per endpoint, at most.
const MAX_EVENT_PATTERNS: usize = 32;

/// A list of patterns: `asset.ready`, `asset.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter(Vec<String>);

/// Reason why a list of patterns is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// A pattern that matches no kind of event.
    #[error("\"{0}\" is not a kind of event; known are *, asset.*, upload.* and {all}", all = EventKind::ALL.map(EventKind::name).join(", "))]
    Unknown(String),
    /// No patterns, or too many.
    #[error("must list 1 to {MAX_EVENT_PATTERNS} kinds of events")]
    Count,
}

impl EventFilter {
    /// Every event.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Validates patterns; each must match a known kind.
    ///
    /// # Errors
    /// [`BadFilter`]: a pattern without a match would silently deliver nothing.
    pub fn new(patterns: Vec<String>) -> Result<Self, BadFilter> {
        if !(1..=MAX_EVENT_PATTERNS).contains(&patterns.len()) {
            return Err(BadFilter::Count);
        }
        let means_nothing = |pattern: &&String| !EventKind::ALL.iter().any(|kind| meets(pattern, kind.name()));
        match patterns.iter().find(means_nothing) {
            Some(unknown) => Err(BadFilter::Unknown(unknown.clone())),
            None => Ok(Self(patterns)),
        }
    }

    /// Patterns from a row, which a newer node may have written.
    #[must_use]
    pub fn known(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// The patterns as given.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// True if the filter matches this kind of event.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.0.iter().any(|pattern| meets(pattern, kind))
    }
}

fn meets(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(family) => family.ends_with('.') && kind.starts_with(family),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(patterns: &[&str]) -> Result<EventFilter, BadFilter> {
        EventFilter::new(patterns.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn kinds_families_and_all() {
        let some = filter(&["asset.ready", "upload.*"]).unwrap();
        assert!(some.wants("asset.ready") && some.wants("upload.expired"));
        assert!(!some.wants("asset.rejected") && !some.wants("uploads.x") && !some.wants("asset.ready2"));
        assert!(EventFilter::all().wants("whatever.comes"));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in ["", "asset", "asset*", "assets.*", "asset.raedy", "a*", ".*", "**"] {
            assert_eq!(filter(&[bad]), Err(BadFilter::Unknown(bad.to_owned())), "{bad}");
        }
        assert_eq!(filter(&[]), Err(BadFilter::Count));
        assert_eq!(filter(&["*"; 33]), Err(BadFilter::Count));
    }
}
