//! Every state survives the round trip; nonsense is named; the schema comes up under a lock.

use std::time::Duration;

use gantry::domain::asset::{Asset, LeftoverBytes};
use gantry::domain::checksum::ChecksumAlgorithm;
use gantry::domain::event::EventKind;
use gantry::domain::plan::{PartPlan, StoreProfile};
use gantry::domain::upload::{Transfer, UploadTimeouts};
use gantry::store::{IdempotencyRecord, NewRow, Store, StoreError, Tx};
use serde_json::json;
use sqlx::{ConnectOptions, Executor};

use super::samples::{content, created, found, owner, pair, tenant, verdict};
use crate::on_both_databases;
use crate::support::database::Place;

async fn save(store: &dyn Store, asset: Asset) -> Asset {
    let mut asset = asset;
    store.commit(Tx::new().asset(&mut asset, EventKind::AssetChanged)).await.unwrap();
    assert_eq!(store.find_asset(asset.id).await.unwrap().unwrap(), asset);
    asset
}

on_both_databases! {
    async fn every_asset_state(db) {
        let store = &*db.store;
        let now = store.now();
        let processing = async || {
            let (asset, _) = created(store).await;
            let stored = save(store, asset.store(content(now), now).unwrap()).await;
            save(store, stored.process(now).unwrap()).await
        };
        let abandoned = created(store).await.0.abandon(now).unwrap();
        save(store, abandoned).await;
        let ready = save(store, processing().await.ready(found(), now).unwrap()).await;
        let deleted = save(store, ready.delete(now).unwrap()).await;
        save(store, deleted.purge(LeftoverBytes::Gone).unwrap()).await;
        let failed = processing().await.fail(verdict(), now).unwrap();
        save(store, failed).await;
        let rejected = processing().await.reject(found(), verdict(), Duration::from_secs(9), now).unwrap();
        save(store, rejected).await;
        assert!(store.list_assets_to_purge(now, 10).await.unwrap().is_empty());
        db.clock.advance(Duration::from_secs(9));
        assert_eq!(store.list_assets_to_purge(store.now(), 10).await.unwrap().len(), 1);
    }

    async fn whoever_remembers_an_asset_learns_of_its_changes(db) {
        let store = &*db.store;
        let (asset, _) = created(store).await;
        let Some(before) = store.asset_generation(asset.id) else { return assert!(matches!(db.place, Place::Postgres(_))) };
        assert_eq!(store.asset_generation(asset.id), Some(before), "nothing happened");
        let mut changed = store.find_asset(asset.id).await.unwrap().unwrap().abandon(store.now()).unwrap();
        store.commit(Tx::new().asset(&mut changed, EventKind::AssetChanged)).await.unwrap();
        assert_ne!(store.asset_generation(asset.id), Some(before));
    }

    async fn every_upload_state_and_transfer(db) {
        let store = &*db.store;
        let (now, patience) = (store.now(), UploadTimeouts::default());
        let plan = PartPlan::choose(50_000_000_000_000, None, &StoreProfile::default()).unwrap();
        for as_put in [false, true] {
            let (asset, mut upload) = pair(tenant(1), now);
            let store_id = Some("mpu".to_owned());
            upload.transfer = Transfer::Multipart { plan, store_id, checksum: Some(ChecksumAlgorithm::Crc32c), as_put };
            store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
            assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap(), upload);
        }
        let mut ends = Vec::new();
        for _ in 0..4 {
            ends.push(created(store).await.1);
        }
        db.clock.advance(Duration::from_secs(3600));
        let (now, name) = (store.now(), "a.bin".parse().unwrap());
        let completing = |i: usize| ends[i].clone().begin_completing(&patience, now).unwrap();
        let ended = [
            completing(0),
            ends[1].clone().abort(now).unwrap().cleaned(None).unwrap(),
            ends[2].clone().expire(now).unwrap(),
            completing(3),
        ];
        for mut upload in ended {
            store.commit(Tx::new().upload(&mut upload, EventKind::UploadExpired, &name)).await.unwrap();
            assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap(), upload);
        }
        let mut failed = store.find_upload(ends[3].id).await.unwrap().unwrap().fail(now).unwrap();
        store.commit(Tx::new().upload(&mut failed, EventKind::UploadFailed, &name)).await.unwrap();
        let mut done = store.find_upload(ends[0].id).await.unwrap().unwrap().complete(now).unwrap();
        store.commit(Tx::new().upload(&mut done, EventKind::UploadCompleted, &name)).await.unwrap();
        assert_eq!(store.find_upload(done.id).await.unwrap().unwrap(), done);
    }

    async fn answers_are_remembered_once(db) {
        let replay = IdempotencyRecord {
            key: owner(),
            route: "create".to_owned(),
            token: "t-1".to_owned(),
            fingerprint: [1; 32],
            result: json!({"upload": "x"}),
            expires_at: db.store.now(),
        };
        let remember = |replay: &IdempotencyRecord| Tx::new().with(NewRow::Replay(replay.clone()));
        db.store.commit(remember(&replay)).await.unwrap();
        assert!(matches!(db.store.commit(remember(&replay)).await, Err(StoreError::Conflict)));
        assert_eq!(db.store.find_idempotency_record(owner(), "create", "t-1").await.unwrap().unwrap(), replay);
        assert!(db.store.find_idempotency_record(owner(), "links", "t-1").await.unwrap().is_none());
        db.clock.advance(Duration::from_secs(1));
        assert_eq!(db.store.forget_expired(db.store.now(), 10).await.unwrap(), 1);
    }

    async fn nonsense_in_a_row_is_named(db) {
        let (asset, _) = created(&*db.store).await;
        let nonsense = "UPDATE asset SET name = '../../etc/passwd'";
        match &db.place {
            Place::Sqlite(dir) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
                options.connect().await.unwrap().execute(nonsense).await.unwrap();
            }
            Place::Postgres(url) => {
                let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
                options.connect().await.unwrap().execute(nonsense).await.unwrap();
            }
        }
        let error = db.store.find_asset(asset.id).await.unwrap_err();
        let StoreError::Corrupt { table, row, problem } = &error else { panic!("{error}") };
        assert_eq!((*table, row.as_str()), ("asset", asset.id.to_string().as_str()));
        assert!(problem.contains("name"), "{problem}");
    }

    async fn nodes_that_start_together_migrate_once(db) {
        let place = match &db.place {
            Place::Sqlite(_) => Place::fresh_file(),
            Place::Postgres(_) => Place::fresh_schema().await,
        };
        let starts = (0..4).map(|_| {
            let (place, clock) = (place.clone(), db.clock.clone());
            tokio::spawn(async move { place.open(clock, 2).await.ping().await })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await.unwrap().unwrap();
        }
    }
}
