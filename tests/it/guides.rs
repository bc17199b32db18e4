//! The guides under `/docs/`: every page renders, and every link of a page leads to something that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;

use crate::contract::Contract;
use crate::support::database::Database;
use crate::support::service::{Service, Shape};

/// Names of the guides in the repository.
fn guide_names() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/guides");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<_> =
        files.map(|file| file.strip_suffix(".md").expect("a guide is Markdown").to_owned()).collect();
    assert!(names.len() >= 7, "{names:?}");
    names
}

/// Every first group that the pattern finds.
fn all_of(pattern: &str, text: &str) -> Vec<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

async fn page(service: &Service, path: &str) -> reqwest::Response {
    reqwest::get(format!("{}{path}", service.base)).await.unwrap()
}

/// Every guide's page by its address.
async fn pages(service: &Service) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for name in guide_names() {
        let path = format!("/docs/{name}");
        let answer = page(service, &path).await;
        assert_eq!(answer.status(), 200, "{path}");
        pages.insert(path, answer.text().await.unwrap());
    }
    pages
}

async fn start() -> Service {
    Service::start(Database::sqlite().await, Shape::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_guide_is_a_page_with_the_policy_of_the_others() {
    let service = start().await;
    let policy_of = |answer: &reqwest::Response| answer.headers()["content-security-policy"].clone();
    let expected = policy_of(&page(&service, "/docs").await);
    for name in guide_names() {
        let answer = page(&service, &format!("/docs/{name}")).await;
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{name}");
        assert_eq!(answer.headers()["cache-control"], "public, no-cache", "{name}");
        assert_eq!(policy_of(&answer), expected, "{name}");
        let html = answer.text().await.unwrap();
        assert!(!html.contains("{{") && !html.contains("style=") && !html.contains("<script"), "{name}: {html}");
        assert_eq!(html.matches("<h1 ").count(), 1, "{name}");
        let title = all_of("<title>Gantry: (.+)</title>", &html);
        assert!(html.contains(&format!(">{}</h1>", title[0])), "{name}: {title:?}");
        assert_eq!(html.matches("aria-current").count(), 1, "{name}");
    }
    assert_eq!(page(&service, "/docs/nothing").await.status(), 404);
    service.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_link_of_a_page_resolves() {
    let service = start().await;
    let mut pages = pages(&service).await;
    for path in ["/", "/docs"] {
        pages.insert(path.to_owned(), page(&service, path).await.text().await.unwrap());
    }
    let contract = Contract::of(&service).await;
    let mut ids: BTreeMap<&str, BTreeSet<String>> = pages
        .iter()
        .map(|(path, html)| (path.as_str(), all_of(" id=\"([^\"]+)\"", html).into_iter().collect()))
        .collect();
    // The reference makes its sections in the browser, one for each operation.
    let operations = contract.operations();
    let operation_ids = operations.iter().map(|operation| operation.says["operationId"].as_str().unwrap().to_owned());
    ids.get_mut("/docs").unwrap().extend(operation_ids);
    let (mut broken, mut checked) = (Vec::new(), 0);
    for (path, html) in &pages {
        for link in all_of("<a href=\"([^\"]*)\"", html) {
            checked += 1;
            if link.starts_with("https://") {
                continue;
            }
            let (target, fragment) = link.split_once('#').map_or((link.as_str(), None), |(at, id)| (at, Some(id)));
            let target = if target.is_empty() { path } else { target };
            let there = ids.contains_key(target) || target == "/openapi.json";
            if !there || fragment.is_some_and(|id| !ids[target].contains(id)) {
                broken.push(format!("{path} links to {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(checked > 70, "links are read wrongly: {checked}");
    service.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_page_and_the_reference_lead_to_every_guide() {
    let service = start().await;
    let reference = page(&service, "/docs").await.text().await.unwrap();
    for name in guide_names() {
        assert!(reference.contains(&format!("href=\"/docs/{name}\"")), "{name}");
    }
    assert!(page(&service, "/").await.text().await.unwrap().contains("href=\"/docs\""));
    service.assert_clean().await;
}
