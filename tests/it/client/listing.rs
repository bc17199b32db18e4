//! `ls`, `stat`, `rm`.

use super::service::{Service, json_lines};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn assets_are_listed_looked_at_and_removed() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for (name, case) in [("one", "a"), ("two words", "b"), ("three", "b")] {
        let file = service.file(name, 10, 1);
        ids.push(service.ok(["put", "-q", file.to_str().unwrap(), "--metadata", &format!("case={case}")]).await);
    }
    let table = service.ok(["ls"]).await;
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with(&ids[2]) && rows[0].contains("ready") && rows[0].ends_with("three"), "{table}");
    assert!(rows[1].ends_with("two words") && rows.len() == 3, "newest first: {table}");
    let filtered = json_lines(&service.ok(["ls", "--json", "--metadata", "case=b", "--state", "ready"]).await);
    assert_eq!(filtered.len(), 2);
    assert_eq!(service.ok(["ls", "--limit", "1"]).await.lines().count(), 1);
    assert_eq!(service.run(["ls", "--state", "nonsense"]).await.code, 2);
    let stat = service.ok(["stat", &ids[0]]).await;
    assert!(stat.contains("ready") && stat.contains("one") && stat.contains("10 (10 B)"), "{stat}");
    assert_eq!(json_lines(&service.ok(["stat", "--json", &ids[0]]).await)[0]["metadata"]["case"], "a");
    let removed = service.run(["rm", &ids[0], &ids[1]]).await;
    assert_eq!((removed.code, removed.out.as_str()), (0, ""));
    assert_eq!(service.ok(["ls", "--state", "ready"]).await.lines().count(), 1);
    let unknown = "01a1fcaa-182f-7392-9bfa-443ddd006b9a";
    let partly = service.run(["rm", "--json", &ids[2], unknown]).await;
    assert_eq!(partly.code, 7, "{}", partly.err);
    let lines = json_lines(&partly.out);
    assert_eq!((&lines[0]["deleted"], &lines[1]["error"]["code"]), (&true.into(), &"not_found".into()));
    assert_eq!(service.run(["rm", unknown]).await.code, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_under_way_shows_its_progress() {
    let service = Service::start().await;
    let wish = serde_json::json!({"filename": "slow.bin", "size": 11, "method": "put"});
    let opened = service.post("/v1/uploads", &wish).await;
    let stat = service.ok(["stat", opened["asset"]["id"].as_str().unwrap()]).await;
    assert!(stat.contains("awaiting") && stat.contains("0 B of 11 B (0 %), native upload"), "{stat}");
    let listed = service.ok(["ls", "--name", "SLOW", "--sort", "name", "--size-from", "5"]).await;
    assert!(listed.lines().count() == 1 && listed.contains("slow.bin"), "{listed}");
    assert_eq!(service.run(["ls", "--sort", "colour"]).await.code, 2);
}

/// `gantry ls | head -n 1` is no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_may_stop_reading() {
    let service = Service::start().await;
    for seed in 0..3 {
        let file = service.file("f", 10, seed);
        service.ok(["put", "-q", file.to_str().unwrap()]).await;
    }
    let mut ls = service.gantry(["ls"]);
    let mut child = ls.spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().await.unwrap().success());
}
