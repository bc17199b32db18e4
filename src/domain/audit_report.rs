//! Entries of the audit trail as lines of a report. Pure.

use serde_json::{Value, json};

use super::audit::AuditEntry;
use super::csv::csv_cell;

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditReportFormat {
    /// A table for people.
    Text,
    /// Comma-separated values, with the values before and after as JSON.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

impl AuditReportFormat {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Text, Self::Csv, Self::Ndjson];

    /// The name, as in parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// Media type of the report.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// The first line, if the form has one.
    #[must_use]
    pub fn heading(self) -> Option<String> {
        match self {
            Self::Text => Some(text_line("AT", "TENANT", "ACTOR", "ACTION", "SUBJECT", "FROM")),
            Self::Csv => Some("at,tenant,tenant_id,actor,action,subject,before,after,peer,request_id,id".to_owned()),
            Self::Ndjson => None,
        }
    }

    /// The line of an entry, without its end. `tenant`: the tenant's name.
    #[must_use]
    pub fn line(self, entry: &AuditEntry, tenant: &str) -> String {
        let (at, peer) = (entry.at.to_string(), entry.peer.as_deref().unwrap_or_default());
        let value = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        match self {
            Self::Text => {
                let second: String = at.replace('T', " ").chars().take(19).collect();
                text_line(&second, tenant, &entry.actor, &entry.action, &entry.subject, peer)
            }
            Self::Csv => [
                at,
                tenant.to_owned(),
                entry.tenant.to_string(),
                entry.actor.clone(),
                entry.action.clone(),
                entry.subject.clone(),
                value(&entry.before),
                value(&entry.after),
                peer.to_owned(),
                entry.request.clone().unwrap_or_default(),
                entry.id.to_string(),
            ]
            .map(|cell| csv_cell(&cell))
            .join(","),
            Self::Ndjson => json!({
                "id": entry.id, "at": at, "tenant": entry.tenant, "tenant_name": tenant, "actor": entry.actor,
                "action": entry.action, "subject": entry.subject, "before": entry.before, "after": entry.after,
                "peer": entry.peer, "request_id": entry.request,
            })
            .to_string(),
        }
    }
}

fn text_line(at: &str, tenant: &str, actor: &str, action: &str, subject: &str, peer: &str) -> String {
    let line = format!("{at:19}  {tenant:16}  {actor:40}  {action:18}  {subject:43}  {peer}");
    line.trim_end().to_owned()
}

impl std::str::FromStr for AuditReportFormat {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or("must be text, csv or ndjson")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use crate::domain::ids::TenantId;

    #[test]
    fn lines_of_every_form() {
        let entry = AuditEntry {
            id: uuid::Uuid::from_u128(1),
            tenant: TenantId(uuid::Uuid::from_u128(7)),
            at: micros(1_500_000),
            actor: "operator".to_owned(),
            action: "tenant.change".to_owned(),
            subject: "tenant:7".to_owned(),
            before: Some(json!({ "a": 1 })),
            after: None,
            peer: Some("192.0.2.7".to_owned()),
            request: None,
        };
        let text = AuditReportFormat::Text.line(&entry, "acme");
        assert!(text.starts_with("1970-01-01 00:00:01  acme ") && text.ends_with(" 192.0.2.7"), "{text}");
        let csv = AuditReportFormat::Csv.line(&entry, "acme");
        let cells = "1970-01-01T00:00:01.5Z,acme,00000000-0000-0000-0000-000000000007,operator,tenant.change,tenant:7,\
            \"{\"\"a\"\":1}\",,192.0.2.7,,00000000-0000-0000-0000-000000000001";
        assert_eq!(csv, cells);
        let columns = AuditReportFormat::Csv.heading().unwrap().split(',').count();
        assert_eq!(csv.split(',').count(), columns);
        let line: Value = serde_json::from_str(&AuditReportFormat::Ndjson.line(&entry, "acme")).unwrap();
        assert_eq!((&line["tenant_name"], &line["before"]["a"]), (&json!("acme"), &json!(1)));
        assert_eq!("csv".parse(), Ok(AuditReportFormat::Csv));
        assert!("xml".parse::<AuditReportFormat>().is_err());
    }
}
