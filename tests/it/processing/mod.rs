//! What happens after the last byte, with a real scanner, real decoders and real brokers.

mod admin;
mod damage;
mod instance;
mod media;
mod offers;
mod overview;
mod quarantine;
mod queues;
mod rot;
mod scanning;
mod types;
mod withdrawn;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gantry::domain::asset::Asset;
use gantry::domain::clock::OsEntropy;
use gantry::media::{DecodeLimits, DerivativeSize, MediaSandbox};
use gantry::worker::clamd::{ClamdClient, ScanLimits};
use gantry::worker::{IncompleteScanAction, JobWorker, MediaStep, ProcessingPipeline, ScanStep, Steps, WorkerSettings};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::support::patience::{eventually, eventually_ok, in_time};
use crate::support::requests;
use crate::support::service::{Service, Shape};

pub const EICAR: &str = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

/// Nobody works on jobs but whom the test starts.
pub fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

/// A worker of the test's own; it stops when this is dropped.
pub struct Working {
    task: AbortOnDropHandle<()>,
    _scratch: TempDir,
    stop: CancellationToken,
}

impl Working {
    /// Stops it when it is through with what it has begun.
    pub async fn finish(mut self) {
        self.stop.cancel();
        in_time("a worker that stops", &mut self.task).await.unwrap();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Steps for a test.
#[derive(Default)]
pub struct TestSteps {
    /// clamd's address.
    pub clamd: Option<String>,
    pub accept_unscanned: bool,
    pub media: bool,
    /// The scratch folder is not there.
    pub broken_scratch: bool,
    pub counter: Option<gantry::worker::HandoffStep>,
}

pub fn work(service: &Service, steps: TestSteps) -> Working {
    let scratch = TempDir::new().unwrap();
    let screening = steps.clamd.map(|address| {
        let limits = ScanLimits { max_file_bytes: 8 << 20, idle: Duration::from_secs(2), ..ScanLimits::default() };
        let scanner = ClamdClient { address: address.parse().unwrap(), limits };
        let incomplete = if steps.accept_unscanned { IncompleteScanAction::Accept } else { IncompleteScanAction::Fail };
        ScanStep::new(scanner, incomplete)
    });
    let sandbox = MediaSandbox::new(DecodeLimits::default()).with_program(PathBuf::from(env!("CARGO_BIN_EXE_gantry")));
    let sizes = vec![DerivativeSize { name: "thumb-64".to_owned(), edge: 64 }];
    let folder = if steps.broken_scratch { "missing" } else { "" };
    let studio = MediaStep { sandbox, sizes, scratch: scratch.path().join(folder) };
    let studio = steps.media.then_some(studio);
    let pipeline = ProcessingPipeline::new(Steps { scan: screening, media: studio, handoff: steps.counter });
    let settings = WorkerSettings { poll_interval: Duration::from_millis(20), ..WorkerSettings::default() };
    let store = Arc::clone(&service.database.store);
    let worker = JobWorker::new(service.engine.clone(), store, Arc::new(OsEntropy), pipeline, settings);
    let stop = CancellationToken::new();
    let end = stop.clone();
    let task = AbortOnDropHandle::new(tokio::spawn(async move { worker.run(end).await }));
    Working { task, _scratch: scratch, stop }
}

/// Brings a file; its asset is stored.
pub async fn bring(service: &Service, name: &str, bytes: impl Into<Bytes>) -> String {
    let (bytes, client) = (bytes.into(), requests::client());
    let wish = serde_json::json!({ "filename": name, "size": bytes.len(), "method": "put" });
    let send = |request: reqwest::RequestBuilder| request.bearer_auth(&service.admin).send();
    let made = send(client.post(format!("{}/v1/uploads", service.base)).json(&wish)).await.unwrap();
    let made: Value = made.error_for_status().unwrap().json().await.unwrap();
    let upload = made["upload"]["id"].as_str().unwrap();
    let brought = send(client.put(format!("{}/v1/uploads/{upload}/content", service.base)).body(bytes)).await.unwrap();
    brought.error_for_status().unwrap();
    made["asset"]["id"].as_str().unwrap().to_owned()
}

pub async fn row(service: &Service, asset: &str) -> Asset {
    service.database.store.find_asset(asset.parse().unwrap()).await.unwrap().unwrap()
}

/// Waits until the asset is as wanted; jobs that were put back become due meanwhile.
pub async fn until(service: &Service, asset: &str, wanted: impl Fn(&Asset) -> bool) -> Asset {
    eventually_ok("the asset is as wanted", async || {
        let now = row(service, asset).await;
        if wanted(&now) {
            return Ok(now);
        }
        service.advance_for(asset).await;
        Err(now)
    })
    .await
}

pub async fn settled(service: &Service, asset: &str) -> Asset {
    until(service, asset, |asset| asset.state.is_settled()).await
}

/// Waits until nothing is owed any more.
pub async fn nothing_owed(service: &Service) {
    eventually("nothing is owed", async || {
        let owed = service.database.store.count_jobs().await.unwrap().0;
        if owed > 0 {
            service.advance(Duration::from_millis(500));
        }
        owed == 0
    })
    .await;
}

/// What a command makes in a folder of its own.
pub fn made_by(command: &str, file: &str) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let done = std::process::Command::new("sh").args(["-ec", command]).current_dir(dir.path()).output().unwrap();
    assert!(done.status.success(), "{command}\n{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(dir.path().join(file)).unwrap()
}

pub fn photo() -> Vec<u8> {
    made_by("ffmpeg -v error -f lavfi -i testsrc2=size=640x480 -frames:v 1 -q:v 3 photo.jpg", "photo.jpg")
}
