//! A whole service in the test's own process, on either database and the embedded store, with a clock for leases and
//! expiry that is moved by hand. Real sockets, real signatures; only the composition is the test's.

use std::sync::Arc;
use std::time::Duration;

use gantry::blob::s3::S3Blobs;
use gantry::blob::{BlobKey, BlobStore};
use gantry::domain::clock::OsEntropy;
use gantry::domain::egress::EgressPolicy;
use gantry::domain::ids::TenantId;
use gantry::domain::job::{JobState, JobSubject};
use gantry::domain::quota::TenantQuota;
use gantry::engine::{
    BodyPaceLimits, DeliveryMode, DeliverySettings, Engine, EngineDeps, EngineSettings, FeedSettings, PatchTenant,
    TenantRegistry, TokenSigner, TrustedIssuers, WebhookSettings, check_usage,
};
use gantry::http::{AppState, router, server};
use gantry::worker::{self, JobWorker, ProcessingPipeline, WebhookSender};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::bucket::{Bucket, EmbeddedHome};
use super::database::Database;
use super::faulty::{Faults, FaultyBlobs, FaultyStore, Gate};
use super::patience::eventually_ok;

/// A running service.
pub struct Service {
    pub base: String,
    pub database: Database,
    pub engine: Engine,
    pub blobs: Arc<S3Blobs>,
    pub registry: TenantRegistry,
    pub tenant: TenantId,
    /// A key with every scope.
    pub admin: String,
    /// What the engine's stores will do wrong.
    pub faults: Faults,
    pub stop: CancellationToken,
    /// Where its embedded store lives.
    pub home: Option<EmbeddedHome>,
}

/// What a test may want otherwise.
#[derive(Clone)]
pub struct Shape {
    pub settings: EngineSettings,
    /// Jobs are worked on.
    pub works: bool,
    /// On the S3 server that `tests/servers.sh` started instead of the embedded store.
    pub seaweedfs: bool,
    /// What the store is made to look like.
    pub capabilities: fn(&mut gantry::blob::StoreCapabilities),
    /// What every call of database and store goes through.
    pub gate: Option<Arc<dyn Gate>>,
}

impl Default for Shape {
    fn default() -> Self {
        let settings = EngineSettings {
            upload_timeouts: gantry::domain::upload::UploadTimeouts::default(),
            max_size: 50_000_000_000_000,
            max_single_put_bytes: 16 << 20,
            delivery: DeliveryMode::Redirect,
            deliveries: DeliverySettings::default(),
            redirect_ttl: Duration::from_secs(60),
            link_ttl: Duration::from_secs(30 * 24 * 3600),
            stalled_after: Duration::from_secs(3600),
            quarantine_ttl: Duration::from_secs(24 * 3600),
            max_digest_bytes: 64 << 30,
            report_timeout: Duration::from_secs(600),
            max_offers: 3,
            replay_ttl: Duration::from_secs(24 * 3600),
            orphan_grace: Duration::ZERO,
            disk_reserve: 0,
            feed: FeedSettings {
                keep: Duration::from_secs(30 * 24 * 3600),
                followers: 4096,
                followers_per_tenant: 2048,
            },
            webhooks: WebhookSettings {
                egress: EgressPolicy { http: true, networks: vec!["127.0.0.0/8".parse().unwrap()], proxy: None },
                timeout: Duration::from_secs(15),
                disable_after: Duration::from_secs(5 * 24 * 3600),
                keep: Duration::from_secs(30 * 24 * 3600),
                endpoints: 50,
            },
            append_memory: 256 << 20,
            max_request_body: None,
            body_pace: BodyPaceLimits {
                idle: Duration::from_secs(30),
                min_rate: 1024,
                window: Duration::from_secs(60),
            },
        };
        Self { settings, works: true, seaweedfs: false, capabilities: |_| {}, gate: None }
    }
}

impl Service {
    pub async fn start(database: Database, shape: Shape) -> Self {
        let stop = CancellationToken::new();
        let limits = server::ServerLimits { pace: shape.settings.body_pace, ..server::ServerLimits::default() };
        let bucket = if shape.seaweedfs { Bucket::seaweedfs().await } else { Bucket::embedded().await };
        let mut capabilities = bucket.capabilities.clone();
        (shape.capabilities)(&mut capabilities);
        let blobs = Arc::new(bucket.blobs.with_capabilities(capabilities));
        let faults = shape.gate.map_or_else(Faults::default, Faults::behind);
        let egress = shape.settings.webhooks.egress.clone();
        let engine = engine_on(&database, &blobs, &faults, shape.settings);
        assert!(engine.operations().mark_bucket().await.unwrap());
        let registry = TenantRegistry::new(Arc::clone(&database.store), Arc::new(OsEntropy));
        let tenant = limited(&registry, "default").await;
        let admin = registry.create_key(tenant, "admin".parse().unwrap(), None).await.unwrap().reveal();
        let base = serve(&engine, &blobs.public_origin(), limits, &stop).await;
        if shape.works {
            let worker = JobWorker::new(
                engine.clone(),
                Arc::clone(&database.store),
                Arc::new(OsEntropy),
                ProcessingPipeline::default(),
                // More places than an endpoint is given work in these tests: the gate's pauses go by the clock, which stands.
                worker::WorkerSettings { max_deliveries: 64, ..worker::WorkerSettings::default() },
            );
            let worker = worker.with_sender(WebhookSender::new(&egress).unwrap());
            let stop = stop.clone();
            tokio::spawn(async move { worker.run(stop).await });
        }
        Self { base, database, engine, blobs, registry, tenant, admin, faults, stop, home: bucket.home }
    }

    /// A second node: same rows, same bucket, an address of its own.
    pub async fn another_node(&self) -> (String, Engine) {
        let mut database = self.database.clone();
        database.store = self.database.another_node().await;
        let engine = engine_on(&database, &self.blobs, &Faults::default(), Shape::default().settings);
        (serve(&engine, &self.blobs.public_origin(), server::ServerLimits::default(), &self.stop).await, engine)
    }

    /// A node on the same rows that trusts these issuers.
    pub async fn trusting(&self, issuers: TrustedIssuers) -> (String, Engine) {
        let settings = Shape::default().settings;
        let engine = trusting(&self.database, &self.blobs, &self.faults, settings, issuers);
        (serve(&engine, &self.blobs.public_origin(), server::ServerLimits::default(), &self.stop).await, engine)
    }

    /// A key of the default tenant.
    pub async fn key(&self, scopes: &str) -> String {
        self.registry.create_key(self.tenant, scopes.parse().unwrap(), None).await.unwrap().reveal()
    }

    /// A key with every scope, of another tenant.
    pub async fn foreign_key(&self, tenant: &str) -> String {
        let tenant = limited(&self.registry, tenant).await;
        self.registry.create_key(tenant, "admin".parse().unwrap(), None).await.unwrap().reveal()
    }

    /// Moves the database's clock.
    pub fn advance(&self, by: Duration) {
        self.database.clock.advance(by);
    }

    /// Moves the database's clock for an asset that a test waits for: to when its job is due, if that waits for its time, and
    /// by a little otherwise, so that leases of workers that died end.
    pub async fn advance_for(&self, asset: &str) {
        let store = &self.database.store;
        let job = store.find_job(JobSubject::Process(asset.parse().unwrap())).await.unwrap();
        let waiting = job.filter(|entry| entry.state == JobState::Ready);
        let until_due = waiting.and_then(|entry| Duration::try_from(entry.run_at.duration_since(store.now())).ok());
        self.advance(until_due.filter(|wait| !wait.is_zero()).unwrap_or(Duration::from_millis(500)));
    }

    /// What must hold at the end of every test: nothing in the bucket that belongs to nobody, no job left over, and every
    /// quota's sum is what its rows come to.
    pub async fn assert_clean(&self) {
        self.faults.clear();
        self.assert_sums().await;
        // Nothing owed may be left for long: when time passes, one sweep removes what tests have abandoned.
        self.advance(Duration::from_secs(400 * 24 * 3600));
        for _ in 0..3 {
            self.engine.operations().run_sweep().await.unwrap();
            self.advance(Duration::from_secs(24 * 3600));
        }
        let mut orphans = Vec::new();
        let report = self.engine.operations().scan_orphans(false, |orphan| orphans.push(orphan.clone())).await.unwrap();
        assert_eq!(report.orphans, 0, "{orphans:?}");
        assert!(self.blobs.list_multiparts(BlobKey::PREFIX, None).await.unwrap().items.is_empty());
        assert!(self.blobs.list(BlobKey::PROBES_PREFIX, None).await.unwrap().items.is_empty());
        self.assert_sums().await;
    }

    /// Every tenant's sums, those of its quota and those that triggers keep, are what its rows come to. Workers may be at it: sums are looked at until they agree.
    pub async fn assert_sums(&self) {
        let store = &self.database.store;
        for tenant in store.list_tenants("", 100).await.unwrap() {
            eventually_ok(format!("the sums of {} agree", tenant.name), async || {
                let summed = store.sum_usage(tenant.id).await.unwrap();
                let read = store.read_usage(tenant.id).await.unwrap();
                let kept = store.find_quota(tenant.id).await.unwrap().map_or(read, |(_, kept)| kept);
                check_usage(kept, summed).or_else(|| check_usage(read, summed)).map_or(Ok(()), Err)
            })
            .await;
        }
    }
}

/// A tenant with room for everything, whose sums are kept all the same.
async fn limited(registry: &TenantRegistry, name: &str) -> TenantId {
    let tenant = registry.create_tenant(name).await.unwrap();
    let quota = Some(TenantQuota { bytes: Some(1 << 62), ..TenantQuota::default() });
    registry.patch_tenant(&tenant, PatchTenant { quota, ..PatchTenant::default() }).await.unwrap();
    tenant.id
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn engine_on(database: &Database, blobs: &Arc<S3Blobs>, faults: &Faults, settings: EngineSettings) -> Engine {
    trusting(database, blobs, faults, settings, TrustedIssuers::none())
}

fn trusting(
    database: &Database,
    blobs: &Arc<S3Blobs>,
    faults: &Faults,
    settings: EngineSettings,
    issuers: TrustedIssuers,
) -> Engine {
    Engine::new(EngineDeps {
        store: Arc::new(FaultyStore { inner: Arc::clone(&database.store), faults: faults.clone() }),
        blobs: Arc::new(FaultyBlobs { inner: Arc::clone(blobs), faults: faults.clone() }),
        entropy: Arc::new(OsEntropy),
        tokens: TokenSigner::new(&[b"0123456789abcdef0123456789abcdef".to_vec()]).unwrap(),
        issuers,
        settings,
        disk: None,
        instance_id: "test".to_owned(),
    })
}

async fn serve(engine: &Engine, store_origin: &str, limits: server::ServerLimits, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let site = AppState::new(engine.clone(), &base, store_origin, stop.clone());
    let routes = router(site.with_cors(&["https://app.example".to_owned()]));
    let answer = move |request| {
        let routes = routes.clone();
        async move { routes.oneshot(request).await.unwrap() }
    };
    let door = server::Listener::from(listener).with_interim_policy(server::InterimPolicy::Always);
    tokio::spawn(server::serve(door, answer, limits, stop.clone()));
    base
}
