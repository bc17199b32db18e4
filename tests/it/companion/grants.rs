//! A grant opens its one upload through this door, whatever its bytes were to travel by, as long as none is there.

use futures_util::future::join_all;

use super::{form, post, ready};
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::support::transcript::Names;
use crate::{on_both_services, transcript};

/// On a store that does not know how large files may be.
fn unlimited() -> Shape {
    Shape { capabilities: |found| found.enforces_limits = false, ..Shape::default() }
}

/// An upload as a backend asks for it, with a grant for somebody's browser.
async fn granted(service: &Service, wish: &str) -> Names {
    transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a.txt", $wish}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
    "#,
        wish = wish
    )
}

on_both_services! {
    async fn parts_are_cut_by_whoever_holds_the_grant(service) {
        for wish in [r#""size": 5"#, r#""size": 5, "method": "multipart""#, r#""size": 5, "method": "append""#] {
            let names = granted(service, wish).await;
            transcript!(service, r#"
                @ nobody
                > POST /u/$grant/s3/multipart {"filename": "evil.exe", "type": "x/y", "metadata": {"a": 1}}
                < 200 {"key": "$asset", "uploadId": "$upload"}
                > POST /u/$grant/s3/multipart {"filename": "evil.exe", "type": "x/y"}
                < 200 {"key": "$asset", "uploadId": "$upload"}
                > GET /u/$grant/s3/multipart/$upload/1?key=$asset
                < 200 {"url": "$one"}
                > PUT $one [hell]
                < 200
                | etag: $short
                > POST /u/$grant/s3/multipart/$upload/complete?key=$asset {"parts": [{"PartNumber": 1, "ETag": $short}]}
                < 400 {"error": "incomplete"}
                > PUT $one [hello]
                < 200
                | etag: $tag
                > GET /u/$grant/s3/params?filename=a
                < 409 {"error": "wrong_state"}
                > GET /u/$grant/s3/multipart/$upload?key=$asset
                < 200 [{"PartNumber": 1, "Size": 5, "ETag": "$tag"}]
                > POST /u/$grant/s3/multipart/$upload/complete?key=$asset {"parts": [{"PartNumber": 1, "ETag": $tag}]}
                < 200 {"key": "$asset"}
                > POST /u/$grant/s3/multipart {"filename": "again", "type": ""}
                < 409 {"error": "wrong_state"}
                @ $admin
                > GET /v1/assets/$asset?wait=20s&until=ready
                < 200 {"state": "ready", "filename": "a.txt", "size": 5}
            "#, grant = names["grant"], upload = names["upload"], asset = names["asset"], admin = service.admin);
        }
    }

    async fn a_page_that_opens_it_many_times_at_once_has_one_upload(service) {
        for door in ["s3/multipart", "tus", "files"] {
            let names = granted(service, r#""size": 5"#).await;
            let url = format!("{}/u/{}/{door}", service.base, names["grant"]);
            let open = async || {
                let request = requests::client().post(&url);
                let request = match door {
                    "tus" => request.header("tus-resumable", "1.0.0").header("upload-length", "5"),
                    "files" => request.header("upload-complete", "?0").header("upload-length", "5"),
                    _ => request.json(&serde_json::json!({ "filename": "a", "type": "" })),
                };
                request.send().await.unwrap().status().as_u16()
            };
            let opened = join_all((0..16).map(|_| open())).await;
            assert!(opened.iter().all(|status| [200, 201].contains(status)), "{door}: {opened:?}");
        }
    }

    async fn more_than_was_declared_is_a_failure(service, unlimited()) {
        let names = granted(service, r#""size": 5"#).await;
        transcript!(service, r#"
            @ nobody
            > POST /u/$grant/s3/multipart {"filename": "a", "type": ""}
            < 200
            > GET /u/$grant/s3/multipart/$upload/1?key=$asset
            < 200 {"url": "$one"}
            > PUT $one [hello!]
            < 200
            | etag: $tag
            > POST /u/$grant/s3/multipart/$upload/complete?key=$asset {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 400 {"error": "wrong_bytes"}
            > POST /u/$grant/s3/multipart/$upload/complete?key=$asset {"parts": [{"PartNumber": 1, "ETag": $tag}]}
            < 404 {"error": "gone"}
            @ $admin
            > GET /v1/assets/$asset
            < 200 {"state": "abandoned"}
        "#, grant = names["grant"], upload = names["upload"], asset = names["asset"], admin = service.admin);
    }

    async fn a_grant_is_for_nothing_else(service) {
        let names = granted(service, r#""size": 5"#).await;
        let other = granted(service, r#""size": 5"#).await;
        transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": ""}
            < 200 {"key": "$key", "uploadId": "$id"}
            @ nobody
            > GET /u/$grant/s3/multipart/$id?key=$key
            < 404 {"error": "not_found"}
            > GET /u/$grant/s3/multipart/$id/1?key=$key
            < 404 {"error": "not_found"}
            > DELETE /u/$grant/s3/multipart/$id?key=$key
            < 404 {"error": "not_found"}
            > DELETE /u/$grant/s3/multipart/$other?key=$otherkey
            < 404 {"error": "not_found"}
            > GET /u/$grant/s3/sts
            < 404 {"error": "not_offered"}
            > DELETE /u/$grant/s3/multipart/$upload?key=$asset
            < 200 {}
            > POST /u/$grant/s3/multipart {"filename": "a", "type": ""}
            < 404 {"error": "gone"}
        "#, grant = names["grant"], upload = names["upload"], asset = names["asset"], other = other["upload"], otherkey = other["asset"]);
    }

    async fn a_single_file_under_a_grant(service) {
        let names = granted(service, r#""size": 5"#).await;
        let form_of = transcript!(service, r#"
            @ nobody
            > GET /u/$grant/s3/params?filename=a&type=
            < 200 {"url": "$url", "fields": {"key": "$asset", "content-type": "application/octet-stream"}}
        "#, grant = names["grant"], asset = names["asset"]);
        let url = &form_of["url"];
        assert_eq!(post(url, form(&[], b"hello!")).await.status(), 413);
        assert_eq!(post(url, form(&[], b"hell")).await.status(), 400);
        assert_eq!(post(url, form(&[("key", &names["asset"])], b"hello")).await.status(), 204);
        assert_eq!(ready(service).await["size"], 5);
    }

    async fn a_page_without_scripts(service) {
        let names = granted(service, r#""size": 5"#).await;
        let url = format!("{}/u/{}/form", service.base, names["grant"]);
        let answer = post(&url, form(&[("whatever", "else")], b"hello")).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(answer.text().await.unwrap().contains("The file has arrived"));
        assert_eq!(ready(service).await["size"], 5);
        let unnamed = form(&[("success_action_status", "200")], b"hello");
        assert_eq!(post(&url, unnamed).await.text().await.unwrap(), "");
    }

    async fn bytes_that_are_here_stay_where_they_are(service) {
        let names = granted(service, r#""size": 5, "method": "put""#).await;
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "b", "size": 5}
            < 201 {"grant": "$grant", "put": {"url": "$url"}}
            > PUT $url [hello]
            | if-none-match: *
            < 200
            > POST /u/$grant/s3/multipart {"filename": "b", "type": ""}
            < 409 {"error": "wrong_state"}
            > GET /u/$grant/s3/params?filename=b
            < 409 {"error": "wrong_state"}
        "#);
        transcript!(service, r#"
            > DELETE /v1/uploads/$upload
            < 204
        "#, upload = names["upload"]);
    }
}
