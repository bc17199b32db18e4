//! Credentials are remembered for less than five seconds, and asked about once however many come with them.

use std::iter::{once, repeat_n};
use std::time::Duration;

use futures_util::future::join_all;
use gantry::domain::access::Actor;
use gantry::domain::key::KeyToken;

use super::status;
use crate::on_both_services;
use crate::support::faulty::Fault;

on_both_services! {
    async fn a_thousand_requests_with_one_key_are_one_query(service) {
        let key = service.key("read").await;
        // The second query would be a 503.
        service.faults.on("find_key", once(None).chain(repeat_n(Some(Fault::Refused), 1000)));
        let asks = join_all((0..1000).map(|_| service.engine.tenants().authenticate(&key))).await;
        assert!(asks.iter().all(|actor| matches!(actor, Ok(Actor::Key { .. }))));
        service.faults.clear();
        // Of one that nobody has, too.
        let nobodys = format!("gk_01900000000070008000000000000000.{}", "0".repeat(64));
        service.faults.on("find_key", once(None).chain(repeat_n(Some(Fault::Refused), 1000)));
        for _ in 0..3 {
            assert_eq!(status(&service.base, &nobodys).await, 401);
        }
        service.faults.clear();
        // And of one with a wrong secret: one more for all of them.
        let wrong = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
        service.faults.on("find_key", once(None).chain(repeat_n(Some(Fault::Refused), 1000)));
        let asks = join_all((0..1000).map(|_| service.engine.tenants().authenticate(&wrong))).await;
        assert!(asks.iter().all(|actor| matches!(actor, Err(gantry::engine::Error::Unauthenticated))), "{:?}", asks[0]);
    }

    async fn a_revoked_key_ends_here_at_once_and_elsewhere_within_five_seconds(service) {
        let (there, _) = service.another_node().await;
        let key = service.key("read").await;
        assert_eq!([status(&service.base, &key).await, status(&there, &key).await], [200, 200]);
        let id = key.parse::<KeyToken>().unwrap().id;
        let path = format!("/v1/keys/{id}");
        assert_eq!(super::ask(&service.base, reqwest::Method::DELETE, &path, &service.admin, "").await.0, 204);
        assert_eq!(status(&service.base, &key).await, 401);
        service.advance(Duration::from_secs(5));
        assert_eq!(status(&there, &key).await, 401);
    }

    async fn a_new_secret_works_elsewhere_at_once(service) {
        let (there, _) = service.another_node().await;
        let mut key = service.key("read").await;
        let id = key.parse::<KeyToken>().unwrap().id;
        for _ in 0..5 {
            assert_eq!(status(&there, &key).await, 200);
            let path = format!("/v1/keys/{id}/rotate");
            let (_, made) = super::ask(&service.base, reqwest::Method::POST, &path, &service.admin, "").await;
            key = made["key"].as_str().unwrap().to_owned();
        }
        assert_eq!(status(&there, &key).await, 200);
    }

    async fn expiry_is_asked_about_at_every_use(service) {
        let ttl = Some(Duration::from_secs(60));
        let key = service.registry.create_key(service.tenant, "read".parse().unwrap(), ttl).await.unwrap().reveal();
        service.advance(Duration::from_secs(59));
        assert_eq!(status(&service.base, &key).await, 200);
        service.advance(Duration::from_secs(1));
        assert_eq!(status(&service.base, &key).await, 401);
    }

    async fn a_database_that_is_away_is_no_reason_to_call_a_key_wrong(service) {
        let key = service.key("read").await;
        service.faults.on("find_key", [Some(Fault::Refused)]);
        assert_eq!(status(&service.base, &key).await, 503);
        assert_eq!(status(&service.base, &key).await, 200);
    }
}
