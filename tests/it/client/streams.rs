//! `put -`: standard input, whose length nobody knows.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use super::service::{Ended, MIB, Service, ended, json_lines, noise, sha256};
use crate::support::patience::eventually;

/// Sends bytes into `put -`.
async fn put(service: &Service, more: &[&str], bytes: &[u8]) -> Ended {
    let mut child = service.gantry([&["put", "-"], more].concat()).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that refuses does not read.
    let _ = input.write_all(bytes).await;
    drop(input);
    ended(child.wait_with_output().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_any_number_become_an_asset() {
    let service = Service::start().await;
    for size in [0, 1, 16 * MIB, 40 * MIB + 17] {
        let bytes = noise(size, size as u64);
        let put =
            put(&service, &["--name", "dump.sql", "--metadata", "case=4711", "--content-type=text/x-sql"], &bytes);
        let put = put.await;
        assert_eq!(put.code, 0, "{size}: {}", put.err);
        let asset = service.api(&format!("/v1/assets/{}", put.out.trim())).await;
        assert_eq!((asset["filename"].as_str(), asset["size"].as_u64()), (Some("dump.sql"), Some(size as u64)));
        assert_eq!((&asset["sha256"], &asset["metadata"]["case"]), (&sha256(&bytes).into(), &"4711".into()));
        assert_eq!(asset["declared_content_type"], "text/x-sql");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_said_and_digests_are_compared() {
    let service = Service::start().await;
    let plain = put(&service, &[], b"hello").await;
    assert!(plain.code == 0 && plain.err.contains("under the name \"stdin\""), "{}", plain.err);
    let wrong = put(&service, &["--name=x", "--sha256", &sha256(b"other")], b"hello").await;
    assert_eq!((wrong.code, wrong.out.as_str()), (6, ""), "{}", wrong.err);
    let right = put(&service, &["--name=x", "--json", "--sha256", &sha256(b"hello")], b"hello").await;
    assert_eq!(json_lines(&right.out).last().unwrap()["files"][0]["state"], "ready");
    let skipped = put(&service, &["--name=x", "--if-exists=skip"], b"again").await;
    assert_eq!(skipped.out.trim(), json_lines(&right.out).last().unwrap()["files"][0]["asset"].as_str().unwrap());
    let open = service.api("/v1/uploads?state=open").await;
    assert_eq!(open["uploads"].as_array().unwrap().len(), 0, "what was refused is given up: {open}");
}

/// The service dies in the middle and comes back: the same process goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_restarts_is_waited_for() {
    let mut service = Service::start().await;
    let bytes = noise(40 * MIB, 5);
    let mut child = service.gantry(["put", "-", "--name=x"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&bytes[..20 * MIB]).await.unwrap();
    eventually("the first piece", async || {
        let uploads = service.api("/v1/uploads?state=open").await;
        uploads["uploads"][0]["offset"].as_u64().is_some_and(|offset| offset > 0)
    })
    .await;
    service.kill().await;
    let rest = bytes[20 * MIB..].to_vec();
    let writing = tokio::spawn(async move {
        input.write_all(&rest).await.unwrap();
        drop(input);
    });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    service.start_again().await;
    writing.await.unwrap();
    let put = ended(child.wait_with_output().await.unwrap());
    assert_eq!(put.code, 0, "{}", put.err);
    assert_eq!(service.api(&format!("/v1/assets/{}", put.out.trim())).await["sha256"], sha256(&bytes));
}
