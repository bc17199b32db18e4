//! `gantry watch`: events of an asset as they happen, until its state is settled.
//!
//! Events are read in pages that the server holds back until there is one: a connection that breaks costs nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::api::{ApiClient, ApiRequest};
use super::calls::segment;
use super::error::Result;
use super::progress::RetryObserver;
use super::wire::ApiAsset;

/// Time for which the server may hold back an empty page.
const PAGE_WAIT: Duration = Duration::from_secs(30);

impl ApiClient {
    /// Follows an asset until it is settled; `show` gets each event. Returns the asset.
    pub async fn watch_asset(
        &self,
        id: &str,
        notices: &dyn RetryObserver,
        mut show: impl FnMut(&Value) -> Result<()>,
    ) -> Result<ApiAsset> {
        let mut after = "0".to_owned();
        loop {
            // The state is asked for before the events: an event that settles it is shown before the end.
            let asset = self.get_asset(id, notices).await?;
            let wait = if asset.is_settled() { Duration::ZERO } else { PAGE_WAIT };
            let path = format!("/v1/assets/{}/events", segment(id));
            let ask = ApiRequest::new("waiting for events", Method::GET, path)
                .query("after", &after)
                .query("wait", format!("{}s", wait.as_secs()))
                .timeout(PAGE_WAIT * 2);
            let page: Value = self.request_json(&ask, notices).await?;
            let events = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
            for event in events {
                show(event)?;
            }
            if let Some(next) = page["next"].as_str() {
                next.clone_into(&mut after);
            }
            if asset.is_settled() && events.is_empty() {
                return Ok(asset);
            }
        }
    }
}
