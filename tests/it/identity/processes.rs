//! Two processes on one PostgreSQL, by the wall clock.

use std::time::{Duration, Instant};

use super::{ask, status};
use crate::support::bucket::Bucket;
use crate::support::database::Place;
use crate::support::process::Instance;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_busy_everywhere_ends_everywhere_within_five_seconds() {
    let (place, store) = (Place::fresh_schema().await, Bucket::for_processes().await);
    let settings: Vec<_> = store.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut nodes = [Instance::new(place.clone(), &settings), Instance::new(place, &settings)];
    for node in &mut nodes {
        node.start(None).await;
    }
    let admin = nodes[0].key();
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let key = nodes[0].run(&["key", "create", "--name", "busy", "--scopes", "read"]);
        for node in &nodes {
            assert_eq!(status(&node.url, &key).await, 200);
        }
        let id = key.strip_prefix("gk_").unwrap().split('.').next().unwrap();
        let path = format!("/v1/keys/{id}");
        assert_eq!(ask(&nodes[0].url, reqwest::Method::DELETE, &path, &admin, "").await.0, 204);
        let revoked = Instant::now();
        assert_eq!(status(&nodes[0].url, &key).await, 401);
        while status(&nodes[1].url, &key).await == 200 {
            assert!(revoked.elapsed() < Duration::from_secs(5), "still good after {:?}", revoked.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slowest = slowest.max(revoked.elapsed());
    }
    println!("revoked on the other node after {slowest:?} at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_keeps_keys() {
    let mut node = Instance::new(Place::fresh_schema().await, &[]);
    node.start(None).await;
    let key = node.run(&["key", "create", "--name", "night job", "--scopes", "read", "--expires-in", "90d"]);
    let new = node.run(&["key", "rotate", &key, "--overlap", "0"]);
    assert_eq!([status(&node.url, &key).await, status(&node.url, &new).await], [401, 200]);
    let listed = node.run(&["key", "list"]);
    let line = listed.lines().find(|line| line.contains("night job")).unwrap();
    assert!(line.contains("\"scopes\":\"read\"") && !line.contains("secret"), "{line}");
    node.run(&["key", "revoke", &new]);
    let refused = node.gantry(&["key", "rotate", &new]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("revoked") && !said.contains(&new[40..]), "{said}");
}
