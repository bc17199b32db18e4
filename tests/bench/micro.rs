//! What is measured inside the process, without HTTP: signing, the MD5 of the embedded store, the two queries that must
//! not grow with their tables, and the worker's jobs. Prints one line of JSON; `tests/bench/*.py` run it and judge.
//!
//! ```text
//! cargo bench --bench micro -- sign
//! cargo bench --bench micro -- md5
//! cargo bench --bench micro -- rows sqlite:///tmp/new.db | postgres://user@host/new
//! cargo bench --bench micro -- jobs sqlite:///tmp/new.db 100000 alone | crowd
//! ```
#![allow(missing_docs, clippy::unwrap_used, reason = "a program for measuring: what goes wrong ends it")]

use std::future::Future;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry::blob::presign::{BucketEndpoint, DayKey, PartUrls, SigningCredentials};
use gantry::domain::clock::{SystemClock, micros};
use gantry::domain::ids::{AssetId, TenantId};
use gantry::domain::job::JobKind;
use gantry::domain::plan::PartNumber;
use gantry::store::{AssetQuery, Store, postgres, sqlite};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

mod jobs;

fn main() -> Result<(), &'static str> {
    // cargo adds a flag of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let found = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sign"] => sign(),
        ["md5"] => md5(),
        ["rows", url] => tokio::runtime::Runtime::new().unwrap().block_on(rows(url)),
        ["jobs", url, count, beside @ ("alone" | "crowd")] => {
            let count = count.parse().map_err(|_| "how many?")?;
            tokio::runtime::Runtime::new().unwrap().block_on(jobs::jobs(url, count, beside == "crowd"))
        }
        _ => return Err("sign, md5, rows URL or jobs URL COUNT alone|crowd"),
    };
    println!("{found}");
    Ok(())
}

/// Nanoseconds of one call: the best of many short rounds.
fn best(mut call: impl FnMut(u16)) -> f64 {
    let round = |call: &mut dyn FnMut(u16)| {
        let begun = Instant::now();
        (1..=10_000).for_each(call);
        begun.elapsed().as_nanos() as f64 / 10_000.0
    };
    (0..50).map(|_| round(&mut call)).fold(f64::MAX, f64::min)
}

fn sign() -> serde_json::Value {
    let bucket = BucketEndpoint {
        scheme: "http".into(),
        host: "127.0.0.1:8081".into(),
        base_path: "/gantry".into(),
        region: "us-east-1".into(),
    };
    let credentials = SigningCredentials {
        access_key: "AKIDBENCH".into(),
        secret_key: "benchsecretbenchsecretbenchsecret12".into(),
        session_token: None,
        expires_at: None,
    };
    let now = micros(1_790_000_000_000_000);
    let key = DayKey::derive(credentials, "us-east-1", now);
    let object = "t/00000000-0000-7000-8000-000000000000/a/00000000-0000-7000-8000-000000000001/original";
    let urls = PartUrls::new(&bucket, &key, object, &"0".repeat(32), now, Duration::from_secs(3600));
    let mut out = String::new();
    let url = best(|part| {
        out.clear();
        urls.write(PartNumber::new(u64::from(part)).unwrap(), 8 << 20, None, &mut out);
        black_box(&out);
    });
    // What no signer can avoid: the request's last two blocks of SHA-256, and an HMAC whose key is prepared.
    let hmac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    let hashing = best(|part| {
        let request = [part as u8; 2 * 64 - 9];
        let hash = Sha256::digest(black_box(&request));
        let mut text = [0; 64];
        hex::encode_to_slice(hash, &mut text).unwrap();
        black_box(hmac.clone().chain_update(text).finalize());
    });
    serde_json::json!({ "url_ns": url, "hashing_ns": hashing })
}

/// Bytes a second that one core makes an MD5 of, in pieces as the embedded store gets them.
fn md5() -> serde_json::Value {
    let piece = vec![0x5a; 1 << 20];
    let begun = Instant::now();
    let mut hasher = md5::Md5::new();
    (0..1024).for_each(|_| hasher.update(black_box(&piece)));
    black_box(hasher.finalize());
    serde_json::json!({ "bytes_per_second": (1u64 << 30) as f64 / begun.elapsed().as_secs_f64() })
}

const MANY: i64 = 1_000_000;
const FEW: i64 = 10;
const TENANT: TenantId = TenantId(Uuid::from_u128(1));

/// Assets `$2 ..= $3` of tenant `$1`, each with a job that is due, with ids that sort as they were made.
const SQLITE: [&str; 2] = [
    "WITH RECURSIVE n (i) AS (SELECT $2 UNION ALL SELECT i + 1 FROM n WHERE i < $3) \
     INSERT INTO asset (id, tenant_id, owner_id, revision, state, name, size, metadata, object_key, etag, stored_at, \
     created_at, changed_at) \
     SELECT unhex(printf('%012x70008000%012x', 1700000000000 + i, i)), $1, $1, 1, 'ready', 'file-' || i || '.bin', i, \
     '{}', 'k/' || i, 'e', i, i, i FROM n",
    "WITH RECURSIVE n (i) AS (SELECT $2 UNION ALL SELECT i + 1 FROM n WHERE i < $3) \
     INSERT INTO job (id, kind, tenant_id, subject_id, state, run_at, attempt, created_at) \
     SELECT unhex(printf('%012x70009000%012x', 1700000000000 + i, i)), 'process', $1, \
     unhex(printf('%012x70008000%012x', 1700000000000 + i, i)), 'ready', i, 0, i FROM n",
];
const POSTGRES: [&str; 2] = [
    "INSERT INTO asset (id, tenant_id, owner_id, revision, state, name, size, metadata, object_key, etag, stored_at, \
     created_at, changed_at) \
     SELECT (lpad(to_hex(1700000000000 + i), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'))::uuid, $1, $1, 1, \
     'ready', 'file-' || i || '.bin', i, '{}', 'k/' || i, 'e', i, i, i FROM generate_series($2::bigint, $3::bigint) i",
    "INSERT INTO job (id, kind, tenant_id, subject_id, state, run_at, attempt, created_at) \
     SELECT (lpad(to_hex(1700000000000 + i), 12, '0') || '70009000' || lpad(to_hex(i), 12, '0'))::uuid, 'process', $1, \
     (lpad(to_hex(1700000000000 + i), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'))::uuid, 'ready', i, 0, i \
     FROM generate_series($2::bigint, $3::bigint) i",
];

async fn fill(url: &str, from: i64, to: i64) {
    if url.starts_with("sqlite:") {
        let pool = sqlx::SqlitePool::connect(url).await.unwrap();
        for statement in SQLITE {
            sqlx::query(statement).bind(TENANT.0).bind(from).bind(to).execute(&pool).await.unwrap();
        }
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(url).await.unwrap();
        for statement in POSTGRES {
            sqlx::query(statement).bind(TENANT.0).bind(from).bind(to).execute(&pool).await.unwrap();
        }
        // What autovacuum does a minute later.
        sqlx::query("VACUUM ANALYZE").execute(&pool).await.unwrap();
        pool.close().await;
    }
}

async fn rows(url: &str) -> serde_json::Value {
    let store = match url.strip_prefix("sqlite://") {
        Some(file) => sqlite::open(Path::new(file), Arc::new(SystemClock)).await.unwrap(),
        None => postgres::open(url, postgres::PostgresOptions::default()).await.unwrap(),
    };
    let mut found = serde_json::Map::new();
    for (name, from, to) in [("few", 1, FEW), ("many", FEW + 1, MANY)] {
        fill(url, from, to).await;
        found.insert(format!("first_page_{name}_us"), page(&*store, None, None).await.into());
        found.insert(format!("state_page_{name}_us"), page(&*store, Some("ready"), None).await.into());
        found.insert(format!("middle_page_{name}_us"), page(&*store, None, Some(to / 2 + 5)).await.into());
        found.insert(format!("claim_{name}_us"), claim(&*store).await.into());
    }
    found.into()
}

/// Microseconds of one call: the median of many.
async fn typical<F: Future>(mut call: impl FnMut() -> F) -> f64 {
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        call().await;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A page of five assets; `after`: below this one of those that [`fill`] made.
async fn page(store: &dyn Store, state: Option<&str>, after: Option<i64>) -> f64 {
    let id = |i: i64| {
        let i = i.unsigned_abs();
        Uuid::from_u128(u128::from(1_700_000_000_000 + i) << 80 | 0x7000_8000 << 48 | u128::from(i))
    };
    let query = AssetQuery {
        state: state.map(ToOwned::to_owned),
        tenant: Some(TENANT),
        after: after.map(|i| AssetId(id(i)).into()),
        limit: 5,
        ..AssetQuery::default()
    };
    typical(|| async { assert_eq!(store.list_assets(&query).await.unwrap().assets.len(), 5) }).await
}

/// Leasing one job for no time at all, so that as many remain due as before.
async fn claim(store: &dyn Store) -> f64 {
    typical(|| async { assert_eq!(store.claim_jobs(JobKind::Process, Duration::ZERO, 1).await.unwrap().len(), 1) })
        .await
}
