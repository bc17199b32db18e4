//! Findings of an examination of the service or of the way to it.

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingLevel {
    /// Everything is as it should be.
    Ok,
    /// The service works, but this leads to failures later.
    Warning,
    /// The service does not work.
    Failure,
}

/// Outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// Name of the check, a word or two.
    pub check: &'static str,
    /// How it ended.
    pub level: FindingLevel,
    /// What was found.
    pub found: String,
    /// What to do; `None` if nothing is to be done.
    pub mend: Option<String>,
}

impl DoctorFinding {
    /// A check that found everything as it should be.
    #[must_use]
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: FindingLevel::Ok, found: found.into(), mend: None }
    }

    /// A check that found what leads to failures later.
    #[must_use]
    pub fn warning(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, level: FindingLevel::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    /// A check that found what does not work.
    #[must_use]
    pub fn failure(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, level: FindingLevel::Failure, found: found.into(), mend: Some(mend.into()) }
    }
}
