//! Times in answers. Pure.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::domain::clock::{Timestamp, sortable_text};

/// A time that is written with exactly six digits of a second: texts of equal length sort as the times do.
#[derive(Clone, Copy, JsonSchema)]
#[schemars(transparent, inline)]
pub(super) struct SortableTime(pub(super) Timestamp);

impl From<Timestamp> for SortableTime {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl std::fmt::Display for SortableTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        sortable_text(self.0).fmt(f)
    }
}

impl Serialize for SortableTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        use crate::domain::clock::micros;
        let text = |time| serde_json::to_value(SortableTime(micros(time))).unwrap().as_str().unwrap().to_owned();
        assert_eq!(text(1_700_000_000_000_000), "2023-11-14T22:13:20.000000Z");
        assert!(text(1_700_000_000_999_999) < text(1_700_000_001_000_000));
    }
}
