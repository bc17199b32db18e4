//! `get` of several assets, by name, into folders that are made; `cat`.

use super::service::{Service, json_lines};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_assets_come_into_a_folder_that_is_made() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for (name, text) in [("one.txt", "1"), ("two.txt", "22"), ("two.txt.bak", "333")] {
        std::fs::write(service.path(name), text).unwrap();
        ids.push(service.ok(["put", "-q", name]).await);
    }
    std::fs::write(service.path("two.txt"), "newest").unwrap();
    service.ok(["put", "-q", "--no-resume", "two.txt"]).await;
    let read = |path: &str| std::fs::read_to_string(service.path(path)).unwrap();
    let out = service.ok(["get", "-q", &ids[0], &ids[2], "--name", "two.txt", "-o", "a/b"]).await;
    assert_eq!(out.lines().count(), 3, "{out}");
    assert_eq!(
        (read("a/b/one.txt"), read("a/b/two.txt"), read("a/b/two.txt.bak")),
        ("1".into(), "newest".into(), "333".into())
    );
    service.ok(["get", "-q", &ids[1], "-o", "new/"]).await;
    service.ok(["get", "-q", &ids[1], "-o", "deep/er/name"]).await;
    assert_eq!((read("new/two.txt"), read("deep/er/name")), ("22".into(), "22".into()));
    assert_eq!(service.ok(["cat", &ids[2]]).await, "333");
    let unknown = "01a1fcaa-182f-7392-9bfa-443ddd006b9a";
    let partly = service.run(["get", "--json", "-f", &ids[0], unknown, "--name", "no such", "-o", "a/b"]).await;
    assert_eq!(partly.code, 7, "{}", partly.err);
    assert!(partly.err.contains(unknown) && partly.err.contains("the name \"no such\""), "{}", partly.err);
    let lines = json_lines(&partly.out);
    assert!(lines.iter().any(|line| line["event"] == "fetched" && line["verified"] == true), "{}", partly.out);
    assert_eq!(lines.last().unwrap()["exit_code"], 7);
    assert_eq!(service.run(["get", "--name", "no such"]).await.code, 4);
    assert_eq!(service.run(["get", &ids[0], &ids[1], "-o", "-"]).await.code, 2);
    assert_eq!(service.run(["get"]).await.code, 2);
}
