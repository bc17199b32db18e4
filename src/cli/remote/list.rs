//! `gantry ls`: assets, or uploads.

use std::io::IsTerminal as _;

use clap::Args;
use serde_json::Value;

use super::server_args::ServerArgs;
use super::table::{field, print_line, short_time};
use crate::cli::assignment;
use crate::client::api::ApiClient;
use crate::client::calls::ASSETS_PER_PAGE;
use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::progress::ProgressReporter;

#[derive(Args)]
pub(in crate::cli) struct LsArgs {
    /// List uploads instead of assets, and how far each is.
    #[arg(long, conflicts_with_all = [
        "external_id", "content_type", "created_before", "name", "size_from", "size_to", "sort", "order", "metadata",
    ])]
    uploads: bool,
    /// Only in this state, like ready or rejected, for uploads open or expired.
    #[arg(long)]
    state: Option<String>,
    /// Only uploads without activity for so long, like 10m.
    #[arg(long, value_name = "TIME", requires = "uploads")]
    idle_for: Option<String>,
    /// Only uploads by this protocol: native, tus, ietf or companion.
    #[arg(long, requires = "uploads")]
    protocol: Option<String>,
    /// Only the asset with this external id of yours.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Only assets of this type.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Only those created then or later, like 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Only assets created before then.
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Only assets with this text anywhere in the name, in any case.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only assets of at least so many bytes.
    #[arg(long, value_name = "BYTES")]
    size_from: Option<String>,
    /// Only assets of at most so many bytes.
    #[arg(long, value_name = "BYTES")]
    size_to: Option<String>,
    /// Order by created, name or size.
    #[arg(long, value_name = "WHAT")]
    sort: Option<String>,
    /// Direction: asc or desc; by default asc for names, otherwise desc.
    #[arg(long, value_name = "DIRECTION")]
    order: Option<String>,
    /// Only assets with this property; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    metadata: Vec<(String, String)>,
    /// Maximum number of lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

/// A page of a list, each entry as the server wrote it.
struct ListPage {
    entries: Vec<Value>,
    next: Option<String>,
}

impl LsArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        if !self.server.json && std::io::stdout().is_terminal() {
            print_line(if self.uploads { UPLOAD_HEADINGS } else { ASSET_HEADINGS })?;
        }
        let row = if self.uploads { upload_row } else { asset_row };
        let (query, mut left, mut cursor) = (self.query(), self.limit.unwrap_or(u64::MAX), None);
        while left > 0 {
            let page = self.load_page(&api, &reporter, &query, left, cursor.as_deref()).await?;
            for entry in page.entries.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                print_line(&if self.server.json { entry.to_string() } else { row(entry) })?;
            }
            left = left.saturating_sub(page.entries.len() as u64);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn load_page(
        &self,
        api: &ApiClient,
        reporter: &ProgressReporter,
        query: &[(String, String)],
        left: u64,
        cursor: Option<&str>,
    ) -> Result<ListPage> {
        let mut asked = query.to_vec();
        asked.push(("limit".to_owned(), left.min(ASSETS_PER_PAGE as u64).to_string()));
        let name = if self.uploads { "after" } else { "cursor" };
        asked.extend(cursor.map(|cursor| (name.to_owned(), cursor.to_owned())));
        if !self.uploads {
            let page = api.list_assets(&asked, reporter).await?;
            return Ok(ListPage { entries: page.assets, next: page.next });
        }
        let mut page = api.get_json("listing uploads", "/v1/uploads", &asked, reporter).await?;
        let Value::Array(entries) = page["uploads"].take() else {
            return Err(Error::Other("the server's answer holds no uploads".into()));
        };
        Ok(ListPage { entries, next: page["next"].as_str().map(str::to_owned) })
    }

    fn query(&self) -> Vec<(String, String)> {
        let named = [
            ("state", &self.state),
            ("idle_for", &self.idle_for),
            ("protocol", &self.protocol),
            ("external_id", &self.external_id),
            ("content_type", &self.content_type),
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
            ("name", &self.name),
            ("size_from", &self.size_from),
            ("size_to", &self.size_to),
            ("sort", &self.sort),
            ("order", &self.order),
        ];
        let given = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let metadata = self.metadata.iter().map(|(name, value)| (format!("metadata.{name}"), value.clone()));
        given.chain(metadata).collect()
    }
}

const ASSET_HEADINGS: &str = "ID                                    STATE             SIZE  CREATED           NAME";
pub(super) const UPLOAD_HEADINGS: &str =
    "ID                                    STATE       PROTOCOL   SENT             LAST ACTIVITY     NAME";

/// A line of the table of assets; the name comes last, because it may contain spaces.
fn asset_row(asset: &Value) -> String {
    let size = asset["size"].as_u64().map(format::size).unwrap_or_default();
    let (id, state, created) = (field(asset, "id"), field(asset, "state"), short_time(field(asset, "created_at")));
    format!("{id:36}  {state:10}  {size:>10}  {created:16}  {}", format::shown(field(asset, "filename")))
}

/// A line of the table of uploads.
pub(super) fn upload_row(upload: &Value) -> String {
    let offset = upload["offset"].as_u64().unwrap_or(0);
    let sent = match upload["size"].as_u64() {
        Some(size) => format!("{:>3} % of {}", format::percent(offset, size), format::size(size)),
        None => format!("{} of ?", format::size(offset)),
    };
    let (id, state, protocol) = (field(upload, "id"), field(upload, "state"), field(upload, "protocol"));
    let last = short_time(field(upload, "last_activity_at"));
    format!("{id:36}  {state:10}  {protocol:9}  {sent:15}  {last:16}  {}", format::shown(field(upload, "filename")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_one_line_whatever_the_name() {
        let asset = json!({
            "id": "01a1fcaa-182f-7392-9bfa-443ddd006b9a", "state": "ready", "size": 1_333_760_000u64,
            "created_at": "2026-11-21T05:52:48.175326Z", "filename": "a\u{202e}b c",
        });
        let expected = "01a1fcaa-182f-7392-9bfa-443ddd006b9a  ready          1.2 GiB  2026-11-21 05:52  a\u{fffd}b c";
        assert_eq!(asset_row(&asset), expected);
    }

    #[test]
    fn headings_stand_over_their_columns() {
        let (asset, upload) = (asset_row(&json!({"filename": "NAME"})), upload_row(&json!({"filename": "NAME"})));
        assert_eq!(ASSET_HEADINGS.find("NAME"), asset.find("NAME"));
        assert_eq!(UPLOAD_HEADINGS.find("NAME"), upload.find("NAME"));
    }
}
