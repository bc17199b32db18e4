//! The audit trail: who did what to which thing, from where, with before and after.

use std::time::Duration;

use futures_util::future::join_all;
use gantry::domain::clock::after;
use gantry::domain::ids::{JobId, TenantId};
use gantry::domain::job::{Chore, JobSubject, NewJob, Priority};
use gantry::engine::{Error, PatchTenant};
use serde_json::Value;
use uuid::Uuid;

use crate::native::ready;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::Names;
use crate::{on_both_services, transcript};

/// Entries of one millisecond have no order, and this clock stands.
const LATER: Duration = Duration::from_millis(1);

fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

/// What operators meddle with, where nobody works: a tenant `acme`, a sweep that is due later, and a link by `$maker`.
async fn ready_by_hand(service: &Service) -> Names {
    service.registry.create_tenant("acme").await.unwrap();
    let chore = NewJob {
        id: JobId(Uuid::now_v7()),
        work: JobSubject::Chore(Chore::Sweep),
        tenant: TenantId(Uuid::nil()),
        priority: Priority::Normal,
        run_at: after(service.database.store.now(), Duration::from_secs(3600)),
        traceparent: None,
    };
    service.database.store.seed_jobs(&[chore]).await.unwrap();
    transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a.txt", "size": 5, "method": "put"}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
        > POST /v1/assets/$asset/links {}
        < 201 {"created_by": "$maker"}
    "#
    )
}

on_both_services! {
    async fn deeds_are_told_with_before_and_after(service) {
        let names = ready(service, "a.txt", "hello").await;
        service.advance(LATER);
        transcript!(service, r#"
            > PATCH /v1/assets/$asset {"filename": "b.txt", "metadata": {"k": "v"}}
            < 200
        "#, asset = names["asset"]);
        service.advance(LATER);
        transcript!(service, r#"
            > DELETE /v1/assets/$asset
            | x-request-id: my-request
            < 204
            > GET /v1/admin/audit?subject=asset:$asset&action=asset.
            < 200 {"entries": [
                {"action": "asset.delete", "before": {"state": "ready", "filename": "b.txt"},
                 "after": null, "peer": "127.0.0.1", "request_id": "my-request"},
                {"action": "asset.change", "before": {"filename": "a.txt", "metadata": {}},
                 "after": {"filename": "b.txt", "metadata": {"k": "v"}}}], "next_after": null}
            > GET /v1/admin/audit?subject=asset:$asset&limit=1
            < 200 {"entries": [{"action": "asset.delete"}], "next_after": "$next"}
            > GET /v1/admin/audit?subject=asset:$asset&limit=1&after=$next
            < 200 {"entries": [{"action": "asset.change"}]}
            > GET /v1/admin/audit?action=upload.create
            < 200 {"entries": [{"action": "upload.create", "after": {"filename": "a.txt", "size": 5, "policy": "default"}}]}
            > GET /v1/admin/audit?actor=key:nobody
            < 200 {"entries": [], "next_after": null}
            > GET /v1/admin/audit?since=2999-01-01T00:00:00Z
            < 200 {"entries": []}
            > GET /v1/admin/audit?colour=blue
            < 422
        "#, asset = names["asset"]);
    }

    async fn administration_is_told_of_as_well(service) {
        let names = transcript!(service, r#"
            > POST /v1/tenants {"name": "acme", "quota": {"files": 9}}
            < 201 {"id": "$acme", "quota": {"bytes": null, "files": 9}}
        "#);
        let acme = names["acme"].clone();
        service.advance(LATER);
        transcript!(service, r#"
            > PATCH /v1/tenants/$acme {"quota": {"bytes": 5}}
            < 200
        "#, acme = acme);
        service.advance(LATER);
        transcript!(service, r#"
            > PUT /v1/policies/photos?tenant=$acme {"max_size": 5}
            < 200
            > GET /v1/admin/audit?tenant=$acme
            < 200 {"entries": [
                {"action": "policy.put", "subject": "policy:photos", "before": null, "after": {"max_size": 5}},
                {"action": "tenant.change", "before": {"quota": {"bytes": null}}, "after": {"quota": {"bytes": 5}}},
                {"action": "tenant.create", "before": null, "after": {"name": "acme", "quota": {"files": 9}}}]}
            > GET /v1/admin/audit
            < 200 {"entries": []}
        "#, acme = acme);
    }

    async fn deeds_by_hand_are_told_as_those_of_callers(service) {
        let book = service.registry.clone().by_hand();
        let acme = book.create_tenant("acme").await.unwrap();
        service.advance(LATER);
        let suspended = PatchTenant { suspended: Some(true), ..PatchTenant::default() };
        book.patch_tenant(&acme, suspended).await.unwrap();
        let default = book.tenant("default").await.unwrap().unwrap();
        let refused = book.patch_tenant(&default, suspended).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid { field: "suspended", .. }), "{refused}");
        service.advance(LATER);
        let made = book.create_key(acme.id, "read".parse().unwrap(), None).await.unwrap();
        service.advance(LATER);
        book.revoke_key(acme.id, made.id).await.unwrap();
        transcript!(service, r#"
            > GET /v1/admin/audit?tenant=acme
            < 200 {"entries": [
                {"actor": "operator", "action": "key.revoke", "subject": "$subject"},
                {"actor": "operator", "action": "key.create", "subject": "$subject", "after": {"scopes": "read"}},
                {"actor": "operator", "action": "tenant.change", "before": {"suspended": false}, "after": {"suspended": true}},
                {"actor": "operator", "action": "tenant.create", "peer": null, "request_id": null}]}
        "#, subject = format!("key:{}", made.id));
    }

    async fn what_cannot_be_told_is_not_done(service, idle()) {
        let names = ready_by_hand(service).await;
        service.database.run("ALTER TABLE audit RENAME TO audit_away").await.unwrap();
        transcript!(service, r#"
            > POST /v1/tenants {"name": "other"}
            < 503
            > PATCH /v1/tenants/acme {"suspended": true}
            < 503
            > POST /v1/admin/queues/process/pause
            < 503
            > POST /v1/admin/chores/sweep/run
            < 503
            > POST /v1/links/revoke {"created_by": "$maker"}
            < 503
        "#, maker = names["maker"]);
        service.database.run("ALTER TABLE audit_away RENAME TO audit").await.unwrap();
        transcript!(service, r#"
            > GET /v1/tenants/other
            < 404
            > GET /v1/tenants/acme
            < 200 {"suspended_at": null}
            > GET /v1/admin/queues
            < 200 {"queues": [{"kind": "process", "paused": false}, {}, {}, {}, {}, {}]}
            > POST /v1/links/revoke {"created_by": "$maker"}
            < 200 {"revoked": 1}
            > GET /v1/admin/audit?action=links.revoke
            < 200 {"entries": [{"subject": "links", "after": {"revoked": 1, "created_by": "$maker"}}]}
            > POST /v1/admin/queues/process/pause
            < 204
            > GET /v1/admin/audit?action=queue.pause
            < 200 {"entries": [{"subject": "queue:process"}]}
            > POST /v1/admin/chores/sweep/run
            < 202 {"begins": true}
            > POST /v1/admin/chores/sweep/run
            < 202 {"begins": false}
            > GET /v1/admin/audit?action=chore.run
            < 200 {"entries": [{}]}
        "#, maker = names["maker"]);
    }

    async fn the_whole_trail_is_exported(service) {
        let client = requests::client();
        // More than a page of it, by what costs least.
        for round in 1..=22 {
            let put = |n| {
                let request = client.put(format!("{}/v1/policies/p{n}", service.base)).bearer_auth(&service.admin);
                request.json(&serde_json::json!({ "max_size": round })).send()
            };
            assert!(join_all((0..50).map(put)).await.into_iter().all(|a| a.unwrap().status() == 200));
        }
        let trail = client.get(format!("{}/v1/admin/audit?format=ndjson", service.base)).bearer_auth(&service.admin);
        let text = trail.send().await.unwrap().text().await.unwrap();
        let mut ids: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 1100);
        ids.dedup();
        assert_eq!(ids.len(), 1100, "each once");
    }

    async fn a_report_is_a_line_for_each_entry_of_every_tenant(service) {
        let book = service.registry.clone().by_hand();
        let acme = book.create_tenant("acme").await.unwrap();
        service.advance(LATER);
        book.create_tenant("globex").await.unwrap();
        service.advance(LATER);
        let suspended = PatchTenant { suspended: Some(true), ..PatchTenant::default() };
        book.patch_tenant(&acme, suspended).await.unwrap();
        let report = async |key: &str, query: &str| {
            let url = format!("{}/v1/admin/audit?{query}", service.base);
            let answer = requests::client().get(url).bearer_auth(key).send().await.unwrap();
            let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
            (answer.status().as_u16(), media, answer.text().await.unwrap())
        };
        let (status, media, csv) = report(&service.admin, "tenant=*&format=csv&actor=operator").await;
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!((status, lines.len()), (200, 4), "{csv}");
        assert!(media.starts_with("text/csv") && lines[0].starts_with("at,tenant,tenant_id,actor,action,subject,"));
        let of = |line: usize| lines[line].split(',').collect::<Vec<_>>();
        let id = acme.id.to_string();
        assert_eq!(of(1)[1..6], ["acme", id.as_str(), "operator", "tenant.change", &format!("tenant:{id}")], "{csv}");
        assert_eq!((of(2)[1], of(3)[1], of(3)[4]), ("globex", "acme", "tenant.create"), "{csv}");
        let (_, media, text) = report(&service.admin, "tenant=acme&format=text&action=tenant.change").await;
        assert_eq!((media.as_str(), text.lines().count()), ("text/plain; charset=utf-8", 2), "{text}");
        assert!(text.contains("operator") && text.contains("  acme  ") && !text.contains("globex"), "{text}");
        let (_, _, ndjson) = report(&service.admin, "tenant=*&format=ndjson&actor=operator").await;
        let entries: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((entries.len(), &entries[0]["tenant_name"], &entries[0]["after"]["suspended"]), (3, &"acme".into(), &true.into()));
        let later = after(service.database.store.now(), Duration::from_secs(1));
        let (_, _, none) = report(&service.admin, &format!("tenant=*&format=csv&since={later}")).await;
        assert_eq!(none.lines().count(), 1, "{none}");
        let (_, _, all) = report(&service.admin, &format!("tenant=*&format=csv&actor=operator&until={later}")).await;
        assert_eq!(all.lines().count(), 4, "{all}");
        // Administrators of a tenant have the report of their own.
        let own = service.foreign_key("initech").await;
        assert_eq!(report(&own, "tenant=*&format=csv").await.0, 403);
        assert_eq!(report(&own, "tenant=acme&format=csv").await.0, 404);
        assert_eq!(report(&own, "format=csv").await.0, 200);
        assert_eq!(report(&service.admin, "format=xml").await.0, 422);
    }

    async fn entries_stay_whatever_happens(service) {
        let _ = ready(service, "a.txt", "hello").await;
        for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
            let refused = service.database.run(statement).await.unwrap_err();
            assert!(refused.contains("only added to"), "{refused}");
        }
    }
}
