//! Leases: each job to one worker at a time, and a late worker writes nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gantry::domain::clock::{Timestamp, after};
use gantry::domain::grant::{AssetVariant, Disposition, Link, LinkTarget};
use gantry::domain::ids::{GrantId, JobId, TenantId};
use gantry::domain::job::{Chore, Job, JobKind, JobRelease, JobState, JobSubject, NewJob, Priority, TryCount};
use gantry::store::{JobQuery, NewRow, RowChange, Store, StoreError, Tx};
use serde_json::json;
use uuid::Uuid;

use super::samples::{inspection_of, owner, pair, tenant};
use crate::on_both_databases;

const LEASE: Duration = Duration::from_secs(30);

/// Number of jobs that wait, and how many of them wait for their first and for another try.
async fn waiting(store: &dyn Store) -> (u64, u64, u64) {
    let counts = store.list_job_counts(None).await.unwrap();
    let ready = counts.iter().find(|counted| counted.state == JobState::Ready).unwrap();
    (ready.count, ready.scheduled, ready.retrying)
}

async fn owed(store: &dyn Store, count: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let (asset, _) = pair(tenant(1), store.now());
        let job = inspection_of(&asset, store.now());
        ids.push(job.id);
        store.commit(Tx::new().with(NewRow::Job(job))).await.unwrap();
    }
    ids
}

fn back(job: Job, due: Option<Timestamp>, why: &str) -> RowChange {
    let (tries, why) = (TryCount::Counted, Some(why.to_owned()));
    RowChange::ReleaseJob(Box::new(JobRelease { job, due, tries, why, progress: None }))
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
        let finish = |job| Tx::new().with(RowChange::FinishJob(job));
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
        assert_eq!(waiting(&*db.store).await, (1, 0, 1));
        db.clock.advance(Duration::from_secs(5));
        assert_eq!(waiting(&*db.store).await, (1, 0, 0));
        let job = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        assert_eq!(job.attempt, 2);
        db.store.commit(Tx::new().with(back(job, None, "gave up"))).await.unwrap();
        db.clock.advance(LEASE * 1000);
        assert!(db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().is_empty());
        assert_eq!(db.store.count_jobs().await.unwrap(), (0, 1));
    }

    async fn urgent_jobs_go_first_and_waiting_ones_do_not_hide_them(db) {
        let now = db.store.now();
        let owe = async |priority, run_at| {
            let (asset, _) = pair(tenant(1), now);
            let job = NewJob { priority, ..inspection_of(&asset, run_at) };
            db.store.commit(Tx::new().with(NewRow::Job(job.clone()))).await.unwrap();
            job.id
        };
        let low = owe(Priority::Low, now).await;
        let normal = owe(Priority::Normal, now).await;
        owe(Priority::High, after(now, LEASE)).await;
        let high = owe(Priority::High, now).await;
        assert_eq!(waiting(&*db.store).await, (4, 1, 0));
        let claimed = db.store.claim_jobs(JobKind::Process, LEASE, 2).await.unwrap();
        assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [high, normal]);
        assert_eq!(db.store.claim_jobs(JobKind::Process, LEASE, 9).await.unwrap()[0].id, low);
    }

    async fn what_is_kept_comes_back_with_the_next_claim(db) {
        owed(&*db.store, 1).await;
        let mut job = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        assert_eq!(job.progress, None);
        job.progress = Some(json!({ "done": ["read"] }));
        assert!(db.store.keep_progress(&job).await.unwrap());
        db.clock.advance(LEASE);
        let heir = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
        assert_eq!(heir.progress, job.progress);
        assert!(!db.store.keep_progress(&job).await.unwrap(), "the lease is lost");
    }

    async fn tries_are_counted_apart_from_attempts(db) {
        owed(&*db.store, 1).await;
        let now = db.store.now();
        for (attempt, (tries, before)) in [(TryCount::Counted, 1), (TryCount::Forgiven, 2), (TryCount::Anew, 2), (TryCount::Counted, 1)]
            .into_iter()
            .enumerate()
        {
            let job = db.store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().remove(0);
            assert_eq!((job.attempt as usize, job.tries), (attempt + 1, before));
            let release = JobRelease { job, due: Some(now), tries, why: None, progress: None };
            db.store.commit(Tx::new().with(RowChange::ReleaseJob(Box::new(release)))).await.unwrap();
        }
    }

    async fn a_paused_kind_is_not_due(db) {
        owed(&*db.store, 1).await;
        let kinds = [JobKind::Process, JobKind::Recheck];
        assert_eq!(db.store.list_due_kinds(&kinds).await.unwrap(), [JobKind::Process]);
        let pause = async |paused| {
            db.store.commit(Tx::new().with(RowChange::PauseJobs(JobKind::Process, paused, db.store.now()))).await.unwrap();
        };
        pause(true).await;
        pause(true).await;
        assert_eq!(db.store.list_paused_kinds().await.unwrap(), [JobKind::Process]);
        assert_eq!(db.store.list_due_kinds(&kinds).await.unwrap(), []);
        pause(false).await;
        assert_eq!(db.store.list_due_kinds(&kinds).await.unwrap(), [JobKind::Process]);
        assert_eq!(db.store.list_due_kinds(&[]).await.unwrap(), []);
    }

    async fn chores_are_sown_once_and_hurried(db) {
        let now = db.store.now();
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let sweep = |run_at| NewJob {
            id: JobId(Uuid::now_v7()),
            work: JobSubject::Chore(Chore::Sweep),
            tenant: TenantId(Uuid::nil()),
            priority: Priority::Normal,
            run_at,
            traceparent: None,
        };
        for node in &nodes {
            node.seed_jobs(&[sweep(after(now, LEASE))]).await.unwrap();
        }
        let kind = JobKind::Chore(Chore::Sweep);
        assert!(db.store.claim_jobs(kind, LEASE, 9).await.unwrap().is_empty());
        let hurry = async || db.store.commit(Tx::new().with(RowChange::HurryJobs(kind, db.store.now()))).await;
        hurry().await.unwrap();
        assert_eq!(db.store.claim_jobs(kind, LEASE, 9).await.unwrap().len(), 1);
        assert!(matches!(hurry().await, Err(StoreError::Conflict)), "it runs");
        assert_eq!(db.store.count_jobs().await.unwrap(), (0, 0), "chores are not counted");
    }

    async fn the_dead_are_listed_retried_and_discarded_by_their_own_tenant(db) {
        let ids = owed(&*db.store, 3).await;
        for job in db.store.claim_jobs(JobKind::Process, LEASE, 3).await.unwrap() {
            db.store.commit(Tx::new().with(back(job, None, "gave up"))).await.unwrap();
        }
        let query = JobQuery { tenant: Some(tenant(1)), state: Some(JobState::Dead), kind: None, after: None, limit: 2 };
        let page = db.store.list_jobs(&query).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.job.id).collect::<Vec<_>>(), ids[..2]);
        assert_eq!(page[0].last_error.as_deref(), Some("gave up"));
        let rest = db.store.list_jobs(&JobQuery { after: Some(ids[1]), ..query }).await.unwrap();
        assert_eq!(rest.len(), 1);
        assert!(db.store.list_jobs(&JobQuery { tenant: Some(tenant(2)), ..query }).await.unwrap().is_empty());

        let now = db.store.now();
        let change = async |write| db.store.commit(Tx::new().with(write)).await;
        assert!(matches!(change(RowChange::RetryJob(ids[0], tenant(2), now)).await, Err(StoreError::Conflict)));
        assert!(matches!(change(RowChange::DiscardJob(ids[0], tenant(2))).await, Err(StoreError::Conflict)));
        change(RowChange::RetryJob(ids[0], tenant(1), now)).await.unwrap();
        assert!(matches!(change(RowChange::RetryJob(ids[0], tenant(1), now)).await, Err(StoreError::Conflict)));
        assert!(matches!(change(RowChange::DiscardJob(ids[0], tenant(1))).await, Err(StoreError::Conflict)));
        change(RowChange::DiscardJob(ids[1], tenant(1))).await.unwrap();
        let counts = db.store.list_job_counts(Some(tenant(1))).await.unwrap();
        let counts: Vec<_> = counts.iter().map(|c| (c.state.name(), c.count)).collect();
        assert_eq!(counts, [("dead", 1), ("ready", 1)]);
        let again = db.store.claim_jobs(JobKind::Process, LEASE, 9).await.unwrap().remove(0);
        assert_eq!((again.id, again.tries), (ids[0], 1));
    }

    async fn one_job_of_a_kind_is_owed_at_most(db) {
        let (asset, _) = pair(tenant(1), db.store.now());
        let owe = || Tx::new().with(NewRow::Job(inspection_of(&asset, db.store.now())));
        db.store.commit(owe()).await.unwrap();
        assert!(matches!(db.store.commit(owe()).await, Err(StoreError::Conflict)));
    }

    async fn fifty_racers_use_a_link_five_times(db) {
        let (asset, _) = pair(tenant(1), db.store.now());
        let now = db.store.now();
        let link = Link {
            id: GrantId(Uuid::now_v7()),
            tenant: asset.tenant,
            target: LinkTarget::Asset(asset.id),
            created_by: owner(),
            created_at: now,
            expires_at: after(now, LEASE),
            revoked_at: None,
            disposition: Disposition::Inline,
            filename: Some("другое имя.txt".parse().unwrap()),
            variant: Some(AssetVariant::read("thumb-256", Some("webp")).unwrap()),
            max_uses: Some(5),
            used: 0,
            last_used_at: None,
            network: Some("192.0.2.0/24".parse().unwrap()),
        };
        db.store.commit(Tx::new().with(NewRow::Link(Box::new(link.clone())))).await.unwrap();
        assert_eq!(db.store.find_link(link.id).await.unwrap().unwrap(), link);
        let racers = (0..50).map(|_| {
            let store = Arc::clone(&db.store);
            tokio::spawn(async move { store.use_link(link.id, now).await.unwrap() })
        });
        let mut used = 0;
        for racer in racers.collect::<Vec<_>>() {
            used += u32::from(racer.await.unwrap());
        }
        assert_eq!(used, 5);

        db.store.commit(Tx::new().with(RowChange::RevokeLink(link.id, now))).await.unwrap();
        assert_eq!(db.store.find_link(link.id).await.unwrap().unwrap().revoked_at, Some(now));
        let later = after(now, LEASE * 2);
        assert_eq!(db.store.forget_expired(later, 100).await.unwrap(), 1);
        assert!(db.store.find_link(link.id).await.unwrap().is_none());
    }
}
