//! Who may do what, and from which pages.

use crate::{on_both_services, transcript};

on_both_services! {
    async fn the_same_matrix_as_everywhere(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "method": "append"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
            > POST /v1/uploads {"filename": "b.txt", "size": 5, "method": "append"}
            < 201 {"upload": {"id": "$other"}, "grant": "$othergrant"}
        "#);
        let foreign = service.foreign_key("other").await;
        let (upload, read, link) = (service.key("upload").await, service.key("read").await, service.key("link").await);
        let callers = [
            ("nobody", [401, 401, 401, 401]),
            ("gk_nonsense", [401, 401, 401, 401]),
            (&link, [403, 403, 403, 403]),
            (&read, [403, 204, 403, 403]),
            (&foreign, [201, 404, 404, 404]),
            (&names["othergrant"], [201, 404, 404, 404]),
            (&names["grant"], [201, 204, 204, 204]),
            (&upload, [201, 404, 404, 404]),
        ];
        for (caller, [post, head, patch, delete]) in callers {
            transcript!(service, r#"
                @ $caller
                > POST /files
                | upload-complete: ?0
                | upload-length: 5
                < $post
                > HEAD /files/$upload
                < $head
                > PATCH /files/$upload [he]
                | upload-offset: 0
                | upload-complete: ?0
                | content-type: application/partial-upload
                < $patch
                > DELETE /files/$upload
                < $delete
            "#, caller = caller, upload = names["upload"], post = post, head = head, patch = patch, delete = delete);
        }
    }

    async fn a_grant_opens_its_upload_and_nothing_else(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a.txt", "size": 5, "method": "append"}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "grant": "$grant"}
            > POST /v1/uploads {"filename": "b.txt", "size": 5, "method": "append"}
            < 201 {"upload": {"id": "$other"}}
            @ nobody
            > POST /u/$grant/files [too long]
            | upload-complete: ?1
            < 403
            > POST /u/$grant/files [hello]
            | upload-complete: ?1
            | repr-digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:
            < 409
            > POST /u/$grant/files [hel]
            | upload-complete: ?0
            | upload-length: 5
            < 201
            | location: $url
            | upload-offset: 3
            > HEAD $url
            < 204
            | upload-offset: 3
            > POST /u/$grant/files [hello]
            | upload-complete: ?1
            < 409 {"expected-offset": 3}
            | upload-offset: 3
            | upload-complete: ?0
            > PATCH $url [lo]
            | upload-offset: 3
            | upload-complete: ?1
            | content-type: application/partial-upload
            < 200 {"asset": {"id": "$asset"}}
            > HEAD /u/$grant/files/$other
            < 404
            > HEAD /u/gu_nonsense/files/$upload
            < 401
        "#);
    }

    async fn doors_lead_to_the_same_uploads(service) {
        transcript!(service, r#"
            ~ authorization: Bearer $admin
            > POST /files [hel]
            | upload-complete: ?0
            | upload-length: 5
            < 201
            | location: $url
            > GET /v1/assets
            < 200 {"assets": [{"id": "$asset", "state": "awaiting"}]}
            > POST /v1/uploads {"filename": "a.txt", "size": 5}
            < 201 {"upload": {"id": "$presigned"}}
            > HEAD /files/$presigned
            < 404
        "#);
    }

    async fn pages_of_listed_origins(service) {
        transcript!(service, r#"
            > POST /files
            | upload-complete: ?0
            | origin: https://app.example
            < 201
            | access-control-allow-origin: https://app.example
            | access-control-expose-headers: Location, ETag, …
            > POST /files
            | upload-complete: ?0
            | origin: https://evil.example
            < 201
            | access-control-allow-origin:
        "#);
    }
}
