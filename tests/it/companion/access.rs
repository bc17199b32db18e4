//! Who may drive an upload through this door, and from where.

use crate::support::requests;
use crate::{on_both_services, transcript};

const ORIGIN: &str = "https://app.example";

on_both_services! {
    async fn what_is_not_yours_is_not_there(service) {
        let (foreign, reader) = (service.foreign_key("other").await, service.key("read").await);
        transcript!(service, r#"
            > POST /s3/multipart {"filename": "a", "type": ""}
            < 200 {"key": "$key", "uploadId": "$id"}
            > POST /s3/multipart {"filename": "b", "type": ""}
            < 200 {"key": "$other", "uploadId": "$second"}
            > GET /s3/multipart/$id/1?key=$other
            < 404 {"error": "not_found"}
            > DELETE /s3/multipart/$id?key=$other
            < 404 {"error": "not_found"}
            @ $foreign
            > GET /s3/multipart/$id?key=$key
            < 404 {"error": "not_found"}
            > GET /s3/multipart/$id/1?key=$key
            < 404 {"error": "not_found"}
            > POST /s3/multipart/$id/complete?key=$key {"parts": []}
            < 404 {"error": "not_found"}
            > DELETE /s3/multipart/$id?key=$key
            < 404 {"error": "not_found"}
            @ $reader
            > POST /s3/multipart {"filename": "a", "type": ""}
            < 403 {"error": "forbidden"}
            > GET /s3/params?filename=a
            < 403 {"error": "forbidden"}
            > GET /s3/multipart/$id?key=$key
            < 200 [[]]
            > GET /s3/multipart/$id/1?key=$key
            < 403 {"error": "forbidden"}
            > DELETE /s3/multipart/$id?key=$key
            < 403 {"error": "forbidden"}
            @ nobody
            > POST /s3/multipart {"filename": "a", "type": ""}
            < 401 {"error": "unauthenticated"}
            > GET /s3/params?filename=a
            < 401 {"error": "unauthenticated"}
            > GET /s3/multipart/$id/1?key=$key
            < 401 {"error": "unauthenticated"}
            > GET /u/nonsense/s3/multipart/$id/1?key=$key
            < 401 {"error": "unauthenticated"}
            > POST /s3/form/nonsense [x]
            < 401 {"error": "unauthenticated"}
            @ $admin
            > GET /v1/uploads/$id
            < 200 {"state": "open"}
        "#, foreign = foreign, reader = reader, admin = service.admin);
    }

    async fn pages_of_the_listed_origins_may_call(service) {
        let client = requests::client();
        for (path, asked) in [("/s3/multipart", "POST"), ("/u/gu_x/s3/params", "GET"), ("/s3/form/gu_x", "POST"), ("/s3/multipart/x", "DELETE")] {
            for (origin, allowed) in [(ORIGIN, true), ("https://evil.example", false)] {
                let request = client.request(reqwest::Method::OPTIONS, format!("{}{path}", service.base));
                let request = request.header("origin", origin).header("access-control-request-method", asked);
                let answer = request.header("access-control-request-headers", "authorization,content-type,uppy-auth-token").send().await.unwrap();
                let says = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                assert_eq!(says("access-control-allow-origin").as_deref(), allowed.then_some(ORIGIN), "{path}");
                if allowed {
                    assert_eq!(answer.status(), 204);
                    assert!(says("access-control-allow-methods").unwrap().contains(asked));
                    let headers = says("access-control-allow-headers").unwrap().to_lowercase();
                    for name in ["authorization", "content-type", "uppy-auth-token", "uppy-credentials-params"] {
                        assert!(headers.contains(name), "{name} is not in {headers}");
                    }
                }
            }
        }
        let answer = client.get(format!("{}/s3/sts", service.base)).header("origin", ORIGIN).send().await.unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
        assert!(answer.headers()["access-control-expose-headers"].to_str().unwrap().contains("ETag"));
    }
}
