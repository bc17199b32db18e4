//! API calls of the client, a function each: paths, bodies and what makes them safe to repeat.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{ApiClient, ApiRequest};
use super::error::{Error, Result};
use super::progress::RetryObserver;
use super::wire::{
    ApiAsset, ApiAssetPage, ApiAssetResults, ApiCreatedUpload, ApiLinkRequest, ApiPartUrls, ApiUpload, PartUrl,
};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::random_hex;
use crate::domain::plan::PartSet;
use crate::domain::reason::FailureCause;

/// Timeout of a completion: assembling thousands of parts can take a store minutes.
const COMPLETE_TIMEOUT: Duration = Duration::from_secs(300);
/// Duration of a single long poll for an asset.
const ASSET_POLL_WAIT: Duration = Duration::from_secs(30);

/// Maximum number of ids in a request for assets.
pub const MAX_BATCH_IDS: usize = 1000;
/// Assets per page of a list.
pub const ASSETS_PER_PAGE: usize = 500;

/// An id as a path segment: encoded so that any input stays a single segment.
#[must_use]
pub fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string().replace("%2D", "-")
}

fn asset_path(id: &str, rest: &str) -> String {
    format!("/v1/assets/{}{rest}", segment(id))
}

fn upload_path(id: &str, rest: &str) -> String {
    format!("/v1/uploads/{}{rest}", segment(id))
}

impl ApiClient {
    /// Creates an upload, or finds the upload that an earlier attempt created.
    pub async fn create_upload(
        &self,
        request: &str,
        key: &str,
        notices: &dyn RetryObserver,
    ) -> Result<ApiCreatedUpload> {
        let ask = ApiRequest::new("creating the upload", Method::POST, "/v1/uploads").body(request.to_owned());
        self.request_json(&ask.idempotency(key), notices).await
    }

    /// An upload with the parts that the store has.
    pub async fn get_upload(&self, id: &str, notices: &dyn RetryObserver) -> Result<ApiUpload> {
        self.request_json(&ApiRequest::new("asking for the upload", Method::GET, upload_path(id, "")), notices).await
    }

    /// An upload as the server wrote it, with the bytes that the store has.
    pub async fn get_upload_json(&self, id: &str, notices: &dyn RetryObserver) -> Result<Value> {
        self.request_json(&ApiRequest::new("asking for the upload", Method::GET, upload_path(id, "")), notices).await
    }

    /// Limits of every protocol.
    pub async fn get_limits(&self, notices: &dyn RetryObserver) -> Result<Value> {
        self.request_json(&ApiRequest::new("asking for the limits", Method::GET, "/v1/limits"), notices).await
    }

    /// Requests URLs for parts.
    pub async fn request_part_urls(
        &self,
        id: &str,
        parts: &PartSet,
        notices: &dyn RetryObserver,
    ) -> Result<Vec<PartUrl>> {
        let ask = ApiRequest::new("requesting part URLs", Method::POST, upload_path(id, "/urls"));
        let ask = ask.body(json!({ "parts": parts.to_string() }).to_string());
        let answer: ApiPartUrls = self.request_json(&ask, notices).await?;
        Ok(answer.urls)
    }

    /// Completes an upload. A repeated call gets the same answer.
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

    /// Sends a whole file through the service, which completes its upload. The same bytes again get the same asset.
    pub async fn put_content(&self, id: &str, bytes: Bytes, notices: &dyn RetryObserver) -> Result<ApiAsset> {
        let ask = ApiRequest::new("sending", Method::PUT, upload_path(id, "/content")).content(bytes);
        self.request_json(&ask.timeout(COMPLETE_TIMEOUT), notices).await
    }

    /// Aborts an upload. An upload that no longer exists counts as aborted.
    pub async fn abort_upload(&self, id: &str, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("aborting the upload", Method::DELETE, upload_path(id, ""));
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

    /// The open upload of an asset, as the server wrote it, with the bytes that the store has; `None` if there is none.
    pub async fn find_open_upload_json(&self, asset: &str, notices: &dyn RetryObserver) -> Result<Option<Value>> {
        let list = ApiRequest::new("asking for the upload", Method::GET, "/v1/uploads")
            .query("asset", asset)
            .query("state", "open")
            .query("limit", "1");
        let page: Value = self.request_json(&list, notices).await?;
        let Some(id) = page.pointer("/uploads/0/id").and_then(Value::as_str) else { return Ok(None) };
        let ask = ApiRequest::new("asking for the upload", Method::GET, upload_path(id, ""));
        match self.request_json(&ask, notices).await {
            Ok(upload) => Ok(Some(upload)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Waits until an asset's state is settled.
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

    /// Assets by their ids, at most [`MAX_BATCH_IDS`]; an asset that is gone is left out.
    pub async fn get_assets(&self, ids: &[&str], notices: &dyn RetryObserver) -> Result<Vec<ApiAsset>> {
        let ask = ApiRequest::new("asking for assets", Method::POST, "/v1/assets/batch");
        let answer: ApiAssetResults = self.request_json(&ask.body(json!({ "ids": ids }).to_string()), notices).await?;
        Ok(answer.results.into_iter().filter_map(|result| result.asset).collect())
    }

    /// The newest asset with exactly this name, and with exactly this path in its metadata, whose bytes are there.
    pub async fn find_asset_by_name(
        &self,
        name: &str,
        path: Option<&str>,
        notices: &dyn RetryObserver,
    ) -> Result<Option<ApiAsset>> {
        let same = |asset: &Value| asset["filename"] == name && asset["metadata"]["path"].as_str() == path;
        self.find_asset(name, same, notices).await
    }

    /// The newest asset with exactly this name, whatever its path, whose bytes are there.
    pub async fn find_named_asset(&self, name: &str, notices: &dyn RetryObserver) -> Result<Option<ApiAsset>> {
        self.find_asset(name, |asset| asset["filename"] == name, notices).await
    }

    async fn find_asset(
        &self,
        name: &str,
        same: impl Fn(&Value) -> bool,
        notices: &dyn RetryObserver,
    ) -> Result<Option<ApiAsset>> {
        let mut query = vec![("name".to_owned(), name.to_owned()), ("limit".to_owned(), ASSETS_PER_PAGE.to_string())];
        loop {
            let page = self.list_assets(&query, notices).await?;
            let found = page.assets.iter().filter(|asset| same(asset));
            let mut found = found.filter_map(|asset| ApiAsset::deserialize(asset).ok());
            if let Some(found) = found.find(ApiAsset::has_bytes) {
                return Ok(Some(found));
            }
            let Some(next) = page.next else { return Ok(None) };
            query.truncate(2);
            query.push(("cursor".to_owned(), next));
        }
    }

    /// An answer as the server wrote it. `what`: the purpose of the request in words.
    pub async fn get_json(
        &self,
        what: &str,
        path: &str,
        query: &[(String, String)],
        notices: &dyn RetryObserver,
    ) -> Result<Value> {
        let ask = ApiRequest::new(what, Method::GET, path);
        let ask = query.iter().fold(ask, |ask, (name, value)| ask.query(name, value));
        self.request_json(&ask, notices).await
    }

    /// The tenant, the key and its scopes, as the service knows the caller.
    pub async fn get_caller(&self, notices: &dyn RetryObserver) -> Result<Value> {
        let answer = self.get_json("asking who calls", "/v1/whoami", &[], notices).await;
        answer.map_err(|error| match error {
            Error::NotFound(_) => {
                let why = "the server at this address is no Gantry service, or an older one";
                Error::Other(why.into())
            }
            other => other,
        })
    }

    /// A page of assets.
    pub async fn list_assets(&self, query: &[(String, String)], notices: &dyn RetryObserver) -> Result<ApiAssetPage> {
        let mut ask = ApiRequest::new("listing assets", Method::GET, "/v1/assets");
        for (name, value) in query {
            ask = ask.query(name, value);
        }
        self.request_json(&ask, notices).await
    }

    /// Deletes an asset. Waits for a while if the asset is still being completed or processed.
    pub async fn delete_asset(&self, id: &str, notices: &dyn RetryObserver) -> Result<()> {
        let ask = ApiRequest::new("deleting the asset", Method::DELETE, asset_path(id, ""));
        let since = Instant::now();
        let asking = async || self.send_once(&ask).await.map_err(|error| error.limit_not_ready_wait(since));
        self.with_retries("deleting the asset", notices, asking).await.map(|_| ())
    }

    /// Creates a link. The answer contains its URL, which is a secret.
    pub async fn create_link(&self, asset: &str, link: &ApiLinkRequest, notices: &dyn RetryObserver) -> Result<Value> {
        let body = serde_json::to_string(link).map_err(|error| Error::Other(FailureCause::of(error)))?;
        let ask = ApiRequest::new("creating the link", Method::POST, asset_path(asset, "/links")).body(body);
        self.request_json(&ask.idempotency(random_hex(self.entropy(), 16)), notices).await
    }

    /// Revokes a link.
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
