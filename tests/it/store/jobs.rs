//! Leases: each job to one worker at a time, and a late worker writes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gantry::domain::clock::{Timestamp, after};
use gantry::domain::grant::{Disposition, Link};
use gantry::domain::ids::{GrantId, JobId};
use gantry::domain::job::{Job, JobKind, Release, Tries};
use gantry::store::{Store, StoreError, Tx, Write};
use uuid::Uuid;

use super::samples::{inspection_of, owner, pair, tenant};
use crate::on_both_databases;

const LEASE: Duration = Duration::from_secs(30);

async fn owed(store: &dyn Store, count: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let (asset, _) = pair(tenant(1), store.now());
        let job = inspection_of(&asset, store.now());
        ids.push(job.id);
        store.commit(Tx::new().with(Write::InsertJob(job))).await.unwrap();
    }
    ids
}

fn back(job: Job, due: Option<Timestamp>, why: &str) -> Write {
    let (tries, why) = (Tries::Counted, Some(why.to_owned()));
    Write::ReleaseJob(Box::new(Release { job, due, tries, why, progress: None }))
}

on_both_databases! {
    async fn eight_claimers_on_two_nodes_get_each_job_once(db) {
        let jobs = owed(&*db.store, 100).await;
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let claimers = (0..8).map(|i| {
            let node = Arc::clone(&nodes[i % 2]);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = node.claim_jobs(JobKind::Process, LEASE, 3).await.unwrap();
                    assert!(claimed.len() <= 3);
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed);
                }
            })
        });
        let mut claims: HashMap<JobId, u32> = HashMap::new();
        for claimer in claimers.collect::<Vec<_>>() {
            for job in claimer.await.unwrap() {
                assert_eq!(job.attempt, 1);
                *claims.entry(job.id).or_default() += 1;
            }
        }
        assert_eq!(claims.len(), jobs.len());
        assert!(claims.values().all(|times| *times == 1));
    }

    async fn a_lost_lease_fences_its_worker(db) {
        owed(&*db.store, 1).await;
        let late = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        assert!(db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().is_empty());
        db.clock.advance(LEASE);
        let heir = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        assert_eq!((heir.id, heir.attempt), (late.id, 2));

        assert!(!db.store.extend_job(&late, LEASE).await.unwrap());
        let finish = |job| Tx::new().with(Write::FinishJob(job));
        assert!(matches!(db.store.commit(finish(late.clone())).await, Err(StoreError::Conflict)));
        let release = Tx::new().with(back(late, Some(db.store.now()), "late"));
        assert!(matches!(db.store.commit(release).await, Err(StoreError::Conflict)));

        db.store.commit(finish(heir.clone())).await.unwrap();
        assert!(matches!(db.store.commit(finish(heir)).await, Err(StoreError::Conflict)));
        assert_eq!(db.store.count_jobs().await.unwrap(), (0, 0));
    }

    async fn a_heartbeat_keeps_the_lease(db) {
        owed(&*db.store, 1).await;
        let job = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        db.clock.advance(LEASE / 2);
        assert!(db.store.extend_job(&job, LEASE).await.unwrap());
        db.clock.advance(LEASE / 2);
        assert!(db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().is_empty());
    }

    async fn a_job_comes_back_when_it_is_due_or_dies(db) {
        owed(&*db.store, 1).await;
        let job = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        let later = after(db.store.now(), Duration::from_secs(5));
        let release = back(job, Some(later), "try again");
        db.store.commit(Tx::new().with(release)).await.unwrap();
        assert!(db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().is_empty());
        db.clock.advance(Duration::from_secs(5));
        let job = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        assert_eq!(job.attempt, 2);
        db.store.commit(Tx::new().with(back(job, None, "gave up"))).await.unwrap();
        db.clock.advance(LEASE * 1000);
        assert!(db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().is_empty());
        assert_eq!(db.store.count_jobs().await.unwrap(), (0, 1));
    }

    async fn one_job_of_a_kind_is_owed_at_most(db) {
        let (asset, _) = pair(tenant(1), db.store.now());
        let owe = || Tx::new().with(Write::InsertJob(inspection_of(&asset, db.store.now())));
        db.store.commit(owe()).await.unwrap();
        assert!(matches!(db.store.commit(owe()).await, Err(StoreError::Conflict)));
    }

    async fn fifty_racers_use_a_link_five_times(db) {
        let (asset, _) = pair(tenant(1), db.store.now());
        let now = db.store.now();
        let link = Link {
            id: GrantId(Uuid::now_v7()),
            tenant: asset.tenant,
            asset: asset.id,
            created_by: owner(),
            created_at: now,
            expires_at: after(now, LEASE),
            revoked_at: None,
            disposition: Disposition::Inline,
            filename: Some("другое имя.txt".parse().unwrap()),
            max_uses: Some(5),
            used: 0,
            network: Some("192.0.2.0/24".parse().unwrap()),
        };
        db.store.commit(Tx::new().with(Write::InsertLink(Box::new(link.clone())))).await.unwrap();
        assert_eq!(db.store.link(link.id).await.unwrap().unwrap(), link);
        let racers = (0..50).map(|_| {
            let store = Arc::clone(&db.store);
            tokio::spawn(async move { store.use_link(link.id).await.unwrap() })
        });
        let mut used = 0;
        for racer in racers.collect::<Vec<_>>() {
            used += u32::from(racer.await.unwrap());
        }
        assert_eq!(used, 5);

        db.store.commit(Tx::new().with(Write::RevokeLink(link.id, now))).await.unwrap();
        assert_eq!(db.store.link(link.id).await.unwrap().unwrap().revoked_at, Some(now));
        let later = after(now, LEASE * 2);
        assert_eq!(db.store.forget_expired(later, 100).await.unwrap(), 1);
        assert!(db.store.link(link.id).await.unwrap().is_none());
    }
}
