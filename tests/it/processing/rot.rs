//! Stored bytes that are no longer those that arrived: changed, or gone. A problem of the asset with event, alarm and
//! metric; nothing that is known is replaced, and nothing is purged.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use gantry::blob::{BlobStore, PutPayload};
use gantry::domain::asset::Asset;
use gantry::domain::findings::StoredDamage;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{TestSteps, bring, idle, made_by, nothing_owed, row, settled, until, work};
use crate::support::bucket::flip_bit;
use crate::support::patience::eventually_ok;
use crate::support::requests;
use crate::support::servers::clamd;
use crate::support::service::Service;
use crate::support::transcript::noise;
use crate::{on_both_services, transcript};

/// More than is kept at hand for processing, so that the store is read.
const SIZE: u64 = 100_000;

fn file(service: &Service, bytes: &[u8]) -> PathBuf {
    service.home.as_ref().unwrap().data_file(bytes)
}

/// As [`bring`], with the digest declared beforehand.
async fn bring_declared(service: &Service, bytes: &[u8]) -> String {
    let sha256 = hex::encode(Sha256::digest(bytes));
    let client = requests::client();
    let wish = json!({ "filename": "declared.bin", "size": bytes.len(), "method": "put", "sha256": sha256 });
    let made = client.post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin).json(&wish);
    let made: Value = made.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    let upload = made["upload"]["id"].as_str().unwrap();
    let put = client.put(format!("{}/v1/uploads/{upload}/content", service.base)).bearer_auth(&service.admin);
    put.body(bytes.to_vec()).send().await.unwrap().error_for_status().unwrap();
    made["asset"]["id"].as_str().unwrap().to_owned()
}

async fn reprocess(service: &Service, asset: &str, how: Value) {
    let url = format!("{}/v1/assets/{asset}/reprocess", service.base);
    let asked = requests::client().post(url).bearer_auth(&service.admin).json(&how).send().await.unwrap();
    assert_eq!(asked.status(), 202);
    nothing_owed(service).await;
}

fn digest(asset: &Asset) -> [u8; 32] {
    asset.state.content().unwrap().sha256.unwrap().0
}

/// The event types of an asset, and the codes of those that name one.
async fn told(service: &Service, asset: &str) -> Vec<(String, Value)> {
    let events = service.database.store.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
    events.into_iter().map(|it| (it.kind, it.data.get("code").cloned().unwrap_or_default())).collect()
}

async fn is_told(service: &Service, asset: &str, kind: &str, code: &str) {
    let events = told(service, asset).await;
    assert!(events.contains(&(kind.to_owned(), code.into())), "{kind} {code}: {events:?}");
}

async fn alarms(service: &Service) -> Vec<String> {
    let alarms = service.engine.operations().collect_alarms().await.unwrap();
    alarms.into_iter().map(|alarm| alarm.code.to_owned()).collect()
}

on_both_services! {
    async fn a_digest_once_established_stays_and_rot_is_a_problem(service, idle()) {
        let (plain, declared) = (noise(SIZE, 1), noise(SIZE, 2));
        let assets = [bring(service, "plain.bin", plain.clone()).await, bring_declared(service, &declared).await];
        let _working = work(service, TestSteps { clamd: Some(clamd()), media: true, ..TestSteps::default() });
        for asset in &assets {
            assert_eq!(settled(service, asset).await.state.name(), "ready");
        }
        let files = [file(service, &plain), file(service, &declared)];
        for ((asset, bytes), file) in assets.iter().zip([&plain, &declared]).zip(&files) {
            let before = row(service, asset).await;
            assert_eq!(digest(&before), <[u8; 32]>::from(Sha256::digest(bytes)));
            flip_bit(file);
            for how in [json!({ "scan_only": true }), json!({})] {
                reprocess(service, asset, how.clone()).await;
                let after = row(service, asset).await;
                assert_eq!((after.state.name(), after.damage()), ("ready", Some(StoredDamage::Corrupt)), "{how}");
                assert_eq!(digest(&after), digest(&before), "{how}");
                let findings = |asset: &Asset| asset.state.content().unwrap().findings.clone();
                assert_eq!(findings(&after).scan, findings(&before).scan, "{how}: what was scanned was another file");
                assert_eq!(findings(&after).crc32, findings(&before).crc32, "{how}");
            }
            is_told(service, asset, "asset.corrupt", "corrupt").await;
        }
        transcript!(service, r#"
            > GET /v1/assets/$one
            < 200 {"state": "ready", "problems": [{"code": "corrupt"}], "sha256": "$sha256"}
            > GET /v1/admin/alarms
            < 200 {"alarms": [{"code": "assets_corrupt"}]}
        "#, one = assets[0], sha256 = hex::encode(Sha256::digest(&plain)));
        let metrics = requests::get(format!("{}/metrics", service.base)).await.unwrap().text().await.unwrap();
        assert!(metrics.contains("gantry_damaged_assets{problem=\"corrupt\"} 2"), "{metrics}");
        // Longer than any quarantine.
        service.advance(Duration::from_secs(10 * 24 * 3600));
        service.engine.operations().run_sweep().await.unwrap();
        for (asset, file) in assets.iter().zip(&files) {
            let key = row(service, asset).await.state.content().unwrap().key.clone();
            assert!(service.blobs.head(&key).await.unwrap().is_some(), "its bytes are kept");
            // They are restored from a backup.
            flip_bit(file);
        }
        reprocess(service, &assets[0], json!({})).await;
        reprocess(service, &assets[1], json!({ "scan_only": true })).await;
        for asset in &assets {
            assert_eq!(row(service, asset).await.damage(), None);
        }
        assert_eq!(alarms(service).await, Vec::<String>::new());
    }

    // The digest was established by the look that came to no end.
    async fn a_failed_asset_whose_bytes_have_rotted_fails_as_corrupt(service, idle()) {
        let locked = "head -c 100000 /dev/urandom > a; zip -q -P secret a.zip a";
        let bytes = made_by(locked, "a.zip");
        let asset = bring(service, "a.zip", bytes.clone()).await;
        let file = file(service, &bytes);
        let _working = work(service, TestSteps { clamd: Some(clamd()), ..TestSteps::default() });
        let failed = settled(service, &asset).await;
        assert_eq!(failed.state.verdict().unwrap().code, "scan_incomplete");
        flip_bit(&file);
        reprocess(service, &asset, json!({})).await;
        let after = row(service, &asset).await;
        assert_eq!((after.state.name(), after.state.verdict().unwrap().code.as_str()), ("failed", "corrupt"));
        assert_eq!(digest(&after), <[u8; 32]>::from(Sha256::digest(&bytes)));
        is_told(service, &asset, "asset.failed", "corrupt").await;
        assert_eq!(alarms(service).await, ["assets_corrupt"]);
        flip_bit(&file);
        reprocess(service, &asset, json!({})).await;
        let after = row(service, &asset).await;
        assert_eq!((after.state.verdict().unwrap().code.as_str(), after.damage()), ("scan_incomplete", None));
    }

    // A download finds it out and owes the look; the job's tries are used up, and then it is said.
    async fn bytes_that_are_gone_are_refused_at_once_and_said_after_the_tries(service, idle()) {
        let bytes = noise(SIZE, 4);
        let asset = bring(service, "gone.bin", bytes.clone()).await;
        let working = work(service, TestSteps::default());
        let content = settled(service, &asset).await.state.content().unwrap().clone();
        drop(working);
        service.blobs.delete(&content.key).await.unwrap();
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?delivery=stream
            < 500 {"code": "bytes_missing", "retryable": false}
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=5-9
            < 500 {"code": "bytes_missing", "retryable": false}
            > GET /v1/assets/$asset/content?delivery=stream
            | range: bytes=5-9,20-30
            < 500 {"code": "bytes_missing", "retryable": false}
        "#, asset = asset);
        let job = gantry::domain::job::JobSubject::Recheck(asset.parse().unwrap());
        eventually_ok("a look is owed", async || {
            service.database.store.find_job(job).await.unwrap().map(|_| ()).ok_or("no job")
        }).await;
        let _working = work(service, TestSteps::default());
        let after = until(service, &asset, |asset| asset.damage().is_some()).await;
        assert_eq!((after.state.name(), after.damage()), ("ready", Some(StoredDamage::BytesMissing)));
        is_told(service, &asset, "asset.corrupt", "bytes_missing").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "problems": [{"code": "bytes_missing"}]}
            > GET /v1/admin/jobs?state=dead
            < 200 {"jobs": [{"kind": "recheck", "asset_id": "$asset", "tries": 8}]}
            > GET /v1/admin/alarms
            < 200 {"alarms": [{"code": "dead_letters"}, {"code": "assets_bytes_missing"}]}
        "#, asset = asset);
        // Known damage is not looked after once more.
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?delivery=stream
            < 500 {"code": "bytes_missing"}
        "#, asset = asset);
        service.blobs.put_object(&content.key, None, PutPayload::of(Bytes::from(bytes))).await.unwrap();
        reprocess(service, &asset, json!({})).await;
        assert_eq!(row(service, &asset).await.damage(), None);
        let owed = service.database.store.find_job(job).await.unwrap();
        assert!(owed.is_none(), "{owed:?}");
    }
}
