//! What goes up comes down, whatever its size and name.

use super::service::{MIB, PART, Service, json_lines, noise, sha256};

/// Names that must survive, or become harmless, and what they become on the way back.
fn names() -> Vec<(String, String)> {
    let same = |name: &str| (name.to_owned(), name.to_owned());
    vec![
        same("plain.bin"),
        same("with some  spaces"),
        same("quotes \" and 'apostrophes' & more; x=y %41 $HOME `id`"),
        same("Ωμέγα 漢字 🦀.tar.gz"),
        same("-rf"),
        ("..hidden".to_owned(), "hidden".to_owned()),
        ("back\\slash:colon".to_owned(), "back_slash_colon".to_owned()),
        ("é".repeat(127) + "x", "é".repeat(127) + "x"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_size_and_every_name() {
    let service = Service::start().await;
    let sizes = [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 17, 4096];
    std::fs::create_dir(service.path("up")).unwrap();
    std::fs::create_dir(service.path("down")).unwrap();
    for ((name, back), (seed, size)) in names().into_iter().zip(sizes.into_iter().enumerate()) {
        let file = service.file(format!("up/{name}"), size, seed as u64);
        let arguments = ["put".as_ref(), "--quiet".as_ref(), "--part-size=5MiB".as_ref(), file.as_os_str()];
        let id = service.ok(arguments).await;
        let path = service.ok(["get", "--quiet", "--output", "down", &id]).await;
        assert_eq!(path, format!("down/{back}"));
        assert!(std::fs::read(service.path(path)).unwrap() == noise(size, seed as u64), "{name} of {size} bytes");
        let asset = service.api(&format!("/v1/assets/{id}")).await;
        assert_eq!(asset["filename"], *name);
    }
    let left: Vec<_> = std::fs::read_dir(service.path("down")).unwrap().collect();
    assert_eq!(left.len(), names().len(), "no .part and no state is left");
    assert!(service.journal().is_empty(), "nothing is left to go on with");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_fit_for_a_pipe() {
    let service = Service::start().await;
    let (small, large) = (service.file("small", 1000, 1), service.file("large", 7 * MIB, 2));
    let (small, large) = (small.to_str().unwrap(), large.to_str().unwrap());
    let put =
        service.run(["put", small, "--metadata", "case=4711", "--external-id", "e1", "--content-type", "x/y"]).await;
    assert_eq!((put.code, put.out.len(), put.out.lines().count()), (0, 37, 1), "the id alone: {}", put.out);
    assert!(put.err.contains("ready as"), "and words on the other side: {}", put.err);
    let asset = service.api(&format!("/v1/assets/{}", put.out.trim())).await;
    assert_eq!(asset["metadata"]["case"], "4711");
    assert_eq!((&asset["external_id"], &asset["declared_content_type"]), (&"e1".into(), &"x/y".into()));
    let both = service.run(["put", "--quiet", small, large]).await;
    assert!(both.out.lines().any(|line| line.ends_with(&format!("  {large}"))), "{}", both.out);
    assert_eq!((both.out.lines().count(), both.err.as_str()), (2, ""));
    let bytes = service.gantry(["get", "-o", "-", put.out.trim()]).output().await.unwrap();
    assert!(bytes.stdout == noise(1000, 1), "bytes and nothing else");
    let digest = sha256(&noise(1000, 1));
    let sure = service.run(["put", "--quiet", "--no-wait", "--sha256", &digest, small]).await;
    assert_eq!(sure.code, 0, "{}", sure.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_one_object_a_line_with_the_result_last() {
    let service = Service::start().await;
    let large = service.file("large \u{1f980}", 4 * PART, 3);
    service.proxy.slow_down(4 * MIB);
    let put = service.run(["put".as_ref(), "--json".as_ref(), "--part-size=5MiB".as_ref(), large.as_os_str()]).await;
    assert_eq!((put.code, put.err.as_str()), (0, ""));
    let lines = json_lines(&put.out);
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    for event in ["started", "progress", "completed", "ready", "result"] {
        assert!(events.contains(&event), "{event} is not among {events:?}");
    }
    let progress = lines.iter().rfind(|line| line["event"] == "progress").unwrap();
    assert!(progress["sent"].as_u64().unwrap() >= progress["confirmed"].as_u64().unwrap());
    assert!(progress["size"] == 4 * PART && progress["bytes_per_second"].is_u64(), "{progress}");
    let result = lines.last().unwrap();
    assert_eq!((&result["event"], &result["ok"]), (&"result".into(), &true.into()));
    assert_eq!(result["files"][0]["sha256"], sha256(&noise(4 * PART, 3)));
    service.proxy.full_speed();
    let id = result["files"][0]["asset"].as_str().unwrap();
    let get = service.run(["get", "--json", "-o", "back", id]).await;
    let last = json_lines(&get.out).pop().unwrap();
    assert_eq!((&last["event"], &last["verified"], &last["path"]), (&"result".into(), &true.into(), &"back".into()));
    let wrong = service.run(["get", "--json", "01a1fcaa-182f-7392-9bfa-443ddd006b9a"]).await;
    let last = json_lines(&wrong.out).pop().unwrap();
    assert_eq!((&last["ok"], &last["error"]["code"], wrong.code), (&false.into(), &"not_found".into(), 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_tell_how_far_it_is() {
    let service = Service::start().await;
    let large = service.file("large", 6 * PART, 4);
    service.proxy.slow_down(MIB);
    let put = service.run(["put".as_ref(), "--part-size=5MiB".as_ref(), large.as_os_str()]).await;
    let line = put.err.lines().find(|line| line.contains("/s")).unwrap_or_else(|| panic!("{}", put.err));
    assert!(line.contains(" % of 30.0 MiB") && line.contains("confirmed") && line.contains("left"), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_fetched_without_a_key() {
    let service = Service::start().await;
    let file = service.file("f.bin", 2 * PART, 5);
    let id = service.ok(["put".as_ref(), "-q".as_ref(), "--part-size=5MiB".as_ref(), file.as_os_str()]).await;
    let link = service.ok(["link", &id, "--uses", "1", "--expires-in", "15m", "--filename", "other ü.bin"]).await;
    assert!(link.starts_with(&format!("{}/d/", service.url)) && !link.contains('\n'), "{link}");
    let mut get = service.gantry(["get", "--quiet", &link]);
    let path = super::service::ended(get.env_remove("GANTRY_API_KEY").output().await.unwrap());
    assert_eq!((path.code, path.out.trim()), (0, "other ü.bin"), "{}", path.err);
    assert!(std::fs::read(service.path("other ü.bin")).unwrap() == noise(2 * PART, 5));
    let used_up = service.run(["get", "--force", &link]).await;
    assert_eq!(used_up.code, 4, "{}", used_up.err);
    assert!(!used_up.err.contains(link.rsplit('/').next().unwrap()), "a link is a secret: {}", used_up.err);
    let made = json_lines(&service.ok(["link", "--json", &id]).await).remove(0);
    service.ok(["link", "--revoke", made["id"].as_str().unwrap()]).await;
    assert_eq!(service.run(["get", "-f", made["url"].as_str().unwrap()]).await.code, 4);
}
