//! Tenants and what they may: quotas, rates, suspension, policies, and the audit trail of all that.

mod audit;
mod erasure;
mod maintenance;
mod policies;
mod quotas;

use std::time::Duration;

use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// As long as anything about tenants is remembered.
const STALE: Duration = Duration::from_secs(3);

on_both_services! {
    async fn operators_keep_tenants(service) {
        transcript!(service, r#"
            > POST /v1/tenants {"name": "acme", "rate": {"per_second": 5}, "quota": {"bytes": 1000, "open_uploads": 3}}
            < 201 {"id": "$acme", "name": "acme", "suspended_at": null, "rate": {"per_second": 5, "burst": 5},
                   "quota": {"bytes": 1000, "files": null, "open_uploads": 3},
                   "usage": {"bytes": 0, "files": 0, "open_uploads": 0}}
            > POST /v1/tenants {"name": "acme"}
            < 409 {"code": "conflict"}
            > POST /v1/tenants {"name": "Not A Name"}
            < 422 {"code": "invalid", "field": "name"}
            > POST /v1/tenants {"name": "other", "rate": {"per_second": 0}}
            < 422
            > PATCH /v1/tenants/$acme {"rate": null, "quota": {"files": 2}}
            < 200 {"rate": null, "quota": {"bytes": null, "files": 2, "open_uploads": null}}
            > PATCH /v1/tenants/$acme {"quota": null}
            < 200 {"quota": {"bytes": null, "files": null, "open_uploads": null}}
            > PATCH /v1/tenants/$acme {"plan": "gold"}
            < 422
            > GET /v1/tenants/$acme
            < 200 {"name": "acme"}
            > GET /v1/tenants?limit=1
            < 200 {"tenants": [{"name": "acme"}], "next_after": "acme"}
            > GET /v1/tenants?after=acme
            < 200 {"tenants": [{"name": "default"}], "next_after": null}
            > GET /v1/tenants?limit=0
            < 422
            > GET /v1/tenants/01890000-0000-7000-8000-000000000000
            < 404
        "#);
    }

    async fn a_tenant_sees_itself_and_nobody_else(service) {
        let own = service.foreign_key("acme").await;
        let acme = service.registry.tenant("acme").await.unwrap().unwrap().id.to_string();
        let reader = service.key("read").await;
        transcript!(service, r#"
            @ $own
            > GET /v1/tenants/$acme
            < 200 {"name": "acme"}
            > GET /v1/tenants/$default
            < 404
            > GET /v1/tenants
            < 403
            > POST /v1/tenants {"name": "mine"}
            < 403
            > PATCH /v1/tenants/$acme {"quota": null}
            < 403
            > POST /v1/tenants/$acme/recompute
            < 403
            > PUT /v1/policies/photos?tenant=$default {}
            < 404
            > GET /v1/admin/audit?tenant=$default
            < 404
            @ $reader
            > GET /v1/tenants/$default
            < 403
            > GET /v1/policies
            < 403
            > GET /v1/admin/audit
            < 403
            @ nobody
            > GET /v1/policies
            < 401
        "#, own = own, acme = acme, default = service.tenant.to_string(), reader = reader);
    }

    async fn whoever_is_suspended_can_do_nothing(service) {
        let own = service.foreign_key("acme").await;
        let acme = service.registry.tenant("acme").await.unwrap().unwrap().id.to_string();
        let names = transcript!(service, r#"
            @ $own
            > POST /v1/uploads {"filename": "a", "size": 1, "method": "put"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
        "#, own = own);
        let (other, _) = service.another_node().await;
        let asset = format!("{other}/v1/assets/{}", names["asset"]);
        let there = async || requests::client().get(&asset).bearer_auth(&own).send().await.unwrap().status();
        assert_eq!(there().await, 200);
        transcript!(service, r#"
            > PATCH /v1/tenants/$acme {"suspended": true}
            < 200
        "#, acme = acme);
        assert_eq!(there().await, 200, "remembered for a moment on another node");
        service.advance(STALE);
        assert_eq!(there().await, 403, "on another node");
        transcript!(service, r#"
            @ $own
            > GET /v1/assets/$asset
            < 403 {"code": "suspended"}
            > POST /tus
            | tus-resumable: 1.0.0
            | upload-length: 5
            < 403
            @ $grant
            > GET /v1/uploads/$upload
            < 403 {"code": "suspended"}
            @ $admin
            > PATCH /v1/tenants/$default {"suspended": true}
            < 422 {"field": "suspended"}
            > PATCH /v1/tenants/$acme {"suspended": false}
            < 200 {"suspended_at": null}
            @ $own
            > GET /v1/assets/$asset
            < 200
        "#, own = own, acme = acme, default = service.tenant.to_string(), asset = names["asset"],
            upload = names["upload"], grant = names["grant"]);
    }

    async fn metrics_name_nobody(service) {
        transcript!(service, r#"
            > POST /v1/tenants {"name": "secretive"}
            < 201
            > GET /v1/assets/01890000-0000-7000-8000-000000000000
            < 404
            > BREW /v1/limits
            < 405
        "#);
        let text = requests::get(format!("{}/metrics", service.base)).await.unwrap().text().await.unwrap();
        // Counters are of the process, which runs other tests too: `metrics::movement` has exact numbers.
        for line in [
            "gantry_http_requests_total{method=\"GET\",route=\"/v1/assets/{id}\",status=\"404\"} ",
            "gantry_http_request_duration_seconds_count{route=\"/v1/tenants\"} ",
            "gantry_alarms 0",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        // Values may be any numbers; names and labels hold neither names of files nor ids.
        let labels: String = text.lines().map(|line| line.rsplit_once(' ').map_or(line, |(labels, _)| labels)).collect();
        assert!(!labels.contains("secretive") && !labels.contains("0189"), "{text}");
    }

    async fn whoever_asks_too_often_is_told_when_to_come_back(service) {
        let own = service.foreign_key("acme").await;
        let acme = service.registry.tenant("acme").await.unwrap().unwrap().id.to_string();
        transcript!(service, r#"
            > PATCH /v1/tenants/$acme {"rate": {"per_second": 1, "burst": 3}}
            < 200
            @ $own
            > GET /v1/assets
            < 200
            | ratelimit-policy: "tenant";q=3;w=3
            | ratelimit: "tenant";r=2;t=0
            > GET /v1/assets
            < 200
            > GET /v1/assets
            < 200
            | ratelimit: "tenant";r=0;t=0
            > GET /v1/assets
            < 429 {"code": "rate_limited", "retryable": true}
            | retry-after: 1
            | ratelimit: "tenant";r=0;t=1
            > POST /tus
            | tus-resumable: 1.0.0
            | upload-length: 5
            < 429
            @ $admin
            > GET /v1/assets
            < 200
            | ratelimit:
        "#, own = own, acme = acme);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        transcript!(service, r#"
            @ $own
            > GET /v1/assets
            < 200
        "#, own = own);
    }
}

/// Someone's own tenant with these limits: an admin's key and the tenant's id.
async fn acme(service: &Service, limits: &str) -> (String, String) {
    let own = service.foreign_key("acme").await;
    let acme = service.registry.tenant("acme").await.unwrap().unwrap().id.to_string();
    transcript!(
        service,
        r#"
        > PATCH /v1/tenants/$acme $limits
        < 200
    "#,
        acme = acme,
        limits = limits
    );
    (own, acme)
}
