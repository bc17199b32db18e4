//! kill -9 at each named step, on both databases: the client asks again, as clients do, and
//! everything converges. Nothing acknowledged is lost, nothing is there twice, one sweep leaves nothing behind.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::processing::photo;
use crate::support::database::Place;
use crate::support::patience::{PATIENCE, eventually, eventually_ok, in_time};
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::servers::{clamd, variable};
use crate::support::transcript::noise;

const PART: u64 = 5 << 20;
/// Short enough for a test to see every deadline pass.
const HASTE: [(&str, &str); 4] = [
    ("GANTRY_UPLOADS__TAKEOVER_AFTER", "1s"),
    ("GANTRY_UPLOADS__RESCUE_AFTER", "1s"),
    ("GANTRY_UPLOADS__URL_EXPIRES_IN", "5s"),
    ("GANTRY_CLEANUP__ORPHAN_GRACE", "1s"),
];

/// An instance that will die once, and a client that does not give up.
struct Story {
    instance: Instance,
    client: Client,
    key: String,
    deaths: u32,
}

impl Story {
    async fn begin(place: Place, crash_at: &str) -> Self {
        Self::begin_with(place, crash_at, &[]).await
    }

    async fn begin_with(place: Place, crash_at: &str, settings: &[(&str, &str)]) -> Self {
        let mut instance = Instance::new(place, &[&HASTE, settings].concat());
        // The first start makes tenant and bucket; the story begins with the second.
        instance.start(None).await;
        let key = instance.key();
        instance.kill();
        instance.start(Some(crash_at)).await;
        Self { instance, client: requests::client(), key, deaths: 0 }
    }

    /// Asks until there is an answer, restarting the service when it has died.
    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            assert!(std::time::Instant::now() < deadline, "{method} {path}: {}", self.instance.log_text());
            let url = if path.starts_with('/') { format!("{}{path}", self.instance.url) } else { path.to_owned() };
            let mut request = self.client.request(method.clone(), url).bearer_auth(&self.key);
            request = request.header("idempotency-key", "the same for every try");
            if let Some(body) = &body {
                request = request.body(body.to_string());
            }
            match request.send().await {
                Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {}
                Ok(answer) => {
                    let status = answer.status();
                    if let Ok(text) = answer.text().await {
                        return (status, serde_json::from_str(&text).unwrap_or_default());
                    }
                }
                Err(_) => self.revive().await,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn revive(&mut self) {
        let status = self.instance.ended().await;
        assert!(!status.success());
        self.deaths += 1;
        self.instance.start(None).await;
    }

    /// Sends bytes to a signed URL until they are there; the store lives in the same process.
    async fn put(&mut self, url: &str, bytes: &[u8], conditional: bool) {
        loop {
            let mut request = self.client.put(url).header("content-length", bytes.len()).body(bytes.to_vec());
            if conditional {
                request = request.header("if-none-match", "*");
            }
            match request.send().await.map(|answer| answer.status()) {
                Ok(StatusCode::OK | StatusCode::PRECONDITION_FAILED) => return,
                Ok(StatusCode::SERVICE_UNAVAILABLE) => {}
                Ok(other) => panic!("{other}"),
                Err(_) => self.revive().await,
            }
        }
    }

    /// Creates, sends and completes a file; returns its asset.
    async fn upload(&mut self, multipart: bool) -> (String, Vec<u8>) {
        let bytes = noise(if multipart { 2 * PART + 1 } else { 1000 }, 11);
        (self.bring(&bytes, multipart).await, bytes)
    }

    async fn bring(&mut self, bytes: &[u8], multipart: bool) -> String {
        let size = bytes.len();
        let wish = json!({"filename": "crash.bin", "size": size, "part_size": multipart.then_some(PART)});
        let (status, opened) = self.ask(Method::POST, "/v1/uploads", Some(wish)).await;
        assert!(status.is_success(), "{opened}");
        let upload = opened["upload"]["id"].as_str().unwrap().to_owned();
        if multipart {
            let urls = opened["multipart"]["urls"].as_array().unwrap();
            for (url, body) in urls.iter().zip(bytes.chunks(PART as usize)) {
                self.put(url["url"].as_str().unwrap(), body, false).await;
            }
        } else {
            self.put(opened["put"]["url"].as_str().unwrap(), bytes, true).await;
        }
        let (status, asset) = self.ask(Method::POST, &format!("/v1/uploads/{upload}/complete"), None).await;
        assert_eq!(status, 200, "{asset}");
        assert_eq!(asset["id"], opened["asset"]["id"]);
        asset["id"].as_str().unwrap().to_owned()
    }

    /// The asset is ready, once, with the same bytes; of others there are at most abandoned ones.
    async fn check(&mut self, asset: &str, bytes: &[u8]) {
        let (_, ready) = self.ask(Method::GET, &format!("/v1/assets/{asset}?wait=60s&until=ready"), None).await;
        assert_eq!(ready["state"], "ready", "{ready}");
        let url = format!("{}/v1/assets/{asset}/content?delivery=stream", self.instance.url);
        let got = self.client.get(url).bearer_auth(&self.key).send().await.unwrap().bytes().await.unwrap();
        assert!(got == bytes, "other bytes come back");
        let rows = self.instance.rows().await;
        let events = rows.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
        assert_eq!(gantry::engine::check_events(&events, true), None, "{events:?}");
        for once in ["asset.created", "upload.completed", "asset.stored", "asset.ready"] {
            assert_eq!(events.iter().filter(|event| event.kind == once).count(), 1, "{once}: {events:?}");
        }
        eventually_ok("no jobs are left", async || match rows.count_jobs().await.unwrap() {
            (0, 0) => Ok(()),
            left => Err(left),
        })
        .await;
        let (_, list) = self.ask(Method::GET, "/v1/assets", None).await;
        let kept = list["assets"].as_array().unwrap().iter().filter(|asset| asset["state"] != "abandoned");
        assert_eq!(kept.count(), 1, "{list}");
    }

    /// After one sweep nothing is in the bucket that belongs to nobody.
    async fn nothing_is_left_over(&mut self) {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let report = self.instance.run(&["cleanup", "--json"]);
        let report: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
        assert_eq!(report["orphans"], 0, "{report}");
        self.instance.run(&["verify", "--digests"]);
    }
}

async fn upload_survives(place: Place, point: &str, multipart: bool) {
    let mut story = Story::begin(place, point).await;
    let (asset, bytes) = story.upload(multipart).await;
    story.check(&asset, &bytes).await;
    assert_eq!(story.deaths, 1, "{point} was never passed");
    story.nothing_is_left_over().await;
}

/// A photo is scanned and made smaller while its workers die. The offer at the end goes out once as far as the broker's
/// other side can tell.
async fn processing_survives(place: Place, point: &str) {
    let name = format!("c{}", uuid::Uuid::now_v7().simple());
    let nats = variable("GANTRY_TEST_NATS");
    let client = async_nats::connect(&nats).await.unwrap();
    let (subjects, max_bytes) = (vec![format!("{name}.>")], 1 << 20);
    let duplicate_window = Duration::from_secs(120);
    let stream = async_nats::jetstream::stream::Config {
        name: name.clone(),
        subjects,
        max_bytes,
        duplicate_window,
        ..Default::default()
    };
    let mut stream = async_nats::jetstream::new(client).create_stream(stream).await.unwrap();
    let handoff = format!("{nats}?stream={name}&subject={name}");
    let settings =
        [("GANTRY_CLAMD", clamd()), ("GANTRY_HANDOFF", handoff), ("GANTRY_PROCESSING__LEASE", "2s".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut story = Story::begin_with(place, point, &settings).await;
    let bytes = photo();
    let asset = story.bring(&bytes, false).await;
    let offer = loop {
        // Whoever asks finds out that it has died.
        let (_, seen) = story.ask(Method::GET, &format!("/v1/assets/{asset}"), None).await;
        assert!(matches!(seen["state"].as_str().unwrap(), "stored" | "processing"), "{seen}");
        if story.deaths == 1 && stream.info().await.unwrap().state.messages > 0 {
            break stream.get_raw_message(1).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let offer: Value = serde_json::from_slice(&offer.payload).unwrap();
    let report = json!({"token": offer["data"]["token"], "outcome": "accept", "metadata": {"by": "us"}});
    let (status, said) = story.ask(Method::POST, &format!("/v1/assets/{asset}/processing"), Some(report)).await;
    assert_eq!(status, 200, "{said}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    story.check(&asset, &bytes).await;
    let (_, seen) = story.ask(Method::GET, &format!("/v1/assets/{asset}"), None).await;
    assert_eq!((seen["derivatives"].as_array().unwrap().len(), &seen["details"]["by"]), (6, &json!("us")), "{seen}");
    assert!(seen["scan"]["engine"].is_string(), "{seen}");
    assert_eq!(stream.info().await.unwrap().state.messages, 1, "told twice under two ids");
    story.nothing_is_left_over().await;
}

/// Sends a file as Uppy does, in parts of its own cutting; `granted`, to an upload that its backend opened, whose bytes were
/// to come another way.
async fn cut_survives(place: Place, point: &str, granted: bool) {
    let mut story = Story::begin(place, point).await;
    let bytes = noise(2 * PART + 1, 13);
    let base = if granted { story.granted(bytes.len() as u64).await } else { "/s3".to_owned() };
    let wish = json!({"filename": "crash.bin", "type": "", "metadata": {}});
    let (status, opened) = story.ask(Method::POST, &format!("{base}/multipart"), Some(wish)).await;
    assert_eq!(status, 200, "{opened}");
    let (id, key) = (opened["uploadId"].as_str().unwrap(), opened["key"].as_str().unwrap());
    for (number, part) in (1..).zip(bytes.chunks(PART as usize)) {
        let (_, signed) = story.ask(Method::GET, &format!("{base}/multipart/{id}/{number}?key={key}"), None).await;
        story.put(signed["url"].as_str().unwrap(), part, false).await;
    }
    let listed = format!("{base}/multipart/{id}?key={key}");
    let (_, parts) = story.ask(Method::GET, &listed, None).await;
    let complete = format!("{base}/multipart/{id}/complete?key={key}");
    let (status, done) = story.ask(Method::POST, &complete, Some(json!({ "parts": parts }))).await;
    assert_eq!((status, &done["key"]), (StatusCode::OK, &opened["key"]), "{done}");
    assert_eq!(story.ask(Method::GET, &listed, None).await.1, parts, "the list is kept");
    story.forget_all_but(key).await;
    story.check(key, &bytes).await;
    assert_eq!(story.deaths, 1, "{point} was never passed");
    no_unfinished_uploads(&story).await;
    story.nothing_is_left_over().await;
}

/// Sends a file by one PUT through the service, again and again until it is there.
async fn content_survives(place: Place, point: &str) {
    let mut story = Story::begin(place, point).await;
    let bytes = noise(20_000_000, 14);
    let wish = json!({"filename": "crash.bin", "size": bytes.len(), "method": "multipart"});
    let (_, opened) = story.ask(Method::POST, "/v1/uploads", Some(wish)).await;
    let path = format!("/v1/uploads/{}/content", opened["upload"]["id"].as_str().unwrap());
    let sent = async {
        loop {
            let request = story.client.put(format!("{}{path}", story.instance.url)).bearer_auth(&story.key);
            match request.body(bytes.clone()).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => return,
                Ok(answer) => assert!(matches!(answer.status().as_u16(), 409 | 423 | 503), "{answer:?}"),
                Err(_) => story.revive().await,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    in_time("the file gets through", sent).await;
    story.check(opened["asset"]["id"].as_str().unwrap(), &bytes).await;
    assert_eq!(story.deaths, 1, "{point} was never passed");
    no_unfinished_uploads(&story).await;
    story.nothing_is_left_over().await;
}

impl Story {
    /// Where whoever holds a grant finds Uppy's contract.
    async fn granted(&mut self, size: u64) -> String {
        let wish = json!({"filename": "crash.bin", "size": size, "method": "multipart"});
        let (_, opened) = self.ask(Method::POST, "/v1/uploads", Some(wish)).await;
        format!("/u/{}/s3", opened["grant"].as_str().unwrap())
    }

    /// Gives up what was opened in tries whose answers were lost: Uppy has no way to ask for the same upload again.
    async fn forget_all_but(&mut self, key: &str) {
        let (_, list) = self.ask(Method::GET, "/v1/assets?state=awaiting", None).await;
        for asset in list["assets"].as_array().unwrap() {
            assert_ne!(asset["id"], key);
            let path = format!("/v1/assets/{}", asset["id"].as_str().unwrap());
            assert_eq!(self.ask(Method::DELETE, &path, None).await.0, 204);
        }
    }
}

/// Sends a file through tus, asking for the offset after every answer that did not come.
async fn append_survives(place: Place, point: &str, size: u64, step: u64) {
    let mut story = Story::begin(place, point).await;
    let bytes = noise(size, 12);
    let url = story.tus_create(size).await;
    let mut at = 0;
    while at < size {
        let to = (at + step).min(size);
        let request = story.tus(Method::PATCH, &url).header("upload-offset", at);
        let request = request.header("content-type", "application/offset+octet-stream");
        match request.body(bytes[at as usize..to as usize].to_vec()).send().await {
            Ok(answer) if answer.status() == StatusCode::NO_CONTENT => at = to,
            Ok(answer) => assert!(matches!(answer.status().as_u16(), 409 | 423 | 503), "{answer:?}"),
            Err(_) => story.revive().await,
        }
        let now = story.tus_offset(&url).await;
        assert!(now >= at, "{at} was acknowledged, {now} is there");
        at = now;
    }
    let upload = url.rsplit('/').next().unwrap();
    let (_, view) = story.ask(Method::GET, &format!("/v1/uploads/{upload}"), None).await;
    let asset = view["asset_id"].as_str().unwrap().to_owned();
    story.check(&asset, &bytes).await;
    assert_eq!(story.deaths, 1, "{point} was never passed");
    story.nothing_is_left_over().await;
}

/// Makes one file of four pieces, asking again after every answer that did not come.
async fn concatenation_survives(place: Place, point: &str) {
    const PIECE: usize = 6_000_000;
    let mut story = Story::begin(place, point).await;
    let bytes = noise(4 * PIECE as u64, 13);
    let mut pieces = Vec::new();
    for piece in bytes.chunks(PIECE) {
        let request =
            story.tus(Method::POST, &format!("{}/tus", story.instance.url)).header("upload-concat", "partial");
        let request = request.header("upload-length", PIECE).header("content-type", "application/offset+octet-stream");
        let created = request.body(piece.to_vec()).send().await.unwrap();
        assert_eq!(created.status(), StatusCode::CREATED);
        pieces.push(created.headers()["location"].to_str().unwrap().to_owned());
    }
    assert_eq!(story.deaths, 0);
    let concat = format!("final;{}", pieces.join(" "));
    let url = loop {
        let request = story.tus(Method::POST, &format!("{}/tus", story.instance.url)).header("upload-concat", &concat);
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::CREATED => {
                break answer.headers()["location"].to_str().unwrap().to_owned();
            }
            Ok(answer) => assert!(matches!(answer.status().as_u16(), 423 | 503), "{answer:?}"),
            Err(_) => story.revive().await,
        }
    };
    let upload = url.rsplit('/').next().unwrap();
    let (_, view) = story.ask(Method::GET, &format!("/v1/uploads/{upload}"), None).await;
    let asset = view["asset_id"].as_str().unwrap().to_owned();
    story.check(&asset, &bytes).await;
    assert_eq!(story.deaths, 1, "{point} was never passed");
    story.nothing_is_left_over().await;
}

impl Story {
    fn tus(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.key).header("tus-resumable", "1.0.0")
    }

    async fn tus_create(&mut self, size: u64) -> String {
        let answer = self.tus(Method::POST, &format!("{}/tus", self.instance.url)).header("upload-length", size);
        answer.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned()
    }

    async fn tus_offset(&mut self, url: &str) -> u64 {
        loop {
            match self.tus(Method::HEAD, url).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    return answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap();
                }
                Ok(answer) => assert_eq!(answer.status(), StatusCode::LOCKED),
                Err(_) => self.revive().await,
            }
        }
    }
}

/// The bucket has neither objects nor unfinished uploads of assets any more.
async fn bucket_empties(story: &Story) {
    let s3 = story.instance.s3();
    eventually("the bucket is empty", async || {
        let objects = s3.list_objects_v2().bucket("gantry").prefix("gantry/o/").send().await.unwrap();
        let uploads = s3.list_multipart_uploads().bucket("gantry").prefix("gantry/o/").send().await.unwrap();
        objects.contents().is_empty() && uploads.uploads().is_empty()
    })
    .await;
}

/// The bucket has no unfinished uploads of assets any more.
async fn no_unfinished_uploads(story: &Story) {
    let s3 = story.instance.s3();
    eventually("the bucket has no unfinished uploads", async || {
        let uploads = s3.list_multipart_uploads().bucket("gantry").prefix("gantry/o/").send().await.unwrap();
        uploads.uploads().is_empty()
    })
    .await;
}

async fn abort_survives(place: Place) {
    let mut story = Story::begin(place, "after_abort_at_store").await;
    let wish = json!({"filename": "a", "size": 2 * PART, "part_size": PART});
    let (_, opened) = story.ask(Method::POST, "/v1/uploads", Some(wish)).await;
    story.put(opened["multipart"]["urls"][0]["url"].as_str().unwrap(), &noise(PART, 1), false).await;
    let path = format!("/v1/uploads/{}", opened["upload"]["id"].as_str().unwrap());
    let (status, _) = story.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, 204);
    if story.deaths == 0 {
        story.revive().await;
    }
    let (_, upload) = story.ask(Method::GET, &path, None).await;
    assert_eq!(upload["state"], "aborted");
    bucket_empties(&story).await;
    story.nothing_is_left_over().await;
}

async fn delete_survives(place: Place) {
    let mut story = Story::begin(place, "after_delete_at_store").await;
    let (asset, bytes) = story.upload(false).await;
    story.check(&asset, &bytes).await;
    let path = format!("/v1/assets/{asset}");
    let (status, _) = story.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, 204);
    if story.deaths == 0 {
        story.revive().await;
    }
    let (_, deleted) = story.ask(Method::GET, &path, None).await;
    assert_eq!(deleted["state"], "deleted");
    let (status, _) = story.ask(Method::GET, &format!("{path}/content"), None).await;
    assert_eq!(status, 410);
    bucket_empties(&story).await;
    story.nothing_is_left_over().await;
}

async fn janitor_survives(place: Place) {
    let mut story = Story::begin(place, "never").await;
    let (asset, bytes) = story.upload(true).await;
    let s3 = story.instance.s3();
    let ids = [1, 2, 3].map(|_| uuid::Uuid::now_v7().simple());
    let orphan = format!("gantry/o/{}/{}/{}", ids[0], ids[1], ids[2]);
    s3.put_object().bucket("gantry").key(&orphan).body(b"lost".to_vec().into()).send().await.unwrap();
    s3.create_multipart_upload().bucket("gantry").key(&orphan).send().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let died =
        story.instance.gantry(&["cleanup", "--apply"]).env("GANTRY_CRASH_AT", "janitor_listed").output().unwrap();
    assert!(!died.status.success());
    let shown = story.instance.run(&["cleanup"]);
    assert!(shown.contains("2 orphans"), "{shown}");
    let removed = story.instance.run(&["cleanup", "--apply"]);
    assert!(removed.contains("2 removed"), "{removed}");
    story.check(&asset, &bytes).await;
    story.nothing_is_left_over().await;
}

/// Two tests for each story: one per database.
macro_rules! stories {
    ($($name:ident => $story:expr;)*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn sqlite() {
                let dir = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
                let tell = $story;
                tell(Place::Sqlite(dir)).await;
            }

            #[tokio::test]
            async fn postgres() {
                let tell = $story;
                tell(Place::fresh_schema().await).await;
            }
        }
    )* };
}

stories! {
    p01_after_auth => |place| upload_survives(place, "after_auth", true);
    p02_after_the_intent_row => |place| upload_survives(place, "after_intent", true);
    p03_after_create_multipart => |place| upload_survives(place, "after_create_multipart", true);
    p04_after_the_stores_id => |place| upload_survives(place, "after_store_id", true);
    p03_append_after_create_multipart => |place| append_survives(place, "after_create_multipart", 20_000_000, 10_000_000);
    p05_append_with_bytes_in_memory => |place| append_survives(place, "mid_append:12", 20_000_000, 20_000_000);
    p06_append_with_a_part_and_no_row => |place| append_survives(place, "after_part:2", 30_000_000, 12_000_000);
    p07_append_with_the_row_and_no_answer => |place| append_survives(place, "after_ledger:2", 30_000_000, 12_000_000);
    p08_append_with_a_tail_and_no_row => |place| append_survives(place, "after_tail:2", 20_000_000, 3_000_000);
    p08_append_with_the_whole_and_no_row => |place| append_survives(place, "after_whole", 1000, 600);
    p09_append_completing_is_committed => |place| append_survives(place, "after_completing", 20_000_000, 12_000_000);
    p12_append_inside_the_commit => |place| append_survives(place, "in_commit", 20_000_000, 12_000_000);
    p09_completing_is_committed => |place| upload_survives(place, "after_completing", true);
    p10_complete_is_about_to_be_sent => |place| upload_survives(place, "complete_sent", true);
    p11_complete_was_answered => |place| upload_survives(place, "complete_answered", true);
    concatenation_after_a_part => |place| concatenation_survives(place, "after_part");
    concatenation_after_create_multipart => |place| concatenation_survives(place, "after_create_multipart");
    p12_inside_the_commit => |place| upload_survives(place, "in_commit", true);
    p13_committed_without_an_answer => |place| upload_survives(place, "after_commit", true);
    p02_put_after_the_intent_row => |place| upload_survives(place, "after_intent", false);
    p12_put_inside_the_commit => |place| upload_survives(place, "in_commit", false);
    p13_put_committed_without_an_answer => |place| upload_survives(place, "after_commit", false);
    p02_cut_after_the_intent_row => |place| cut_survives(place, "after_intent", false);
    p03_cut_after_create_multipart => |place| cut_survives(place, "after_create_multipart", false);
    p04_cut_after_the_stores_id => |place| cut_survives(place, "after_store_id", false);
    p03_granted_after_create_multipart => |place| cut_survives(place, "after_create_multipart:2", true);
    p04_granted_after_the_way_was_changed => |place| cut_survives(place, "after_changed_way", true);
    p09_cut_completing_is_committed => |place| cut_survives(place, "after_completing", false);
    p10_cut_complete_is_about_to_be_sent => |place| cut_survives(place, "complete_sent", false);
    p11_cut_complete_was_answered => |place| cut_survives(place, "complete_answered", false);
    p12_cut_inside_the_commit => |place| cut_survives(place, "in_commit", false);
    p13_cut_committed_without_an_answer => |place| cut_survives(place, "after_commit", true);
    p04_content_after_the_way_was_changed => |place| content_survives(place, "after_changed_way");
    p06_content_with_a_part_and_no_row => |place| content_survives(place, "after_part:2");
    p14_job_is_claimed => |place| processing_survives(place, "job_claimed");
    p15_scanned_and_not_kept => |place| processing_survives(place, "scan_done");
    p16_a_derivative_is_written_and_not_kept => |place| processing_survives(place, "derivative_written:3");
    offered_and_not_written_down => |place| processing_survives(place, "offered");
    p19_abort_done_at_the_store => abort_survives;
    p20_object_deleted_at_the_store => delete_survives;
    p21_janitor_between_list_and_abort => janitor_survives;
}
