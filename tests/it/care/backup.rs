//! Backups that are taken while uploads run, and restored on a machine that has nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt;
use gantry::blob::embedded::{EmbeddedSettings, EmbeddedStore, RemovalLock};
use gantry::blob::{BlobStore, PutPayload};
use gantry::domain::clock::{OsEntropy, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Home, PART, failure, file, instance_in, report, urls_of};
use crate::damaged_database::Tmpfs;
use crate::support::bucket::{connect_in_process, data_file, flip_bit};
use crate::support::database::Place;
use crate::support::directory::directory;
use crate::support::patience::eventually_some;
use crate::support::process::Instance;
use crate::support::transcript::noise;

fn backup(instance: &Instance, dir: &Path) -> Value {
    report(&instance.run(&["backup", dir.to_str().unwrap(), "--json"]))
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"))
}

/// Uploads of every kind: finished, half way, and under way while the backup is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_machine_is_restored_with_its_uploads_in_flight() {
    let mut home = Home::start().await;
    let dir = home.dir.path().join("new/backup");
    let mut finished = vec![(home.bring(&file(1)).await, file(1))];
    let parts = noise(2 * PART + 7, 2);
    let opened = home.open_parts(&parts, 3).await;
    finished.push((home.complete(opened["upload"]["id"].as_str().unwrap()).await, parts));
    let open = noise(3 * PART, 3);
    let half = home.open_parts(&open, 1).await;
    let half = half["upload"]["id"].as_str().unwrap();
    let appended = noise(20_000_000, 4);
    let created = home.tus(Method::POST, "/tus").header("upload-length", appended.len()).send().await.unwrap();
    let tus = created.headers()["location"].to_str().unwrap().to_owned();
    // A part of the store and a tail of bytes that fill none.
    home.append(&tus, &appended, 0, 12_000_000).await;

    let first = backup_while_uploads_run(&home, &dir).await;
    assert_eq!((number(&first, "uploads") >= 2, number(&first, "reused_files")), (true, 0), "{first}");

    // A second point copies what is new, and only that.
    let deleted = finished[0].0.clone();
    finished.push((home.bring(&file(5)).await, file(5)));
    let second = backup(&home.instance, &dir);
    assert!(number(&second, "reused_files") >= 7, "{second}");
    let [files, copied] = ["files", "copied_files"].map(|name| number(&second, name));
    assert_eq!(copied + number(&second, "reused_files"), files, "{second}");

    // Later than the point.
    home.ask(Method::DELETE, &format!("/v1/assets/{deleted}")).send().await.unwrap().error_for_status().unwrap();
    let late = home.bring(&file(6)).await;
    home.append(&tus, &appended, 12_000_000, 15_000_000).await;
    home.lose();
    let said = home.instance.run(&["restore", dir.to_str().unwrap()]);
    assert!(said.contains("uploads in flight") && said.contains(second["point"].as_str().unwrap()), "{said}");
    let verified = report(&home.instance.run(&["verify", "--digests", "--json"]));
    assert_eq!(verified["report"]["inconsistencies"], 0, "{verified}");
    home.instance.start(None).await;
    for (asset, bytes) in &finished {
        assert!(home.content(asset).await == *bytes, "{asset} came back otherwise");
    }
    assert_eq!(home.ask(Method::GET, &format!("/v1/assets/{late}")).send().await.unwrap().status(), 404);

    // Both uploads go on where the point had them.
    let seen = home.json(Method::GET, &format!("/v1/uploads/{half}"), None).await;
    assert_eq!(seen["received"], json!([{ "part": 1, "size": PART }]), "{seen}");
    let signed = home.json(Method::POST, &format!("/v1/uploads/{half}/urls"), Some(json!({ "parts": "2-3" }))).await;
    home.send_parts(&urls_of(&signed), &open, 1).await;
    let asset = home.complete(half).await;
    assert!(home.content(&asset).await == open);
    let url = format!("{}/tus/{}", home.instance.url, tus.rsplit('/').next().unwrap());
    let offset = home.tus(Method::HEAD, &url).send().await.unwrap().headers()["upload-offset"].clone();
    assert_eq!(offset, "12000000", "what was acknowledged before the point, and no more");
    home.append(&url, &appended, 12_000_000, appended.len()).await;
    let upload = home.json(Method::GET, &format!("/v1/uploads/{}", tus.rsplit('/').next().unwrap()), None).await;
    let asset = home.until_ready(upload["asset_id"].as_str().unwrap()).await;
    assert!(home.content(&asset).await == appended);
    // The same beside the running service.
    let verified = report(&home.instance.run(&["verify", "--digests", "--json"]));
    assert_eq!(verified["report"]["inconsistencies"], 0, "{verified}");
}

/// Takes a backup while clients create, send, finish and delete. Every file that was finished before it began is in it, and
/// the rows and the store of the point agree.
async fn backup_while_uploads_run(home: &Home, dir: &Path) -> Value {
    let stop = AtomicBool::new(false);
    let storm = async {
        let mut seed = 100;
        while !stop.load(Ordering::Relaxed) {
            let asset = home.bring(&file(seed % 50)).await;
            let opened = home.open_parts(&noise(PART + 1, seed), 1).await;
            if seed.is_multiple_of(2) {
                let path = format!("/v1/assets/{asset}");
                home.ask(Method::DELETE, &path).send().await.unwrap().error_for_status().unwrap();
                let path = format!("/v1/uploads/{}", opened["upload"]["id"].as_str().unwrap());
                home.ask(Method::DELETE, &path).send().await.unwrap().error_for_status().unwrap();
            }
            seed += 1;
        }
    };
    let taken = async {
        let mut command = home.instance.gantry(&["backup", dir.to_str().unwrap(), "--json"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        report(&String::from_utf8(output.stdout).unwrap())
    };
    let (taken, ()) = tokio::join!(taken, storm);
    // The point alone, without what came later.
    let other = directory();
    let elsewhere = instance_in(other.path());
    elsewhere.run(&["restore", dir.to_str().unwrap()]);
    let verified = report(&elsewhere.run(&["verify", "--digests", "--json"]));
    assert_eq!(verified["report"]["inconsistencies"], 0, "{verified}");
    taken
}

#[tokio::test]
async fn a_killed_backup_leaves_the_earlier_point_and_is_no_point() {
    let home = Home::start().await;
    let dir = home.dir.path().join("backup");
    let path = dir.to_str().unwrap();
    for seed in 0..4 {
        home.bring(&file(seed)).await;
    }
    let dies = |point: &str| {
        let died = home.instance.gantry(&["backup", path]).env("GANTRY_CRASH_AT", point).output().unwrap();
        assert!(!died.status.success());
    };
    dies("backup_file_copied:3");
    assert!(home.fails(&["restore", path, "--check"]).contains("no whole point"));
    let first = backup(&home.instance, &dir);
    assert!(number(&first, "reused_files") >= 3, "what the killed one had copied is kept: {first}");
    let asset = home.bring(&file(9)).await;
    for point in ["backup_file_copied:2", "backup_durable"] {
        dies(point);
        let checked = report(&home.instance.run(&["restore", path, "--check", "--json"]));
        assert_eq!(checked["point"], first["point"]);
    }
    // A copy that a killed backup has left half is not taken for the file.
    let half = data_file(&dir.join("files"), &file(9));
    std::fs::write(&half, b"half").unwrap();
    let second = backup(&home.instance, &dir);
    assert_eq!(std::fs::read(&half).unwrap(), file(9));
    let third = backup(&home.instance, &dir);
    assert_eq!(number(&third, "copied_files"), 4, "databases and keys alone: {third}");
    // Points are found by time as well; old ones go, and with them the files that no other names.
    home.ask(Method::DELETE, &format!("/v1/assets/{asset}")).send().await.unwrap().error_for_status().unwrap();
    crate::support::patience::eventually("the object is trash", async || {
        home.instance.s3().list_objects_v2().bucket("gantry").prefix("gantry/o/").send().await.unwrap().contents().len()
            == 4
    })
    .await;
    let last = report(&home.instance.run(&["backup", path, "--keep", "1", "--json"]));
    assert_eq!(number(&last, "removed_points"), 3, "{last}");
    assert!(!half.exists(), "no point names it");
    assert!(home.fails(&["restore", path, "--check", "--point", second["point"].as_str().unwrap()]).contains("it has"));
    let at = last["at"].as_str().unwrap();
    assert!(home.instance.run(&["restore", path, "--check", "--point", at]).contains("is whole"));
}

#[tokio::test]
async fn a_killed_restore_is_refused_until_it_is_finished() {
    let mut home = Home::start().await;
    let dir = home.dir.path().join("backup");
    let path = dir.to_str().unwrap();
    let mut assets = Vec::new();
    for seed in 0..4 {
        assets.push((home.bring(&file(seed)).await, file(seed)));
    }
    let point = backup(&home.instance, &dir);
    let newer = (home.bring(&file(7)).await, file(7));
    backup(&home.instance, &dir);
    assert!(home.fails(&["restore", path]).contains("is not empty"));
    home.lose();
    let died =
        home.instance.gantry(&["restore", path]).env("GANTRY_CRASH_AT", "restore_file_copied:6").output().unwrap();
    assert!(!died.status.success());
    for command in [&["serve"][..], &["verify"], &["backup", "/tmp/never"], &["key", "list"]] {
        assert!(home.fails(command).contains("did not finish"), "{command:?}");
    }
    let died = home.instance.gantry(&["restore", path]).env("GANTRY_CRASH_AT", "restore_durable").output().unwrap();
    assert!(!died.status.success());
    let restored = report(&home.instance.run(&["restore", path, "--json"]));
    assert_eq!(restored["kept_files"], restored["files"], "everything was there: {restored}");
    home.instance.start(None).await;
    for (asset, bytes) in assets.iter().chain([&newer]) {
        assert!(home.content(asset).await == *bytes);
    }
    // Another point instead of one that was begun.
    home.lose();
    let died =
        home.instance.gantry(&["restore", path]).env("GANTRY_CRASH_AT", "restore_file_copied:6").output().unwrap();
    assert!(!died.status.success());
    home.instance.run(&["restore", path, "--point", point["point"].as_str().unwrap()]);
    home.instance.run(&["verify", "--digests"]);
    home.instance.start(None).await;
    assert!(home.content(&assets[3].0).await == assets[3].1);
    let status = home.ask(Method::GET, &format!("/v1/assets/{}", newer.0)).send().await.unwrap().status();
    assert_eq!(status, 404, "the older point does not have it");
}

#[tokio::test]
async fn damage_is_told_in_the_store_and_in_the_backup() {
    let mut home = Home::start().await;
    let dir = home.dir.path().join("backup");
    let path = dir.to_str().unwrap();
    let assets = [home.bring(&file(1)).await, home.bring(&file(2)).await, home.bring(&file(3)).await];
    flip_bit(&data_file(&home.data().join("store/files"), &file(1)));
    std::fs::remove_file(data_file(&home.data().join("store/files"), &file(2))).unwrap();
    let said = home.fails(&["backup", path]);
    let named = |asset: &str| said.contains(&asset.replace('-', ""));
    assert!(said.contains("differs from its checksum") && said.contains("is missing"), "{said}");
    assert_eq!(assets.each_ref().map(|asset| named(asset)), [true, true, false], "{said}");
    home.lose();
    home.instance.run(&["restore", path]);
    let said = home.fails(&["verify", "--digests"]);
    for asset in &assets[..2] {
        assert!(said.contains(&format!("asset {asset}")), "{said}");
    }
    assert!(!said.contains(&assets[2]), "{said}");
    // A file that rots in the backup is found before the service is started on it.
    flip_bit(&data_file(&dir.join("files"), &file(3)));
    assert!(home.fails(&["restore", path, "--check"]).contains("differs from the manifest"));
    home.lose();
    assert!(home.fails(&["restore", path]).contains("differs from the manifest"));
    assert!(home.fails(&["serve"]).contains("did not finish"));
}

#[tokio::test]
async fn a_full_disk_leaves_the_earlier_points() {
    let home = Home::start().await;
    let disk = Tmpfs::new("24m");
    let dir = disk.0.path().join("backup");
    let path = dir.to_str().unwrap();
    home.bring(&file(1)).await;
    let first = backup(&home.instance, &dir);
    home.bring(&noise(30_000_000, 2)).await;
    let said = home.fails(&["backup", path]);
    assert!(said.contains("is full") && said.contains("--keep"), "{said}");
    let checked = report(&home.instance.run(&["restore", path, "--check", "--json"]));
    assert_eq!(checked["point"], first["point"]);
}

#[tokio::test]
async fn what_is_elsewhere_is_refused_with_what_to_do() {
    let home = Home::start().await;
    let inside = home.data().join("backup");
    assert!(home.fails(&["backup", inside.to_str().unwrap()]).contains("not apart"));
    let letters = home.dir.path().join("letters");
    std::fs::create_dir(&letters).unwrap();
    std::fs::write(letters.join("a.txt"), b"x").unwrap();
    assert!(home.fails(&["backup", letters.to_str().unwrap()]).contains("something else than a backup"));
    let nothing = home.dir.path().join("nothing");
    assert!(home.fails(&["restore", nothing.to_str().unwrap()]).contains("is no backup of gantry"));
    let empty = directory();
    let fresh = instance_in(empty.path());
    let target = empty.path().join("b");
    assert!(failure(&fresh, &["backup", target.to_str().unwrap()]).contains("nothing to back up"));
    let postgres = Instance::new(Place::Postgres("postgres://nobody@127.0.0.1:1/none".to_owned()), &[]);
    for command in ["backup", "restore"] {
        // A restore looks at its settings before it looks for the folder.
        let said = failure(&postgres, &[command, target.to_str().unwrap()]);
        assert!(said.contains("pg_dump") && said.contains("/docs/backup"), "{said}");
    }
}

#[tokio::test]
async fn no_file_is_removed_while_a_backup_copies() {
    let dir = directory();
    let settings = EmbeddedSettings {
        dir: dir.path().to_owned(),
        access_key: "a".to_owned(),
        secret_key: "s".to_owned(),
        trash_grace: std::time::Duration::ZERO,
        min_free: 0,
        ..EmbeddedSettings::default()
    };
    let store = EmbeddedStore::open(settings, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
    store.ensure_bucket("photos").await.unwrap();
    let blobs = connect_in_process(&store, "photos", ("a", "s"), Arc::new(SystemClock)).await;
    let (etag, _) = blobs.put_object("a", None, PutPayload::of(file(1).into())).await.unwrap();
    let path = data_file(&dir.path().join("files"), &file(1));
    let bytes: Vec<bytes::Bytes> = blobs.get("a", &etag, 5..1000).await.unwrap().try_collect().await.unwrap();
    assert!(bytes.concat() == file(1)[5..1000]);
    blobs.delete("a").await.unwrap();
    let held = [RemovalLock::keep_files(dir.path()).unwrap(), RemovalLock::keep_files(dir.path()).unwrap()];
    for _ in &held {
        assert_eq!(store.sweep().await.unwrap().trash, 0);
        assert!(path.exists());
    }
    drop(held);
    // A process that another test is just starting has a copy of the lock until it has begun its program.
    let removed = || async { store.sweep().await.unwrap().trash };
    assert_eq!(
        eventually_some("the file is removed", async || Some(removed().await).filter(|many| *many > 0)).await,
        1
    );
    assert!(!path.exists());
}

/// The primary streams points; the machine is lost, and another takes over with what the last point has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_machine_is_seconds_behind_and_takes_over() {
    let mut home = Home::start().await;
    let dir = home.dir.path().join("standby");
    let log = std::fs::File::create(home.dir.path().join("follow.log")).unwrap();
    let mut command =
        home.instance.gantry(&["follow", dir.to_str().unwrap(), "--every", "1s", "--keep", "3", "--json"]);
    let mut following = command.stdout(log).spawn().unwrap();
    let mut kept = Vec::new();
    for seed in 0..3 {
        kept.push((home.bring(&file(seed)).await, file(seed)));
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    let brought = jiff::Timestamp::now();
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(home.dir.path().join("follow.log")).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    crate::support::patience::eventually("a point is later than the last file", async || {
        let later = |line: &Value| {
            line["point"]["at"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().unwrap() > brought)
        };
        lines().iter().any(later)
    })
    .await;
    let behind = lines().last().unwrap().clone();
    assert!(behind["behind_seconds"].as_f64().is_none_or(|behind| behind < 60.0), "{behind}");
    following.kill().unwrap();
    following.wait().unwrap();
    home.lose();
    home.instance.run(&["restore", dir.to_str().unwrap()]);
    assert_eq!(report(&home.instance.run(&["verify", "--digests", "--json"]))["report"]["inconsistencies"], 0);
    home.instance.start(None).await;
    for (asset, bytes) in &kept {
        assert!(home.content(asset).await == *bytes);
    }
}
