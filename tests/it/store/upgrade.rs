//! A database that an earlier version wrote is brought up to date when a node starts, and says what it said before.

use gantry::store::{AssetQuery, Tx};

use super::samples::{pair, tenant};
use crate::on_both_databases;
use crate::support::database::Database;

/// Takes the step 0014 back: the columns have the names that they had before, and the step is owed.
const STEP_BACK: [&str; 7] = [
    "ALTER TABLE upload RENAME COLUMN max_size TO most",
    "ALTER TABLE upload RENAME COLUMN next_check_at TO look_at",
    "ALTER TABLE upload RENAME COLUMN quota_charge TO charged",
    "ALTER TABLE upload RENAME COLUMN echoed_metadata TO said_metadata",
    "ALTER TABLE upload RENAME COLUMN echoed_concat TO said_concat",
    "ALTER TABLE asset RENAME COLUMN quota_charge TO charged",
    "DELETE FROM _sqlx_migrations WHERE version = 14",
];

// Nodes of the version before serve on while a step adds columns: what they had prepared is prepared anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_nodes_live_through_added_columns_on_postgres() {
    let db = Database::postgres().await;
    let now = db.store.now();
    let (mut asset, mut upload) = pair(tenant(1), now);
    db.store.commit(Tx::new().create(&mut asset, &mut upload)).await.unwrap();
    let query = AssetQuery { tenant: Some(tenant(1)), limit: 10, ..AssetQuery::default() };
    // Every connection has the statements.
    let reads = || async {
        for _ in 0..8 {
            let (one, many, list) = tokio::join!(
                db.store.find_asset(asset.id),
                db.store.find_upload(upload.id),
                db.store.list_assets(&query),
            );
            assert_eq!(one.unwrap().as_ref(), Some(&asset));
            assert_eq!(many.unwrap().as_ref(), Some(&upload));
            assert_eq!(list.unwrap().assets.len(), 1);
        }
    };
    reads().await;
    db.run("ALTER TABLE asset ADD COLUMN later TEXT").await.unwrap();
    db.run("ALTER TABLE upload ADD COLUMN later TEXT DEFAULT 'x'").await.unwrap();
    reads().await;
    let (mut other, mut its_upload) = pair(tenant(1), now);
    db.store.commit(Tx::new().create(&mut other, &mut its_upload)).await.unwrap();
    assert_eq!(db.store.find_asset(other.id).await.unwrap(), Some(other));
}

on_both_databases! {
    async fn columns_of_an_earlier_version_keep_what_they_hold(db) {
        let db: Database = db;
        let now = db.store.now();
        let (mut asset, mut upload) = pair(tenant(1), now);
        upload.max_size = Some(77);
        db.store.commit(Tx::new().create(&mut asset, &mut upload)).await.unwrap();
        for statement in STEP_BACK {
            db.run(statement).await.unwrap();
        }
        db.run("SELECT most, look_at, charged, said_metadata, said_concat FROM upload").await.unwrap();

        let upgraded = db.another_node().await;
        assert_eq!(upgraded.find_upload(upload.id).await.unwrap(), Some(upload.clone()));
        assert_eq!(upgraded.find_asset(asset.id).await.unwrap(), Some(asset));
        assert_eq!((upload.max_size, upload.quota_charge), (Some(77), Some(upload.transfer.size().unwrap())));
        assert!(db.run("SELECT look_at FROM upload").await.is_err(), "the old name is gone");
    }
}
