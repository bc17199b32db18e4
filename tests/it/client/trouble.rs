//! A network and a store that misbehave while one process goes on.

use super::proxy::Harm;
use super::service::{MIB, PART, Service, ended, noise, sha256};
use crate::support::patience::eventually;
use crate::support::requests;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_breaks_off_hangs_or_is_answered_to_nobody_is_sent_again() {
    let service = Service::start().await;
    let bytes = noise(4 * PART, 1);
    for harm in [Harm::Cut, Harm::Stall, Harm::LoseAnswer] {
        // A file of its own each time: the command remembers for a while what it has finished.
        let file = service.file(format!("{harm:?}"), bytes.len(), 1);
        service.proxy.forget();
        service.proxy.harm(harm);
        // Only what stands still is to be given up for that: on a busy machine a sound part stands still for a second, too.
        let patience = if harm == Harm::Stall { "--stall-timeout=5s" } else { "--stall-timeout=60s" };
        let put = service.run(["put", "--part-size=5MiB", patience, file.to_str().unwrap()]).await;
        assert_eq!(put.code, 0, "{harm:?}: {}", put.err);
        assert!(put.err.contains("trying again"), "{harm:?}: it says why: {}", put.err);
        assert!(service.proxy.harmed());
        assert_eq!(service.proxy.puts().len(), 5, "{harm:?}: one part more");
        assert_eq!(service.api(&format!("/v1/assets/{}", put.out.trim())).await["sha256"], sha256(&bytes));
    }
}

/// The same for files that go as one PUT: the second one finds the bytes there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_file_whose_answer_was_lost_is_there() {
    let service = Service::start().await;
    for harm in [Harm::Cut, Harm::Stall, Harm::LoseAnswer] {
        let file = service.file(format!("{harm:?}"), MIB, 2);
        service.proxy.harm(harm);
        let put = service.run(["put", "--stall-timeout=1s", file.to_str().unwrap()]).await;
        assert_eq!(put.code, 0, "{harm:?}: {}", put.err);
        assert!(service.proxy.harmed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_flips_on_the_way_is_found() {
    let service = Service::start().await;
    let file = service.file("f", 2 * PART, 3);
    service.proxy.harm(Harm::Flip);
    let put = service.run(["put", "--part-size=5MiB", file.to_str().unwrap()]).await;
    assert_eq!((put.code, put.out.as_str()), (6, ""), "{}", put.err);
    assert!(put.err.contains("digest_mismatch"), "{}", put.err);
    let again = service.run(["put", "--part-size=5MiB", file.to_str().unwrap()]).await;
    assert_eq!(again.code, 0, "and sending it again does not find the bad one: {}", again.err);
}

/// Signed addresses of two seconds: half of them end before their part is through the queue. Signatures count whole
/// seconds, so that one second can be none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_end_are_replaced() {
    let service = Service::with(&["uploads.url_expires_in=2s", "downloads.redirect_expires_in=1s"]).await;
    let bytes = noise(8 * PART, 4);
    let file = service.file("f", bytes.len(), 4);
    service.proxy.slow_down(2 * MIB);
    let put = ["put", "--quiet", "--part-size=5MiB", "--concurrency=2", file.to_str().unwrap()];
    let id = service.ok(put).await;
    service.proxy.full_speed();
    service.ok(["get", "--quiet", "-o", "back", &id]).await;
    assert!(std::fs::read(service.path("back")).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_somebody_gives_up_begins_afresh() {
    let service = Service::start().await;
    let bytes = noise(5 * PART, 5);
    let file = service.file("f", bytes.len(), 5);
    service.proxy.hold_from(1);
    let child = service.gantry(["put", "--part-size=5MiB", file.to_str().unwrap()]).spawn().unwrap();
    eventually("a part", async || !service.proxy.puts().is_empty()).await;
    let upload = service.journalled_upload().unwrap();
    let abort = requests::client().delete(format!("{}/v1/uploads/{upload}", service.url));
    assert!(abort.bearer_auth(&service.key).send().await.unwrap().status().is_success());
    service.proxy.full_speed();
    let put = ended(child.wait_with_output().await.unwrap());
    assert_eq!(put.code, 0, "{}", put.err);
    assert_eq!(service.api(&format!("/v1/assets/{}", put.out.trim())).await["sha256"], sha256(&bytes));
}

/// A server that is away: it is waited for, it is said why, and in the end it is an exit code of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_is_said_and_waited_for() {
    let mut service = Service::start().await;
    let file = service.file("f", 100, 6);
    service.kill().await;
    let put = service.run(["put", "--retry-max-time=1s", file.to_str().unwrap()]).await;
    assert_eq!((put.code, put.out.as_str()), (8, ""));
    assert!(put.err.contains("refused") && put.err.contains("trying again in"), "{}", put.err);
    assert!(put.err.contains("run the same command again"), "{}", put.err);
    let child = service.gantry(["put", file.to_str().unwrap()]).spawn().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    service.start_again().await;
    let put = ended(child.wait_with_output().await.unwrap());
    assert_eq!(put.code, 0, "{}", put.err);
}
