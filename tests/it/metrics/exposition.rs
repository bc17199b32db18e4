//! The two formats, and the families that must be there before anything has happened.

use super::{series, started, text};

/// Families with the values that their labels have from the start.
const FAMILIES: &[&str] = &[
    r#"gantry_http_requests_total{method="GET",route="/metrics",status="200"}"#,
    r#"gantry_http_request_seconds_count{route="/metrics"}"#,
    r#"gantry_http_request_duration_seconds_count{route="/metrics"}"#,
    "gantry_http_in_flight",
    "gantry_connections_open",
    r#"gantry_uploads_created_total{protocol="tus"}"#,
    "gantry_uploads_completed_total",
    r#"gantry_uploads_failed_total{code="content_mismatch"}"#,
    r#"gantry_uploads_aborted_total{reason="expired"}"#,
    "gantry_uploads_in_flight",
    "gantry_upload_bytes_received_total",
    "gantry_upload_bytes_resent_total",
    "gantry_upload_seconds_count",
    "gantry_upload_resume_total",
    "gantry_lease_takeovers_total",
    "gantry_lease_conflicts_total",
    "gantry_stale_fence_rejected_total",
    r#"gantry_complete_ambiguous_total{outcome="unresolved"}"#,
    r#"gantry_s3_requests_total{op="UploadPart",outcome="throttled"}"#,
    r#"gantry_s3_request_seconds_count{op="CompleteMultipartUpload"}"#,
    r#"gantry_s3_retries_total{op="GetObject",reason="timeout"}"#,
    "gantry_presign_total",
    "gantry_presign_refresh_total",
    r#"gantry_downloads_total{mode="cdn",status="302"}"#,
    "gantry_download_bytes_total",
    "gantry_range_requests_total",
    r#"gantry_jobs{kind="process",state="dead"}"#,
    r#"gantry_job_seconds_count{kind="deliver"}"#,
    r#"gantry_job_attempts_total{kind="sweep",outcome="lease_lost"}"#,
    r#"gantry_job_oldest_age_seconds{kind="process"}"#,
    "gantry_dead_letters",
    r#"gantry_scan_results_total{verdict="infected"}"#,
    "gantry_scan_engine_age_seconds",
    r#"gantry_webhook_deliveries_total{outcome="dead"}"#,
    "gantry_webhook_oldest_age_seconds",
    "gantry_sse_clients",
    "gantry_quota_used_ratio_max",
    r#"gantry_storage_bytes{class="quarantine"}"#,
    r#"gantry_orphans_found_total{kind="multipart"}"#,
    "gantry_orphans_removed_total",
    "gantry_maintenance_mode",
    "gantry_verify_inconsistencies",
    "gantry_db_pool_in_use",
    "gantry_db_pool_wait_seconds_count",
    r#"gantry_db_errors_total{sqlstate_class="53"}"#,
    r#"gantry_clock_skew_seconds{against="store"}"#,
    "gantry_temp_disk_free_bytes",
    r#"gantry_auth_failures_total{reason="grant"}"#,
    r#"gantry_rate_limited_total{scope="connections"}"#,
    "gantry_log_dropped_total",
    "gantry_panics_total",
    r#"gantry_cache_requests_total{cache="assets",result="hit"}"#,
    "gantry_alarms",
    r#"gantry_damaged_assets{problem="corrupt"}"#,
    "gantry_resident_memory_bytes",
    "gantry_open_files",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    "process_threads",
];

#[tokio::test]
async fn every_family_is_there_from_the_start() {
    let instance = started(&[]).await;
    let series = series(&instance).await;
    for name in FAMILIES {
        assert!(series.contains_key(*name), "{name} is not there: {:#?}", series.keys());
    }
    assert!(series.keys().any(|name| name.starts_with("gantry_build_info{version=")), "{:#?}", series.keys());
    assert!(series["process_resident_memory_bytes"] > 1e6 && series["gantry_temp_disk_free_bytes"] > 0.0);
    assert_eq!(series["gantry_resident_memory_bytes"], series["process_resident_memory_bytes"]);
    let counters = series.iter().filter(|(name, _)| name.starts_with("gantry_uploads_"));
    assert!(counters.clone().count() > 8 && counters.clone().all(|(_, value)| *value == 0.0), "{counters:#?}");
}

#[tokio::test]
async fn the_client_chooses_the_format() {
    let instance = started(&[]).await;
    let (kind, classic) = text(&instance, "*/*").await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    assert!(classic.contains("# TYPE gantry_panics_total counter\ngantry_panics_total 0\n"), "{classic}");
    assert!(!classic.contains("# EOF") && !classic.contains("# UNIT"), "{classic}");
    let (kind, open) = text(&instance, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.contains("# TYPE gantry_panics counter\ngantry_panics_total 0\n"), "{open}");
    assert!(open.contains("# UNIT gantry_http_request_seconds seconds\n") && open.ends_with("# EOF\n"), "{open}");
    for line in open.lines().filter(|line| line.starts_with("# HELP gantry_")) {
        assert!(line.ends_with('.') && line.split(' ').count() > 6, "too short to be understood: {line}");
    }
}

/// As many series as routes times buckets: no label of a histogram or a counter may grow with what clients send.
#[tokio::test]
async fn clients_cannot_make_series() {
    let instance = started(&[]).await;
    let key = instance.key();
    let client = crate::support::requests::client();
    let ask = async |number: usize| {
        let url = format!("{}/v1/assets/{}", instance.url, uuid::Uuid::from_u128(number as u128));
        client.get(url).bearer_auth(&key).send().await.unwrap();
        client.get(format!("{}/nowhere/{number}", instance.url)).send().await.unwrap();
        let odd = http::Method::from_bytes(format!("BREW{number}").as_bytes()).unwrap();
        client.request(odd, format!("{}/v1/limits", instance.url)).send().await.unwrap();
    };
    ask(0).await;
    let before = series(&instance).await;
    for number in 1..20 {
        ask(number).await;
    }
    let after = series(&instance).await;
    let fresh: Vec<_> = after.keys().filter(|name| !before.contains_key(*name) && !name.contains("/metrics")).collect();
    assert!(fresh.is_empty(), "{fresh:#?}");
}
