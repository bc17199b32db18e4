//! Pages: complete, without doubles, and the same rows on both databases.

use std::sync::Arc;
use std::time::Duration;

use gantry::domain::asset::Asset;
use gantry::domain::asset_order::{AssetSort, SortDirection};
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
    let mut query = AssetQuery { tenant: Some(tenant(1)), ..query };
    loop {
        let page = store.list_assets(&query).await.unwrap();
        assert!(page.assets.len() <= query.limit as usize);
        seen.extend(page.assets.iter().map(|asset| asset.id));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return seen,
        }
    }
}

/// Assets whose names contain a text.
async fn walk_names(store: &Arc<dyn Store>, text: String) -> Vec<AssetId> {
    walk(&**store, AssetQuery { name: Some(text), limit: 2, ..AssetQuery::default() }).await
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

    async fn every_order_pages_completely_with_every_filter(db) {
        let names = ["b.TXT", "a.txt", "Ünlaut.bin", "a.txt", "100%_done.txt", "c\"quoted\".txt", "漢字ファイル.txt", "b.bin"];
        let made = fill(&*db.store, names.len(), |i, asset| {
            asset.name = names[i].parse().unwrap();
            asset.size = [5, 1, 7, 5, 0, 1 << 40, 5, 3][i];
            if i % 2 == 0 {
                asset.metadata.insert("even".to_owned(), json!("yes"));
            }
        }).await;
        let filters = [
            AssetQuery::default(),
            AssetQuery { name: Some("TXT".to_owned()), ..AssetQuery::default() },
            AssetQuery { name: Some("t".to_owned()), ..AssetQuery::default() },
            AssetQuery { size_from: Some(1), size_to: Some(5), ..AssetQuery::default() },
            AssetQuery { state: Some("awaiting".to_owned()), name: Some(".txt".to_owned()), ..AssetQuery::default() },
            AssetQuery { metadata: vec![("even".to_owned(), "yes".to_owned())], size_to: Some(6), ..AssetQuery::default() },
        ];
        for (filter, sort, direction) in filters.iter().flat_map(|filter| {
            AssetSort::ALL.into_iter().flat_map(move |sort| SortDirection::ALL.map(|direction| (filter, sort, direction)))
        }) {
            let mut expected: Vec<&Asset> = made.iter().filter(|asset| {
                let name = asset.name.as_str().to_lowercase();
                filter.name.as_ref().is_none_or(|text| name.contains(&text.to_lowercase()))
                    && filter.size_from.is_none_or(|least| asset.size >= least)
                    && filter.size_to.is_none_or(|most| asset.size <= most)
                    && (filter.metadata.is_empty() || asset.metadata.contains_key("even"))
            }).collect();
            match sort {
                AssetSort::Created => expected.sort_by_key(|asset| asset.id),
                AssetSort::Name => expected.sort_by_key(|asset| (asset.name.as_str(), asset.id)),
                AssetSort::Size => expected.sort_by_key(|asset| (asset.size, asset.id)),
            }
            if direction == SortDirection::Descending {
                expected.reverse();
            }
            let expected: Vec<_> = expected.iter().map(|asset| asset.id).collect();
            for limit in [1, 3, 100] {
                let query = AssetQuery { sort, direction, limit, ..filter.clone() };
                assert_eq!(walk(&*db.store, query.clone()).await, expected, "{query:?}");
            }
        }
    }

    async fn text_in_names_is_taken_as_it_is(db) {
        let names = ["100%_done.txt", "1000done.txt", "c\"quoted\".txt", "漢字ファイル.txt", "back\u{2216}slash.txt", "AND OR NOT"];
        let made = fill(&*db.store, names.len(), |i, asset| asset.name = names[i].parse().unwrap()).await;
        let search = |text: &str| walk_names(&db.store, text.to_owned());
        for (text, found) in [
            ("100%", vec![0]), ("0%_", vec![0]), ("_", vec![0]), ("%", vec![0]), ("\"quo", vec![2]), ("字フ", vec![3]),
            ("字ファイ", vec![3]), ("DONE", vec![1, 0]), ("and or", vec![5]), ("or*", vec![]), ("'", vec![]), ("\\", vec![]),
        ] {
            let expected: Vec<_> = found.into_iter().map(|i: usize| made[i].id).collect();
            assert_eq!(search(text).await, expected, "{text}");
        }
        // A new name is found, and the old one no more.
        let mut renamed = db.store.find_asset(made[1].id).await.unwrap().unwrap();
        renamed.name = "holiday.txt".parse().unwrap();
        db.store.commit(Tx::new().quiet_asset(&mut renamed)).await.unwrap();
        assert_eq!(search("holi").await, [renamed.id]);
        assert!(search("1000").await.is_empty());
    }

    async fn times_and_tenants_bound_a_list(db) {
        let made = fill(&*db.store, 2, |_, _| {}).await;
        // Ids of these rows are made by another clock: later than theirs.
        db.clock.advance(Duration::from_secs(365 * 24 * 3600));
        let (foreign, upload) = pair(tenant(2), db.store.now());
        db.store.commit(Tx::new().create(&mut foreign.clone(), &mut upload.clone())).await.unwrap();
        let before = |time| AssetQuery { created_before: Some(time), limit: 10, ..AssetQuery::default() };
        assert!(walk(&*db.store, before(made[0].created_at)).await.is_empty());
        let later = db.store.now();
        assert_eq!(walk(&*db.store, before(later)).await, ids(made.iter()));
        let by_size = AssetQuery { sort: AssetSort::Size, ..before(later) };
        assert_eq!(walk(&*db.store, by_size).await, ids(made.iter()));
        let all = AssetQuery { tenant: None, limit: 10, ..AssetQuery::default() };
        assert_eq!(db.store.list_assets(&all).await.unwrap().assets.len(), 3);
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
