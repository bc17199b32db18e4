//! The ledger of a relayed upload: what it says survives, and one writer holds its lease.

use std::sync::Arc;
use std::time::Duration;

use gantry::domain::append::{AppendLedger, ConcatRole, EchoedHeaders, RelayedPart, TailSegment, UploadLength};
use gantry::domain::ids::UploadId;
use gantry::domain::plan::{PartNumber, StoreProfile};
use gantry::domain::upload::{Transfer, Upload, UploadProtocol};
use gantry::store::{AssetQuery, RowChange, Store, StoreError, Tx};

use super::samples::{pair, tenant};
use crate::on_both_databases;

const TERM: Duration = Duration::from_secs(10);

fn relayed(store: &dyn Store, length: UploadLength) -> (gantry::domain::asset::Asset, Upload) {
    let (asset, mut upload) = pair(tenant(1), store.now());
    upload.transfer = Transfer::Relayed(Box::new(AppendLedger::open(length, &StoreProfile::default()).unwrap()));
    upload.protocol = UploadProtocol::Tus;
    (asset, upload)
}

async fn created(store: &dyn Store, length: UploadLength) -> Upload {
    let (asset, upload) = relayed(store, length);
    store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
    upload
}

fn part(upload: UploadId, number: u64) -> RelayedPart {
    let number = PartNumber::new(number).unwrap();
    RelayedPart { upload, number, size: 8 << 20, etag: format!("etag-{number}") }
}

on_both_databases! {
    async fn every_ledger_is_read_back(db) {
        let store = &*db.store;
        let concats = [ConcatRole::Whole, ConcatRole::Partial, ConcatRole::Final(vec![UploadId(uuid::Uuid::now_v7()); 3])];
        for (length, concat) in [UploadLength::Known(50_000_000_000_000), UploadLength::Deferred, UploadLength::Known(0)].into_iter().zip(concats) {
            let (asset, mut upload) = relayed(store, length);
            let ledger = upload.ledger_mut().unwrap();
            ledger.concat = concat;
            ledger.echoed = EchoedHeaders { metadata: Some("filename 8J+mgA==,empty ".to_owned()), concat: Some("partial".to_owned()) };
            let _ = upload.settle_charge();
            store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
            assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap(), upload);
        }
        let mut upload = created(store, UploadLength::Deferred).await.take_lease(TERM, store.now()).unwrap();
        let ledger = upload.ledger_mut().unwrap();
        ledger.declare(1 << 40, &StoreProfile::default()).unwrap();
        (ledger.offset, ledger.next_part, ledger.store_id) = (5_000_000_000_000 - 1, 77, Some("mpu".to_owned()));
        ledger.offset = 1_000_000;
        ledger.lease.as_mut().unwrap().wanted = true;
        ledger.tail = vec![TailSegment { fence: 1, serial: 2, size: 1_000_000, etag: "e".to_owned() }];
        store.commit(Tx::new().quietly(&mut upload)).await.unwrap();
        assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap(), upload);
    }

    async fn a_file_of_the_clients_cutting_has_no_size_until_its_end(db) {
        let store = &*db.store;
        let (asset, mut upload) = pair(tenant(1), store.now());
        upload.protocol = UploadProtocol::Companion;
        store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
        upload = upload.carry_by(Transfer::UnplannedMultipart { store_id: None, total: Some(asset.size) }, false, store.now()).unwrap();
        store.commit(Tx::new().quietly(&mut upload)).await.unwrap();
        assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap(), upload);
        upload.transfer = Transfer::UnplannedMultipart { store_id: Some("mpu".to_owned()), total: None };
        store.commit(Tx::new().quietly(&mut upload)).await.unwrap();
        assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap(), upload);
        // Nobody may begin its end without having counted.
        let patience = gantry::domain::upload::UploadTimeouts::default();
        let mut early = upload.clone().begin_completing(&patience, store.now()).unwrap();
        assert!(store.commit(Tx::new().quietly(&mut early)).await.is_err());
        let counted = upload.measure(7).unwrap();
        let mut completing = counted.begin_completing(&patience, store.now()).unwrap();
        store.commit(Tx::new().quietly(&mut completing)).await.unwrap();
    }

    async fn parts_are_known_in_order_and_once(db) {
        let (store, mut upload) = (&*db.store, created(&*db.store, UploadLength::Deferred).await);
        let (id, other) = (upload.id, created(&*db.store, UploadLength::Deferred).await.id);
        let insert = |numbers: &[u64], of| RowChange::InsertParts(numbers.iter().map(|n| part(of, *n)).collect());
        store.commit(Tx::new().with(insert(&[10_000, 4], id)).with(insert(&[1], other)).quietly(&mut upload)).await.unwrap();
        store.commit(Tx::new().with(insert(&[2], id)).quietly(&mut upload)).await.unwrap();
        let taken = store.commit(Tx::new().with(insert(&[5, 4], id)).quietly(&mut upload.clone())).await;
        assert!(matches!(taken, Err(StoreError::Conflict)));
        assert_eq!(store.list_relayed_parts(id).await.unwrap(), [part(id, 2), part(id, 4), part(id, 10_000)]);
        store.commit(Tx::new().with(RowChange::ForgetParts(id)).quietly(&mut upload)).await.unwrap();
        assert!(store.list_relayed_parts(id).await.unwrap().is_empty());
        assert_eq!(store.list_relayed_parts(other).await.unwrap().len(), 1);
    }

    async fn of_32_who_want_the_lease_on_two_nodes_one_gets_it(db) {
        let upload = created(&*db.store, UploadLength::Known(100)).await;
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let races: Vec<_> = (0..32).map(|i| {
            let (node, upload) = (Arc::clone(&nodes[i % 2]), upload.clone());
            tokio::spawn(async move {
                let mut taken = upload.take_lease(TERM, node.now()).unwrap();
                node.commit(Tx::new().quietly(&mut taken)).await.map(|()| taken)
            })
        }).collect();
        let mut holders = Vec::new();
        for race in races {
            holders.extend(race.await.unwrap().ok());
        }
        assert_eq!(holders.len(), 1);
        // The one that lost it to another fence writes nothing any more.
        db.clock.advance(TERM);
        let current = db.store.find_upload(upload.id).await.unwrap().unwrap();
        let mut next = current.take_lease(TERM, db.store.now()).unwrap();
        nodes[1].commit(Tx::new().quietly(&mut next)).await.unwrap();
        let late = nodes[0].commit(Tx::new().with(RowChange::InsertParts(vec![part(upload.id, 1)])).quietly(&mut holders[0])).await;
        assert!(matches!(late, Err(StoreError::Conflict)));
        assert!(db.store.list_relayed_parts(upload.id).await.unwrap().is_empty());
    }

    async fn pieces_of_files_are_in_no_list(db) {
        let (mut asset, upload) = relayed(&*db.store, UploadLength::Known(5));
        asset.partial = true;
        db.store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
        let whole = created(&*db.store, UploadLength::Known(5)).await;
        let page = db.store.list_assets(&AssetQuery { tenant: Some(tenant(1)), limit: 10, ..AssetQuery::default() }).await.unwrap();
        assert_eq!(page.assets.iter().map(|asset| asset.id).collect::<Vec<_>>(), [whole.asset]);
        assert_eq!(db.store.find_asset(asset.id).await.unwrap().unwrap(), asset);
    }
}
