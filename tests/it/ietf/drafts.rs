//! What each interop number hears, and what real clients of them do.

use super::Ietf;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// The header of completeness in a draft, and its words for "more will come" and "this is all".
fn words(number: u8) -> (&'static str, &'static str, &'static str) {
    if number < 5 { ("upload-incomplete", "?1", "?0") } else { ("upload-complete", "?0", "?1") }
}

async fn careful(service: &Service, number: u8) {
    let (name, more, all) = words(number);
    let limit = match number {
        ..=5 => "",
        6 => "max-size=50000000000000, expires=6…",
        _ => "max-size=50000000000000, max-age=6…",
    };
    let appended = if number <= 6 { 201 } else { 204 };
    let text = r#"
        ~ authorization: Bearer $admin
        ~ upload-draft-interop-version: $number
        > POST /files
        | $name: $more
        < 201
        | location: $url
        | $name: $more
        | upload-offset: 0
        | upload-limit: $limit
        | upload-draft-interop-version: $number
        > PATCH $url [hello ]
        | content-type: application/partial-upload
        | upload-offset: 0
        | $name: $more
        < $appended
        | $name: $more
        | upload-offset: 6
        | upload-draft-interop-version: $number
        > HEAD $url
        < 204
        | $name: $more
        | upload-offset: 6
        | upload-limit: $limit
        | upload-draft-interop-version: $number
        > PATCH $url [world]
        | content-type: application/partial-upload
        | upload-offset: 6
        | $name: $all
        < 200 {"upload": {"id": "$upload", "size": 11}}
        | $name: $all
        | upload-offset: 11
    "#;
    let text = text.replace("$name", name).replace("$more", more).replace("$all", all);
    transcript!(service, &text, number = number, limit = limit, appended = appended);
}

on_both_services! {
    async fn every_number_in_its_own_words(service) {
        for number in 3..=10 {
            careful(service, number).await;
        }
    }

    async fn ios_17(service) {
        // The whole file at once; after a cut, the offset, and the rest in the file's own type.
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ upload-draft-interop-version: 3
            ~ content-type: image/png
            ~ upload-incomplete: ?0
            > POST /files [hello]
            < 201 {"upload": {"size": 5}}
            | upload-incomplete: ?0
            | upload-offset: 5
            | location: $done
            > POST /files
            | upload-incomplete: ?1
            < 201
            | location: $url
            > PATCH $url [hello]
            | upload-offset: 0
            < 200 {"upload": {"size": 5}}
            | upload-incomplete: ?0
        "#);
    }

    async fn tus_js_client_leaves_things_out(service) {
        // An empty file is a creation that promises more; a stream's end is a length without a word of completeness; more
        // is promised after a file's last chunk.
        for number in [5, 6] {
            transcript!(service, r#"
                ~ authorization: Bearer $admin
                ~ upload-draft-interop-version: $number
                > POST /files []
                | upload-complete: ?0
                | upload-length: 0
                | upload-metadata: filename ZW1wdHk=,n bnVsbA==
                < 201 {"upload": {"size": 0, "state": "completed"}, "asset": {"id": "$asset"}}
                > GET /v1/assets/$asset
                < 200 {"filename": "empty", "metadata": {"n": "null"}}
                > POST /files
                | upload-complete: ?0
                | upload-defer-length: 1
                < 201
                | location: $url
                > PATCH $url [hello]
                | content-type: application/partial-upload
                | upload-offset: 0
                | upload-complete: ?0
                < 201
                | upload-offset: 5
                > PATCH $url []
                | content-type: application/partial-upload
                | upload-offset: 5
                | upload-length: 5
                < 200 {"upload": {"size": 5}}
                | upload-offset: 5
                > POST /files [hel]
                | upload-complete: ?0
                | upload-length: 5
                < 201
                | location: $file
                | upload-complete: ?0
                > PATCH $file [lo]
                | content-type: application/partial-upload
                | upload-offset: 3
                | upload-complete: ?0
                < 200 {"upload": {"size": 5, "state": "completed"}}
                | upload-complete: ?1
            "#, number = number);
        }
    }

    async fn types_of_appends(service) {
        let id = Ietf::new(service).create().await;
        for (number, kind, status) in [
            ("6", "application/octet-stream", 415),
            ("6", "application/offset+octet-stream", 415),
            ("8", "text/plain", 415),
            ("10", "", 415),
            ("6", "Application/Partial-Upload; x=y", 201),
            ("5", "image/png", 201),
            ("5", "", 201),
        ] {
            let request = Ietf::new(service).request("PATCH", &format!("/files/{id}")).header("upload-offset", 0);
            let request = request.header("upload-draft-interop-version", number).header("upload-complete", "?0");
            let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
            assert_eq!(request.send().await.unwrap().status(), status, "{number} {kind}");
        }
    }

    async fn tus_stays_tus_whatever_urlsession_adds(service) {
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            ~ tus-resumable: 1.0.0
            ~ upload-draft-interop-version: 6
            ~ upload-complete: ?1
            > POST /tus
            | upload-length: 5
            < 201
            | location: $url
            | upload-draft-interop-version:
            | upload-complete:
            > PATCH $url [hello]
            | content-type: application/offset+octet-stream
            | upload-offset: 0
            < 204
            | upload-offset: 5
            | upload-complete:
            > POST /files [hello]
            < 400 {"code": "other_protocol"}
            > HEAD /files/x
            < 400
        "#);
    }
}
