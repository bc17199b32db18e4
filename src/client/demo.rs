//! Demo data for a fresh instance: real uploads through the public API, and the troubles that an operator has to find.
//!
//! Everything carries a mark (`DEMO_MARK` in the metadata of assets, `DEMO_DESCRIPTION` on the endpoint,
//! `DEMO_POLICY` as a name), by which [`DemoInstance::clear`] removes exactly what this has made.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::api::{ApiClient, ApiRequest, read_refusal};
use super::error::{Error, Result};
use super::progress::ProgressReporter;
use super::wire::{ApiCreatedUpload, ApiSignedUrl};
use file::DemoFile;

mod file;

/// Name of the property by which assets of the demo are recognised; its value is `yes`.
const DEMO_MARK: &str = "gantry-demo";
/// Description of the demo's webhook endpoint.
const DEMO_DESCRIPTION: &str = "Made by gantry demo: nobody listens here";
/// Address of the demo's webhook endpoint: RFC 6761 reserves `.invalid`, so that the name never resolves.
const DEMO_ENDPOINT_URL: &str = "https://gantry-demo.invalid/events";
/// Name of the policy that refuses an asset of the demo.
const DEMO_POLICY: &str = "gantry-demo-pictures";
/// Requests under way at once.
const CONCURRENT_REQUESTS: usize = 8;
/// Assets per page of a list.
const ASSETS_PER_PAGE: &str = "500";
/// Size of the upload that stands still, and of its only part that is sent.
const STUCK_BYTES: u64 = 48 << 20;
const STUCK_PART_BYTES: u64 = 8 << 20;
/// A digest that no file has.
const WRONG_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An instance that is filled with demo data.
pub struct DemoInstance {
    api: ApiClient,
    reporter: ProgressReporter,
}

/// Numbers of things that were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClearedDemo {
    /// Assets, among them those whose upload was still open.
    pub assets: usize,
    /// Webhook endpoints.
    pub webhooks: usize,
    /// Policies.
    pub policies: usize,
}

impl DemoInstance {
    /// An instance behind this API.
    #[must_use]
    pub fn new(api: ApiClient, reporter: ProgressReporter) -> Self {
        Self { api, reporter }
    }

    /// Uploads `assets` files, and makes two rejected assets, an upload that stands still, and a dead delivery.
    pub async fn fill(&self, assets: u32) -> Result<()> {
        self.make_dead_delivery().await?;
        let sending = stream::iter(0..assets).map(|number| self.upload_file(DemoFile::number(number), json!({})));
        sending.buffer_unordered(CONCURRENT_REQUESTS).try_for_each(async |_| Ok(())).await?;
        self.make_rejected_assets().await?;
        self.make_stuck_upload().await
    }

    /// Uploads a file and answers with the id of its asset.
    async fn upload_file(&self, file: DemoFile, wish: Value) -> Result<String> {
        let opened = self.open_upload(&file.name, file.content.len() as u64, file.content_type, wish).await?;
        let url = self.api.address(&format!("/v1/uploads/{}/content", opened.upload.id));
        let request = self.api.http().put(url).header(AUTHORIZATION, self.api.authorization()?).body(file.content);
        let response = request.send().await.map_err(Error::transport)?;
        if response.status().is_success() { Ok(opened.upload.asset_id) } else { Err(read_refusal(response).await) }
    }

    async fn open_upload(&self, name: &str, size: u64, kind: &str, wish: Value) -> Result<ApiCreatedUpload> {
        let mut body =
            json!({ "filename": name, "size": size, "content_type": kind, "metadata": { DEMO_MARK: "yes" } });
        if let (Value::Object(body), Value::Object(wish)) = (&mut body, wish) {
            body.extend(wish);
        }
        let ask = ApiRequest::new("creating the upload", Method::POST, "/v1/uploads").body(body.to_string());
        self.api.request_json(&ask, &self.reporter).await
    }

    /// An asset whose digest is wrong, and one whose policy takes pictures only, each with its verdict.
    async fn make_rejected_assets(&self) -> Result<()> {
        let rules = json!({ "content_types": ["image/*"], "quarantine": 7 * 24 * 3600 });
        let ask = ApiRequest::new("writing the policy", Method::PUT, format!("/v1/policies/{DEMO_POLICY}"));
        self.api.request_bytes(&ask.body(rules.to_string()), &self.reporter).await?;
        let picture = self.upload_file(DemoFile::not_a_picture(), json!({ "policy": DEMO_POLICY })).await?;
        let damaged = self.upload_file(DemoFile::damaged(), json!({ "sha256": WRONG_SHA256 })).await?;
        for asset in [picture, damaged] {
            self.api.wait_until_settled(&asset, &self.reporter).await?;
        }
        Ok(())
    }

    /// An upload whose first part has arrived, and no other ever will.
    async fn make_stuck_upload(&self) -> Result<()> {
        let wish = json!({ "method": "multipart", "part_size": STUCK_PART_BYTES, "urls": 1 });
        let opened = self.open_upload("field-recording-2026.wav", STUCK_BYTES, "audio/wav", wish).await?;
        let first = opened.multipart.as_ref().and_then(|plan| plan.urls.first());
        let first = first.ok_or_else(|| Error::Other("the server's answer holds no URL of a part".into()))?;
        self.send_part(&first.target).await?;
        // Asking for the upload has the service ask the store: from now on it knows of the part.
        self.api.get_upload(&opened.upload.id, &self.reporter).await.map(|_| ())
    }

    async fn send_part(&self, target: &ApiSignedUrl) -> Result<()> {
        let part = DemoFile::noise(usize::try_from(STUCK_PART_BYTES).unwrap_or_default());
        let headers = target.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        let request = headers
            .fold(self.api.http().put(&target.url).body(part), |request, (name, value)| request.header(name, value));
        let response = request.send().await.map_err(Error::transport)?;
        if response.status().is_success() { Ok(()) } else { Err(read_refusal(response).await) }
    }

    /// An endpoint whose name does not resolve: its test is tried once, and is dead.
    async fn make_dead_delivery(&self) -> Result<()> {
        let endpoint = json!({
            "url": DEMO_ENDPOINT_URL, "events": ["asset.rejected"], "description": DEMO_DESCRIPTION,
        });
        let ask = ApiRequest::new("making the webhook endpoint", Method::POST, "/v1/webhooks");
        let made: Value = self.api.request_json(&ask.body(endpoint.to_string()), &self.reporter).await?;
        let path = format!("/v1/webhooks/{}/test", made["id"].as_str().unwrap_or_default());
        let ask = ApiRequest::new("trying the webhook endpoint", Method::POST, path);
        self.api.request_bytes(&ask, &self.reporter).await.map(|_| ())
    }

    /// Removes what [`Self::fill`] has made, in every run, and nothing else.
    pub async fn clear(&self) -> Result<ClearedDemo> {
        let assets = self.list_marked_assets().await?;
        let deleting = stream::iter(&assets).map(|id| self.api.delete_asset(id, &self.reporter));
        deleting.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
        let webhooks = self.clear_endpoints().await?;
        let drop = ApiRequest::new("deleting the policy", Method::DELETE, format!("/v1/policies/{DEMO_POLICY}"));
        let policies = match self.api.request_bytes(&drop, &self.reporter).await {
            Ok(_) => 1,
            Err(Error::NotFound(_)) => 0,
            Err(other) => return Err(other),
        };
        Ok(ClearedDemo { assets: assets.len(), webhooks, policies })
    }

    async fn list_marked_assets(&self) -> Result<Vec<String>> {
        let mut query =
            vec![(format!("metadata.{DEMO_MARK}"), "yes".to_owned()), ("limit".to_owned(), ASSETS_PER_PAGE.to_owned())];
        let mut ids = Vec::new();
        loop {
            let page = self.api.list_assets(&query, &self.reporter).await?;
            let left = |asset: &&Value| !matches!(asset["state"].as_str(), Some("deleted" | "abandoned"));
            ids.extend(page.assets.iter().filter(left).filter_map(|asset| Some(asset["id"].as_str()?.to_owned())));
            query.truncate(2);
            let Some(next) = page.next else { return Ok(ids) };
            query.push(("cursor".to_owned(), next));
        }
    }

    async fn clear_endpoints(&self) -> Result<usize> {
        let ask = ApiRequest::new("listing webhook endpoints", Method::GET, "/v1/webhooks");
        let list: Value = self.api.request_json(&ask, &self.reporter).await?;
        let made = list["webhooks"].as_array().into_iter().flatten();
        let ours: Vec<_> = made.filter(|endpoint| endpoint["description"] == DEMO_DESCRIPTION).collect();
        for endpoint in &ours {
            let path = format!("/v1/webhooks/{}", endpoint["id"].as_str().unwrap_or_default());
            let ask = ApiRequest::new("deleting the webhook endpoint", Method::DELETE, path);
            self.api.request_bytes(&ask, &self.reporter).await?;
        }
        Ok(ours.len())
    }
}
