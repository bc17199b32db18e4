//! The scanner has its say before anybody gets a byte, and may change its mind.

use super::{EICAR, TestSteps, bring, idle, made_by, nothing_owed, row, settled, until, work};
use crate::support::patience::eventually;
use crate::support::servers::{Own, clamd};
use crate::{on_both_services, transcript};

fn scanning() -> TestSteps {
    TestSteps { clamd: Some(clamd()), ..TestSteps::default() }
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
        let _working = work(service, TestSteps { accept_unscanned: true, ..scanning() });
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

    async fn a_scanner_that_calls_clean_what_it_did_not_see_is_not_believed(service, idle()) {
        // As clamd is shipped: it answers "OK" for every one of these.
        let own = Own::quiet_clamd().await;
        let eicar = format!("printf '%s' '{EICAR}' > e.com; ");
        let made = |command: &str, name: &str| made_by(&format!("{eicar}{command}"), name);
        let unseen = [
            bring(service, "locked.zip", made("zip -q -P secret a.zip e.com", "a.zip")).await,
            bring(service, "locked.7z", made("7z a -bd -psecret a.7z e.com", "a.7z")).await,
            bring(service, "opaque.7z", made("for i in $(seq 99); do cp e.com $i; done; 7z a -bd -psecret a.7z [0-9]*", "a.7z")).await,
            bring(service, "inner.zip", made("zip -q -P secret b.zip e.com; zip -q -0 a.zip b.zip", "a.zip")).await,
            bring(service, "bomb.zip", made("head -c 9000000 /dev/zero > z; zip -q a.zip z", "a.zip")).await,
            bring(service, "large.bin", vec![7; 6 << 20]).await,
        ];
        let infected = bring(service, "a.zip", made("zip -q a.zip e.com", "a.zip")).await;
        let clean = bring(service, "a.7z", made("echo hello > a; 7z a -bd a.7z a", "a.7z")).await;
        let working = work(service, TestSteps { clamd: Some(own.address.clone()), ..TestSteps::default() });
        for asset in &unseen {
            let asset = settled(service, asset).await;
            let code = asset.state.verdict().map(|verdict| verdict.code.as_str());
            assert_eq!((asset.state.name(), code), ("failed", Some("scan_incomplete")), "{}", asset.name);
        }
        assert_eq!(settled(service, &infected).await.state.name(), "rejected");
        assert!(settled(service, &clean).await.state.content().unwrap().findings.scan.is_some());
        nothing_owed(service).await;
        // Nothing of it is lost: the policy lets such files pass, with the problem and without the word "scanned".
        let locked = transcript!(service, r#"
            > GET /v1/assets/$asset/content
            < 409 {"code": "not_ready"}
            > PUT /v1/policies/default {"scan": "required", "scan_incomplete": "accept"}
            < 422 {"field": "scan_incomplete"}
            > PUT /v1/policies/default {"scan_incomplete": "accept"}
            < 200 {"rules": {"scan_incomplete": "accept"}}
            > POST /v1/assets/$asset/reprocess
            < 202
        "#, asset = unseen[0])["asset"].clone();
        let passed = until(service, &locked, |asset| asset.state.name() == "ready").await.state.content().unwrap().findings.clone();
        assert!(passed.scan.is_none() && passed.problems.iter().any(|it| it.code == "scan_incomplete"), "{passed:?}");
        drop(working);
    }

    async fn what_a_later_scan_could_not_see_is_no_longer_called_scanned(service, idle()) {
        let large = bring(service, "large.bin", vec![7; 6 << 20]).await;
        {
            let _working = work(service, scanning());
            assert!(settled(service, &large).await.state.content().unwrap().findings.scan.is_some());
        }
        let own = Own::quiet_clamd().await;
        let _working = work(service, TestSteps { clamd: Some(own.address.clone()), ..TestSteps::default() });
        transcript!(service, r#"
            > POST /v1/assets/$asset/reprocess {"scan_only": true}
            < 202
        "#, asset = large);
        nothing_owed(service).await;
        let asset = row(service, &large).await;
        let found = asset.state.content().unwrap().findings.clone();
        assert_eq!((asset.state.name(), found.scan), ("ready", None));
        assert!(found.problems.iter().any(|problem| problem.code == "scan_incomplete"));
    }

    async fn a_document_that_opens_only_with_a_password_was_not_scanned(service, idle()) {
        let make = "printf '%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 90 90]>>endobj\ntrailer<</Root 1 0 R>>\n' > raw.pdf
            qpdf --encrypt user owner 256 -- raw.pdf locked.pdf || [ $? = 3 ]; qpdf --encrypt '' owner 256 -- raw.pdf open.pdf || [ $? = 3 ]";
        let locked = bring(service, "locked.pdf", made_by(make, "locked.pdf")).await;
        let open = bring(service, "open.pdf", made_by(make, "open.pdf")).await;
        let own = Own::quiet_clamd().await;
        let _working = work(service, TestSteps { clamd: Some(own.address.clone()), media: true, ..TestSteps::default() });
        let locked = settled(service, &locked).await;
        assert_eq!((locked.state.name(), locked.state.verdict().unwrap().code.as_str()), ("failed", "scan_incomplete"));
        // A document whose owner only forbids printing is open to the scanner.
        let open = settled(service, &open).await;
        assert!(open.state.name() == "ready" && open.state.content().unwrap().findings.scan.is_some());
    }

    async fn while_the_scanner_is_away_nothing_is_served(service, idle()) {
        let mut own = Own::clamd().await;
        own.kill();
        let asset = bring(service, "a.txt", "hello").await;
        let _working = work(service, TestSteps { clamd: Some(own.address.clone()), ..TestSteps::default() });
        // Longer than a job may fail.
        until(service, &asset, |asset| asset.state.name() == "processing").await;
        let job = gantry::domain::job::JobSubject::Process(asset.parse().unwrap());
        // Time passes only between two tries: a try whose lease ends under it would count as a worker's death.
        let waits = async || {
            let entry = service.database.store.find_job(job).await.unwrap().unwrap();
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
            let _unscanned = work(service, TestSteps::default());
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
