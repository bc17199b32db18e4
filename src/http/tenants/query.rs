//! Queries of these routes. Pure.

use super::super::query::{USUAL_PAGE, pairs, parsed, unknown};
use crate::domain::clock::Timestamp;
use crate::engine::{AuditQuery, Error};

/// Which page, and of whose things.
pub(super) struct Page {
    pub(super) tenant: Option<String>,
    pub(super) after: String,
    pub(super) limit: u32,
}

/// What the audit trail is asked for.
pub(super) struct Trail {
    pub(super) tenant: Option<String>,
    pub(super) query: AuditQuery,
    /// One entry a line, to the end of the trail.
    pub(super) export: bool,
}

pub(super) fn page(query: Option<&str>) -> Result<Page, Error> {
    let mut page = Page { tenant: None, after: String::new(), limit: USUAL_PAGE };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "tenant" => page.tenant = Some(value),
            "after" => page.after = value,
            "limit" => page.limit = parsed("limit", &value, "1 to 1000")?,
            other => return Err(unknown(other)),
        }
    }
    Ok(page)
}

pub(super) fn trail(query: Option<&str>) -> Result<Trail, Error> {
    let usual = AuditQuery { limit: USUAL_PAGE, ..AuditQuery::default() };
    let mut trail = Trail { tenant: None, query: usual, export: false };
    for (name, value) in pairs(query) {
        let (asked, time) = (&mut trail.query, "a time like 2026-11-21T00:00:00Z");
        match (name.as_str(), value.as_str()) {
            ("tenant", _) => trail.tenant = Some(value),
            ("actor", _) => asked.actor = Some(value),
            ("action", _) => asked.action = Some(value),
            ("subject", _) => asked.subject = Some(value),
            ("since", at) => asked.since = Some(parsed::<Timestamp>("since", at, time)?),
            ("until", at) => asked.until = Some(parsed::<Timestamp>("until", at, time)?),
            ("after", id) => asked.after = Some(parsed("after", id, "an entry's id")?),
            ("limit", most) => asked.limit = parsed("limit", most, "1 to 1000")?,
            ("format", "json") => trail.export = false,
            ("format", "ndjson") => trail.export = true,
            ("format", _) => return Err(Error::invalid("format", "json or ndjson")),
            (other, _) => return Err(unknown(other)),
        }
    }
    Ok(trail)
}
