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

/// The cells of the rows that follow a heading of a guide.
fn rows_below(guide: &str, heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("web/guides").join(guide)).unwrap();
    let (_, below) = text.split_once(&format!("\n{heading}\n")).unwrap();
    let section = below.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What every error of the contract says of `retryable`, by its code.
fn retryable_by_code(contract: &Contract) -> BTreeMap<String, BTreeSet<bool>> {
    let mut codes: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for operation in contract.operations() {
        let responses = operation.says["responses"].as_object().unwrap().values();
        let media =
            responses.filter_map(|response| response["content"].as_object()).flat_map(|content| content.values());
        for (code, example) in media.filter_map(|media| media["examples"].as_object()).flatten() {
            let pointer = example["$ref"].as_str().unwrap().trim_start_matches('#');
            let retryable = contract.0.pointer(pointer).unwrap()["value"]["retryable"].as_bool();
            codes.entry(code.clone()).or_default().extend(retryable);
        }
    }
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_code_has_a_row_with_cause_fix_and_whether_a_retry_helps() {
    let service = start().await;
    let mut expected = retryable_by_code(&Contract::of(&service).await);
    // Methods that an address does not have are in no operation.
    expected.insert("method_not_allowed".to_owned(), BTreeSet::from([false]));
    let rows = rows_below("errors.md", "## Every code");
    let named: Vec<_> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(named, expected.keys().cloned().collect::<Vec<_>>(), "rows are sorted, one for each code");
    for (row, says) in rows.iter().zip(expected.values()) {
        let retry = match says.iter().copied().collect::<Vec<_>>()[..] {
            [true] => "Yes",
            [false, true] => "Sometimes: ",
            _ => "No",
        };
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row[1..3].iter().all(|cell| cell.ends_with('.')), "{row:?} has no sentences");
        let right = if retry.ends_with(' ') { row[3].starts_with(retry) } else { row[3] == retry };
        assert!(right, "{row:?}: the answer says {says:?}");
    }
    service.assert_clean().await;
}

/// Codes of verdicts and problems that the source gives to assets.
fn asset_codes_in_the_source() -> BTreeSet<String> {
    let patterns = [
        r#"AssetVerdict \{ code: "([a-z_]+)""#,
        r#"AssetProblem \{ code: "([a-z_]+)""#,
        r#"MediaProblem::new\( ?"([a-z_]+)""#,
        r#"add_problem\( ?"([a-z_]+)""#,
    ];
    let mut codes = BTreeSet::new();
    for (name, text) in crate::house::sources() {
        let code = crate::house::code(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        codes.extend(patterns.iter().flat_map(|pattern| all_of(pattern, &code)));
        if name == "media" {
            codes.extend(all_of(r#"Self::new\("([a-z_]+)""#, &code));
        }
        codes.extend(all_of(r#"damaged_problem\("([a-z]+)"\)"#, &code).iter().map(|kind| format!("{kind}_damaged")));
    }
    codes
}

#[test]
fn every_reason_and_problem_of_an_asset_has_a_row() {
    let codes = asset_codes_in_the_source();
    assert!(codes.len() > 20, "the source is read wrongly: {codes:?}");
    let rows = rows_below("errors.md", "## Why a file is not delivered");
    let named: BTreeSet<_> = rows.iter().flat_map(|row| all_of("`([a-z_]+)`", &row[0])).collect();
    let missing: Vec<_> = codes.difference(&named).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
