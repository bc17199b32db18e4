//! What operators ask: sums that transactions keep, attempts of jobs, and how uploads are getting on.

use std::time::Duration;

use gantry::domain::asset::Asset;
use gantry::domain::clock::after;
use gantry::domain::event::EventKind;
use gantry::domain::ids::JobId;
use gantry::domain::job::{Job, JobKind, JobRelease, JobState, TryCount};
use gantry::domain::job_attempt::AttemptOutcome;
use gantry::domain::upload::UploadState;
use gantry::store::{NewRow, RowChange, Store, Tx, UploadNote, UploadQuery};

use super::samples::{completion, created, found, inspection_of, pair, tenant};
use crate::on_both_databases;

const LEASE: Duration = Duration::from_secs(30);

/// State, number and bytes of every state with assets.
async fn totals(store: &dyn Store) -> Vec<(String, u64, u64)> {
    let totals = store.list_asset_totals(None).await.unwrap().into_iter();
    totals.filter(|total| total.files > 0).map(|total| (total.state, total.files, total.bytes)).collect()
}

async fn claim(store: &dyn Store) -> Job {
    store.claim_jobs(JobKind::Process, LEASE, 1).await.unwrap().pop().expect("a job is due")
}

fn put_back(job: &Job, tries: TryCount, due: Option<gantry::domain::clock::Timestamp>) -> Tx {
    let (job, why) = (job.clone(), Some("the moon is full".to_owned()));
    Tx::new().with(RowChange::ReleaseJob(Box::new(JobRelease { job, due, tries, why, progress: None })))
}

/// Number, outcome and error of each attempt.
async fn attempts(store: &dyn Store, job: JobId) -> Vec<(u32, AttemptOutcome, Option<String>)> {
    let kept = store.list_job_attempts(job, 100).await.unwrap();
    kept.into_iter().map(|attempt| (attempt.attempt, attempt.outcome, attempt.error)).collect()
}

on_both_databases! {
    async fn sums_of_assets_are_kept_by_every_transaction(db) {
        let store = &*db.store;
        let mut stored: Vec<Asset> = Vec::new();
        for number in 0..3u64 {
            let (mut asset, mut upload) = pair(tenant(1 + u128::from(number % 2)), store.now());
            (asset.size, asset.partial) = (10 + number, false);
            upload.transfer = gantry::domain::upload::Transfer::Put { size: 10 + number };
            store.commit(Tx::new().create(&mut asset, &mut upload)).await.unwrap();
            stored.push(asset);
        }
        let (mut piece, mut upload) = pair(tenant(1), store.now());
        piece.partial = true;
        store.commit(Tx::new().create(&mut piece, &mut upload)).await.unwrap();
        assert_eq!(totals(store).await, [("awaiting".to_owned(), 3, 0)]);

        let asset = stored.remove(0);
        let upload = store.find_upload_of(asset.id).await.unwrap().unwrap();
        store.commit(completion(asset.clone(), upload, store.now())).await.unwrap();
        let expected = [("awaiting".to_owned(), 2, 0), ("stored".to_owned(), 1, 10)];
        assert_eq!(totals(store).await, expected);
        store.settle_asset_totals().await.unwrap();
        assert_eq!(totals(store).await, expected, "adding up changes nothing");

        let stored = store.find_asset(asset.id).await.unwrap().unwrap();
        let mut processing = stored.process(store.now()).unwrap();
        store.commit(Tx::new().asset(&mut processing, EventKind::AssetProcessing)).await.unwrap();
        let mut ready = processing.ready(found(), store.now()).unwrap();
        store.commit(Tx::new().asset(&mut ready, EventKind::AssetReady)).await.unwrap();
        let stale = ready.clone();
        let mut deleted = ready.delete(store.now()).unwrap();
        store.commit(Tx::new().asset(&mut deleted, EventKind::AssetDeleted)).await.unwrap();
        // What is refused is not counted.
        let mut late = stale.delete(store.now()).unwrap();
        assert!(store.commit(Tx::new().asset(&mut late, EventKind::AssetDeleted)).await.is_err());
        let (state, files, _) = totals(store).await.into_iter().find(|(state, ..)| state == "deleted").unwrap();
        assert_eq!((state.as_str(), files), ("deleted", 1));
        assert!(totals(store).await.iter().all(|(state, ..)| state != "ready" && state != "stored"));
    }

    async fn every_attempt_of_a_job_is_kept(db) {
        let store = &*db.store;
        let (asset, _) = created(store).await;
        let owed = inspection_of(&asset, store.now());
        let id = owed.id;
        store.commit(Tx::new().with(NewRow::Job(owed))).await.unwrap();

        let first = claim(store).await;
        let entry = store.find_job_by_id(id, None).await.unwrap().unwrap();
        assert!(entry.state == JobState::Running && entry.claimed_at == Some(store.now()) && entry.claimed_by.is_some());
        db.clock.advance(Duration::from_secs(3));
        store.commit(put_back(&first, TryCount::Counted, Some(store.now()))).await.unwrap();
        assert_eq!(store.find_job_by_id(id, None).await.unwrap().unwrap().claimed_at, None);
        let kept = store.list_job_attempts(id, 100).await.unwrap().remove(0);
        assert_eq!(kept.ended_at, after(kept.started_at, Duration::from_secs(3)));
        assert!(kept.work == first.work && kept.tenant == asset.tenant && kept.worker.is_some());

        // This worker vanishes, and its late end is refused and not recorded.
        let second = claim(store).await;
        db.clock.advance(LEASE + Duration::from_secs(1));
        let third = claim(store).await;
        assert!(store.commit(put_back(&second, TryCount::Counted, Some(store.now()))).await.is_err());
        store.commit(put_back(&third, TryCount::Forgiven, Some(store.now()))).await.unwrap();
        let fourth = claim(store).await;
        store.commit(put_back(&fourth, TryCount::Counted, None)).await.unwrap();
        let dead = store.list_job_ids(JobKind::Process, JobState::Dead, 5).await.unwrap();
        assert_eq!(dead, [id]);
        store.commit(Tx::new().with(RowChange::RetryJob(id, asset.tenant, store.now()))).await.unwrap();
        let fifth = claim(store).await;
        store.commit(Tx::new().with(RowChange::FinishJob(fifth))).await.unwrap();

        let why = Some("the moon is full".to_owned());
        let kept = attempts(store, id).await;
        assert!(kept[1].2.is_some(), "a lost attempt says why");
        let outcomes: Vec<_> = kept.iter().map(|(attempt, outcome, _)| (*attempt, *outcome)).collect();
        assert_eq!(outcomes, [
            (1, AttemptOutcome::Failed),
            (2, AttemptOutcome::Lost),
            (3, AttemptOutcome::Deferred),
            (4, AttemptOutcome::Dead),
            (5, AttemptOutcome::Done),
        ]);
        assert!(kept[0].2 == why && kept[2].2 == why && kept[3].2 == why && kept[4].2.is_none());
        assert_eq!(store.find_job_by_id(id, None).await.unwrap(), None);

        db.clock.advance(Duration::from_secs(29 * 24 * 3600));
        store.forget_expired(store.now(), 100).await.unwrap();
        assert_eq!(attempts(store, id).await.len(), 5);
        db.clock.advance(Duration::from_secs(2 * 24 * 3600));
        store.forget_expired(store.now(), 100).await.unwrap();
        assert!(attempts(store, id).await.is_empty());
    }

    async fn notes_on_uploads_disturb_no_writer(db) {
        let store = &*db.store;
        let (_, upload) = created(store).await;
        db.clock.advance(Duration::from_secs(60));
        let note = UploadNote { active_at: store.now(), stored_bytes: Some(7) };
        store.commit(Tx::new().with(RowChange::NoteUploads(vec![(upload.id, note)]))).await.unwrap();
        let noted = store.find_upload(upload.id).await.unwrap().unwrap();
        assert_eq!((noted.revision, noted.last_activity_at, noted.seen_bytes), (upload.revision, store.now(), 7));
        // A writer that has read the row before writes, and takes nothing back.
        store.commit(Tx::new().quietly(&mut upload.clone())).await.unwrap();
        let written = store.find_upload(upload.id).await.unwrap().unwrap();
        assert_eq!((written.last_activity_at, written.seen_bytes), (store.now(), 7));
        let early = UploadNote { active_at: upload.created_at, stored_bytes: None };
        store.commit(Tx::new().with(RowChange::NoteUploads(vec![(upload.id, early)]))).await.unwrap();
        let noted = store.find_upload(upload.id).await.unwrap().unwrap();
        assert_eq!((noted.last_activity_at, noted.seen_bytes), (store.now(), 7));

        let counted = store.count_uploads(None, store.now(), 100).await.unwrap();
        assert_eq!((counted.live, counted.idle), (1, 1));
        assert_eq!(store.count_uploads(None, upload.created_at, 100).await.unwrap().idle, 0);
        let mut aborted = written.abort(store.now()).unwrap();
        store.commit(Tx::new().quietly(&mut aborted)).await.unwrap();
        let late = UploadNote { active_at: after(store.now(), LEASE), stored_bytes: Some(9) };
        store.commit(Tx::new().with(RowChange::NoteUploads(vec![(upload.id, late)]))).await.unwrap();
        assert_eq!(store.find_upload(upload.id).await.unwrap().unwrap().seen_bytes, 7, "what has ended stays");
        assert_eq!(store.count_uploads(None, store.now(), 100).await.unwrap().live, 0);
        let query = UploadQuery { state: Some(UploadState::Aborted), limit: 5, ..UploadQuery::default() };
        assert_eq!(store.list_uploads(&query).await.unwrap().uploads.len(), 1);
    }
}
