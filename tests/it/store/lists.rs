//! Pages: complete, without doubles, and the same rows on both databases.

use std::time::Duration;

use gantry::domain::asset::Asset;
use gantry::domain::clock::Clock;
use gantry::domain::ids::AssetId;
use gantry::domain::key::{ApiKey, KeyScopes};
use gantry::domain::tenant::Tenant;
use gantry::store::{AssetQuery, RowChange, Store, StoreError, Tx};
use serde_json::json;

use super::samples::{completion, owner, pair, tenant};
use crate::on_both_databases;

/// Walks every page and returns the ids in the order in which they came.
async fn walk(store: &dyn Store, query: AssetQuery) -> Vec<AssetId> {
    let mut seen = Vec::new();
    let mut query = query;
    loop {
        let page = store.list_assets(tenant(1), &query).await.unwrap();
        assert!(page.assets.len() <= query.limit as usize);
        seen.extend(page.assets.iter().map(|asset| asset.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return seen,
        }
    }
}

async fn fill(store: &dyn Store, count: usize, shape: impl Fn(usize, &mut Asset)) -> Vec<Asset> {
    let mut made = Vec::new();
    for i in 0..count {
        let (mut asset, mut upload) = pair(tenant(1), store.now());
        shape(i, &mut asset);
        upload.external_id.clone_from(&asset.external_id);
        store.commit(Tx::new().create(&mut asset.clone(), &mut upload.clone())).await.unwrap();
        made.push(asset);
    }
    made
}

fn ids<'a>(assets: impl DoubleEndedIterator<Item = &'a Asset>) -> Vec<AssetId> {
    assets.rev().map(|asset| asset.id).collect()
}

on_both_databases! {
    async fn pages_are_complete_and_newest_first(db) {
        let made = fill(&*db.store, 25, |_, _| {}).await;
        let (foreign, upload) = pair(tenant(2), db.store.now());
        db.store.commit(Tx::new().create(&mut foreign.clone(), &mut upload.clone())).await.unwrap();
        for limit in [1, 7, 25, 100] {
            assert_eq!(walk(&*db.store, AssetQuery { limit, ..AssetQuery::default() }).await, ids(made.iter()));
        }
    }

    async fn filters_choose(db) {
        let made = fill(&*db.store, 12, |i, asset| {
            asset.external_id = Some(format!("ext-{}", i % 12));
            asset.metadata.insert("colour".to_owned(), json!(if i % 2 == 0 { "red" } else { "blue" }));
            asset.metadata.insert("n".to_owned(), json!(i));
            if i % 3 == 0 {
                asset.media_type = Some("text/plain".parse().unwrap());
            }
        }).await;
        let query = AssetQuery { limit: 5, ..AssetQuery::default() };
        let red = AssetQuery { metadata: vec![("colour".to_owned(), "red".to_owned())], ..query.clone() };
        assert_eq!(walk(&*db.store, red).await, ids(made.iter().step_by(2)));
        let number = AssetQuery { metadata: vec![("n".to_owned(), "7".to_owned())], ..query.clone() };
        assert_eq!(walk(&*db.store, number).await, [made[7].id]);
        let text = AssetQuery { content_type: Some("text/plain".to_owned()), ..query.clone() };
        assert_eq!(walk(&*db.store, text).await, ids(made.iter().step_by(3)));
        let ext = AssetQuery { external_id: Some("ext-4".to_owned()), ..query.clone() };
        assert_eq!(walk(&*db.store, ext).await, [made[4].id]);
        let nasty = AssetQuery { metadata: vec![("a' OR 1=1 --".to_owned(), "\"".to_owned())], ..query };
        assert!(walk(&*db.store, nasty).await.is_empty());
    }

    async fn states_and_times_choose(db) {
        let made = fill(&*db.store, 4, |_, _| {}).await;
        let upload = db.store.find_upload_of(made[1].id).await.unwrap().unwrap();
        db.store.commit(completion(made[1].clone(), upload, db.store.now())).await.unwrap();
        let stored = AssetQuery { state: Some("stored".to_owned()), limit: 10, ..AssetQuery::default() };
        assert_eq!(walk(&*db.store, stored).await, [made[1].id]);

        db.clock.advance(Duration::from_secs(1));
        let cut = db.clock.now();
        let recent = AssetQuery { created_after: Some(cut), limit: 10, ..AssetQuery::default() };
        assert!(walk(&*db.store, recent.clone()).await.is_empty());
        let all = AssetQuery { created_after: Some(made[0].created_at), ..recent };
        assert_eq!(walk(&*db.store, all).await.len(), 4);
    }

    async fn many_at_once(db) {
        let made = fill(&*db.store, 3, |_, _| {}).await;
        let (unknown, _) = pair(tenant(1), db.store.now());
        let wanted = [made[0].id, unknown.id, made[2].id];
        let mut got: Vec<_> = db.store.find_assets(&wanted).await.unwrap().iter().map(|a| a.id).collect();
        got.sort_unstable();
        assert_eq!(got, [made[0].id, made[2].id]);
        assert!(db.store.find_assets(&[]).await.unwrap().is_empty());
    }

    async fn what_is_due_comes_most_overdue_first(db) {
        let made = fill(&*db.store, 3, |_, _| {}).await;
        assert!(db.store.list_uploads_to_check(db.store.now(), 10).await.unwrap().is_empty());
        db.clock.advance(Duration::from_secs(3600));
        let due = db.store.list_uploads_to_check(db.store.now(), 2).await.unwrap();
        assert_eq!(due.len(), 2);
        assert!(due.iter().all(|upload| made.iter().any(|asset| asset.id == upload.asset)));
    }

    async fn tenants_and_keys(db) {
        let now = db.store.now();
        let acme =
            Tenant { id: tenant(1), name: "acme".to_owned(), created_at: now, suspended_at: None, rate: None };
        db.store.commit(Tx::new().with(RowChange::InsertTenant(acme.clone()))).await.unwrap();
        assert_eq!(db.store.find_tenant_by_name("acme").await.unwrap().unwrap(), acme);
        assert_eq!(db.store.list_tenants("", 10).await.unwrap(), std::slice::from_ref(&acme));
        let twin = Tenant { id: tenant(2), ..acme };
        let refused = db.store.commit(Tx::new().with(RowChange::InsertTenant(twin))).await;
        assert!(matches!(refused, Err(StoreError::Conflict)));

        let key = ApiKey {
            id: owner(),
            tenant: tenant(1),
            name: Some("of the shop".to_owned()),
            scopes: "upload,read".parse::<KeyScopes>().unwrap(),
            secret_hash: [5; 32],
            old_secret: Some(([4; 32], now)),
            created_at: now,
            expires_at: Some(now),
            revoked_at: None,
            last_used_at: Some(now),
        };
        db.store.commit(Tx::new().with(RowChange::InsertKey(key.clone()))).await.unwrap();
        assert_eq!(db.store.find_key(key.id).await.unwrap().unwrap(), key);
        assert_eq!(db.store.list_keys(tenant(1), None, 10).await.unwrap(), std::slice::from_ref(&key));
        let revoke = |tenant| Tx::new().with(RowChange::RevokeKey(tenant, key.id, now));
        assert!(matches!(db.store.commit(revoke(tenant(2))).await, Err(StoreError::Conflict)));
        db.store.commit(revoke(tenant(1))).await.unwrap();
        db.store.commit(revoke(tenant(1))).await.unwrap();
        assert_eq!(db.store.find_key(key.id).await.unwrap().unwrap().revoked_at, Some(now));
    }
}
