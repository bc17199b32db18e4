//! Killed, interrupted, restarted: it goes on, and sends again at most what was in flight.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rand::RngExt as _;
use tokio::process::Child;

use super::service::{MIB, PART, Service, ended, noise, sha256};
use crate::support::patience::{eventually, in_time};
use crate::support::seed;

const CONCURRENCY: usize = 4;

fn put<'a>(file: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["put", "--quiet", "--part-size=5MiB", file.to_str().unwrap()], more].concat()
}

async fn interrupt(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
}

/// Fetches an asset and compares.
async fn arrived(service: &Service, id: &str, bytes: &[u8]) {
    assert_eq!(service.api(&format!("/v1/assets/{id}")).await["sha256"], sha256(bytes));
    let output = service.gantry(["get", "-q", "-o", "-", id]).output().await.unwrap();
    assert!(output.stdout == bytes, "what came back is not what was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_points_it_goes_on_with_what_is_missing() {
    let mut rng = seed::rng("killed_at_random_points_it_goes_on_with_what_is_missing");
    let service = Service::start().await;
    let (parts, bytes) = (12, noise(11 * PART + 4321, 1));
    let file = service.file("f", bytes.len(), 1);
    service.proxy.slow_down(6 * MIB);
    let (mut safe, mut kills, mut upload): (Vec<u64>, usize, Option<String>) = (Vec::new(), 0, None);
    // On a busy machine no short while is enough: they grow.
    let mut longest = 2500;
    let id = loop {
        let before = service.proxy.puts().len();
        let mut child = service.gantry(put(&file, &[])).spawn().unwrap();
        let patience = Duration::from_millis(rng.random_range(5..longest));
        longest += 50;
        let ended = tokio::time::timeout(patience, child.wait()).await;
        if let Ok(status) = ended {
            assert!(status.unwrap().success());
            break ended_output(child).await;
        }
        child.kill().await.unwrap();
        kills += 1;
        assert!(kills < 200, "no progress");
        let again: Vec<u64> = service.proxy.puts()[before..].to_vec();
        assert!(again.iter().all(|part| !safe.contains(part)), "{again:?} although {safe:?} were there");
        let known = service.journalled_upload();
        assert!(upload.is_none() || known == upload, "one upload, whatever happens");
        if let Some(id) = &known {
            let received = service.received(id).await;
            assert!(safe.iter().all(|part| received.contains(part)));
            safe = received;
        }
        upload = known;
    };
    let puts = service.proxy.puts();
    println!("{kills} kills, {} parts sent for {parts}", puts.len());
    assert!(
        puts.len() <= parts + kills * CONCURRENCY,
        "{} parts in {kills} kills: {:?}",
        puts.len(),
        service.proxy.seen()
    );
    arrived(&service, &id, &bytes).await;
    assert!(service.journal().is_empty());
}

async fn ended_output(child: Child) -> String {
    let ended = ended(child.wait_with_output().await.unwrap());
    assert_eq!(ended.code, 0, "{}", ended.err);
    ended.out.trim().to_owned()
}

/// Files of one PUT have no parts to go on with, but must not become two assets either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_file_killed_at_random_points_becomes_one_asset() {
    let mut rng = seed::rng("a_small_file_killed_at_random_points_becomes_one_asset");
    let service = Service::start().await;
    for round in 0..12 {
        let bytes = noise(3 * MIB, 100 + round);
        let file = service.file(format!("f{round}"), bytes.len(), 100 + round);
        // On a busy machine no short while is enough: they grow.
        let mut longest = 60;
        let id = loop {
            let mut child = service.gantry(["put", "-q", file.to_str().unwrap()]).spawn().unwrap();
            let patience = Duration::from_millis(rng.random_range(1..longest));
            if tokio::time::timeout(patience, child.wait()).await.is_ok() {
                break ended_output(child).await;
            }
            child.kill().await.unwrap();
            longest += 4;
        };
        let named = |asset: &&serde_json::Value| asset["filename"] == format!("f{round}");
        let assets = service.api("/v1/assets?limit=100").await;
        let assets = assets["assets"].as_array().unwrap();
        let made: Vec<_> = assets.iter().filter(named).filter(|asset| asset["state"] == "ready").collect();
        assert!(made.len() == 1 && made[0]["id"] == *id, "{made:?}");
        // As if the command had been killed after it had printed the id.
        assert_eq!(service.ok(["put", "-q", file.to_str().unwrap()]).await, id);
        if round == 0 {
            let anew = service.ok(["put", "-q", "--no-resume", file.to_str().unwrap()]).await;
            assert_ne!(anew, id, "who asks for it sends the file anew");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_is_survived() {
    let mut rng = seed::rng("a_server_that_is_killed_again_and_again_is_survived");
    let mut service = Service::start().await;
    let bytes = noise(10 * PART, 2);
    let file = service.file("f", bytes.len(), 2);
    service.proxy.slow_down(5 * MIB);
    let mut child = service.gantry(put(&file, &[])).spawn().unwrap();
    let mut kills = 0;
    while child.try_wait().unwrap().is_none() && kills < 5 {
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..700))).await;
        service.kill().await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        service.start_again().await;
        kills += 1;
    }
    let id = ended_output(child).await;
    let puts = service.proxy.puts();
    println!("{kills} kills of the server, {} parts sent for 10", puts.len());
    assert!(kills > 1);
    let mut times: HashMap<u64, usize> = HashMap::new();
    puts.iter().for_each(|part| *times.entry(*part).or_default() += 1);
    arrived(&service, &id, &bytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_keeps_the_upload_and_says_how_to_go_on() {
    let service = Service::start().await;
    let bytes = noise(8 * PART, 3);
    let file = service.file("it's big", bytes.len(), 3);
    service.proxy.hold_from(3);
    let arguments = ["put", "--part-size=5MiB", file.to_str().unwrap()];
    let child = service.gantry(arguments).spawn().unwrap();
    eventually("two parts", async || match service.journalled_upload() {
        Some(id) => service.received(&id).await.len() == 2,
        None => false,
    })
    .await;
    interrupt(&child).await;
    let stopped = ended(child.wait_with_output().await.unwrap());
    assert_eq!((stopped.code, stopped.out.as_str()), (130, ""), "{}", stopped.err);
    assert!(stopped.err.contains("safe on the server until 2"), "{}", stopped.err);
    let command = format!("put --part-size=5MiB '{}'", file.to_str().unwrap().replace('\'', "'\\''"));
    assert!(stopped.err.contains(&command), "{command} is not in {}", stopped.err);
    let upload = service.journalled_upload().unwrap();
    assert_eq!(service.api(&format!("/v1/uploads/{upload}")).await["state"], "open");
    let safe = service.received(&upload).await;
    service.proxy.cut();
    service.proxy.forget();
    let went_on = service.run(arguments).await;
    assert!(went_on.code == 0 && went_on.err.contains("resuming"), "{}", went_on.err);
    assert_eq!(service.proxy.puts().len(), 8 - safe.len(), "only what was missing");
    arrived(&service, went_on.out.trim(), &bytes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_ctrl_c_ends_it_at_once() {
    let service = Service::start().await;
    let file = service.file("f", 4 * PART, 4);
    service.proxy.hold_from(1);
    let mut child = service.gantry(put(&file, &[])).spawn().unwrap();
    eventually("a part on its way", async || !service.proxy.puts().is_empty()).await;
    interrupt(&child).await;
    interrupt(&child).await;
    let status = in_time("a command that was told twice to stop", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(130));
}

/// Of several files, those that were finished are not sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_files_of_an_interrupted_command_stay_finished() {
    let service = Service::start().await;
    let (small, large) = (service.file("small", 1000, 5), service.file("large", 6 * PART, 6));
    let arguments = ["put", "-q", "--part-size=5MiB", small.to_str().unwrap(), large.to_str().unwrap()];
    service.proxy.hold_from(1);
    let child = service.gantry(arguments).spawn().unwrap();
    let finished = || service.journal().iter().find_map(|line| line["finished"].as_str().map(str::to_owned));
    eventually("the small one", async || finished().is_some()).await;
    let small_one = finished().unwrap();
    eventually("a part", async || !service.proxy.puts().is_empty()).await;
    interrupt(&child).await;
    let first = ended(child.wait_with_output().await.unwrap());
    assert_eq!(first.code, 130);
    service.proxy.full_speed();
    let second = service.run(arguments).await;
    assert_eq!(second.code, 0, "{}", second.err);
    assert!(second.out.contains(&small_one), "{small_one} again, not another asset: {}", second.out);
    assert_eq!(service.ok(["ls"]).await.lines().count(), 2);
    assert!(service.journal().is_empty());
    let third = service.ok(["put", "-q", small.to_str().unwrap()]).await;
    assert!(!second.out.contains(&third), "after the whole command, putting again makes another asset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changed_meanwhile_begins_afresh() {
    let service = Service::start().await;
    let file = service.file("f", 6 * PART, 7);
    service.proxy.hold_from(2);
    for resume in [true, false] {
        let mut child = service.gantry(put(&file, &[])).spawn().unwrap();
        eventually("a part", async || match service.journalled_upload() {
            Some(id) => !service.received(&id).await.is_empty(),
            None => false,
        })
        .await;
        child.kill().await.unwrap();
        let old = service.journalled_upload().unwrap();
        if resume {
            service.file("f", 6 * PART, 8);
        }
        service.proxy.full_speed();
        let arguments: &[&str] = if resume { &[] } else { &["--no-resume"] };
        let again = service.run([&["put", "--part-size=5MiB", file.to_str().unwrap()], arguments].concat()).await;
        assert_eq!(again.code, 0, "{}", again.err);
        assert_eq!(again.err.contains("has changed"), resume, "{}", again.err);
        arrived(&service, again.out.trim(), &noise(6 * PART, 8)).await;
        let state = service.api(&format!("/v1/uploads/{old}")).await["state"].clone();
        assert_eq!(state, "aborted", "what cannot be gone on with takes no room");
        service.proxy.hold_from(2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_under_way_is_refused() {
    let service = Service::start().await;
    let file = service.file("f", 6 * PART, 9);
    for change in ["touched", "shortened", "grown"] {
        service.file("f", 6 * PART, 9);
        service.proxy.hold_from(1);
        let child = service.gantry(put(&file, &[])).spawn().unwrap();
        eventually("a part", async || !service.proxy.puts().is_empty()).await;
        let upload = service.journalled_upload().unwrap();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        match change {
            "touched" => open.set_modified(std::time::SystemTime::now()).unwrap(),
            "shortened" => open.set_len(PART as u64).unwrap(),
            _ => open.set_len(7 * PART as u64).unwrap(),
        }
        service.proxy.full_speed();
        let refused = ended(child.wait_with_output().await.unwrap());
        assert_eq!((refused.code, refused.out.as_str()), (6, ""), "{change}: {}", refused.err);
        assert!(refused.err.contains("changed while it was being sent"), "{change}: {}", refused.err);
        assert_eq!(service.api(&format!("/v1/uploads/{upload}")).await["state"], "aborted", "{change}");
        assert!(service.journal().is_empty(), "{change}");
        service.proxy.forget();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_killed_at_random_points_goes_on_where_it_stopped() {
    let mut rng = seed::rng("a_download_killed_at_random_points_goes_on_where_it_stopped");
    let service = Service::start().await;
    let bytes = noise(6 * PART, 10);
    let file = service.file("up", bytes.len(), 10);
    let id = service.ok(put(&file, &[])).await;
    service.proxy.forget();
    service.proxy.slow_down(20 * MIB);
    let (mut kills, mut resumed, mut longest) = (0, 0, 500);
    loop {
        let before = std::fs::metadata(service.path("down.part")).map_or(0, |part| part.len());
        resumed += usize::from(before > 0);
        let mut child = service.gantry(["get", "-q", "-o", "down", &id]).spawn().unwrap();
        let patience = Duration::from_millis(rng.random_range(5..longest));
        longest += 20;
        if let Ok(status) = tokio::time::timeout(patience, child.wait()).await {
            assert!(status.unwrap().success());
            break;
        }
        child.kill().await.unwrap();
        assert!(!service.path("down").exists(), "the name is given at the end");
        let after = std::fs::metadata(service.path("down.part")).map_or(0, |part| part.len());
        assert!(after >= before, "what was there is kept");
        kills += 1;
        assert!(kills < 200, "no progress");
    }
    assert!(std::fs::read(service.path("down")).unwrap() == bytes);
    let fetched = service.proxy.downloaded();
    println!("{kills} kills, {resumed} times gone on, {fetched} bytes fetched of {}", bytes.len());
    // What was on its way through sockets and pipes at each kill comes again.
    let slack = (kills as u64 + 1) * 8 * MIB as u64;
    assert!(fetched <= bytes.len() as u64 + slack, "{fetched} bytes");
    assert!(service.proxy.seen().iter().any(|seen| seen.range.is_some()) || resumed == 0);
}
