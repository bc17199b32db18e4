//! The scanner has its say before anybody gets a byte, and may change its mind.

use super::{EICAR, Steps, bring, idle, made_by, nothing_owed, row, settled, until, work};
use crate::support::patience::eventually;
use crate::support::servers::{Own, clamd};
use crate::{on_both_services, transcript};

fn scanning() -> Steps {
    Steps { clamd: Some(clamd()), ..Steps::default() }
}

on_both_services! {
    async fn what_is_infected_is_rejected_and_never_served(service, idle()) {
        let asset = bring(service, "eicar.com", EICAR).await;
        let zip = made_by(&format!("printf '%s' '{EICAR}' > e.com; zip -q a.zip e.com"), "a.zip");
        let zip = bring(service, "a.zip", zip).await;
        let clean = bring(service, "clean.txt", "nothing to see here").await;
        let _working = work(service, scanning());
        for asset in [&asset, &zip] {
            assert_eq!(settled(service, asset).await.state.verdict().unwrap().code, "virus_found");
        }
        let found = settled(service, &clean).await.state.content().unwrap().findings.clone();
        assert!(found.scan.unwrap().engine.starts_with("ClamAV "));
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "rejected", "reason": {"code": "virus_found"}}
            > GET /v1/assets/$asset/content
            < 403 {"code": "rejected"}
            > GET /v1/assets/$asset/content?variant=thumb-64
            < 403 {"code": "rejected"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 403 {"code": "rejected"}
            > POST /v1/assets/$asset/reprocess
            < 409 {"code": "wrong_state"}
        "#, asset = asset);
    }

    async fn what_was_not_scanned_whole_is_not_clean(service, idle()) {
        let large = bring(service, "large.bin", vec![7; 9 << 20]).await;
        let locked = made_by("echo hello > a; zip -q -P secret a.zip a", "a.zip");
        let locked = bring(service, "a.zip", locked).await;
        let working = work(service, scanning());
        for asset in [&large, &locked] {
            let asset = settled(service, asset).await;
            assert_eq!((asset.state.name(), asset.state.verdict().unwrap().code.as_str()), ("failed", "scan_incomplete"));
        }
        nothing_owed(service).await;
        drop(working);
        // The operator decides that such files may pass, and has them looked at once more.
        let _working = work(service, Steps { accept_unscanned: true, ..scanning() });
        transcript!(service, r#"
            > GET /v1/assets/$asset/content
            < 409 {"code": "not_ready"}
            > POST /v1/assets/$asset/reprocess
            < 202
        "#, asset = large);
        until(service, &large, |asset| asset.state.name() == "ready").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset
            < 200 {"state": "ready", "problems": [{"code": "scan_incomplete"}]}
        "#, asset = large);
    }

    async fn while_the_scanner_is_away_nothing_is_served(service, idle()) {
        let mut own = Own::clamd().await;
        own.kill();
        let asset = bring(service, "a.txt", "hello").await;
        let _working = work(service, Steps { clamd: Some(own.address.clone()), ..Steps::default() });
        // Longer than a job may fail.
        until(service, &asset, |asset| asset.state.name() == "processing").await;
        let job = gantry::domain::job::Work::Process(asset.parse().unwrap());
        // Time passes only between two tries: a try whose lease ends under it would count as a worker's death.
        let waits = async || {
            let entry = service.database.store.job_of(job).await.unwrap().unwrap();
            entry.state.name() == "ready" && entry.run_at > service.engine.now()
        };
        for _ in 0..4 * gantry::domain::job::MAX_TRIES {
            eventually("the job waits again", waits).await;
            service.advance(std::time::Duration::from_secs(60));
        }
        eventually("the job waits again", waits).await;
        assert_eq!(row(service, &asset).await.state.name(), "processing");
        transcript!(service, r#"
            > GET /v1/assets/$asset/content
            < 409 {"code": "not_ready", "state": "processing"}
            > GET /v1/admin/jobs?kind=process
            < 200 {"jobs": [{"kind": "process", "state": "ready", "steps_done": ["read"]}]}
        "#, asset = asset);
        own.restart().await;
        assert_eq!(settled(service, &asset).await.state.name(), "ready");
    }

    async fn a_later_scan_retracts_what_was_ready(service, idle()) {
        let asset = bring(service, "eicar.com", EICAR).await;
        {
            let _unscanned = work(service, Steps::default());
            assert_eq!(settled(service, &asset).await.state.name(), "ready");
        }
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"expires_in": 3600}
            < 201 {"url": "$url"}
            > GET $url
            < 302
            > POST /v1/assets/$asset/reprocess {"scan_only": true}
            < 202
            > POST /v1/assets/$asset/reprocess {"scan_only": true}
            < 202
            > POST /v1/admin/reprocess {"scan_only": true, "state": "ready"}
            < 202 {"enqueued": 0, "skipped": 1, "next_cursor": null}
        "#, asset = asset);
        let _working = work(service, scanning());
        until(service, &asset, |asset| asset.state.name() == "rejected").await;
        transcript!(service, r#"
            > GET $url
            < 410 {"code": "gone"}
            > GET /v1/assets/$asset/content
            < 403 {"code": "rejected"}
            > GET /v1/assets/$asset
            < 200 {"state": "rejected", "reason": {"code": "virus_found"}}
        "#, asset = asset, url = names["url"]);
    }
}
