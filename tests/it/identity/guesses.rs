//! Wrong credentials and ids: limited for each address, told of in summary, and as slow for what exists as for what does not.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::support::database::Place;
use crate::support::patience::eventually_ok;
use crate::support::process::Instance;
use crate::support::requests;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

const NOBODYS: &str = "gk_01900000000070008000000000000000";

fn wrong(key: &str) -> String {
    format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' })
}

/// What a request is answered with, how long that takes, and when it may be asked again.
async fn ask(method: Method, url: &str, key: &str) -> (u16, Duration, Option<u64>) {
    let began = Instant::now();
    let mut request = requests::client().request(method, url);
    if url.contains("/tus") {
        request = request.header("tus-resumable", "1.0.0");
    }
    if !key.is_empty() {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    let after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), began.elapsed(), after)
}

/// The audit trail of a key's tenant about this action, newest first.
async fn told(service: &Service, key: &str, action: &str) -> Vec<Value> {
    let url = format!("{}/v1/admin/audit?action={action}&limit=100", service.base);
    let page: Value = requests::client().get(url).bearer_auth(key).send().await.unwrap().json().await.unwrap();
    page["entries"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

#[tokio::test]
async fn failures_of_one_address_are_limited_on_every_door() {
    let place = Place::fresh_file();
    let mut instance = Instance::new(place, &[("GANTRY_LIMITS__FAILURES_PER_ADDRESS", "5")]);
    let id = uuid::Uuid::from_u128(7 << 64 | 7 << 76 | 2 << 62);
    let unknown = format!("{NOBODYS}.{}", "0".repeat(64));
    let doors = [
        (Method::GET, "/v1/assets".to_owned(), unknown.as_str()),
        (Method::POST, "/tus".to_owned(), unknown.as_str()),
        (Method::HEAD, format!("/files/{id}"), unknown.as_str()),
        (Method::GET, "/d/nonsense".to_owned(), ""),
        (Method::GET, "/u/gu_nonsense/s3/multipart/x?key=y".to_owned(), ""),
        (Method::HEAD, "/u/gu_nonsense/tus/x".to_owned(), ""),
        (Method::GET, format!("/v1/assets/{id}"), "good"),
        (Method::GET, format!("/v1/assets/{id}/content"), "good"),
        (Method::GET, format!("/v1/uploads/{id}"), "good"),
    ];
    for (method, path, key) in doors {
        // A limit that is whole again.
        instance.kill();
        instance.start(None).await;
        let good = instance.key();
        let key = if key == "good" { good.as_str() } else { key };
        let url = format!("{}{path}", instance.url);
        for _ in 0..5 {
            let (status, ..) = ask(method.clone(), &url, key).await;
            assert!([401, 404].contains(&status), "{method} {path}: {status}");
        }
        let (status, _, after) = ask(method.clone(), &url, key).await;
        assert_eq!(status, 429, "{method} {path}");
        assert!((1..=12).contains(&after.unwrap()), "{after:?}");
        // Others behind the same address are not locked out.
        assert_eq!(ask(Method::GET, &format!("{}/v1/assets", instance.url), &good).await.0, 200);
    }
}

on_both_services! {
    async fn unknown_and_known_ids_take_the_same_time(service) {
        let key = service.key("read").await;
        let keys = [wrong(&key), format!("{NOBODYS}.{}", "0".repeat(64)), "gk_nonsense".to_owned()];
        let url = format!("{}/v1/assets", service.base);
        let (client, mut times) = (requests::client(), [Duration::MAX; 3]);
        let apart = |times: &[Duration; 3]| *times.iter().max().unwrap() - *times.iter().min().unwrap();
        // The quickest of some: what else this machine does only adds.
        for round in 0..30 {
            if round >= 5 && apart(&times) < Duration::from_millis(20) {
                break;
            }
            for (key, best) in keys.iter().zip(&mut times) {
                let began = Instant::now();
                assert_eq!(client.get(&url).bearer_auth(key).send().await.unwrap().status(), 401);
                *best = began.elapsed().min(*best);
            }
        }
        println!("wrong secret, unknown id, no key: {times:?}");
        assert!(apart(&times) < Duration::from_millis(20), "{times:?}");
    }

    async fn refusals_are_told_in_summary(service) {
        let key = service.key("read").await;
        let foreign = service.foreign_key("acme").await;
        let id = foreign.split('.').next().unwrap().trim_start_matches("gk_").to_owned();
        let url = format!("{}/v1/assets", service.base);
        for _ in 0..12 {
            assert_eq!(ask(Method::GET, &url, &wrong(&foreign)).await.0, 401);
        }
        // Entries of one millisecond come in any order.
        let counts = |entries: &[Value]| {
            let mut counts: Vec<_> = entries.iter().map(|entry| entry["after"]["count"].as_u64().unwrap()).collect();
            counts.sort_unstable();
            counts
        };
        let entries = eventually_ok("the owner's tenant is told", async || {
            let entries = told(service, &foreign, "auth.refused").await;
            if counts(&entries) == [1, 10] { Ok(entries) } else { Err(entries) }
        }).await;
        let plain = entries[0]["subject"].as_str().unwrap().replace('-', "");
        assert_eq!((plain, entries[0]["peer"].as_str()), (format!("key:{id}"), Some("127.0.0.1")));
        // What another tenant has, and what nobody has, are one to the one who asks.
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt", "size": 5}
            < 201 {"asset": {"id": "$asset"}, "upload": {"id": "$upload"}}
        "#);
        let nobodys = uuid::Uuid::from_u128(7 << 76 | 2 << 62 | 9).to_string();
        for id in [&names["asset"], &nobodys] {
            assert_eq!(ask(Method::GET, &format!("{}/v1/assets/{id}", service.base), &foreign).await.0, 404);
        }
        for id in [&names["upload"], &nobodys] {
            assert_eq!(ask(Method::GET, &format!("{}/v1/uploads/{id}", service.base), &foreign).await.0, 404);
        }
        assert_eq!(ask(Method::DELETE, &format!("{}/v1/assets/{}", service.base, names["asset"]), &key).await.0, 403);
        eventually_ok("the asker's tenant is told", async || {
            let entries = told(service, &foreign, "access.refused").await;
            let good = counts(&entries) == [1] && entries[0]["after"]["why"] == "not_found";
            if good { Ok(()) } else { Err(entries) }
        }).await;
        for link in ["nonsense", "other"] {
            assert_eq!(ask(Method::GET, &format!("{}/d/{link}", service.base), "").await.0, 404);
        }
        for (action, why) in [("link.refused", "unknown"), ("access.refused", "forbidden")] {
            eventually_ok("the operators are told", async || {
                let entries = told(service, &service.admin, action).await;
                let good = counts(&entries) == [1] && entries[0]["after"]["why"] == why;
                if good { Ok(()) } else { Err(entries) }
            }).await;
        }
    }
}
