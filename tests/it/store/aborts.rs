//! Callers that vanish: thousands of commits whose futures are dropped at random, against two connections.
//!
//! sqlx 0.9.0 can hand a connection back inside an open transaction when `begin()` is cancelled (#4393); a store that
//! began transactions in its callers' futures fails here within a second.

use std::sync::Arc;
use std::time::Duration;

use gantry::domain::event::EventKind;
use gantry::store::{StoreError, Tx};
use rand::RngExt;

use super::samples::{completion, pair, tenant};
use crate::on_both_databases;
use crate::support::seed;

const CALLERS: usize = 4000;

on_both_databases! {
    async fn dropping_the_caller_changes_nothing(db) {
        let mut rng = seed::rng("dropping_the_caller_changes_nothing");
        let store = db.place.open(db.clock.clone(), 2).await;
        let mut made = Vec::new();
        let mut callers = Vec::new();
        for _ in 0..CALLERS {
            let (asset, upload) = pair(tenant(1), store.now());
            let patience = Duration::from_micros(rng.random_range(0..20_000));
            let node = Arc::clone(&store);
            let (a, u) = (asset.clone(), upload.clone());
            callers.push(tokio::spawn(async move {
                let _ = tokio::time::timeout(patience, node.commit(Tx::new().create(&mut a.clone(), &mut u.clone()))).await;
                // A second transaction on the same rows, cut off as well, and one that is bound to fail.
                let now = node.now();
                let _ = tokio::time::timeout(patience, node.commit(completion(a.clone(), u.clone(), now))).await;
                let mut stale = u.abort(now).unwrap();
                let tx = Tx::new().upload(&mut stale, EventKind::UploadAborted, &a.name);
                let _ = tokio::time::timeout(patience / 2, node.commit(tx)).await;
            }));
            made.push((asset, upload));
        }
        for caller in callers {
            caller.await.unwrap();
        }
        // The lanes are first in, first out: when this is through, so is everything before it.
        let (asset, upload) = pair(tenant(1), store.now());
        store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;

        let mut written = 0;
        for (asset, upload) in made {
            let row = store.find_asset(asset.id).await.unwrap();
            let events = store.list_events(asset.id, 0, 10).await.unwrap();
            assert_eq!(row.is_some(), store.find_upload(upload.id).await.unwrap().is_some());
            assert_eq!(row.is_some(), !events.is_empty());
            let gapless = events.iter().zip(1..).all(|(event, n)| event.seq == n);
            assert!(gapless, "{events:?}");
            let state = row.map(|asset| asset.state.name());
            assert_eq!(state == Some("stored"), events.iter().any(|e| e.kind == "asset.stored"));
            written += usize::from(state.is_some());
        }
        println!("{written} of {CALLERS} written");
        assert!(written > 0, "nobody got through: the test tests nothing");
        // Both connections still work, and outside of any transaction: a conflict is a conflict, not an open wound.
        for _ in 0..8 {
            let again = store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await;
            assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
        }
    }
}
