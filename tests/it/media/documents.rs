//! PDF.

use serde_json::json;

use super::{Bench, codes, made};

/// A PDF of one page whose content is `content`, and whose page is `page` points.
fn pdf(page: &str, content: &str) -> String {
    format!(
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
         3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 {page}]/Contents 4 0 R/Resources<<>>>>endobj\n\
         4 0 obj<</Length {}>>stream\n{content}\nendstream endobj\ntrailer<</Root 1 0 R>>\n",
        content.len()
    )
}

#[tokio::test]
async fn documents_are_counted_and_their_first_page_is_drawn() {
    let bench = Bench::new();
    std::fs::write(bench.path("raw.pdf"), pdf("400 600", "1 0 0 rg 0 0 400 600 re f")).unwrap();
    bench.make("qpdf raw.pdf one.pdf || [ $? = 3 ]; qpdf --empty --pages one.pdf one.pdf one.pdf -- three.pdf");
    let report = bench.look("three.pdf", "application/pdf").await;
    let expected = json!({"kind": "document", "pages": 3, "encrypted": false, "javascript": false,
        "page_width_pt": 400.0, "page_height_pt": 600.0});
    assert_eq!(serde_json::Value::Object(report.details.clone()), expected);
    assert!(report.problems.is_empty(), "{report:?}");
    let page = made(&report, "thumb-256", "image/jpeg");
    assert_eq!((page.width, page.height), (171, 256));
    assert!(super::near(super::colour(&page.file, 4, 4), [255, 0, 0, 255]));
}

#[tokio::test]
async fn of_a_page_what_readers_show_is_drawn() {
    let bench = Bench::new();
    // Red, but for the upper right quarter, to which the page is cropped: that is blue.
    let content = "1 0 0 rg 0 0 400 600 re f 0 0 1 rg 200 300 200 300 re f";
    let cropped = pdf("400 600", content).replace("/MediaBox", "/CropBox[200 300 400 600]/MediaBox");
    std::fs::write(bench.path("raw.pdf"), cropped).unwrap();
    bench.make("qpdf raw.pdf one.pdf || [ $? = 3 ]");
    let report = bench.look("one.pdf", "application/pdf").await;
    let details = &report.details;
    assert_eq!((&details["page_width_pt"], &details["page_height_pt"]), (&json!(200.0), &json!(300.0)), "{report:?}");
    let page = made(&report, "thumb-256", "image/jpeg");
    assert_eq!((page.width, page.height), (171, 256));
    for (across, down) in [(0, 0), (7, 0), (0, 7), (7, 7)] {
        assert!(super::near(super::colour(&page.file, across, down), [0, 0, 255, 255]), "{across} {down}");
    }
}

#[tokio::test]
async fn locked_documents_say_so() {
    let bench = Bench::new();
    std::fs::write(bench.path("raw.pdf"), pdf("400 600", "")).unwrap();
    bench.make("qpdf raw.pdf one.pdf || [ $? = 3 ]; qpdf one.pdf ok.pdf || [ $? = 3 ]; qpdf --encrypt secret owner 256 -- ok.pdf locked.pdf || [ $? = 3 ]; qpdf --encrypt '' owner 256 -- ok.pdf open.pdf || [ $? = 3 ]");
    let report = bench.look("locked.pdf", "application/pdf").await;
    assert_eq!((&report.details["encrypted"], codes(&report)), (&json!(true), vec!["document_locked"]));
    let report = bench.look("open.pdf", "application/pdf").await;
    assert_eq!((&report.details["encrypted"], report.derivatives.len()), (&json!(true), 4), "{report:?}");
}

#[tokio::test]
async fn bombs_of_documents_end_at_their_limits() {
    let mut bench = Bench::new();
    bench.limits.max_cpu_time = std::time::Duration::from_secs(3);
    bench.limits.max_wall_time = std::time::Duration::from_secs(10);
    std::fs::write(bench.path("huge.pdf"), pdf("14400000 14400000", "0 0 1 rg 0 0 9999999 9999999 re f")).unwrap();
    let report = bench.look("huge.pdf", "application/pdf").await;
    assert_eq!(report.details["pages"], json!(1), "{report:?}");
    let busy = "0 0 m 400 600 l 3 w S ".repeat(3_000_000);
    std::fs::write(bench.path("busy.pdf"), pdf("400 600", &busy)).unwrap();
    let begun = std::time::Instant::now();
    let report = bench.look("busy.pdf", "application/pdf").await;
    assert_eq!(codes(&report), ["decoder_time"], "{report:?}");
    assert!(begun.elapsed() < bench.limits.max_wall_time * 2);
}
