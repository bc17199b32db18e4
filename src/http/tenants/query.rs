//! Queries of these routes. Pure.

use crate::domain::audit_report::AuditReportFormat;
use crate::domain::clock::Timestamp;
use crate::engine::{AuditQuery, Error};
use crate::http::query::{DEFAULT_PAGE_LIMIT, parse_parameter, query_pairs, unknown_parameter};

/// Page and tenant of a list.
pub(super) struct ListByNameQuery {
    pub(super) tenant: Option<String>,
    pub(super) after: String,
    pub(super) limit: u32,
}

/// A query of the audit trail.
pub(super) struct AuditTrailQuery {
    pub(super) tenant: Option<String>,
    pub(super) query: AuditQuery,
    /// A report: an entry per line, to the end of the trail. `None`: a page.
    pub(super) report: Option<AuditReportFormat>,
}

pub(super) fn parse_list_query(query: Option<&str>) -> Result<ListByNameQuery, Error> {
    let mut page = ListByNameQuery { tenant: None, after: String::new(), limit: DEFAULT_PAGE_LIMIT };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "tenant" => page.tenant = Some(value),
            "after" => page.after = value,
            "limit" => page.limit = parse_parameter("limit", &value, "must be 1 to 1000")?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(page)
}

/// `?confirm=`, the name of the tenant that is to be deleted.
pub(super) fn parse_deletion_query(query: Option<&str>) -> Result<Option<String>, Error> {
    let mut confirm = None;
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "confirm" => confirm = Some(value),
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(confirm)
}

pub(super) fn parse_audit_query(query: Option<&str>) -> Result<AuditTrailQuery, Error> {
    let usual = AuditQuery { limit: DEFAULT_PAGE_LIMIT, ..AuditQuery::default() };
    let mut trail = AuditTrailQuery { tenant: None, query: usual, report: None };
    for (name, value) in query_pairs(query) {
        let (asked, time) = (&mut trail.query, "must be a time like 2026-11-21T00:00:00Z");
        match (name.as_str(), value.as_str()) {
            ("tenant", _) => trail.tenant = Some(value),
            ("actor", _) => asked.actor = Some(value),
            ("action", _) => asked.action = Some(value),
            ("subject", _) => asked.subject = Some(value),
            ("since", at) => asked.since = Some(parse_parameter::<Timestamp>("since", at, time)?),
            ("until", at) => asked.until = Some(parse_parameter::<Timestamp>("until", at, time)?),
            ("after", id) => asked.after = Some(parse_parameter("after", id, "must be the id of an entry")?),
            ("limit", most) => asked.limit = parse_parameter("limit", most, "must be 1 to 1000")?,
            ("format", "json") => trail.report = None,
            ("format", form) => {
                trail.report = Some(parse_parameter("format", form, "must be json, ndjson, csv or text")?);
            }
            (other, _) => return Err(unknown_parameter(other)),
        }
    }
    Ok(trail)
}
