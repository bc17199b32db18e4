//! Numbers move by exactly what was done.

use serde_json::{Value, json};

use super::{Series, moved, series, started};
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::receiver::{Receiver, Reply};
use crate::support::requests;

/// A caller with a key.
struct Caller<'a> {
    instance: &'a Instance,
    key: String,
    client: reqwest::Client,
}

impl<'a> Caller<'a> {
    fn new(instance: &'a Instance) -> Self {
        Self { instance, key: instance.key(), client: requests::client_without_redirects() }
    }

    fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.instance.url) };
        self.client.request(method, url).bearer_auth(&self.key).header("tus-resumable", "1.0.0")
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.ask(method, path).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap_or(Value::Null)
    }

    /// A new tus upload; its path.
    async fn tus(&self, length: usize) -> String {
        let created = self.ask("POST", "/tus").header("upload-length", length).send().await.unwrap();
        assert_eq!(created.status(), 201);
        created.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn patch(&self, upload: &str, offset: usize, bytes: &'static [u8]) -> u16 {
        let patch = self.ask("PATCH", upload).header("upload-offset", offset);
        let patch = patch.header("content-type", "application/offset+octet-stream").body(bytes);
        patch.send().await.unwrap().status().as_u16()
    }

    /// A stored file of these bytes that is ready; its asset.
    async fn ready(&self, bytes: &'static [u8]) -> String {
        let opened = self.json("POST", "/v1/uploads", json!({"filename": "a.txt", "size": bytes.len()})).await;
        let (upload, asset) = (opened["upload"]["id"].as_str().unwrap(), opened["asset"]["id"].as_str().unwrap());
        let put = self.ask("PUT", &format!("/v1/uploads/{upload}/content")).body(bytes).send().await.unwrap();
        assert!(put.status().is_success());
        let ready = self.ask("GET", &format!("/v1/assets/{asset}?wait=30s&until=ready")).send().await.unwrap();
        assert_eq!(ready.json::<Value>().await.unwrap()["state"], "ready");
        asset.to_owned()
    }
}

fn total(series: &Series, name: &str) -> f64 {
    series.get(name).copied().unwrap_or_else(|| panic!("{name} is not there"))
}

/// Waits until the series has moved by this much.
async fn until_moved(instance: &Instance, before: &Series, name: &str, by: f64) -> Series {
    eventually_ok(format!("{name} moves by {by}"), async || {
        let after = series(instance).await;
        let moved = total(&after, name) - total(before, name);
        if moved == by { Ok(after) } else { Err(moved) }
    })
    .await
}

#[tokio::test]
async fn uploads_are_counted_from_creation_to_their_end() {
    let instance = started(&[]).await;
    let caller = Caller::new(&instance);
    let before = series(&instance).await;
    let (whole, left) = (caller.tus(10).await, caller.tus(10).await);
    assert_eq!(caller.patch(&whole, 0, b"hello").await, 204);
    assert_eq!(caller.ask("HEAD", &whole).send().await.unwrap().headers()["upload-offset"], "5");
    assert_eq!(caller.patch(&whole, 0, b"hello").await, 409);
    assert_eq!(caller.patch(&whole, 5, b"world").await, 204);
    assert_eq!(caller.ask("DELETE", &left).send().await.unwrap().status(), 204);
    let native = caller.json("POST", "/v1/uploads", json!({"filename": "b", "size": 3})).await;
    let put = &native["put"]["url"].as_str().unwrap().to_owned();
    let other = caller.client.put(put).header("if-none-match", "*").body("abc").send().await.unwrap();
    assert_eq!(other.status(), 200);
    let after = series(&instance).await;
    assert_eq!(
        moved(&before, &after, "gantry_uploads_"),
        [
            (r#"gantry_uploads_aborted_total{reason="client"}"#.to_owned(), 1.0),
            ("gantry_uploads_completed_total".to_owned(), 1.0),
            (r#"gantry_uploads_created_total{protocol="native"}"#.to_owned(), 1.0),
            (r#"gantry_uploads_created_total{protocol="tus"}"#.to_owned(), 2.0),
        ]
    );
    assert_eq!(moved(&before, &after, "gantry_upload_bytes_received_total")[0].1, 10.0);
    assert_eq!(moved(&before, &after, "gantry_upload_resume_total")[0].1, 1.0);
    assert_eq!(moved(&before, &after, "gantry_presign_total")[0].1, 1.0);
    assert_eq!(moved(&before, &after, "gantry_upload_seconds_count")[0].1, 1.0);
    assert_eq!(moved(&before, &after, "gantry_lease_"), []);
    assert_eq!(moved(&before, &after, "gantry_complete_ambiguous"), []);
    let puts = moved(&before, &after, r#"gantry_s3_requests_total{op="PutObject",outcome="ok"}"#);
    assert!(puts[0].1 >= 2.0, "a tail and the file: {puts:?}");
    assert_eq!(moved(&before, &after, "gantry_s3_retries_total"), []);
}

/// The object of another size than declared, as only an S3 client beside the service can make it.
#[tokio::test]
async fn a_wrong_object_fails_the_upload() {
    let instance = started(&[]).await;
    let caller = Caller::new(&instance);
    let opened = caller.json("POST", "/v1/uploads", json!({"filename": "b", "size": 3})).await;
    let key = opened["put"]["url"].as_str().unwrap().split(['?']).next().unwrap().to_owned();
    let key = key.splitn(5, '/').nth(4).unwrap().to_owned();
    let put = instance.s3().put_object().bucket("gantry").key(key).body(b"four".to_vec().into());
    put.send().await.unwrap();
    let before = series(&instance).await;
    let upload = opened["upload"]["id"].as_str().unwrap();
    let done = caller.ask("POST", &format!("/v1/uploads/{upload}/complete")).send().await.unwrap();
    assert!(done.status().is_client_error(), "{}", done.status());
    let after = series(&instance).await;
    let failed = [(r#"gantry_uploads_failed_total{code="content_mismatch"}"#.to_owned(), 1.0)];
    assert_eq!(moved(&before, &after, "gantry_uploads_"), failed);
}

#[tokio::test]
async fn downloads_are_counted_by_their_way() {
    let instance = started(&[]).await;
    let caller = Caller::new(&instance);
    let asset = caller.ready(b"hello world").await;
    let before = series(&instance).await;
    let content = |query: &str| caller.ask("GET", &format!("/v1/assets/{asset}/content{query}"));
    assert_eq!(content("").send().await.unwrap().status(), 302);
    let whole = content("?delivery=stream").send().await.unwrap();
    assert_eq!(whole.text().await.unwrap(), "hello world");
    let part = content("?delivery=stream").header("range", "bytes=6-").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "world"));
    assert_eq!(content("?delivery=stream").header("range", "bytes=99-").send().await.unwrap().status(), 416);
    caller.ask("HEAD", &format!("/v1/assets/{asset}/content?delivery=stream")).send().await.unwrap();
    let after = series(&instance).await;
    let by = |mode: &str, status: u16| format!(r#"gantry_downloads_total{{mode="{mode}",status="{status}"}}"#);
    assert_eq!(
        moved(&before, &after, "gantry_downloads_total"),
        [(by("redirect", 302), 1.0), (by("stream", 200), 1.0), (by("stream", 206), 1.0), (by("stream", 416), 1.0)]
    );
    assert_eq!(moved(&before, &after, "gantry_range_requests_total")[0].1, 1.0);
    assert_eq!(moved(&before, &after, "gantry_download_bytes_total")[0].1, 16.0);
    let reads = moved(&before, &after, r#"gantry_cache_requests_total{cache="assets""#);
    assert!(reads.iter().map(|(_, by)| by).sum::<f64>() >= 4.0, "{reads:?}");
}

#[tokio::test]
async fn refusals_are_counted_by_their_reason() {
    let instance = started(&[("GANTRY_LIMITS__FAILURES_PER_ADDRESS", "3")]).await;
    let caller = Caller::new(&instance);
    let before = series(&instance).await;
    let list = |token: Option<&str>| {
        let asked = caller.client.get(format!("{}/v1/assets", instance.url));
        match token {
            Some(token) => asked.header("authorization", token.to_owned()),
            None => asked,
        }
    };
    assert_eq!(list(None).send().await.unwrap().status(), 401);
    for token in ["Bearer gk_wrong", "Bearer gu_wrong", "Basic YTpi"] {
        assert_eq!(list(Some(token)).send().await.unwrap().status(), 401);
    }
    assert_eq!(list(Some("Bearer gk_wrong")).send().await.unwrap().status(), 429);
    let after = series(&instance).await;
    let failed = |reason: &str, by: f64| (format!(r#"gantry_auth_failures_total{{reason="{reason}"}}"#), by);
    assert_eq!(
        moved(&before, &after, "gantry_auth_failures_total"),
        [failed("grant", 1.0), failed("key", 2.0), failed("missing", 1.0), failed("unreadable", 1.0)]
    );
    let limited = [(r#"gantry_rate_limited_total{scope="address"}"#.to_owned(), 1.0)];
    assert_eq!(moved(&before, &after, "gantry_rate_limited_total"), limited);
}

#[tokio::test]
async fn a_tenant_beyond_its_rate_is_counted() {
    let instance = started(&[]).await;
    let caller = Caller::new(&instance);
    let acme = caller.json("POST", "/v1/tenants", json!({"name": "acme"})).await["id"].as_str().unwrap().to_owned();
    let rate = json!({"rate": {"per_second": 1, "burst": 1}});
    caller.json("PATCH", &format!("/v1/tenants/{acme}"), rate).await;
    let key = instance.run(&["key", "create", "--tenant", "acme", "--scopes", "read"]);
    let before = series(&instance).await;
    let list = || caller.client.get(format!("{}/v1/assets", instance.url)).bearer_auth(&key).send();
    let mut refused = 0.0;
    for _ in 0..5 {
        refused += if list().await.unwrap().status() == 429 { 1.0 } else { 0.0 };
    }
    let after = series(&instance).await;
    assert!(refused > 0.0);
    let limited = [(r#"gantry_rate_limited_total{scope="tenant"}"#.to_owned(), refused)];
    assert_eq!(moved(&before, &after, "gantry_rate_limited_total"), limited);
}

#[tokio::test]
async fn jobs_and_webhooks_are_counted_by_their_outcome() {
    let webhooks = [("GANTRY_WEBHOOKS__ALLOW_HTTP", "true"), ("GANTRY_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8")];
    let instance = started(&webhooks).await;
    let (caller, receiver) = (Caller::new(&instance), Receiver::start().await);
    let wish = json!({"url": receiver.url, "events": ["asset.ready"]});
    caller.json("POST", "/v1/webhooks", wish).await;
    receiver.next([Reply::Status(500)]);
    let before = series(&instance).await;
    caller.ready(b"hello").await;
    receiver.until(1).await;
    let retried = r#"gantry_webhook_deliveries_total{outcome="retried"}"#;
    let after = until_moved(&instance, &before, retried, 1.0).await;
    assert_eq!(moved(&before, &after, "gantry_webhook_deliveries_total").len(), 1);
    let jobs = moved(&before, &after, "gantry_job_attempts_total{kind=\"process\"");
    assert_eq!(jobs, [(r#"gantry_job_attempts_total{kind="process",outcome="done"}"#.to_owned(), 1.0)]);
    assert_eq!(moved(&before, &after, r#"gantry_job_seconds_count{kind="process"}"#)[0].1, 1.0);
    let delivered = r#"gantry_webhook_deliveries_total{outcome="delivered"}"#;
    until_moved(&instance, &before, delivered, 1.0).await;
}

#[tokio::test]
async fn scans_are_counted_by_their_verdict() {
    let clamd = std::env::var("GANTRY_TEST_CLAMD").expect("GANTRY_TEST_CLAMD: start tests/servers.sh");
    let instance = started(&[("GANTRY_CLAMD", &clamd)]).await;
    let caller = Caller::new(&instance);
    let before = series(&instance).await;
    caller.ready(b"harmless").await;
    let after = series(&instance).await;
    let clean = [(r#"gantry_scan_results_total{verdict="clean"}"#.to_owned(), 1.0)];
    assert_eq!(moved(&before, &after, "gantry_scan_results_total"), clean);
}

#[tokio::test]
async fn gauges_go_up_and_come_down() {
    let instance = started(&[]).await;
    let caller = Caller::new(&instance);
    let before = series(&instance).await;
    let follower = caller.ask("GET", "/v1/events").header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(follower.status(), 200);
    until_moved(&instance, &before, "gantry_sse_clients", 1.0).await;
    drop(follower);
    until_moved(&instance, &before, "gantry_sse_clients", 0.0).await;
    caller.tus(1000).await;
    until_moved(&instance, &before, "gantry_uploads_in_flight", 1.0).await;
    let after = until_moved(&instance, &before, r#"gantry_storage_bytes{class="reserved"}"#, 1000.0).await;
    assert!(total(&after, "gantry_connections_open") >= 1.0);
    until_moved(&instance, &after, "gantry_db_pool_in_use", -total(&after, "gantry_db_pool_in_use")).await;
}
