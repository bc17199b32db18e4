//! Lists of the administration API, page by page; `admin uploads` and `admin audit`.

use std::io::IsTerminal as _;

use clap::Args;
use serde_json::Value;

use crate::cli::remote::list::{UPLOAD_HEADINGS, upload_row};
use crate::cli::remote::server_args::ServerArgs;
use crate::cli::remote::table::{field, print_line};
use crate::client::error::{Error, Result};
use crate::client::format;

/// Rows of a page.
const ROWS_PER_PAGE: u64 = 100;

/// A list of the API, and how a row of it looks.
pub(super) struct AdminList {
    /// Purpose of the request in words.
    pub(super) what: &'static str,
    pub(super) path: String,
    /// Member of the page that holds the rows.
    pub(super) member: &'static str,
    pub(super) headings: &'static str,
    pub(super) row: fn(&Value) -> String,
}

impl AdminList {
    /// Prints rows, at most `limit`.
    pub(super) async fn print(
        &self,
        server: &ServerArgs,
        filters: &[(&str, &Option<String>)],
        limit: Option<u64>,
    ) -> Result<()> {
        let (api, reporter) = server.connect_for_requests()?;
        if !server.json && std::io::stdout().is_terminal() {
            print_line(self.headings)?;
        }
        let (mut left, mut cursor) = (limit.unwrap_or(u64::MAX), None);
        let given = filters.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value).clone()?)));
        let query: Vec<(String, String)> = given.collect();
        while left > 0 {
            let mut asked = query.clone();
            asked.push(("limit".to_owned(), left.min(ROWS_PER_PAGE).to_string()));
            asked.extend(cursor.take().map(|cursor| ("after".to_owned(), cursor)));
            let page = api.get_json(self.what, &self.path, &asked, &reporter).await?;
            let rows = page[self.member].as_array();
            let rows = rows.ok_or_else(|| Error::Other(format!("the answer holds no {}", self.member).into()))?;
            for row in rows.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                print_line(&if server.json { row.to_string() } else { (self.row)(row) })?;
            }
            left = left.saturating_sub(rows.len() as u64);
            cursor = ["next", "next_after"].iter().find_map(|name| page[*name].as_str()).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// A time to the second, as a list shows it.
pub(super) fn second(time: &str) -> String {
    time.replace('T', " ").chars().take(19).collect()
}

/// Text of a server in a column that ends a line.
pub(super) fn last_column(text: Option<&str>) -> String {
    format::shown(text.unwrap_or_default())
}

#[derive(Args)]
pub(in crate::cli) struct UploadsArgs {
    /// Only in this state: open, completing, completed, failed, aborted or expired.
    #[arg(long)]
    state: Option<String>,
    /// Only those without activity for so long, like 10m.
    #[arg(long, value_name = "TIME")]
    idle_for: Option<String>,
    /// Only those that this key created.
    #[arg(long, value_name = "KEY-ID")]
    owner: Option<String>,
    /// Only by this protocol: native, tus, ietf or companion.
    #[arg(long)]
    protocol: Option<String>,
    /// Only those made then or later.
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Another tenant, by name or id, or * for all.
    #[arg(long)]
    tenant: Option<String>,
    /// Maximum number of lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

impl UploadsArgs {
    pub(super) async fn run(self) -> Result<()> {
        let filters = [
            ("state", &self.state),
            ("idle_for", &self.idle_for),
            ("owner", &self.owner),
            ("protocol", &self.protocol),
            ("created_after", &self.created_after),
            ("tenant", &self.tenant),
        ];
        let list = AdminList {
            what: "listing uploads",
            path: "/v1/uploads".to_owned(),
            member: "uploads",
            headings: UPLOAD_HEADINGS,
            row: upload_row,
        };
        list.print(&self.server, &filters, self.limit).await
    }
}

#[derive(Args)]
pub(in crate::cli) struct AuditArgs {
    /// Only by this actor, like key:019aa3c1-….
    #[arg(long)]
    actor: Option<String>,
    /// Only this action; asset. for all that begin so.
    #[arg(long)]
    action: Option<String>,
    /// Only to this subject, like asset:019aa3c1-….
    #[arg(long)]
    subject: Option<String>,
    /// Only from then on, like 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before then.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Another tenant, by name or id.
    #[arg(long)]
    tenant: Option<String>,
    /// Maximum number of lines.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    #[command(flatten)]
    server: ServerArgs,
}

impl AuditArgs {
    pub(super) async fn run(self) -> Result<()> {
        let filters = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("subject", &self.subject),
            ("since", &self.since),
            ("until", &self.until),
            ("tenant", &self.tenant),
        ];
        let list = AdminList {
            what: "listing the audit trail",
            path: "/v1/admin/audit".to_owned(),
            member: "entries",
            headings: "AT                   ACTION                SUBJECT                                     ACTOR",
            row: audit_row,
        };
        list.print(&self.server, &filters, Some(self.limit)).await
    }
}

fn audit_row(entry: &Value) -> String {
    let (at, action, subject) = (second(field(entry, "at")), field(entry, "action"), field(entry, "subject"));
    format!("{at:19}  {action:20}  {subject:42}  {}", last_column(entry["actor"].as_str()))
}
