//! Which events an endpoint wants: kinds, families of kinds, or all.

use crate::domain::event::EventKind;

/// Most patterns of one endpoint.
const MAX_EVENT_PATTERNS: usize = 32;

/// A list of `asset.ready`, `asset.*` and `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter(Vec<String>);

/// A list that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    /// A pattern that no event can meet.
    #[error("{0:?} is no kind of event; there are *, asset.*, upload.* and {all}", all = EventKind::ALL.map(EventKind::name).join(", "))]
    Unknown(String),
    /// None, or too many.
    #[error("1 to {MAX_EVENT_PATTERNS} kinds of events")]
    Count,
}

impl EventFilter {
    /// Every event.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Reads patterns; each must meet a kind that there is.
    ///
    /// # Errors
    /// [`BadFilter`]: a pattern that means nothing would silently deliver nothing.
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

    /// From a row, whose patterns a newer node may have written.
    #[must_use]
    pub fn known(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// The patterns as they were given.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether an event of this kind is wanted.
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
