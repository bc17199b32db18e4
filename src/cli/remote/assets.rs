//! `gantry stat`, `gantry rm`.

use clap::Args;
use serde_json::{Value, json};

use super::results::{combine_outcomes, with_name};
use super::server_args::ServerArgs;
use super::table::{field, print_line, print_members};
use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::progress::error_as_json;

#[derive(Args)]
pub(in crate::cli) struct StatArgs {
    /// The id of an asset or of an upload.
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

impl StatArgs {
    pub(super) async fn run(self) -> Result<()> {
        let (api, reporter) = self.server.connect_for_requests()?;
        let mut asset = match api.get_asset_json(&self.id, &reporter).await {
            Ok(asset) => asset,
            Err(unknown @ Error::NotFound(_)) => {
                // The id may be that of an upload.
                let upload = api.get_upload_json(&self.id, &reporter).await.map_err(|error| match error {
                    Error::NotFound(_) => unknown,
                    other => other,
                })?;
                return self.print_upload(&upload);
            }
            Err(other) => return Err(other),
        };
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
        print_members(&asset)?;
        upload.as_ref().map_or(Ok(()), |upload| print_line(&format!("{:22} {}", "upload", progress(upload))))
    }

    fn print_upload(&self, upload: &Value) -> Result<()> {
        if self.server.json {
            return print_line(&upload.to_string());
        }
        let mut shown = upload.clone();
        if let Some(parts) = shown.get_mut("received") {
            *parts = json!(parts.as_array().map_or(0, Vec::len));
        }
        print_members(&shown)?;
        print_line(&format!("{:22} {}", "progress", progress(upload)))
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
        let (api, reporter) = self.server.connect_for_requests()?;
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
                        reporter.print_error_line(&format!("gantry: {}", with_name(id, &error)));
                    }
                    errors.push(error);
                }
            }
        }
        combine_outcomes(errors, self.ids.len())
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
}
