//! Webhooks as rows: one dispatcher wins, a late worker writes nothing, the feed is kept for who has yet to read it.

use std::sync::Arc;
use std::time::Duration;

use gantry::domain::clock::{OsEntropy, after};
use gantry::domain::ids::{DeliveryId, JobId, TenantId, WebhookId};
use gantry::domain::job::{JobKind, JobSubject, NewJob, Priority};
use gantry::domain::webhook::{
    Delivery, DeliveryState, EventFilter, ReceiverAnswer, Webhook, WebhookSecret, WebhookState, WhyDisabled,
};
use gantry::store::{DeliveryBacklog, DeliveryQuery, RowChange, Store, StoreError, Tx, WebhookWrite};
use uuid::Uuid;

use super::samples::{created, tenant};
use crate::on_both_databases;

const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn endpoint(tenant: TenantId, store: &dyn Store) -> Webhook {
    Webhook {
        id: WebhookId(Uuid::now_v7()),
        tenant,
        revision: 1,
        url: "https://example.com/".to_owned(),
        description: "ä".to_owned(),
        events: EventFilter::new(vec!["asset.*".to_owned(), "*".to_owned()]).unwrap(),
        secret: WebhookSecret::fresh(&OsEntropy),
        old_secret: None,
        state: WebhookState::Active,
        cursor: 0,
        failing_since: None,
        created_at: store.now(),
    }
}

async fn inserted(store: &dyn Store) -> Webhook {
    let webhook = endpoint(tenant(1), store);
    write(store, WebhookWrite::Insert(Box::new(webhook.clone()))).await.unwrap();
    webhook
}

async fn write(store: &dyn Store, write: WebhookWrite) -> Result<(), StoreError> {
    store.commit(Tx::new().with(write)).await
}

async fn owed(store: &dyn Store, webhook: &Webhook) -> (Delivery, NewJob) {
    let event = store.read_feed(webhook.tenant, None, 0, 1).await.unwrap().remove(0);
    let (id, now) = (DeliveryId(Uuid::now_v7()), store.now());
    let delivery = Delivery::new(id, (webhook.id, webhook.tenant), event, now);
    let (id, work, priority) = (JobId(Uuid::now_v7()), JobSubject::Deliver(id), Priority::Normal);
    (delivery, NewJob { id, work, tenant: webhook.tenant, priority, run_at: now, traceparent: None })
}

on_both_databases! {
    async fn an_endpoint_is_read_back_as_written(db) {
        let webhook = inserted(&*db.store).await;
        assert_eq!(db.store.find_webhook(webhook.id).await.unwrap().unwrap(), webhook);
        let until = after(db.store.now(), DAY);
        let rotated = webhook.clone().rotate(WebhookSecret::fresh(&OsEntropy), until);
        let rotated = rotated.disable(WhyDisabled::Asked, db.store.now()).unwrap();
        write(&*db.store, WebhookWrite::Update(Box::new(rotated.clone()), false)).await.unwrap();
        let read = db.store.find_webhook(webhook.id).await.unwrap().unwrap();
        assert_eq!(read, Webhook { revision: 2, ..rotated.clone() });
        let late = write(&*db.store, WebhookWrite::Update(Box::new(rotated), false)).await;
        assert!(matches!(late, Err(StoreError::Conflict)));
        assert_eq!(db.store.list_webhooks(tenant(1), None, 10).await.unwrap(), [read]);
        assert!(db.store.list_webhooks(tenant(2), None, 10).await.unwrap().is_empty());
    }

    async fn one_of_many_dispatchers_wins(db) {
        created(&*db.store).await;
        db.store.number_events().await.unwrap();
        let webhook = inserted(&*db.store).await;
        assert_eq!(db.store.list_webhooks_behind(None, 10).await.unwrap(), std::slice::from_ref(&webhook));
        let nodes = [Arc::clone(&db.store), db.another_node().await];
        let racers: Vec<_> = (0..8).map(|i| {
            let (node, webhook) = (Arc::clone(&nodes[i % 2]), webhook.clone());
            tokio::spawn(async move {
                let deliver = WebhookWrite::Deliver(vec![owed(&*node, &webhook).await]);
                let tx = Tx::new().with(WebhookWrite::Move(Box::new(webhook), 1));
                node.commit(tx.with(deliver)).await.is_ok()
            })
        }).collect();
        let mut won = 0;
        for racer in racers {
            won += u32::from(racer.await.unwrap());
        }
        let query = DeliveryQuery { webhook: webhook.id, state: None, after: None, limit: 10 };
        assert_eq!((won, db.store.list_deliveries(&query).await.unwrap().len()), (1, 1));
        assert_eq!(db.store.count_jobs().await.unwrap(), (1, 0));
        assert!(db.store.list_webhooks_behind(None, 10).await.unwrap().is_empty());
    }

    async fn a_changed_endpoint_is_not_dispatched_to_by_who_saw_the_old_one(db) {
        created(&*db.store).await;
        let seen = inserted(&*db.store).await;
        write(&*db.store, WebhookWrite::Update(Box::new(seen.clone()), false)).await.unwrap();
        let late = write(&*db.store, WebhookWrite::Move(Box::new(seen.clone()), 1)).await;
        assert!(matches!(late, Err(StoreError::Conflict)));
        // What moves the place and notes failures is no change.
        let mut now = db.store.find_webhook(seen.id).await.unwrap().unwrap();
        write(&*db.store, WebhookWrite::Move(Box::new(now.clone()), 1)).await.unwrap();
        let since = db.store.now();
        write(&*db.store, WebhookWrite::Note(seen.id, Some(since))).await.unwrap();
        write(&*db.store, WebhookWrite::Note(seen.id, Some(after(since, DAY)))).await.unwrap();
        (now.cursor, now.failing_since) = (1, Some(since));
        assert_eq!(db.store.find_webhook(seen.id).await.unwrap().unwrap(), now);
        write(&*db.store, WebhookWrite::Update(Box::new(Webhook { cursor: 0, ..now.clone() }), false)).await.unwrap();
        assert_eq!(db.store.find_webhook(seen.id).await.unwrap().unwrap(), Webhook { revision: 3, ..now });
    }

    async fn a_late_worker_settles_nothing(db) {
        created(&*db.store).await;
        db.store.number_events().await.unwrap();
        let webhook = inserted(&*db.store).await;
        let (mut delivery, job) = owed(&*db.store, &webhook).await;
        write(&*db.store, WebhookWrite::Deliver(vec![(delivery.clone(), job)])).await.unwrap();
        assert_eq!(db.store.count_backlog(webhook.id, 10).await.unwrap(), DeliveryBacklog { untried: 1, pending: 1 });
        assert_eq!(db.store.find_delivery(delivery.id).await.unwrap().unwrap(), delivery);
        let late = db.store.claim_jobs(JobKind::Deliver, LEASE, 1).await.unwrap().remove(0);
        db.clock.advance(LEASE);
        let heir = db.store.claim_jobs(JobKind::Deliver, LEASE, 1).await.unwrap().remove(0);
        delivery.tried(&ReceiverAnswer { status: Some(200), ..ReceiverAnswer::default() }, db.store.now(), &OsEntropy);
        let settle = || WebhookWrite::Settle(Box::new(delivery.clone()), DeliveryState::Pending);
        let late = db.store.commit(Tx::new().with(settle()).with(RowChange::FinishJob(late))).await;
        assert!(matches!(late, Err(StoreError::Conflict)));
        assert_eq!(db.store.count_backlog(webhook.id, 10).await.unwrap().pending, 1);
        db.store.commit(Tx::new().with(settle()).with(RowChange::FinishJob(heir))).await.unwrap();
        assert_eq!(db.store.find_delivery(delivery.id).await.unwrap().unwrap(), delivery);
        assert_eq!(db.store.count_backlog(webhook.id, 10).await.unwrap(), DeliveryBacklog::default());
    }

    async fn events_are_kept_for_who_has_yet_to_be_told(db) {
        let (asset, _) = created(&*db.store).await;
        for _ in 0..4 {
            let (kind, at) = (gantry::domain::event::EventKind::AssetChanged, db.store.now());
            let (tenant, asset, data) = (tenant(1), asset.id, serde_json::Map::new());
            let event = gantry::domain::event::NewEvent { tenant, asset, kind, at, data, traceparent: None };
            db.store.commit(Tx::new().with(RowChange::NextEvent(event))).await.unwrap();
        }
        db.store.number_events().await.unwrap();
        db.clock.advance(DAY);
        let webhook = inserted(&*db.store).await;
        assert_eq!(db.store.forget_events(db.store.now(), 100).await.unwrap(), 0);
        write(&*db.store, WebhookWrite::Move(Box::new(webhook.clone()), 2)).await.unwrap();
        assert_eq!(db.store.forget_events(db.store.now(), 100).await.unwrap(), 2);
        assert_eq!(db.store.forget_events(db.store.now(), 100).await.unwrap(), 0);
        write(&*db.store, WebhookWrite::Disable(webhook.id, WhyDisabled::Gone, db.store.now())).await.unwrap();
        assert_eq!(db.store.forget_events(db.store.now(), 100).await.unwrap(), 2);
    }

    async fn a_deleted_endpoint_leaves_nothing(db) {
        created(&*db.store).await;
        db.store.number_events().await.unwrap();
        let webhook = inserted(&*db.store).await;
        let owed = vec![owed(&*db.store, &webhook).await, owed(&*db.store, &webhook).await];
        write(&*db.store, WebhookWrite::Deliver(owed)).await.unwrap();
        assert_eq!(db.store.drop_deliveries(10).await.unwrap(), 0);
        let deleted = Webhook { state: WebhookState::Deleted, ..webhook.clone() };
        write(&*db.store, WebhookWrite::Update(Box::new(deleted), false)).await.unwrap();
        assert_eq!(db.store.drop_deliveries(1).await.unwrap(), 1);
        assert_eq!(db.store.drop_deliveries(10).await.unwrap(), 1);
        assert_eq!(db.store.count_jobs().await.unwrap(), (0, 0));
        assert_eq!(db.store.forget_deliveries(db.store.now(), 1).await.unwrap(), 1);
        assert!(db.store.find_webhook(webhook.id).await.unwrap().is_some());
        assert_eq!(db.store.forget_deliveries(db.store.now(), 10).await.unwrap(), 1);
        assert!(db.store.find_webhook(webhook.id).await.unwrap().is_none());
    }
}
