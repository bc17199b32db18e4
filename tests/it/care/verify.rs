//! `verify`: clean where everything is right, and each kind of inconsistency is found and named.

use std::net::TcpListener;

use bytes::Bytes;
use gantry::blob::{BlobKey, BlobStore, PutPayload};
use gantry::domain::findings::StoredDamage;
use gantry::domain::ids::{AssetId, UploadId};
use gantry::domain::quota::TenantQuota;
use gantry::engine::{PatchTenant, VerifyInconsistency, VerifyObserver, VerifyReport, VerifyScope};
use reqwest::Method;
use uuid::Uuid;

use super::{Home, file, report};
use crate::on_both_services;
use crate::processing::{TestSteps, bring, idle, nothing_owed, photo, row, settled, work};
use crate::support::bucket::{data_file, flip_bit};
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::noise;

/// Keeps what a verification finds.
#[derive(Default)]
pub struct Found(pub Vec<VerifyInconsistency>);

impl VerifyObserver for Found {
    fn found(&mut self, what: &VerifyInconsistency) {
        self.0.push(what.clone());
    }
    fn progressed(&mut self, _: &VerifyReport) {}
}

async fn verify_in(service: &Service, scope: VerifyScope) -> (VerifyReport, Vec<(&'static str, Option<AssetId>)>) {
    let mut found = Found::default();
    let report = service.engine.operations().verify(&scope, &mut found).await.unwrap();
    assert_eq!(report.inconsistencies, found.0.len() as u64);
    assert_eq!(service.engine.operations().read_last_verification().await.unwrap().unwrap(), report);
    (report, found.0.iter().map(|found| (found.kind, found.asset)).collect())
}

async fn verify(service: &Service, digests: bool) -> (VerifyReport, Vec<(&'static str, Option<AssetId>)>) {
    verify_in(service, VerifyScope { digests, ..VerifyScope::default() }).await
}

fn id(asset: &str) -> Option<AssetId> {
    Some(asset.parse().unwrap())
}

fn on_seaweedfs() -> Shape {
    Shape { works: false, seaweedfs: true, ..Shape::default() }
}

on_both_services! {
    async fn a_service_in_order_is_clean(service, idle()) {
        let assets = [bring(service, "a.jpg", photo()).await, bring(service, "b.bin", noise(70_000, 1)).await];
        let working = work(service, TestSteps { media: true, ..TestSteps::default() });
        for asset in &assets {
            assert_eq!(settled(service, asset).await.state.name(), "ready");
        }
        working.finish().await;
        bring(service, "waits.bin", noise(1000, 2)).await;
        let (report, found) = verify(service, true).await;
        assert_eq!(found, []);
        assert_eq!((report.assets, report.whole, report.without_digest), (3, true, 0));
        assert!(report.digested > 3, "derivatives have a digest as well: {report:?}");
        let (report, found) = verify_in(service, VerifyScope { sample: Some(2), ..VerifyScope::default() }).await;
        assert_eq!((report.assets, report.whole, found.len()), (2, false, 0));
        let scope = VerifyScope { tenant: Some("nobody".to_owned()), ..VerifyScope::default() };
        assert!(service.engine.operations().verify(&scope, &mut Found::default()).await.is_err());
    }

    async fn searches_beside_a_verification_are_no_damage(service, idle()) {
        // Each connection remembers what it last read of the index of names.
        for round in 0..12 {
            bring(service, &format!("report {round}.txt"), "hello").await;
            let list = requests::client().get(format!("{}/v1/assets?name=report", service.base)).bearer_auth(&service.admin);
            assert_eq!(list.send().await.unwrap().status(), 200);
            assert_eq!(verify(service, false).await.1, []);
        }
    }

    async fn another_s3_server_is_verified_likewise(service, on_seaweedfs()) {
        let assets = [bring(service, "a.bin", noise(70_000, 1)).await, bring(service, "b.bin", noise(70_000, 2)).await];
        let working = work(service, TestSteps::default());
        for asset in &assets {
            assert_eq!(settled(service, asset).await.state.name(), "ready");
        }
        working.finish().await;
        assert_eq!(verify(service, true).await.1, []);
        let key = row(service, &assets[0]).await.state.content().unwrap().key.clone();
        service.blobs.delete(&key).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("object_missing", id(&assets[0]))]);
        // Over the API, line by line.
        let ask = |body: serde_json::Value| {
            let asked = requests::client().post(format!("{}/v1/admin/verify", service.base)).json(&body);
            async { asked.bearer_auth(&service.admin).send().await.unwrap() }
        };
        let answer = ask(serde_json::json!({ "digests": true })).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"application/x-ndjson".parse().unwrap()));
        let text = answer.text().await.unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[0]["inconsistency"]["asset"]), (2, &assets[0].clone().into()), "{text}");
        let report = &lines[1]["report"];
        assert_eq!((&report["assets"], &report["inconsistencies"], &report["whole"]), (&2.into(), &1.into(), &true.into()));
        assert_eq!(ask(serde_json::json!({ "sample": 0 })).await.status(), 422);
        let nobody = ask(serde_json::json!({ "tenant": "nobody" })).await.text().await.unwrap();
        assert!(nobody.contains("\"error\":{\"code\":\"invalid\""), "{nobody}");
        // As the sweep would find it; the test ends clean.
        service.blobs.put_object(&key, None, PutPayload::of(Bytes::from(noise(70_000, 1)))).await.unwrap();
    }

    async fn rot_is_found_named_and_marked_and_goes_when_it_is_mended(service, idle()) {
        let (bytes, other) = (noise(70_000, 1), noise(70_000, 2));
        let assets = [bring(service, "a.bin", bytes.clone()).await, bring(service, "b.bin", other.clone()).await];
        let working = work(service, TestSteps::default());
        for asset in &assets {
            assert_eq!(settled(service, asset).await.state.name(), "ready");
        }
        working.finish().await;
        let home = service.home.as_ref().unwrap();
        let rotten = home.data_file(&bytes);
        flip_bit(&rotten);
        assert_eq!(verify(service, false).await.1, [], "sizes and tags are as before");
        let (report, found) = verify(service, true).await;
        assert_eq!((found, report.marked), (vec![("corrupt", id(&assets[0]))], 1));
        assert_eq!(row(service, &assets[0]).await.damage(), Some(StoredDamage::Corrupt));
        let events = service.database.store.list_events(id(&assets[0]).unwrap(), 0, 100).await.unwrap();
        assert_eq!(events.last().unwrap().kind, "asset.corrupt");
        // Known damage is told without digests too, and is not marked again.
        let (report, found) = verify(service, false).await;
        assert_eq!((found, report.marked), (vec![("corrupt", id(&assets[0]))], 0));
        // A file that is gone is found without reading it.
        let lost = home.data_file(&other);
        let aside = lost.with_extension("aside");
        std::fs::rename(&lost, &aside).unwrap();
        let (_, mut found) = verify(service, false).await;
        found.sort_unstable();
        assert_eq!(found, [("corrupt", id(&assets[0])), ("object_missing", id(&assets[1]))]);
        assert_eq!(row(service, &assets[1]).await.damage(), Some(StoredDamage::BytesMissing));
        flip_bit(&rotten);
        std::fs::rename(&aside, &lost).unwrap();
        assert_eq!(verify(service, true).await.1, [], "the bytes are right again");
        let _working = work(service, TestSteps::default());
        nothing_owed(service).await;
        for asset in &assets {
            assert_eq!(row(service, asset).await.damage(), None, "a worker has looked again");
        }
    }

    async fn rows_and_objects_that_do_not_belong_together_are_named(service, idle()) {
        let bytes = noise(70_000, 1);
        let (asset, other) = (bring(service, "a.bin", bytes.clone()).await, bring(service, "b.bin", noise(500, 2)).await);
        let working = work(service, TestSteps::default());
        for asset in [&asset, &other] {
            assert_eq!(settled(service, asset).await.state.name(), "ready");
        }
        working.finish().await;
        // An object that was replaced behind the back of the service.
        let before = row(service, &asset).await.state.content().unwrap().clone();
        service.blobs.delete(&before.key).await.unwrap();
        service.blobs.put(&before.key, Bytes::from(noise(70_000, 3))).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("object_differs", id(&asset))]);
        // The right bytes, but written by somebody else.
        service.blobs.delete(&before.key).await.unwrap();
        service.blobs.put_object(&before.key, Some("another token"), PutPayload::of(Bytes::from(bytes.clone()))).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("object_differs", id(&asset))]);
        service.blobs.delete(&before.key).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("object_missing", id(&asset))]);
        let token = service.database.store.find_upload_of(id(&asset).unwrap()).await.unwrap().unwrap().write_token;
        service.blobs.put_object(&before.key, Some(&token), PutPayload::of(Bytes::from(bytes))).await.unwrap();
        assert_eq!(verify(service, true).await.1, []);
        let working = work(service, TestSteps::default());
        nothing_owed(service).await;
        working.finish().await;
        // A row that names what is another asset's.
        let foreign = "UPDATE asset SET object_key = (SELECT object_key FROM asset AS other WHERE other.name = 'b.bin') \
                       WHERE name = 'a.bin'";
        service.database.run(foreign).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("foreign_key", id(&asset))]);
        let own = "UPDATE asset SET object_key = (SELECT object_key FROM upload WHERE upload.asset_id = asset.id) \
                   WHERE name = 'a.bin'";
        service.database.run(own).await.unwrap();
        // An object that no row names.
        let ids = [1, 2].map(Uuid::from_u128);
        let (tenant, stray) = (service.tenant, AssetId(ids[0]));
        let stray_key = BlobKey::Original { tenant, asset: stray, upload: UploadId(ids[1]) }.path();
        service.blobs.put(&stray_key, Bytes::from_static(b"lost")).await.unwrap();
        // Older than the grace period by the clock of the database, which stands.
        service.advance(std::time::Duration::from_secs(3600));
        assert_eq!(verify(service, false).await.1, [("orphan", Some(stray))]);
        service.blobs.delete(&stray_key).await.unwrap();
    }

    async fn sums_jobs_and_events_that_are_off_are_named(service, idle()) {
        let asset = bring(service, "a.bin", noise(70_000, 1)).await;
        assert_eq!(verify(service, false).await.1, []);
        service.database.run("UPDATE quota SET bytes = bytes + 1").await.unwrap();
        assert_eq!(verify(service, false).await.1, [("quota", None)]);
        let tenant = service.database.store.find_tenant(service.tenant).await.unwrap().unwrap();
        let quota = Some(TenantQuota { bytes: Some(1 << 62), ..TenantQuota::default() });
        service.registry.patch_tenant(&tenant, PatchTenant { quota, ..PatchTenant::default() }).await.unwrap();
        service.database.run("UPDATE job SET kind = 'recheck' WHERE kind = 'process'").await.unwrap();
        assert_eq!(verify(service, false).await.1, [("job_missing", id(&asset))]);
        service.database.run("UPDATE job SET kind = 'process' WHERE kind = 'recheck'").await.unwrap();
        service.database.run("UPDATE event SET seq = seq + 1000 WHERE seq = 2").await.unwrap();
        assert_eq!(verify(service, false).await.1, [("event_gap", id(&asset))]);
        service.database.run("UPDATE event SET seq = seq - 1000 WHERE seq > 1000").await.unwrap();
        assert_eq!(verify(service, false).await.1, []);
    }

    async fn acknowledged_bytes_that_the_store_does_not_have_are_named(service, idle()) {
        let client = requests::client();
        let tus = |method, url: String| client.request(method, url).bearer_auth(&service.admin).header("tus-resumable", "1.0.0");
        let size = 20_000_000;
        let created = tus(Method::POST, format!("{}/tus", service.base)).header("upload-length", size).send().await.unwrap();
        let url = created.headers()["location"].to_str().unwrap().to_owned();
        let patch = tus(Method::PATCH, url.clone()).header("upload-offset", 0);
        let patch = patch.header("content-type", "application/offset+octet-stream").body(noise(12_000_000, 1));
        assert_eq!(patch.send().await.unwrap().status(), 204);
        let (report, found) = verify(service, false).await;
        assert_eq!((report.uploads, found.len()), (1, 0));
        let upload = service.database.store.find_upload(url.rsplit('/').next().unwrap().parse().unwrap()).await.unwrap().unwrap();
        let tail = upload.ledger().unwrap().tail[0].clone();
        let key = BlobKey::Tail { upload: upload.id, fence: tail.fence, serial: tail.serial }.path();
        service.blobs.delete(&key).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("parts_missing", Some(upload.asset))]);
        service.blobs.abort_multipart(&upload.key, upload.store_id().unwrap()).await.unwrap();
        assert_eq!(verify(service, false).await.1, [("parts_missing", Some(upload.asset))]);
        assert_eq!(tus(Method::DELETE, url).send().await.unwrap().status(), 204);
        assert_eq!(verify(service, false).await.1, []);
    }
}

/// The command beside a running service and without one: it binds no port, exits with 0 only if all is right, and names what
/// is not.
#[tokio::test]
async fn the_command_says_what_is_wrong_and_binds_no_port() {
    let mut home = Home::start().await;
    let assets = [home.bring(&file(1)).await, home.bring(&file(2)).await];
    assert!(home.instance.run(&["verify"]).contains("Everything is consistent"));
    flip_bit(&data_file(&home.data().join("store/files"), &file(2)));
    let said = home.fails(&["verify", "--digests", "--json"]);
    assert!(said.contains(&format!("\"asset\":\"{}\"", assets[1])) && !said.contains(&assets[0]), "{said}");
    let seen = home.json(Method::GET, &format!("/v1/assets/{}", assets[1]), None).await;
    assert_eq!(seen["problems"][0]["code"], "corrupt", "{seen}");
    home.instance.kill();
    let address = |name: &str| home.instance.settings.iter().find(|(it, _)| it == name).unwrap().1.clone();
    let _taken = ["GANTRY_LISTEN", "GANTRY_STORE_LISTEN"].map(|name| TcpListener::bind(address(name)).unwrap());
    let said = home.fails(&["verify", "--digests"]);
    assert!(said.contains(&format!("asset {}: corrupt", assets[1])) && said.contains("1 inconsistency"), "{said}");
    flip_bit(&data_file_of_size(&home));
    let verified = report(&home.instance.run(&["verify", "--digests", "--json"]));
    assert_eq!(verified["report"]["digested"], 2, "{verified}");
}

/// The file with the flipped bit.
fn data_file_of_size(home: &Home) -> std::path::PathBuf {
    let mut changed = file(2);
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    data_file(&home.data().join("store/files"), &changed)
}
