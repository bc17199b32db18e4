//! Everything goes wrong for a while, under load: workers are killed and frozen past their leases, the scanner, the broker
//! and the database go away and come back. Afterwards every upload that was acknowledged has met its fate, once.
//!
//! `GANTRY_TEST_CHAOS_SECONDS` says for how long; the seed is printed.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream::Message;
use futures_util::StreamExt;
use gantry::domain::clock::{Entropy, SeededEntropy};
use gantry::domain::job::JobKind;
use gantry::store::{JobQuery, Store};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::processing::{EICAR, photo};
use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::servers::Own;

const LEASE: Duration = Duration::from_secs(2);
const WORKERS: usize = 3;
/// Assets under way at once: always some, never more than this machine can bring to an end.
const BACKLOG: u64 = 40;
/// Reports that the processor sends at once.
const REPORTS: usize = 8;

/// What a file should come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ready,
    Rejected,
}

/// What everybody knows.
struct World {
    url: String,
    key: String,
    client: Client,
    /// Acknowledged uploads.
    brought: Mutex<HashMap<String, Fate>>,
    /// How often each asset was offered.
    offers: Mutex<HashMap<String, Vec<String>>>,
    stop: CancellationToken,
}

impl World {
    fn ask(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        request.timeout(Duration::from_secs(20))
    }

    /// One upload; what was acknowledged is written down.
    async fn bring(&self, bytes: &[u8], fate: Fate) -> Option<()> {
        let wish = json!({"filename": "chaos.bin", "size": bytes.len(), "method": "put"});
        let made: Value =
            self.ask(reqwest::Method::POST, "/v1/uploads").json(&wish).send().await.ok()?.json().await.ok()?;
        let path = format!("/v1/uploads/{}/content", made["upload"]["id"].as_str()?);
        let answer = self.ask(reqwest::Method::PUT, &path).body(bytes.to_vec()).send().await.ok()?;
        if answer.status().is_success() {
            self.brought.lock().unwrap().insert(made["asset"]["id"].as_str()?.to_owned(), fate);
        }
        Some(())
    }

    /// Assets that wait for a worker or are being worked on.
    async fn backlog(&self) -> Option<u64> {
        let queues: Value = self.ask(reqwest::Method::GET, "/v1/admin/queues").send().await.ok()?.json().await.ok()?;
        let process = queues["queues"].as_array()?.iter().find(|queue| queue["kind"] == "process")?;
        Some(process["ready"].as_u64()? + process["running"].as_u64()?)
    }

    async fn load(self: Arc<Self>, seed: u64) {
        let (dice, photo) = (SeededEntropy::new(seed), photo());
        while !self.stop.is_cancelled() {
            if self.backlog().await.is_none_or(|waiting| waiting > BACKLOG) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            match roll(&dice, 10) {
                0 => self.bring(&photo, Fate::Ready).await,
                1 | 2 => self.bring(EICAR.as_bytes(), Fate::Rejected).await,
                _ => self.bring(format!("clean {}", roll(&dice, 1 << 30)).as_bytes(), Fate::Ready).await,
            };
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Somebody who always tries to get at what must not be had.
    async fn snoop(self: Arc<Self>) {
        while !self.stop.is_cancelled() {
            let bad: Vec<_> = {
                let brought = self.brought.lock().unwrap();
                brought.iter().filter(|(_, fate)| **fate == Fate::Rejected).map(|(id, _)| id.clone()).take(20).collect()
            };
            for asset in bad {
                for query in ["", "?delivery=stream", "?variant=thumb-256"] {
                    let answer =
                        self.ask(reqwest::Method::GET, &format!("/v1/assets/{asset}/content{query}")).send().await;
                    let Ok(answer) = answer else { continue };
                    assert!(!answer.status().is_success() && !answer.status().is_redirection(), "{asset} is served");
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Somebody else's processor: takes offers from the broker and accepts, now and then twice.
    async fn process(self: Arc<Self>, nats: String) {
        loop {
            let _ = self.take_offers(&nats).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn take_offers(&self, nats: &str) -> Option<()> {
        let client = async_nats::connect(nats).await.ok()?;
        let jetstream = async_nats::jetstream::new(client);
        let stream = jetstream.get_stream("GANTRY").await.ok()?;
        let config = async_nats::jetstream::consumer::pull::Config {
            durable_name: Some("processor".to_owned()),
            ack_wait: Duration::from_secs(5),
            ..Default::default()
        };
        let consumer = stream.get_or_create_consumer("processor", config).await.ok()?;
        loop {
            let batch = consumer.fetch().max_messages(50).messages().await.ok()?;
            // A message whose report failed comes again; the others are none the worse for it.
            let handle = |message| self.handle(message);
            let all = batch.for_each_concurrent(REPORTS, handle);
            // A batch that was asked for just before the broker was killed never ends.
            tokio::time::timeout(Duration::from_secs(10), all).await.ok()?;
        }
    }

    async fn handle(&self, message: Result<Message, impl std::fmt::Debug>) {
        let Ok(message) = message else { return };
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        if self.report(&event).await.is_some() {
            let _ = message.ack().await;
        }
    }

    async fn report(&self, event: &Value) -> Option<()> {
        let asset = event["data"]["asset_id"].as_str()?;
        let id = event["id"].as_str()?.to_owned();
        self.offers.lock().unwrap().entry(asset.to_owned()).or_default().push(id);
        let path = format!("/v1/assets/{asset}/processing");
        let report = json!({"token": event["data"]["token"], "outcome": "accept"});
        let answer = self.ask(reqwest::Method::POST, &path).json(&report).send().await.ok()?;
        // Anything but "try again" ends it: a report that came twice is told so.
        (answer.status().is_success() || answer.status() == StatusCode::CONFLICT).then_some(())
    }
}

fn roll(dice: &SeededEntropy, sides: u64) -> u64 {
    let mut bytes = [0; 8];
    dice.fill(&mut bytes);
    u64::from_le_bytes(bytes) % sides
}

/// Workers that are killed and frozen.
struct Workers<'a> {
    instance: &'a Instance,
    running: Vec<Child>,
    killed: u32,
    frozen: u32,
}

impl<'a> Workers<'a> {
    fn hire(instance: &'a Instance) -> Self {
        let mut workers = Self { instance, running: Vec::new(), killed: 0, frozen: 0 };
        workers.running = (0..WORKERS).map(|_| workers.one()).collect();
        workers
    }

    fn one(&self) -> Child {
        self.instance.gantry(&["work"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn kill(&mut self, which: usize) {
        self.running[which].kill().unwrap();
        self.running[which].wait().unwrap();
        self.running[which] = self.one();
        self.killed += 1;
    }

    async fn freeze(&mut self, which: usize) {
        let signal = |name: &str| {
            let id = self.running[which].id().to_string();
            std::process::Command::new("kill").args([name, &id]).status().unwrap();
        };
        signal("-STOP");
        tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
        signal("-CONT");
        self.frozen += 1;
    }
}

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        for worker in &mut self.running {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

async fn away(server: &mut Own, dice: &SeededEntropy) {
    server.kill();
    tokio::time::sleep(Duration::from_millis(200 + roll(dice, 2000))).await;
    server.restart().await;
}

async fn wreck(workers: &mut Workers<'_>, clamd: &mut Own, nats: &mut Own, postgres: &mut Own, seed: u64) -> u32 {
    let seconds = std::env::var("GANTRY_TEST_CHAOS_SECONDS").map_or(60, |text| text.parse().unwrap());
    let (end, dice) = (Instant::now() + Duration::from_secs(seconds), SeededEntropy::new(seed));
    let mut restarts = 0;
    while Instant::now() < end {
        let which = usize::try_from(roll(&dice, WORKERS as u64)).unwrap();
        match roll(&dice, 12) {
            0..=5 => workers.kill(which),
            6 | 7 => workers.freeze(which).await,
            8 | 9 => away(clamd, &dice).await,
            10 => away(nats, &dice).await,
            _ => {
                away(postgres, &dice).await;
                restarts += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(500 + roll(&dice, 1000))).await;
    }
    restarts
}

/// The first jobs of the one tenant.
async fn left_over(rows: &Arc<dyn Store>) -> JobQuery {
    let tenant = rows.find_tenant_by_name("default").await.unwrap().unwrap().id;
    JobQuery { tenant: Some(tenant), state: None, kind: Some(JobKind::Process), after: None, limit: 5 }
}

async fn everything_has_met_its_fate(instance: &Instance, world: &World) {
    let rows = instance.rows().await;
    let brought = world.brought.lock().unwrap().clone();
    eventually_ok("no jobs are left over", async || match rows.count_jobs().await.unwrap().0 {
        0 => Ok(()),
        _ => Err(rows.list_jobs(&left_over(&rows).await).await),
    })
    .await;
    assert_eq!(rows.count_jobs().await.unwrap(), (0, 0), "dead letters");
    for (asset, fate) in &brought {
        let row = rows.find_asset(asset.parse().unwrap()).await.unwrap().unwrap();
        let expected = if *fate == Fate::Ready { "ready" } else { "rejected" };
        assert_eq!(row.state.name(), expected, "{row:?}");
        let events = rows.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
        assert!(events.iter().zip(1..).all(|(event, n)| event.seq == n), "{events:?}");
        let told = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
        assert_eq!((told("asset.ready") + told("asset.rejected"), told("asset.stored")), (1, 1), "{events:?}");
        let offers = world.offers.lock().unwrap().get(asset).cloned().unwrap_or_default();
        assert_eq!(offers.is_empty(), *fate == Fate::Rejected, "{asset}: {offers:?}");
        assert!(offers.windows(2).all(|pair| pair[0] == pair[1]), "an offer under two ids: {offers:?}");
        let scanned = row.state.content().unwrap().findings.scan.is_some();
        assert!(scanned || *fate == Fate::Rejected, "served unscanned: {row:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_committed_hand_off_is_delivered_and_nothing_happens_twice() {
    let seed = crate::support::seed::fresh("chaos");
    let (mut clamd, mut nats, mut postgres) = (Own::clamd().await, Own::nats().await, Own::postgres().await);
    let handoff = format!("{}?timeout=2s", nats.address);
    let settings = [
        ("GANTRY_CLAMD", clamd.address.as_str()),
        ("GANTRY_HANDOFF", &handoff),
        ("GANTRY_PROCESSING__LEASE", "2s"),
        ("GANTRY_HANDOFF_TERMS__REPORT_WITHIN", "5s"),
        ("GANTRY_HANDOFF_TERMS__OFFERS", "1000"),
        ("GANTRY_LIMITS__CONNECTIONS_PER_ADDRESS", "0"),
    ];
    let mut instance = Instance::new(Place::Postgres(postgres.address.clone()), &settings);
    instance.start(None).await;
    // Limited, though never short of anything: the sum of its charges has to come through all of this.
    instance.run(&["tenant", "quota", "default", "--bytes", "1TiB", "--files", "1000000"]);
    let world = Arc::new(World {
        url: instance.url.clone(),
        key: instance.key(),
        client: requests::client_without_redirects(),
        brought: Mutex::default(),
        offers: Mutex::default(),
        stop: CancellationToken::new(),
    });
    let load = [tokio::spawn(Arc::clone(&world).load(seed)), tokio::spawn(Arc::clone(&world).snoop())];
    let processor = tokio::spawn(Arc::clone(&world).process(nats.address.clone()));
    let mut workers = Workers::hire(&instance);
    let restarts = wreck(&mut workers, &mut clamd, &mut nats, &mut postgres, seed).await;
    let (killed, frozen) = (workers.killed, workers.frozen);
    // Whoever loads and snoops stops; the processor goes on until everything is told.
    let settling = everything_has_met_its_fate(&instance, &world);
    world.stop.cancel();
    for task in load {
        task.await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(180), settling).await.expect("it does not come to rest");
    processor.abort();
    let sums: Value = serde_json::from_str(&instance.run(&["tenant", "recompute", "default"])).unwrap();
    assert_eq!(sums["before"], sums["usage"]);
    let brought = world.brought.lock().unwrap().len();
    println!("{brought} uploads, {killed} workers killed, {frozen} frozen, {restarts} restarts of the database");
    assert!(brought > 20 && killed + frozen > 3, "nothing was tried");
}
