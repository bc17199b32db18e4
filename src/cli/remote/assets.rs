//! `gantry ls`, `gantry stat`, `gantry rm`.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::ServerArgs;
use crate::cli::assignment;
use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::progress::error_as_json;

/// Assets per request.
const ASSETS_PER_PAGE: u64 = 500;

#[derive(Args)]
pub(in crate::cli) struct LsArgs {
    /// Only assets in this state: awaiting, stored, processing, ready, rejected, failed, abandoned or deleted.
    #[arg(long)]
    state: Option<String>,
    /// Only the asset with this external id of yours.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Only assets of this type.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Only assets created then or later, like 2026-01-31T12:00:00Z.
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
    /// Maximum number of assets.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub(in crate::cli) struct StatArgs {
    /// The asset's id.
    id: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args)]
pub(in crate::cli) struct RmArgs {
    /// Assets' ids.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

fn print_line(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::local("standard output".as_ref()))
}

impl LsArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = (self.server.api_client()?, self.server.reporter(0));
        if !self.server.json && std::io::stdout().is_terminal() {
            print_line(&format!("{:36}  {:10}  {:>10}  {:16}  NAME", "ID", "STATE", "SIZE", "CREATED"))?;
        }
        let (mut query, mut left) = (self.query(), self.limit.unwrap_or(u64::MAX));
        while left > 0 {
            let mut asked = query.clone();
            asked.push(("limit".to_owned(), left.min(ASSETS_PER_PAGE).to_string()));
            let page = api.list_assets(&asked, &reporter).await?;
            for asset in page.assets.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                print_line(&if self.server.json { asset.to_string() } else { row(asset) })?;
            }
            left = left.saturating_sub(page.assets.len() as u64);
            let Some(next) = page.next else { break };
            query.retain(|(name, _)| name != "cursor");
            query.push(("cursor".to_owned(), next));
        }
        Ok(())
    }

    fn query(&self) -> Vec<(String, String)> {
        let named = [
            ("state", &self.state),
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

fn field<'a>(asset: &'a Value, name: &str) -> &'a str {
    asset[name].as_str().unwrap_or("-")
}

/// A line of the table; the name comes last, because it may contain spaces.
fn row(asset: &Value) -> String {
    let created: String = field(asset, "created_at").replace('T', " ").chars().take(16).collect();
    let size = asset["size"].as_u64().map(format::size).unwrap_or_default();
    let (id, state) = (field(asset, "id"), field(asset, "state"));
    format!("{id:36}  {state:10}  {size:>10}  {created:16}  {}", format::shown(field(asset, "filename")))
}

impl StatArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = (self.server.api_client()?, self.server.reporter(0));
        let mut asset = api.get_asset_json(&self.id, &reporter).await?;
        // Bytes are on their way: how far they are is what is asked.
        let upload = match asset["state"].as_str() {
            Some("awaiting") => api.find_open_upload_json(&self.id, &reporter).await?,
            _ => None,
        };
        if self.server.json {
            if let (Some(fields), Some(upload)) = (asset.as_object_mut(), upload) {
                fields.insert("upload".to_owned(), upload);
            }
            return print_line(&asset.to_string());
        }
        for (name, value) in asset.as_object().into_iter().flatten() {
            let value = match value {
                Value::Null => continue,
                Value::String(value) => format::shown(value),
                Value::Number(bytes) if name == "size" => {
                    format!("{bytes} ({})", bytes.as_u64().map(format::size).unwrap_or_default())
                }
                other => format::shown(&other.to_string()),
            };
            print_line(&format!("{name:22} {value}"))?;
        }
        upload.as_ref().map_or(Ok(()), |upload| print_line(&format!("{:22} {}", "upload", progress(upload))))
    }
}

/// Progress of an upload in words.
fn progress(upload: &Value) -> String {
    let received = upload["received_bytes"].as_u64().unwrap_or(0);
    let so_far = match upload["size"].as_u64() {
        Some(size) => {
            format!("{} of {} ({} %)", format::size(received), format::size(size), format::percent(received, size))
        }
        None => format!("{}, the size is not known yet", format::size(received)),
    };
    let (id, protocol) = (field(upload, "id"), field(upload, "protocol"));
    format!("{so_far}, {protocol} upload {id}, expires {}", field(upload, "expires_at"))
}

impl RmArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = (self.server.api_client()?, self.server.reporter(0));
        let mut errors = Vec::new();
        for id in &self.ids {
            let outcome = api.delete_asset(id, &reporter).await;
            if self.server.json {
                let result = match &outcome {
                    Ok(()) => json!({ "id": id, "deleted": true }),
                    Err(error) => json!({ "id": id, "deleted": false, "error": error_as_json(error) }),
                };
                print_line(&result.to_string())?;
            }
            match outcome {
                Ok(()) => {}
                // An error of this kind on the first asset would repeat on all.
                Err(error @ (Error::Denied(_) | Error::Network { .. })) => return Err(error),
                Err(error) => {
                    if self.ids.len() > 1 {
                        reporter.print_error_line(&format!("gantry: {}: {error}", format::shown(id)));
                    }
                    errors.push(error);
                }
            }
        }
        super::put::combine_outcomes(errors, self.ids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_how_far_an_upload_is() {
        let upload = json!({
            "id": "01a1", "protocol": "tus", "received_bytes": 512, "size": 2048, "expires_at": "2026-11-21T05:52:48Z",
        });
        let expected = "512 B of 2.0 KiB (25 %), tus upload 01a1, expires 2026-11-21T05:52:48Z";
        assert_eq!(progress(&upload), expected);
        assert!(progress(&json!({"received_bytes": 1})).starts_with("1 B, the size is not known yet"));
    }

    #[test]
    fn a_row_is_one_line_whatever_the_name() {
        let asset = json!({
            "id": "01a1fcaa-182f-7392-9bfa-443ddd006b9a", "state": "ready", "size": 1_333_760_000u64,
            "created_at": "2026-11-21T05:52:48.175326Z", "filename": "a\u{202e}b c",
        });
        let expected = "01a1fcaa-182f-7392-9bfa-443ddd006b9a  ready          1.2 GiB  2026-11-21 05:52  a\u{fffd}b c";
        assert_eq!(row(&asset), expected);
    }
}
