//! Many at once, on two nodes: one winner, the same answer for all.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gantry::domain::job::JobKind;
use rand::RngExt;

use crate::support::patience::eventually;
use crate::support::requests;
use crate::support::seed;
use crate::support::service::Shape;
use crate::{on_both_services, transcript};

fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

async fn post(url: String, key: String) -> (u16, serde_json::Value) {
    let answer = requests::client().post(url).bearer_auth(key).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

on_both_services! {
    async fn two_nodes_complete_the_same_uploads(service, idle()) {
        let (other, _) = service.another_node().await;
        for round in 0..40 {
            let names = transcript!(service, r#"
                > POST /v1/uploads {"filename": "race.bin", "size": 5, "method": "multipart"}
                < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "multipart": {"urls": [{"url": "$one"}]}}
                > PUT $one [hello]
                < 200
            "#);
            let calls = (0..6).map(|i| {
                let base = if i % 2 == 0 { &service.base } else { &other };
                tokio::spawn(post(format!("{base}/v1/uploads/{}/complete", names["upload"]), service.admin.clone()))
            });
            let mut answers = HashSet::new();
            for call in calls.collect::<Vec<_>>() {
                let (status, asset) = call.await.unwrap();
                assert_eq!(status, 200, "round {round}: {asset}");
                answers.insert(asset["id"].as_str().unwrap().to_owned());
            }
            assert_eq!(answers, HashSet::from([names["asset"].clone()]));
            let asset = names["asset"].parse().unwrap();
            let events = service.database.store.list_events(asset, 0, 100).await.unwrap();
            let stored = events.iter().filter(|event| event.kind == "asset.stored").count();
            assert_eq!(stored, 1, "{events:?}");
            assert!(events.iter().zip(1..).all(|(event, n)| event.seq == n));
        }
        let (owed, dead) = service.database.store.count_jobs().await.unwrap();
        assert_eq!((owed, dead), (40, 0));
    }

    async fn two_nodes_complete_the_same_single_puts(service, idle()) {
        let (other, _) = service.another_node().await;
        for round in 0..25 {
            let names = transcript!(service, r#"
                > POST /v1/uploads {"filename": "race.bin", "size": 5, "method": "put"}
                < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
                > PUT $url [hello]
                | if-none-match: *
                < 200
            "#);
            let callers = if round % 2 == 0 { 2 } else { 8 };
            let calls = (0..callers).map(|i| {
                let base = if i % 2 == 0 { &service.base } else { &other };
                tokio::spawn(post(format!("{base}/v1/uploads/{}/complete", names["upload"]), service.admin.clone()))
            });
            for call in calls.collect::<Vec<_>>() {
                let (status, asset) = call.await.unwrap();
                assert_eq!((status, asset["id"].as_str()), (200, Some(names["asset"].as_str())), "round {round}: {asset}");
            }
        }
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (25, 0));
    }

    async fn a_completion_that_reads_between_anothers_writes_gets_the_same_answer(service, idle()) {
        use crate::support::faulty::Fault::Held;
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "race.bin", "size": 5, "method": "put"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
        "#);
        // The first caller has read the upload, and reads the asset only after the second one has stored it.
        service.faults.on("find_asset", [Some(Held)]);
        let url = format!("{}/v1/uploads/{}/complete", service.base, names["upload"]);
        let first = tokio::spawn(post(url.clone(), service.admin.clone()));
        eventually("the first caller is held", async || service.faults.are_spent()).await;
        let second = post(url, service.admin.clone()).await;
        service.faults.release();
        assert_eq!((second.0, second.1["id"].as_str()), (200, Some(names["asset"].as_str())));
        let first = first.await.unwrap();
        assert_eq!((first.0, &first.1["id"], &first.1["state"]), (200, &second.1["id"], &second.1["state"]), "{first:?}");
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (1, 0));
    }

    async fn complete_against_abort_has_one_winner(service, idle()) {
        let (other, _) = service.another_node().await;
        let mut rng = seed::rng("complete_against_abort");
        let mut completed = 0;
        for _ in 0..30 {
            let names = transcript!(service, r#"
                > POST /v1/uploads {"filename": "race.bin", "size": 5, "method": "multipart"}
                < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "multipart": {"urls": [{"url": "$one"}]}}
                > PUT $one [hello]
                < 200
            "#);
            let pause = Duration::from_micros(rng.random_range(0..3000));
            let complete = post(format!("{}/v1/uploads/{}/complete", service.base, names["upload"]), service.admin.clone());
            let abort = async {
                tokio::time::sleep(pause).await;
                let url = format!("{other}/v1/uploads/{}", names["upload"]);
                requests::client().delete(url).bearer_auth(&service.admin).send().await.unwrap().status().as_u16()
            };
            let ((status, _), aborted) = tokio::join!(complete, abort);
            let asset = service.database.store.find_asset(names["asset"].parse().unwrap()).await.unwrap().unwrap();
            match asset.state.name() {
                "stored" => {
                    assert_eq!((status, aborted), (200, 409));
                    completed += 1;
                }
                "abandoned" => assert_eq!((status, aborted), (410, 204)),
                other => panic!("{other}: {status} {aborted}"),
            }
        }
        println!("{completed} of 30 completed");
    }

    async fn creating_at_once_makes_one_upload(service, idle()) {
        let (other, _) = service.another_node().await;
        let bodies = Arc::new(serde_json::json!({"filename": "a", "size": 9, "external_id": "same", "method": "multipart"}).to_string());
        let calls = (0..16).map(|i| {
            let base = if i % 2 == 0 { service.base.clone() } else { other.clone() };
            let (key, body) = (service.admin.clone(), Arc::clone(&bodies));
            tokio::spawn(async move {
                let request = requests::client().post(format!("{base}/v1/uploads")).bearer_auth(key);
                let answer = request.body(body.as_bytes().to_vec()).send().await.unwrap();
                let status = answer.status().as_u16();
                (status, answer.json::<serde_json::Value>().await.unwrap())
            })
        });
        let mut uploads = HashSet::new();
        for call in calls.collect::<Vec<_>>() {
            let (status, answer) = call.await.unwrap();
            assert!(status == 200 || status == 201, "{status}: {answer}");
            uploads.insert(answer["upload"]["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(uploads.len(), 1);
    }

    async fn changes_of_an_asset_at_once_are_all_made(service, idle()) {
        let (other, _) = service.another_node().await;
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 9}
            < 201 {"asset": {"id": "$asset"}}
        "#);
        // Each lost race is another request's change, so the last of eight loses seven at most.
        let calls = (0..8).map(|i| {
            let base = if i % 2 == 0 { &service.base } else { &other };
            let url = format!("{base}/v1/assets/{}", names["asset"]);
            let body = serde_json::json!({"metadata": {format!("change {i}"): true}}).to_string();
            let request = requests::client().patch(url).bearer_auth(&service.admin).body(body);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), 200);
        }
        let asset = service.database.store.find_asset(names["asset"].parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(asset.metadata.len(), 8, "{:?}", asset.metadata);
    }

    async fn requests_cut_off_at_random_leave_whole_rows(service, idle()) {
        let mut rng = seed::rng("requests_cut_off_at_random");
        let client = requests::client();
        let mut calls = Vec::new();
        for i in 0..3000 {
            // From 64 µs to 2 s: some are cut off and some answered, however slow the machine.
            let patience = Duration::from_micros(2f64.powf(rng.random_range(6.0..21.0)) as u64);
            let request = client.post(format!("{}/v1/uploads", service.base)).bearer_auth(&service.admin);
            let request = request.body(format!(r#"{{"filename": "cut {i}", "size": 5}}"#)).timeout(patience);
            calls.push(tokio::spawn(async move { request.send().await.is_ok() }));
            if i % 32 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let mut answered = 0;
        for call in calls {
            answered += usize::from(call.await.unwrap());
        }
        // Whoever comes now is served at once, and every asset there is has its upload and its event.
        let mut written = 0;
        let mut cursor = String::new();
        loop {
            let url = format!("{}/v1/assets?limit=1000{cursor}", service.base);
            let page: serde_json::Value =
                client.get(url).bearer_auth(&service.admin).send().await.unwrap().json().await.unwrap();
            for asset in page["assets"].as_array().unwrap() {
                let id = asset["id"].as_str().unwrap().parse().unwrap();
                assert!(service.database.store.find_upload_of(id).await.unwrap().is_some());
                assert_eq!(service.database.store.list_events(id, 0, 10).await.unwrap().len(), 1);
                written += 1;
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        println!("{answered} answered, {written} written, of 3000");
        assert!(written >= answered && answered > 0 && answered < 3000);
        assert!(service.database.store.claim_jobs(JobKind::Process, Duration::from_secs(1), 1).await.unwrap().is_empty());
    }
}
