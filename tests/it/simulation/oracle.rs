//! What must hold when everything has come to rest (the invariants of the crate's documentation): each acknowledged file
//! is there byte by byte, once, with one life; rows and bucket agree; nothing is left over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use gantry::blob::{BlobKey, BlobStore};
use gantry::domain::asset::AssetState;
use gantry::domain::ids::AssetId;
use gantry::engine::VerifyScope;

use super::clients::Known;
use super::turns::hold_clock;
use super::world::World;
use crate::care::verify::Found;

/// Checks everything; ends the world.
pub async fn judge(world: &Arc<World>, known: &Known) {
    let _clock = hold_clock();
    let acknowledged = known.acknowledged.lock().unwrap().clone();
    for (asset, bytes) in &acknowledged {
        let may_be_gone = known.ended.lock().unwrap().contains(asset);
        check_file(world, *asset, bytes, may_be_gone).await;
    }
    let judge = world.engine_behind(None);
    let mut found = Found::default();
    let scope = VerifyScope { digests: true, ..VerifyScope::default() };
    judge.operations().verify(&scope, &mut found).await.unwrap();
    assert!(found.0.is_empty(), "{:?}", found.0);
    // When time passes, nothing is left of what was begun and never ended.
    world.database.clock.advance(Duration::from_secs(400 * 24 * 3600));
    for _ in 0..3 {
        judge.operations().run_sweep().await.unwrap();
        world.database.clock.advance(Duration::from_secs(24 * 3600));
    }
    let live = world.database.store.count_uploads(None, world.database.store.now(), 1000).await.unwrap().live;
    assert_eq!(live, 0, "uploads without an end");
    let mut orphans = Vec::new();
    judge.operations().scan_orphans(false, |orphan| orphans.push(orphan.clone())).await.unwrap();
    assert!(orphans.is_empty(), "{orphans:?}");
    let begun = world.blobs.list_multiparts(BlobKey::PREFIX, None).await.unwrap().items;
    assert!(begun.is_empty(), "{begun:?}");
}

async fn check_file(world: &World, asset: AssetId, bytes: &Bytes, may_be_gone: bool) {
    let store = &world.database.store;
    let row = store.find_asset(asset).await.unwrap().expect("an acknowledged asset has a row");
    let events = store.list_events(asset, 0, 100).await.unwrap();
    assert!(events.iter().zip(1..).all(|(event, n)| event.seq == n), "{events:?}");
    let told = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!(told("asset.stored"), 1, "{events:?}");
    match &row.state {
        AssetState::Ready(content) => {
            assert_eq!(told("asset.ready"), 1, "{events:?}");
            assert_eq!(row.size, bytes.len() as u64);
            let facts = world.blobs.head(&content.key).await.unwrap().expect("an acknowledged object is there");
            let stored = if bytes.is_empty() {
                Vec::new()
            } else {
                let stream = world.blobs.get(&content.key, &facts.etag, 0..row.size).await.unwrap();
                stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
            };
            assert!(stored == *bytes, "other bytes than were acknowledged: {row:?}");
        }
        AssetState::Deleted { .. } if may_be_gone => assert!(told("asset.ready") <= 1, "{events:?}"),
        other => panic!("an acknowledged file is {}: {other:?} {events:?}", other.name()),
    }
}
