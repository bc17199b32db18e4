//! The feed: places without gaps, in their order, whoever commits when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gantry::domain::clock::before;
use gantry::domain::event::{EventKind, FeedEnds, FeedEvent, NewEvent};
use gantry::domain::ids::{AssetId, TenantId};
use gantry::store::{RowChange, Store, Tx};
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

use super::samples::{completion, created, pair, tenant};
use crate::on_both_databases;
use crate::support::database::{Database, Place};
use crate::support::patience::{eventually, in_time};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn numbered(store: &dyn Store) -> u64 {
    let mut all = 0;
    loop {
        match store.number_events().await.unwrap() {
            0 => return all,
            some => all += some,
        }
    }
}

async fn ends(store: &dyn Store, tenant: TenantId) -> FeedEnds {
    store.read_feed_ends(&[tenant]).await.unwrap().first().map(|(_, ends)| *ends).unwrap_or_default()
}

fn told(events: &[FeedEvent]) -> Vec<(i64, i64, &str)> {
    events.iter().map(|event| (event.id, event.event.seq, event.event.kind.as_str())).collect()
}

fn changed(tenant: TenantId, asset: AssetId, db: &Database) -> RowChange {
    let (kind, at) = (EventKind::AssetChanged, db.store.now());
    RowChange::NextEvent(NewEvent { tenant, asset, kind, at, data: serde_json::Map::new(), traceparent: None })
}

/// Follows a tenant's feed like a reader: numbers, reads, goes on behind what it has read.
async fn follow(store: Arc<dyn Store>, tenant: TenantId, until: usize) -> Vec<FeedEvent> {
    let mut read: Vec<FeedEvent> = Vec::new();
    while read.len() < until {
        store.number_events().await.unwrap();
        let at = read.last().map_or(0, |event| event.id);
        read.extend(store.read_feed(tenant, None, at, 7).await.unwrap());
    }
    read
}

on_both_databases! {
    async fn places_have_no_gaps_and_are_per_tenant(db) {
        let (asset, upload) = created(&*db.store).await;
        let (other_asset, other_upload) = pair(tenant(2), db.store.now());
        db.store.commit(Tx::new().create(&mut other_asset.clone(), &mut other_upload.clone())).await.unwrap();
        assert!(db.store.read_feed(tenant(1), None, 0, 10).await.unwrap().is_empty());
        assert_eq!(numbered(&*db.store).await, 2);
        let now = db.store.now();
        db.store.commit(completion(asset.clone(), upload.clone(), now)).await.unwrap();
        assert_eq!((numbered(&*db.store).await, numbered(&*db.store).await), (3, 0));

        let all = db.store.read_feed(tenant(1), None, 0, 10).await.unwrap();
        let expected = [(1, 1, "asset.created"), (2, 2, "upload.completing"), (3, 3, "upload.completed"), (4, 4, "asset.stored")];
        assert_eq!(told(&all), expected);
        assert_eq!(all[1].event.data["upload_id"], upload.id.to_string());
        assert_eq!(all[3].event.data["size"], asset.size);
        assert_eq!(db.store.read_feed(tenant(1), None, 2, 1).await.unwrap(), all[2..3]);
        assert_eq!(db.store.read_feed(tenant(1), Some(asset.id), 1, 10).await.unwrap(), all[1..]);
        assert!(db.store.read_feed(tenant(2), Some(asset.id), 0, 10).await.unwrap().is_empty());
        assert_eq!(told(&db.store.read_feed(tenant(2), None, 0, 10).await.unwrap()), [(1, 1, "asset.created")]);
        let both = db.store.read_feed_ends(&[tenant(1), tenant(2), tenant(3)]).await.unwrap();
        let both: HashMap<_, _> = both.into_iter().collect();
        assert_eq!((both[&tenant(1)].last, both[&tenant(2)].last, both.len()), (4, 1, 2));
    }

    async fn a_clock_that_goes_back_does_not_turn_an_asset_around(db) {
        let (asset, _) = created(&*db.store).await;
        for _ in 0..3 {
            let mut write = changed(tenant(1), asset.id, &db);
            if let RowChange::NextEvent(event) = &mut write {
                event.at = before(event.at, DAY);
            }
            db.store.commit(Tx::new().with(write)).await.unwrap();
        }
        numbered(&*db.store).await;
        let all = db.store.read_feed(tenant(1), None, 0, 10).await.unwrap();
        assert_eq!(all.iter().map(|event| (event.id, event.event.seq)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    }

    async fn readers_on_two_nodes_miss_nothing_of_writers_on_two_nodes(db) {
        const WRITERS: usize = 8;
        const EACH: usize = 20;
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let readers: Vec<_> =
            (0..4).map(|i| tokio::spawn(follow(Arc::clone(&nodes[i % 2]), tenant(1), WRITERS * (1 + EACH)))).collect();
        let writers: Vec<_> = (0..WRITERS).map(|i| {
            let (node, db) = (Arc::clone(&nodes[i % 2]), db.clone());
            tokio::spawn(async move {
                let (asset, _) = created(&*node).await;
                for _ in 0..EACH {
                    node.commit(Tx::new().with(changed(tenant(1), asset.id, &db))).await.unwrap();
                }
            })
        }).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        for reader in readers {
            let read = reader.await.unwrap();
            assert!(read.iter().map(|event| event.id).eq(1..=(WRITERS * (1 + EACH)) as i64));
            let mut seqs: HashMap<AssetId, i64> = HashMap::new();
            for event in read {
                let seq = seqs.entry(event.event.asset).or_default();
                *seq += 1;
                assert_eq!(*seq, event.event.seq);
            }
        }
    }

    async fn a_backlog_is_numbered_in_portions(db) {
        let (asset, _) = created(&*db.store).await;
        let mut tx = Tx::new();
        for _ in 0..1500 {
            tx = tx.with(changed(tenant(1), asset.id, &db));
        }
        db.store.commit(tx).await.unwrap();
        assert_eq!(db.store.number_events().await.unwrap(), 1000);
        assert_eq!(db.store.number_events().await.unwrap(), 501);
        let all = db.store.read_feed(tenant(1), None, 0, 2000).await.unwrap();
        assert!(all.iter().all(|event| event.id == event.event.seq) && all.len() == 1501);
    }

    async fn old_events_are_forgotten_but_for_the_newest_of_each_asset(db) {
        let (quiet, _) = created(&*db.store).await;
        let (asset, _) = created(&*db.store).await;
        db.store.commit(Tx::new().with(changed(tenant(1), asset.id, &db))).await.unwrap();
        numbered(&*db.store).await;
        db.clock.advance(DAY * 10);
        db.store.commit(Tx::new().with(changed(tenant(1), asset.id, &db))).await.unwrap();
        // What has no place yet is not forgotten, however old.
        let limit = before(db.store.now(), DAY);
        assert_eq!(db.store.forget_events(limit, 100).await.unwrap(), 2);
        assert_eq!(ends(&*db.store, tenant(1)).await, FeedEnds { forgotten: 3, last: 3 });
        numbered(&*db.store).await;
        assert_eq!(db.store.forget_events(limit, 100).await.unwrap(), 0);
        assert_eq!(told(&db.store.read_feed(tenant(1), None, 3, 10).await.unwrap()), [(4, 3, "asset.changed")]);
        assert_eq!(db.store.read_feed(tenant(1), Some(quiet.id), 0, 10).await.unwrap().len(), 1);
    }

    async fn forgetting_goes_on_where_it_stopped(db) {
        let (asset, _) = created(&*db.store).await;
        for _ in 0..9 {
            db.store.commit(Tx::new().with(changed(tenant(1), asset.id, &db))).await.unwrap();
        }
        numbered(&*db.store).await;
        db.clock.advance(DAY);
        let limit = db.store.now();
        let gone = [db.store.forget_events(limit, 4).await.unwrap(), db.store.forget_events(limit, 4).await.unwrap()];
        assert_eq!(gone, [4, 4]);
        assert_eq!(ends(&*db.store, tenant(1)).await.forgotten, 8);
        assert_eq!(db.store.forget_events(limit, 4).await.unwrap(), 1);
        assert_eq!(told(&db.store.read_feed(tenant(1), Some(asset.id), 0, 10).await.unwrap()), [(10, 10, "asset.changed")]);
    }

    async fn who_waits_is_told_of_a_commit(db) {
        let waiting = { let store = Arc::clone(&db.store); tokio::spawn(async move { store.wait_for_events().await }) };
        created(&*db.store).await;
        in_time("waiting for news", waiting).await.unwrap();
    }
}

/// SQLite has one writer at a time: only here can an older transaction commit later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let db = Database::postgres().await;
    let Place::Postgres(url) = &db.place else { unreachable!() };
    let mut slow = url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().connect().await.unwrap();
    let late = Uuid::now_v7();
    let mut open = slow.begin().await.unwrap();
    let insert = "INSERT INTO event (asset_id, seq, tenant_id, kind, at) VALUES ($1, 1, $2, 'asset.created', 0)";
    sqlx::query(insert).bind(late).bind(tenant(1).0).execute(&mut *open).await.unwrap();

    let (asset, _) = created(&*db.store).await;
    assert_eq!(numbered(&*db.store).await, 1);
    let first = db.store.read_feed(tenant(1), None, 0, 10).await.unwrap();
    assert_eq!((first.len(), first[0].event.asset), (1, asset.id));

    open.commit().await.unwrap();
    assert_eq!(numbered(&*db.store).await, 1);
    let second = db.store.read_feed(tenant(1), None, first[0].id, 10).await.unwrap();
    assert_eq!((second.len(), second[0].id, second[0].event.asset.0), (1, 2, late));
}

/// A numberer that dies in the middle leaves nothing behind but pending events.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_dies_while_numbering_leaves_no_gap() {
    let db = Database::postgres().await;
    created(&*db.store).await;
    let Place::Postgres(url) = &db.place else { unreachable!() };
    let mut dying = url.parse::<sqlx::postgres::PgConnectOptions>().unwrap().connect().await.unwrap();
    dying.execute("BEGIN; UPDATE feed SET last = last + 1").await.unwrap();
    dying.execute("UPDATE event SET pos = 1").await.unwrap();
    let waits = {
        let store = Arc::clone(&db.store);
        tokio::spawn(async move { store.number_events().await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waits.is_finished());
    dying.close_hard().await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), 1);
    assert_eq!(ends(&*db.store, tenant(1)).await.last, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_node_is_told_of_a_commit() {
    let db = Database::postgres().await;
    let node = db.another_node().await;
    let waiting = tokio::spawn(async move { node.wait_for_events().await });
    eventually("it is told", async || {
        created(&*db.store).await;
        waiting.is_finished()
    })
    .await;
}
