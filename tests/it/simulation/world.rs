//! Nodes on the same rows and the same bucket: the real engine and the real worker, the real embedded stores behind
//! the gate of [`super::turns`]. Nodes end and begin anew, lose the way to the stores for a while, and the clock jumps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gantry::blob::embedded::{EmbeddedSettings, EmbeddedStore};
use gantry::blob::s3::S3Blobs;
use gantry::domain::access::Actor;
use gantry::domain::clock::{ManualClock, SeededEntropy, SystemClock, micros};
use gantry::domain::key::KeyScopes;
use gantry::domain::quota::TenantQuota;
use gantry::engine::{Engine, EngineDeps, Error, KeyWish, PatchTenant, TenantRegistry, TokenSigner, TrustedIssuers};
use gantry::worker::{JobWorker, ProcessingPipeline, WorkerSettings};
use tokio_util::sync::CancellationToken;

use super::turns::{CLIENTS, Caller, Choice, Turns, hold_clock, roll, settle};
use crate::support::bucket::{Bucket, connect_in_process};
use crate::support::database::Database;
use crate::support::directory::directory;
use crate::support::faulty::{Faults, FaultyBlobs, FaultyStore};
use crate::support::service::Shape;

/// Nodes that run at a time.
pub const NODES: usize = 3;
/// Each run begins at the same time: ids hold it.
const START_MICROS: i64 = 1_800_000_000_000_000;
/// A client gives a node so long to answer.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct World {
    pub turns: Arc<Turns>,
    pub database: Database,
    pub blobs: Arc<S3Blobs>,
    pub actor: Actor,
    /// The bucket as clients reach it by signed URLs.
    pub bucket: FaultyBlobs<S3Blobs>,
    nodes: Mutex<Vec<Node>>,
    seed: u64,
    lives: Mutex<u32>,
    last: Mutex<tokio::time::Instant>,
    _home: tempfile::TempDir,
}

struct Node {
    caller: Caller,
    engine: Engine,
    cut_off: bool,
}

async fn embedded_bucket(dir: &std::path::Path, clock: &Arc<ManualClock>, seed: u64) -> S3Blobs {
    let capabilities = Bucket::embedded().await.capabilities;
    let (access_key, secret_key) = ("GKSIMULATION", "secret-of-the-simulation");
    let settings = EmbeddedSettings {
        dir: dir.join("store"),
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        ..EmbeddedSettings::default()
    };
    let entropy = Arc::new(SeededEntropy::new(seed));
    let store = EmbeddedStore::open(settings, Arc::new(SystemClock), entropy).unwrap();
    store.ensure_bucket("gantry").await.unwrap();
    let blobs = connect_in_process(&store, "gantry", (access_key, secret_key), clock.clone()).await;
    blobs.with_capabilities(capabilities)
}

impl World {
    /// The world before anything happens. The runtime's clock is paused from its beginning, so that timers are rounded alike in
    /// every run.
    pub async fn new(seed: u64) -> Arc<Self> {
        let clock = hold_clock();
        let (database, home) = (Database::sqlite_at(micros(START_MICROS)).await, directory());
        let blobs = Arc::new(embedded_bucket(home.path(), &database.clock, seed).await);
        let registry = TenantRegistry::new(Arc::clone(&database.store), Arc::new(SeededEntropy::new(seed)));
        let tenant = registry.create_tenant("default").await.unwrap();
        let quota = Some(TenantQuota { bytes: Some(1 << 62), ..TenantQuota::default() });
        registry.patch_tenant(&tenant, PatchTenant { quota, ..PatchTenant::default() }).await.unwrap();
        let wish = KeyWish { name: None, scopes: KeyScopes::ADMIN, expires_in: None };
        let key = registry.make_key(tenant.id, wish).await.unwrap().key;
        let turns = Arc::new(Turns::new());
        let world = Self {
            bucket: FaultyBlobs { inner: Arc::clone(&blobs), faults: Faults::behind(turns.gate(CLIENTS)) },
            actor: Actor::Key { id: key.id, tenant: tenant.id, scopes: KeyScopes::ADMIN },
            turns,
            database,
            blobs,
            nodes: Mutex::default(),
            seed,
            lives: Mutex::new(0),
            last: Mutex::new(tokio::time::Instant::now()),
            _home: home,
        };
        assert!(world.engine_behind(None).operations().mark_bucket().await.unwrap());
        drop(clock);
        let world = Arc::new(world);
        for which in 0..NODES {
            let node = world.begin_node();
            world.nodes.lock().unwrap().insert(which, node);
        }
        world
    }

    /// An engine on the world's rows and bucket: of a node, or of nobody, whose calls happen at once.
    pub fn engine_behind(&self, caller: Option<Caller>) -> Engine {
        let faults = caller.map_or_else(Faults::default, |caller| Faults::behind(self.turns.gate(caller)));
        let entropy = SeededEntropy::new(self.seed ^ (u64::from(caller.map_or(0, |caller| caller.0)) << 32));
        Engine::new(EngineDeps {
            store: Arc::new(FaultyStore { inner: Arc::clone(&self.database.store), faults: faults.clone() }),
            blobs: Arc::new(FaultyBlobs { inner: Arc::clone(&self.blobs), faults }),
            entropy: Arc::new(entropy),
            tokens: TokenSigner::new(&[b"0123456789abcdef0123456789abcdef".to_vec()]).unwrap(),
            issuers: TrustedIssuers::none(),
            settings: Shape::default().settings,
            disk: None,
            instance_id: "simulation".to_owned(),
        })
    }

    /// A node that begins: it answers clients, works on jobs, and sweeps now and then.
    fn begin_node(self: &Arc<Self>) -> Node {
        let caller = {
            let mut lives = self.lives.lock().unwrap();
            *lives += 1;
            Caller(*lives)
        };
        let engine = self.engine_behind(Some(caller));
        let faults = Faults::behind(self.turns.gate(caller));
        let store = Arc::new(FaultyStore { inner: Arc::clone(&self.database.store), faults });
        let dice = SeededEntropy::new(self.seed ^ u64::from(caller.0).wrapping_mul(0x9e37_79b9));
        let entropy = Arc::new(SeededEntropy::new(roll(&dice, u64::MAX)));
        let settings = WorkerSettings { poll_interval: Duration::from_secs(20), ..WorkerSettings::default() };
        let worker = JobWorker::new(engine.clone(), store, entropy, ProcessingPipeline::default(), settings);
        tokio::spawn(async move { worker.run(CancellationToken::new()).await });
        let operations = engine.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5 + roll(&dice, 60))).await;
                // A sweep that fails is made again.
                let _ = operations.operations().run_sweep().await;
                if roll(&dice, 4) == 0 {
                    let _ = operations.operations().scan_orphans(true, |_| ()).await;
                }
            }
        });
        Node { caller, engine, cut_off: false }
    }

    /// Asks any node; `None` if there was no answer in time. Dropped calls are those of clients that went away.
    pub async fn ask<T, F: Future<Output = Result<T, Error>>>(
        &self,
        dice: &SeededEntropy,
        call: impl FnOnce(Engine) -> F,
    ) -> Option<Result<T, Error>> {
        let engine = {
            let nodes = self.nodes.lock().unwrap();
            nodes[usize::try_from(roll(dice, NODES as u64)).unwrap()].engine.clone()
        };
        tokio::time::timeout(PATIENCE, call(engine)).await.ok()
    }

    /// Lets one call happen once nothing else can run, and replaces the node that ends with it. `false`: none waits.
    pub async fn step(self: &Arc<Self>, choice: &Choice<'_>) -> bool {
        self.settle().await;
        let Some(dying) = self.turns.take(choice).await else { return false };
        if let Some(dying) = dying {
            self.settle().await;
            self.replace(dying);
        }
        true
    }

    /// Kills a node and begins another in its place.
    fn replace(self: &Arc<Self>, caller: Caller) {
        self.turns.kill(caller);
        let node = self.begin_node();
        let mut nodes = self.nodes.lock().unwrap();
        if let Some(place) = nodes.iter_mut().find(|node| node.caller == caller) {
            *place = node;
        }
    }

    /// Cuts a node off, or joins it again.
    pub fn partition(&self, which: usize) {
        let mut nodes = self.nodes.lock().unwrap();
        let node = &mut nodes[which];
        node.cut_off = !node.cut_off;
        self.turns.cut_off(node.caller, node.cut_off);
    }

    pub fn join_all(&self) {
        for node in self.nodes.lock().unwrap().iter_mut().filter(|node| node.cut_off) {
            node.cut_off = false;
            self.turns.cut_off(node.caller, false);
        }
    }

    /// Lets everything run that can, and moves the database's clock as far as the virtual clock has moved.
    async fn settle(&self) {
        settle().await;
        let now = tokio::time::Instant::now();
        let passed = now - std::mem::replace(&mut *self.last.lock().unwrap(), now);
        self.database.clock.advance(passed);
    }
}
