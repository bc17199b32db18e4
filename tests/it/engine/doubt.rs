//! Answers that are lost, refused or wrong, at every step that has one: nothing acknowledged is lost, nothing is done
//! twice, and the same call made again gives the answer.

use super::{filled, idle, told};
use crate::support::faulty::Fault::{AnswerLost, Refused};
use crate::support::requests;
use crate::{on_both_services, transcript};

const WHOLE_LIFE: [&str; 4] = ["asset.created", "upload.completing", "upload.completed", "asset.stored"];

/// Lines of the log that say "in doubt", of every service of this run.
#[derive(Clone, Default)]
struct DoubtLines(std::sync::Arc<std::sync::Mutex<String>>);

impl std::io::Write for DoubtLines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if text.contains("in doubt") {
            self.0.lock().unwrap().push_str(&text);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn doubt_lines() -> &'static DoubtLines {
    static LINES: std::sync::LazyLock<DoubtLines> = std::sync::LazyLock::new(|| {
        let lines = DoubtLines::default();
        let writer = lines.clone();
        let lines_of_all =
            tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(move || writer.clone());
        lines_of_all.with_ansi(false).init();
        lines
    });
    &LINES
}

on_both_services! {
    async fn a_completion_in_doubt_is_found_in_the_log_by_every_id(service, idle()) {
        let log = doubt_lines();
        let names = filled(service).await;
        service.faults.on("complete_multipart", [Some(AnswerLost)]);
        let request_id = format!("doubt-{}", names["upload"]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            | x-request-id: $request
            < 200 {"id": "$asset"}
        "#, upload = names["upload"], asset = names["asset"], request = request_id);
        let lines = log.0.lock().unwrap().clone();
        let line = lines.lines().find(|line| line.contains("completion is in doubt") && line.contains(&request_id));
        let line = line.unwrap_or_else(|| panic!("no line names the request: {lines}"));
        assert!(line.contains(&format!("upload={}", names["upload"])) && line.contains(&format!("asset={}", names["asset"])), "{line}");
        assert!(line.contains(&format!("tenant={}", service.tenant)), "{line}");
    }

    async fn complete_was_applied_and_its_answer_lost(service, idle()) {
        let names = filled(service).await;
        service.faults.on("complete_multipart", [Some(AnswerLost)]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
        assert!(service.faults.are_spent());
        assert_eq!(told(service, &names["asset"]).await, WHOLE_LIFE);
    }

    async fn complete_is_refused_for_a_while(service, idle()) {
        let names = filled(service).await;
        service.faults.on("complete_multipart", [Some(Refused), Some(Refused), Some(AnswerLost)]);
        service.faults.on("head", [Some(Refused), None, Some(Refused)]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
        assert_eq!(told(service, &names["asset"]).await, WHOLE_LIFE);
    }

    async fn the_store_is_away_for_longer_than_a_request_waits(service, idle()) {
        let names = filled(service).await;
        service.faults.on("complete_multipart", [Some(Refused); 6]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 503 {"code": "unavailable", "retryable": true}
            > GET /v1/uploads/$upload
            < 200 {"state": "completing"}
            > POST /v1/uploads/$upload/urls {"parts": "1"}
            < 409 {"code": "wrong_state", "state": "completing"}
        "#, upload = names["upload"]);
        // Whoever comes after the holder's time takes over.
        service.advance(std::time::Duration::from_secs(31));
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
        let events = told(service, &names["asset"]).await;
        assert_eq!(events.iter().filter(|kind| *kind == "asset.stored").count(), 1);
    }

    async fn the_database_is_away_between_the_stores_answer_and_our_commit(service, idle()) {
        let names = filled(service).await;
        service.faults.on_commit_of("UpdateUpload", [None, Some(Refused), Some(Refused)]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
        assert!(service.faults.are_spent());
        assert_eq!(told(service, &names["asset"]).await, WHOLE_LIFE);
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (1, 0));
    }

    async fn the_commit_was_written_and_its_answer_lost(service, idle()) {
        let names = filled(service).await;
        service.faults.on_commit_of("UpdateUpload", [None, Some(AnswerLost)]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
        assert_eq!(told(service, &names["asset"]).await, WHOLE_LIFE);
        assert_eq!(service.database.store.count_jobs().await.unwrap(), (1, 0));
    }

    async fn the_first_commit_of_a_completion_is_lost(service, idle()) {
        let names = filled(service).await;
        service.faults.on_commit_of("UpdateUpload", [Some(AnswerLost)]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 503 {"retryable": true}
        "#, upload = names["upload"]);
        service.advance(std::time::Duration::from_secs(31));
        let report = service.engine.operations().run_sweep().await.unwrap();
        assert_eq!(report.finished, 1);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
    }

    async fn a_single_put_in_doubt(service, idle()) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 5}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
        "#);
        service.faults.on("head", [Some(Refused)]);
        service.faults.on_commit_of("UpdateUpload", [Some(AnswerLost)]);
        transcript!(service, r#"
            > POST /v1/uploads/$upload/complete
            < 503
            > POST /v1/uploads/$upload/complete
            < 200 {"id": "$asset", "state": "stored"}
        "#, upload = names["upload"], asset = names["asset"]);
        assert_eq!(told(service, &names["asset"]).await, WHOLE_LIFE);
    }

    async fn creation_in_doubt_is_found_again(service, idle()) {
        // The intent was written, its answer lost.
        service.faults.on_commit_of("Insert(Upload(", [Some(AnswerLost)]);
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 9, "method": "multipart"}
            | idempotency-key: one
            < 503 {"retryable": true}
            > POST /v1/uploads {"filename": "a", "size": 9, "method": "multipart"}
            | idempotency-key: one
            < 200 {"upload": {"id": "$upload"}, "multipart": {"urls": [{"part": 1}]}}
        "#);
        // The multipart upload was begun, its answer lost; then its id was not written.
        service.faults.on("create_multipart", [Some(AnswerLost)]);
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "b", "size": 9, "method": "multipart"}
            | idempotency-key: two
            < 503
            > POST /v1/uploads {"filename": "b", "size": 9, "method": "multipart"}
            | idempotency-key: two
            < 200 {"multipart": {"urls": [{"part": 1}]}}
        "#);
        service.faults.on_commit_of("UpdateUpload", [Some(Refused)]);
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "c", "size": 9, "method": "multipart"}
            | idempotency-key: three
            < 503
            > POST /v1/uploads {"filename": "c", "size": 9, "method": "multipart"}
            | idempotency-key: three
            < 200 {"multipart": {"urls": [{"part": 1}]}}
        "#);
        // What was begun was adopted: one multipart upload for each, none left over.
        use gantry::blob::{BlobKey, BlobStore};
        assert_eq!(service.blobs.list_multiparts(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.len(), 3);
        drop(names);
    }

    async fn parts_are_signed_as_soon_as_a_repeated_creation_has_made_the_multipart_upload(service, idle()) {
        service.faults.on("create_multipart", [Some(Refused)]);
        let wish = r#"{"filename": "a", "size": 9, "method": "multipart", "external_id": "late", "urls": 0}"#;
        transcript!(service, "> POST /v1/uploads $wish\n< 503", wish = wish);
        let upload = service.database.store.find_live_upload(service.tenant, "late").await.unwrap().unwrap().id;
        transcript!(service, r#"
            > POST /v1/uploads/$upload/urls {"parts": "1"}
            < 503
            > POST /v1/uploads $wish
            < 200 {"upload": {"id": "$upload"}}
            > POST /v1/uploads/$upload/urls {"parts": "1"}
            < 200
        "#, upload = upload, wish = wish);
    }

    async fn a_download_whose_store_breaks_off_goes_on(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 1000000}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > PUT $url noise:1000000:5
            | if-none-match: *
            < 200
            > POST /v1/uploads/$upload/complete
            < 200
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready", "sha256": "$digest"}
        "#);
        service.faults.on("get", [Some(AnswerLost), Some(Refused), Some(AnswerLost)]);
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 sha256:$digest
        "#, asset = names["asset"], digest = names["digest"]);
        assert!(service.faults.are_spent());
        // Gone for good: the client sees a broken answer, never a short file that looks whole.
        service.faults.on("get", [Some(AnswerLost)].into_iter().chain([Some(Refused); 4]));
        let url = format!("{}/v1/assets/{}/content?delivery=stream", service.base, names["asset"]);
        let answer = requests::client().get(url).bearer_auth(&service.admin).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.is_err());
    }
}
