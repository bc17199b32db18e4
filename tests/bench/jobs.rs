//! Jobs a second: writing them down and working them off, alone and beside a million that wait.
//!
//! The jobs name assets that do not exist. So a worker claims one, looks for its asset, and ends it: everything that a
//! job costs by itself, and no work.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry::blob::BlobStore;
use gantry::blob::s3::{S3Blobs, S3Settings as BucketSettings};
use gantry::domain::clock::{OsEntropy, SystemClock};
use gantry::domain::egress::EgressPolicy;
use gantry::domain::ids::{AssetId, JobId, TenantId, mint};
use gantry::domain::job::{JobKind, JobSubject, NewJob, Priority};
use gantry::engine::{
    BodyPaceLimits, DeliveryMode, DeliverySettings, Engine, EngineDeps, EngineSettings, FeedSettings, TokenSigner,
    TrustedIssuers, WebhookSettings,
};
use gantry::store::{NewRow, RowChange, Store, Tx, postgres, sqlite};
use gantry::worker::{self, JobWorker, ProcessingPipeline};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
/// Callers that write jobs down at once.
const CALLERS: usize = 64;
/// Places of the worker.
const PLACES: usize = 64;

/// Rows `1 ..= $2` of kind `$3` that are due at `$4`, of tenant `$1`.
const SQLITE: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) \
    INSERT INTO job (id, kind, tenant_id, subject_id, state, run_at, attempt, created_at) \
    SELECT randomblob(16), $3, $1, randomblob(16), 'ready', $4 + i, 0, i FROM n";
const POSTGRES: &str = "INSERT INTO job (id, kind, tenant_id, subject_id, state, run_at, attempt, created_at) \
    SELECT gen_random_uuid(), $3, $1, gen_random_uuid(), 'ready', $4 + i, 0, i FROM generate_series(1, $2::bigint) i";

/// Most of a million is not due yet; the rest is due, of a kind that is paused.
async fn fill(url: &str, store: &dyn Store) {
    store.commit(Tx::new().with(RowChange::PauseJobs(JobKind::Recheck, true, store.now()))).await.unwrap();
    let century = store.now().as_microsecond() + 100 * 365 * 86_400 * 1_000_000;
    for (count, kind, due) in [(900_000_i64, "process", century), (100_000, "recheck", 0)] {
        if url.starts_with("sqlite:") {
            let pool = sqlx::SqlitePool::connect(url).await.unwrap();
            sqlx::query(SQLITE).bind(TENANT.0).bind(count).bind(kind).bind(due).execute(&pool).await.unwrap();
            pool.close().await;
        } else {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            sqlx::query(POSTGRES).bind(TENANT.0).bind(count).bind(kind).bind(due).execute(&pool).await.unwrap();
            // What autovacuum does a minute later.
            sqlx::query("VACUUM ANALYZE job").execute(&pool).await.unwrap();
            pool.close().await;
        }
    }
}

/// `count` jobs, once; `crowd`: beside a million that wait.
pub(super) async fn jobs(url: &str, count: usize, crowd: bool) -> serde_json::Value {
    let store = match url.strip_prefix("sqlite://") {
        Some(file) => sqlite::open(Path::new(file), Arc::new(SystemClock)).await.unwrap(),
        None => postgres::open(url, postgres::PostgresOptions::default()).await.unwrap(),
    };
    if crowd {
        fill(url, &*store).await;
    }
    let written = enqueue(&store, count).await;
    let (worked, cpu) = drain(&store).await;
    json!({
        "enqueued_per_second": count as f64 / written.as_secs_f64(),
        "done_per_second": count as f64 / worked.as_secs_f64(),
        "cpu_us": cpu * 1e6 / count as f64,
    })
}

/// One commit for each job, from many callers.
async fn enqueue(store: &Arc<dyn Store>, count: usize) -> Duration {
    let begun = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for _ in (caller..count).step_by(CALLERS) {
                store.commit(Tx::new().with(NewRow::Job(new_job(&*store)))).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    begun.elapsed()
}

fn new_job(store: &dyn Store) -> NewJob {
    let now = store.now();
    NewJob {
        id: JobId(mint(now, &OsEntropy)),
        work: JobSubject::Process(AssetId(mint(now, &OsEntropy))),
        tenant: TENANT,
        priority: Priority::Normal,
        run_at: now,
        traceparent: None,
    }
}

/// Until nothing is due and nothing under way; what this process spent on it, in seconds.
async fn drain(store: &Arc<dyn Store>) -> (Duration, f64) {
    let settings = worker::WorkerSettings { concurrency: PLACES, ..worker::WorkerSettings::default() };
    let engine = engine(store).await;
    let worker =
        JobWorker::new(engine, Arc::clone(store), Arc::new(OsEntropy), ProcessingPipeline::default(), settings);
    let stop = CancellationToken::new();
    let (begun, spent) = (Instant::now(), cpu());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { worker.run(stop).await }
    });
    while !store.list_due_kinds(&[JobKind::Process]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    running.await.unwrap();
    (begun.elapsed(), cpu() - spent)
}

/// Seconds of CPU of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// An engine whose bucket is never asked for anything.
async fn engine(store: &Arc<dyn Store>) -> Engine {
    let bucket = BucketSettings {
        bucket: "none".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        public_endpoint: None,
        path_style: true,
        credentials: Some(("none".to_owned(), "none".to_owned())),
    };
    let blobs: Arc<dyn BlobStore> = Arc::new(S3Blobs::connect(bucket, Arc::new(SystemClock)).await.unwrap());
    let day = Duration::from_secs(24 * 3600);
    Engine::new(EngineDeps {
        store: Arc::clone(store),
        blobs,
        entropy: Arc::new(OsEntropy),
        tokens: TokenSigner::new(&[vec![7; 32]]).unwrap(),
        disk: None,
        settings: EngineSettings {
            upload_timeouts: gantry::domain::upload::UploadTimeouts::default(),
            max_size: 1 << 40,
            max_single_put_bytes: 16 << 20,
            delivery: DeliveryMode::Redirect,
            deliveries: DeliverySettings::default(),
            redirect_ttl: day,
            link_ttl: day,
            stalled_after: day,
            quarantine_ttl: day,
            max_digest_bytes: 64 << 30,
            report_timeout: day,
            max_offers: 3,
            replay_ttl: day,
            orphan_grace: day,
            disk_reserve: 0,
            feed: FeedSettings { keep: 30 * day, followers: 1, followers_per_tenant: 1 },
            webhooks: WebhookSettings {
                egress: EgressPolicy { http: false, networks: Vec::new(), proxy: None },
                timeout: day,
                disable_after: day,
                keep: day,
                endpoints: 1,
            },
            append_memory: 256 << 20,
            max_request_body: None,
            body_pace: BodyPaceLimits { idle: day, min_rate: 1, window: day },
        },
        issuers: TrustedIssuers::none(),
        instance_id: "bench".to_owned(),
    })
}
