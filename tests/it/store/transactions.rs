//! All or nothing, compare-and-set, and one winner.

use std::sync::Arc;

use gantry::domain::event::EventKind;
use gantry::domain::job::JobKind;
use gantry::store::{StoreError, Tx};
use std::time::Duration;

use super::samples::{completion, created, pair, tenant};
use crate::on_both_databases;

on_both_databases! {
    async fn what_is_created_is_read_back(db) {
        let (asset, upload) = created(&*db.store).await;
        assert_eq!(db.store.find_asset(asset.id).await.unwrap().unwrap(), asset);
        assert_eq!(db.store.find_upload(upload.id).await.unwrap().unwrap(), upload);
        assert_eq!(db.store.find_upload_of(asset.id).await.unwrap().unwrap(), upload);
        let events = db.store.list_events(asset.id, 0, 10).await.unwrap();
        assert_eq!(events.iter().map(|e| (e.seq, e.kind.as_str())).collect::<Vec<_>>(), [(1, "asset.created")]);
    }

    async fn the_unknown_is_none(db) {
        let (asset, upload) = pair(tenant(1), db.store.now());
        assert!(db.store.find_asset(asset.id).await.unwrap().is_none());
        assert!(db.store.find_upload(upload.id).await.unwrap().is_none());
        assert!(db.store.find_tenant_by_name("nobody").await.unwrap().is_none());
        assert!(db.store.read_setting("nothing").await.unwrap().is_none());
    }

    async fn a_stale_revision_writes_nothing_at_all(db) {
        let (asset, upload) = created(&*db.store).await;
        let now = db.store.now();
        db.store.commit(completion(asset.clone(), upload.clone(), now)).await.unwrap();
        let events = db.store.list_events(asset.id, 0, 10).await.unwrap();

        // The asset's write comes first and would succeed; the upload's is stale.
        let mut fresh = db.store.find_asset(asset.id).await.unwrap().unwrap().process(now).unwrap();
        let mut stale = upload.abort(now).unwrap();
        let tx = Tx::new().asset(&mut fresh, EventKind::AssetProcessing);
        let tx = tx.upload(&mut stale, EventKind::UploadAborted, &asset.name);
        assert!(matches!(db.store.commit(tx).await, Err(StoreError::Conflict)));

        assert_eq!(db.store.find_asset(asset.id).await.unwrap().unwrap().state.name(), "stored");
        assert_eq!(db.store.list_events(asset.id, 0, 10).await.unwrap(), events);
    }

    async fn of_32_racing_completions_on_two_nodes_one_wins(db) {
        let (asset, upload) = created(&*db.store).await;
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let now = db.store.now();
        let races = (0..32).map(|i| {
            let node = Arc::clone(&nodes[i % 2]);
            let tx = completion(asset.clone(), upload.clone(), now);
            tokio::spawn(async move { node.commit(tx).await })
        });
        let mut won = 0;
        for race in races.collect::<Vec<_>>() {
            match race.await.unwrap() {
                Ok(()) => won += 1,
                Err(StoreError::Conflict) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
        let events = db.store.list_events(asset.id, 0, 100).await.unwrap();
        let told: Vec<_> = events.iter().map(|e| (e.seq, e.kind.as_str())).collect();
        let expected =
            [(1, "asset.created"), (2, "upload.completing"), (3, "upload.completed"), (4, "asset.stored")];
        assert_eq!(told, expected);
        let jobs = db.store.claim_jobs(JobKind::Process, Duration::from_secs(60), 10).await.unwrap();
        assert_eq!(jobs.len(), 1);
    }

    async fn one_live_upload_per_external_id(db) {
        let now = db.store.now();
        let named = |tenant_number: u128| {
            let (mut asset, mut upload) = pair(tenant(tenant_number), now);
            asset.external_id = Some("invoice-1".to_owned());
            upload.external_id = asset.external_id.clone();
            (asset, upload)
        };
        let (asset, upload) = named(1);
        db.store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
        let (twin_asset, twin) = named(1);
        let refused = db.store.commit(Tx::new().create(&mut twin_asset.clone(), &mut twin.clone())).await;
        assert!(matches!(refused, Err(StoreError::Conflict)));
        assert!(db.store.find_asset(twin_asset.id).await.unwrap().is_none());
        assert_eq!(db.store.find_live_upload(tenant(1), "invoice-1").await.unwrap().unwrap().id, upload.id);

        // Another tenant's identities are another world, and an ended upload frees its own.
        let (other_asset, other) = named(2);
        db.store.commit(Tx::new().create(&mut other_asset.clone(), &mut other.clone())).await.unwrap();
        let mut aborted = upload.abort(now).unwrap();
        db.store.commit(Tx::new().upload(&mut aborted, EventKind::UploadAborted, &asset.name)).await.unwrap();
        assert!(db.store.find_live_upload(tenant(1), "invoice-1").await.unwrap().is_none());
        db.store.commit(Tx::new().create(&mut twin_asset.clone(), &mut twin.clone())).await.unwrap();
    }

    async fn in_a_crowd_only_the_guilty_hear_of_it(db) {
        let (first_asset, first) = created(&*db.store).await;
        let mut crowd = Vec::new();
        for i in 0..200 {
            // Every tenth comes with the id of an upload that exists.
            let (asset, mut upload) = pair(tenant(1), db.store.now());
            if i % 10 == 0 {
                upload.id = first.id;
            }
            let store = Arc::clone(&db.store);
            crowd.push((asset.id, tokio::spawn(async move { store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await })));
        }
        for (i, (id, outcome)) in crowd.into_iter().enumerate() {
            let outcome = outcome.await.unwrap();
            assert_eq!(outcome.is_err(), i % 10 == 0, "{i}: {outcome:?}");
            assert_eq!(db.store.find_asset(id).await.unwrap().is_some(), i % 10 != 0);
        }
        assert_eq!(db.store.find_upload(first.id).await.unwrap().unwrap().asset, first_asset.id);
    }

    async fn settings_are_decided_once(db) {
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let races = (0..16).map(|i| {
            let node = Arc::clone(&nodes[i % 2]);
            tokio::spawn(async move { node.setting_or("instance", &i.to_string()).await.unwrap() })
        });
        let mut answers = Vec::new();
        for race in races.collect::<Vec<_>>() {
            answers.push(race.await.unwrap());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        db.store.set_setting("instance", "new").await.unwrap();
        assert_eq!(db.store.read_setting("instance").await.unwrap().unwrap(), "new");
    }
}
