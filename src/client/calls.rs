//! The calls that the client makes, one function each: paths, bodies and what makes a repeat harmless.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{ApiClient, ApiRequest};
use super::error::{Error, Result};
use super::progress::RetryObserver;
use super::wire::{ApiAsset, ApiAssetPage, ApiCreatedUpload, ApiLinkRequest, ApiPartUrls, ApiUpload, PartUrl};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::random_hex;
use crate::domain::plan::PartSet;

/// Assembling thousands of parts can take a store minutes.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(300);
/// One round of waiting for an asset.
const ASSET_POLL_WAIT: Duration = Duration::from_secs(30);

/// An id as part of a path: whatever was typed stays one segment.
fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string().replace("%2D", "-")
}

fn asset_path(id: &str, rest: &str) -> String {
    format!("/v1/assets/{}{rest}", segment(id))
}

fn upload_path(id: &str, rest: &str) -> String {
    format!("/v1/uploads/{}{rest}", segment(id))
}

impl ApiClient {
    /// Creates an upload, or finds the one that an earlier try has created.
    pub async fn create_upload(
        &self,
        request: &str,
        key: &str,
        notices: &dyn RetryObserver,
    ) -> Result<ApiCreatedUpload> {
        let ask = ApiRequest::new("creating the upload", Method::POST, "/v1/uploads").body(request.to_owned());
        self.request_json(&ask.idempotency(key), notices).await
    }

    /// An upload and the parts that the store has.
    pub async fn get_upload(&self, id: &str, notices: &dyn RetryObserver) -> Result<ApiUpload> {
        self.request_json(&ApiRequest::new("asking for the upload", Method::GET, upload_path(id, "")), notices).await
    }

    /// Addresses for parts.
    pub async fn request_part_urls(
        &self,
        id: &str,
        parts: &PartSet,
        notices: &dyn RetryObserver,
    ) -> Result<Vec<PartUrl>> {
        let ask = ApiRequest::new("asking for part addresses", Method::POST, upload_path(id, "/urls"));
        let ask = ask.body(json!({ "parts": parts.to_string() }).to_string());
        let answer: ApiPartUrls = self.request_json(&ask, notices).await?;
        Ok(answer.urls)
    }

    /// Ends an upload. Asking again gives the same answer.
    pub async fn complete_upload(
        &self,
        id: &str,
        sha256: Sha256Digest,
        notices: &dyn RetryObserver,
    ) -> Result<ApiAsset> {
        let ask = ApiRequest::new("completing the upload", Method::POST, upload_path(id, "/complete"));
        let ask = ask.body(json!({ "sha256": sha256.to_string() }).to_string()).timeout(COMPLETE_TIMEOUT);
        self.request_json(&ask, notices).await
    }

    /// Gives an upload up. One that is gone already is given up enough.
    pub async fn abort_upload(&self, id: &str, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("giving the upload up", Method::DELETE, upload_path(id, ""));
        match self.request_bytes(&ask, notices).await {
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// An asset.
    pub async fn get_asset(&self, id: &str, notices: &dyn RetryObserver) -> Result<ApiAsset> {
        self.request_json(&ApiRequest::new("asking for the asset", Method::GET, asset_path(id, "")), notices).await
    }

    /// An asset as the server wrote it.
    pub async fn get_asset_json(&self, id: &str, notices: &dyn RetryObserver) -> Result<Value> {
        self.request_json(&ApiRequest::new("asking for the asset", Method::GET, asset_path(id, "")), notices).await
    }

    /// An asset once its state is settled.
    pub async fn wait_until_settled(&self, id: &str, notices: &dyn RetryObserver) -> Result<ApiAsset> {
        let wait = format!("{}s", ASSET_POLL_WAIT.as_secs());
        let ask = ApiRequest::new("waiting for the asset", Method::GET, asset_path(id, ""))
            .query("wait", wait)
            .query("until", "ready")
            .timeout(ASSET_POLL_WAIT * 2);
        loop {
            let asset: ApiAsset = self.request_json(&ask, notices).await?;
            if asset.is_settled() {
                return Ok(asset);
            }
        }
    }

    /// A page of assets.
    pub async fn list_assets(&self, query: &[(String, String)], notices: &dyn RetryObserver) -> Result<ApiAssetPage> {
        let mut ask = ApiRequest::new("listing assets", Method::GET, "/v1/assets");
        for (name, value) in query {
            ask = ask.query(name, value);
        }
        self.request_json(&ask, notices).await
    }

    /// Deletes an asset. One that is still being completed or processed is waited for, for a while.
    pub async fn delete_asset(&self, id: &str, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("deleting the asset", Method::DELETE, asset_path(id, ""));
        let since = Instant::now();
        let asking = async || self.send_once(&ask).await.map_err(|error| error.limit_not_ready_wait(since));
        self.with_retries("deleting the asset", notices, asking).await.map(|_| ())
    }

    /// Makes a link. The answer holds the address, a secret of whoever gets it.
    pub async fn create_link(&self, asset: &str, link: &ApiLinkRequest, notices: &dyn RetryObserver) -> Result<Value> {
        let body = serde_json::to_string(link).map_err(|error| Error::Other(error.to_string()))?;
        let ask = ApiRequest::new("making the link", Method::POST, asset_path(asset, "/links")).body(body);
        self.request_json(&ask.idempotency(random_hex(self.entropy(), 16)), notices).await
    }

    /// Withdraws a link.
    pub async fn revoke_link(&self, link: &str, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("revoking the link", Method::DELETE, format!("/v1/links/{}", segment(link)));
        self.request_bytes(&ask, notices).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stays_one_segment() {
        assert_eq!(asset_path("01a1-ff", "/links"), "/v1/assets/01a1-ff/links");
        assert_eq!(asset_path("../keys?x#y", ""), "/v1/assets/%2E%2E%2Fkeys%3Fx%23y");
    }
}
