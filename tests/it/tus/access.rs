//! Who may do what through tus, and from which pages.

use crate::support::service::Service;
use crate::{on_both_services, transcript};

/// An upload through tus, its grant, and one of another tenant.
async fn granted(service: &Service) -> crate::support::transcript::Names {
    transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a.txt", "size": 5, "method": "append"}
        < 201 {"upload": {"id": "$upload", "method": "append", "state": "open"}, "asset": {"id": "$asset"}, "grant": "$grant"}
        > POST /v1/uploads {"filename": "b.txt", "size": 5, "method": "append"}
        < 201 {"upload": {"id": "$other"}, "grant": "$othergrant"}
    "#
    )
}

on_both_services! {
    async fn the_same_matrix_as_everywhere(service) {
        let names = granted(service).await;
        let foreign = service.foreign_key("other").await;
        let (upload, read, link) = (service.key("upload").await, service.key("read").await, service.key("link").await);
        let callers = [
            ("nobody", [401, 401, 401, 401]),
            ("gk_nonsense", [401, 401, 401, 401]),
            (&link, [403, 403, 403, 403]),
            (&read, [403, 200, 403, 403]),
            (&foreign, [201, 404, 404, 404]),
            (&names["othergrant"], [201, 404, 404, 404]),
            (&names["grant"], [201, 200, 204, 204]),
            (&upload, [201, 404, 404, 404]),
        ];
        for (caller, [post, head, patch, delete]) in callers {
            transcript!(service, r#"
                ~ tus-resumable: 1.0.0
                @ $caller
                > POST /tus
                | upload-length: 5
                < $post
                > HEAD /tus/$upload
                < $head
                > PATCH /tus/$upload [he]
                | upload-offset: 0
                | content-type: application/offset+octet-stream
                < $patch
                > DELETE /tus/$upload
                < $delete
            "#, caller = caller, upload = names["upload"], post = post, head = head, patch = patch, delete = delete);
        }
    }

    async fn a_grant_opens_its_upload_and_nothing_else(service) {
        let names = granted(service).await;
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            @ $grant
            > POST /tus
            | upload-length: 6
            < 403
            > POST /tus
            | upload-length: 5
            | upload-concat: partial
            < 403
            > POST /tus
            | upload-length: 5
            < 201
            | location: $there
            | upload-offset: 0
            @ nobody
            > POST /u/$grant/tus [hel]
            | upload-length: 5
            | content-type: application/offset+octet-stream
            < 201
            | location: $opened
            | upload-offset: 3
            > HEAD $opened
            < 200
            | upload-offset: 3
            > PATCH $opened [lo]
            | upload-offset: 3
            | content-type: application/offset+octet-stream
            < 204
            > HEAD /u/$grant/tus/$other
            < 404
            > HEAD /u/gu_nonsense/tus/$upload
            < 401
            @ $admin
            > GET /v1/assets/$asset?wait=20s&until=ready
            < 200 {"state": "ready"}
            > GET /v1/uploads/$upload
            < 200 {"state": "completed", "received_bytes": 5}
        "#, grant = names["grant"], other = names["other"], upload = names["upload"], asset = names["asset"]);
    }

    async fn uploads_of_other_doors_are_unknown_here(service) {
        transcript!(service, r#"
            ~ tus-resumable: 1.0.0
            > POST /v1/uploads {"filename": "a.txt", "size": 5}
            < 201 {"upload": {"id": "$upload"}}
            > HEAD /tus/$upload
            < 404
            > DELETE /tus/$upload
            < 404
            > POST /tus
            | upload-length: 5
            < 201
            | location: $url
            > HEAD $url
            | authorization: Bearer $admin
            < 200
        "#);
    }

    async fn pages_of_listed_origins(service) {
        transcript!(service, r#"
            @ nobody
            > OPTIONS /tus
            | origin: https://app.example
            | access-control-request-method: POST
            | access-control-request-headers: tus-resumable
            < 204
            | access-control-allow-origin: https://app.example
            | access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
            | access-control-allow-headers: Authorization, Origin, …
            | tus-version: 1.0.0
            > OPTIONS /v1/uploads
            | origin: https://app.example
            | access-control-request-method: POST
            < 204
            | access-control-allow-origin: https://app.example
            > POST /tus
            | origin: https://app.example
            < 412
            | access-control-allow-origin: https://app.example
            | access-control-expose-headers: Location, ETag, …
            | vary: Origin
            > OPTIONS /tus
            | origin: https://evil.example
            | access-control-request-method: POST
            < 204
            | access-control-allow-origin:
        "#);
    }
}
