//! `sync`: a folder to the service, one way.

use std::path::Path;

use serde_json::Value;

use super::service::{Service, json_lines, sha256};

fn write(service: &Service, path: &str, text: &str) {
    let path = service.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Paths and digests of the folder's assets.
async fn there(service: &Service) -> Vec<(String, String)> {
    let assets = json_lines(&service.ok(["ls", "--json", "--state=ready", "--metadata", "sync=folder"]).await);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> =
        assets.iter().map(|asset| (text(&asset["metadata"]["path"]), text(&asset["sha256"]))).collect();
    found.sort();
    found
}

fn expected(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), sha256(text.as_bytes()))).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_kept_in_step() {
    let service = Service::start().await;
    write(&service, "folder/a.txt", "a");
    write(&service, "folder/sub/b.txt", "b");
    write(&service, "folder/c.tmp", "c");
    let sync = async |more: &[&str]| {
        let ended = service.run([&["sync", "folder", "--exclude=*.tmp"], more].concat()).await;
        assert_eq!(ended.code, 0, "{more:?}: {}", ended.err);
        ended
    };
    let plan = sync(&["--dry-run"]).await;
    assert!(plan.err.contains("2 would be sent, 0 are unchanged"), "{}", plan.err);
    assert!(there(&service).await.is_empty());
    assert!(sync(&[]).await.err.contains("2 sent, 0 unchanged, 0 removed"));
    assert_eq!(there(&service).await, expected(&[("a.txt", "a"), ("sub/b.txt", "b")]));
    assert!(sync(&[]).await.err.contains("0 sent, 2 unchanged"));
    // A new time alone is no new content.
    let touched = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options().write(true).open(service.path("folder/a.txt")).unwrap().set_modified(touched).unwrap();
    assert!(sync(&[]).await.err.contains("0 sent, 2 unchanged"));
    write(&service, "folder/a.txt", "A");
    write(&service, "folder/d.txt", "d");
    std::fs::remove_file(service.path("folder/sub/b.txt")).unwrap();
    assert!(sync(&[]).await.err.contains("2 sent, 0 unchanged, 0 removed"));
    let all = [("a.txt", "a"), ("a.txt", "A"), ("d.txt", "d"), ("sub/b.txt", "b")];
    assert_eq!(there(&service).await, expected(&all), "nothing is removed unasked");
    let refused = service.run(["sync", "folder", "--delete"]).await;
    assert!(refused.code == 2 && refused.err.contains("--yes"), "{}", refused.err);
    let plan = sync(&["--delete", "--dry-run"]).await;
    assert!(plan.err.contains("2 would be removed") && plan.out.contains("sub/b.txt"), "{}{}", plan.out, plan.err);
    assert!(sync(&["--delete", "--yes"]).await.err.contains("0 sent, 2 unchanged, 2 removed"));
    assert_eq!(there(&service).await, expected(&[("a.txt", "A"), ("d.txt", "d")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_folder_is_refused_and_other_folders_are_left_alone() {
    let service = Service::start().await;
    write(&service, "folder/a.txt", "a");
    write(&service, "other/a.txt", "other");
    assert_eq!(service.run(["sync", "folder/a.txt"]).await.code, 2);
    assert_eq!(service.run(["sync", "nowhere"]).await.code, 1);
    service.ok(["sync", "-q", "folder"]).await;
    service.ok(["sync", "-q", "other", "--as", "folder2"]).await;
    service.ok(["put", "-q", "-r", "other"]).await;
    assert!(Path::new(&service.path("folder/a.txt")).exists());
    service.ok(["sync", "-q", "folder", "--delete", "--yes"]).await;
    assert_eq!(json_lines(&service.ok(["ls", "--json", "--state=ready"]).await).len(), 3);
}
