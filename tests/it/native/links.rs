//! Links: narrow, counted, expiring, revocable.

use std::time::Duration;

use super::ready;
use crate::support::patience::eventually_ok;
use crate::support::requests;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn a_link_opens_without_a_credential(service) {
        let names = ready(service, "report.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"expires_in": "1h", "filename": "für dich.txt"}
            < 201 {"id": "$id", "url": "$url", "asset_id": "$asset", "disposition": "attachment"}
            @ nobody
            > GET $url?delivery=stream
            < 200 [hello]
            | content-disposition: attachment; filename="f_r dich.txt"; filename*=UTF-8''f%C3%BCr%20dich.txt
            > HEAD $url
            < 200
            | content-length: 5
            > GET $url
            < 302
            | location: $there
            | referrer-policy: no-referrer
            > GET $there
            < 200 [hello]
            | content-disposition: attachment; filename="f_r dich.txt"; filename*=UTF-8''f%C3%BCr%20dich.txt
        "#, asset = names["asset"]);
    }

    async fn links_end(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"expires_in": 60}
            < 201 {"url": "$short"}
            > POST /v1/assets/$asset/links {"uses": 2}
            < 201 {"url": "$twice"}
            > POST /v1/assets/$asset/links {}
            < 201 {"id": "$id", "url": "$revoked"}
            > HEAD $twice
            < 200
            > GET $twice
            < 302
            > GET $twice
            < 302
            > GET $twice
            < 410 {"code": "gone", "state": "used up"}
            > HEAD $twice
            < 410
            > GET $revoked
            < 302
            > DELETE /v1/links/$id
            < 204
            > DELETE /v1/links/$id
            < 204
            > GET $revoked
            < 410 {"code": "gone"}
        "#, asset = names["asset"]);
        service.advance(Duration::from_secs(60));
        transcript!(service, r#"
            > GET $short
            < 410 {"code": "gone"}
        "#, short = names["short"]);
    }

    async fn a_link_is_for_its_network(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"ip": "192.0.2.0/24"}
            < 201 {"url": "$far", "ip": "192.0.2.0/24"}
            > POST /v1/assets/$asset/links {"ip": "127.0.0.0/8"}
            < 201 {"url": "$near"}
            > GET $far
            < 410
            > GET $near
            < 200 [hello]
        "#, asset = names["asset"]);
    }

    async fn many_links_in_one_request(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/links {"links": [{"asset": "$asset"}, {"asset": "nonsense"}, {"asset_id": "$asset", "expires_in": 0},
                                        {"asset": "$asset", "disposition": "inline"}]}
            < 200 {"links": [{"url": "$one", "asset_id": "$asset"}, {"error": {"code": "not_found"}},
                             {"error": {"code": "invalid", "field": "expires_in"}}, {"url": "$two"}]}
            > GET $one
            < 302
            > GET $two?delivery=stream
            < 200 [hello]
            | content-disposition: inline; filename="a.txt"
        "#, asset = names["asset"]);
    }

    async fn a_repeated_request_returns_the_same_links(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 1}
            | idempotency-key: k
            < 201 {"id": "$id", "url": "$url"}
            > POST /v1/assets/$asset/links {"uses": 1}
            | idempotency-key: k
            < 201 {"id": "$id", "url": "$url"}
            > POST /v1/assets/$asset/links {"uses": 2}
            | idempotency-key: k
            < 422 {"code": "idempotency_key_reused"}
        "#, asset = names["asset"]);
    }

    async fn forged_links_open_nothing(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {}
            < 201 {"url": "$url"}
            > GET /d/nonsense
            < 404 {"code": "not_found"}
            > GET $url&x
            < 404
        "#, asset = names["asset"]);
        let token = names["url"].rsplit('/').next().unwrap().to_owned();
        for (at, _) in token.char_indices().step_by(7) {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let url = format!("{}/d/{}", service.base, String::from_utf8(forged).unwrap());
            assert_eq!(requests::get(url).await.unwrap().status(), 404);
        }
    }

    async fn markup_is_never_shown_in_place(service) {
        let names = ready(service, "page.html", "<!doctype html><script>alert(1)</script>").await;
        transcript!(service, r#"
            > GET /v1/assets/$asset/content?disposition=inline&delivery=stream
            < 200
            | content-type: text/html; charset=utf-8
            | content-disposition: attachment; filename="page.html"
            | content-security-policy: sandbox; default-src 'none'
            | x-content-type-options: nosniff
            > GET /v1/assets/$asset/content?disposition=inline
            < 302
            | location: $there
            > GET $there
            < 200
            | content-disposition: attachment; filename="page.html"
        "#, asset = names["asset"]);
    }
}

on_both_services! {
    async fn links_are_listed_page_by_page_with_their_uses(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 3}
            < 201 {"id": "$first", "url": "$counted"}
        "#, asset = names["asset"]);
        // Ids of one millisecond are in no order.
        service.advance(Duration::from_millis(1));
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {}
            < 201 {"id": "$second", "url": "$free", "created_by": "$maker"}
        "#, asset = names["asset"], first = names["first"], counted = names["counted"]);
        service.advance(Duration::from_millis(1));
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"filename": "b.txt"}
            < 201 {"id": "$third"}
            > GET $counted?delivery=stream
            < 200 [hello]
            > GET $free?delivery=stream
            < 200 [hello]
            > GET $free?delivery=stream
            | range: bytes=0-1
            < 206 [he]
            > GET /v1/assets/$asset/links?limit=2
            < 200 {"links": [{"id": "$first", "used": 1, "uses": 3, "asset_id": "$asset"}, {"id": "$second"}], "next": "$second"}
            > GET /v1/assets/$asset/links?limit=2&cursor=$second
            < 200 {"links": [{"id": "$third", "filename": "b.txt", "used": 0, "last_used_at": null}], "next": null}
            > GET /v1/links?created_by=$maker&asset=$asset&limit=1
            < 200 {"links": [{"id": "$first"}], "next": "$first"}
            > GET /v1/links?created_by=019a0000-0000-7000-8000-000000000000
            < 200 {"links": [], "next": null}
            > GET /v1/links?cursor=nonsense
            < 422 {"field": "cursor"}
            > GET /v1/links?limit=1001
            < 422 {"field": "limit"}
            > GET /v1/assets/019a0000-0000-7000-8000-000000000000/links
            < 404
        "#, asset = names["asset"], first = names["first"], counted = names["counted"], second = names["second"],
            free = names["free"], maker = names["maker"]);
        // Uses without a limit are written down a moment later.
        let id = names["second"].parse().unwrap();
        let link = eventually_ok("both uses are written down", async || {
            let link = service.database.store.find_link(id).await.unwrap().unwrap();
            if link.used == 2 { Ok(link) } else { Err(link.used) }
        });
        assert!(link.await.last_used_at.is_some());
    }

    async fn links_are_withdrawn_by_asset_and_by_maker(service) {
        let a = ready(service, "a.txt", "hello").await["asset"].clone();
        let b = ready(service, "b.txt", "world").await["asset"].clone();
        let (linker, foreign) = (service.key("link").await, service.foreign_key("others").await);
        transcript!(service, r#"
            > POST /v1/assets/$a/links {}
            < 201 {"url": "$a1"}
            > POST /v1/assets/$b/links {}
            < 201 {"url": "$b1"}
            @ $linker
            > POST /v1/assets/$a/links {}
            < 201 {"url": "$a2", "created_by": "$maker"}
            > POST /v1/assets/$b/links {}
            < 201 {"url": "$b2"}
            @ $foreign
            > POST /v1/links/revoke {"created_by": "$maker"}
            < 200 {"revoked": 0}
            > DELETE /v1/assets/$a/links
            < 404
            > GET /v1/links?created_by=$maker
            < 200 {"links": []}
            @ $admin
            > DELETE /v1/assets/$a/links
            < 200 {"revoked": 2}
            > DELETE /v1/assets/$a/links
            < 200 {"revoked": 0}
            > GET $a1
            < 410
            > GET $a2
            < 410
            > GET $b2
            < 302
            > POST /v1/links/revoke {"created_by": "$maker"}
            < 200 {"revoked": 1}
            > GET $b2
            < 410
            > GET $b1
            < 302
            > POST /v1/links/revoke {}
            < 422
            > POST /v1/links/revoke {"created_by": "me"}
            < 422 {"field": "created_by"}
        "#, a = a, b = b, linker = linker, foreign = foreign);
    }

    async fn going_on_belongs_to_the_use_before_it(service) {
        let names = ready(service, "a.txt", "hello").await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 1}
            < 201 {"url": "$url"}
            > POST /v1/assets/$asset/links {"uses": 1}
            < 201 {"url": "$middle"}
            > GET $url?delivery=stream
            < 200 [hello]
            > GET $url?delivery=stream
            | range: bytes=2-
            < 206 [llo]
            > GET $url?delivery=stream
            < 410
            > GET $url?delivery=stream
            | range: bytes=0-
            < 410
            > GET $middle?delivery=stream
            | range: bytes=1-
            < 206 [ello]
            > GET $middle?delivery=stream
            < 410
        "#, asset = names["asset"]);
        service.advance(Duration::from_secs(61));
        transcript!(service, r#"
            > GET $url?delivery=stream
            | range: bytes=2-
            < 410 {"state": "used up"}
        "#, url = names["url"]);
    }

    async fn a_use_is_an_answer_with_the_first_byte_however_its_range_is_written(service) {
        let names = ready(service, "a.txt", &"x".repeat(3000)).await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 1}
            < 201 {"url": "$url"}
            > GET $url?delivery=stream
            < 200
            | etag: $etag
            > GET $url?delivery=stream
            | range: bytes=5-9
            < 206 [xxxxx]
        "#, asset = names["asset"]);
        for range in ["-999999", "00-", ",0-", "1-1,0-2999", "1-,0-0", " 0-", "-3000", "0-0", "5-1", "a", "1-2,x"] {
            transcript!(service, r#"
                > GET $url?delivery=stream
                | range: bytes=$range
                < 410 {"state": "used up"}
                > GET $url
                | range: bytes=$range
                < 410 {"state": "used up"}
            "#, url = names["url"], range = range);
        }
        // With another condition the range does not count, and it is the whole.
        transcript!(service, r#"
            > GET $url?delivery=stream
            | range: bytes=5-9
            | if-range: "another"
            < 410 {"state": "used up"}
            > GET $url?delivery=stream
            | range: bytes=-5
            < 206 [xxxxx]
            > GET $url?delivery=stream
            | range: bytes=9000-
            < 416
        "#, url = names["url"]);
    }

    async fn an_answer_without_bytes_is_no_use(service) {
        let names = ready(service, "a.txt", "hello").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {"uses": 1}
            < 201 {"url": "$url"}
            > HEAD $url
            < 200
            | etag: $etag
            > GET $url?delivery=stream
            | if-none-match: $etag
            < 304
            > GET $url?delivery=stream
            < 200 [hello]
            > GET $url?delivery=stream
            < 410
        "#, asset = names["asset"]);
    }

    async fn a_revocation_holds_on_every_node_at_once(service) {
        let names = ready(service, "a.txt", "hello").await;
        let (other, _engine) = service.another_node().await;
        let names = transcript!(service, r#"
            > POST /v1/assets/$asset/links {}
            < 201 {"id": "$id", "url": "$url"}
        "#, asset = names["asset"]);
        let there = names["url"].replace(&service.base, &other);
        let client = requests::client_without_redirects();
        assert_eq!(client.get(&there).send().await.unwrap().status(), 302);
        let revoked = client.delete(format!("{}/v1/links/{}", service.base, names["id"])).bearer_auth(&service.admin);
        assert_eq!(revoked.send().await.unwrap().status(), 204);
        let began = std::time::Instant::now();
        while client.get(&there).send().await.unwrap().status() != 410 {
            assert!(began.elapsed() < Duration::from_secs(5));
        }
        println!("a revocation held on the other node after {:?}", began.elapsed());
    }
}
