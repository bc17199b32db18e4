//! Assets: see, list, wait, change, delete.

use std::time::Duration;

use super::ready;
use crate::support::patience::eventually;
use crate::support::service::Service;
use crate::{on_both_services, transcript};

async fn create_three(service: &Service) {
    for (name, size) in [("Invoice 1.pdf", 3), ("holiday.jpg", 9), ("invoice 2.pdf", 3)] {
        transcript!(
            service,
            r#"
            > POST /v1/uploads {"filename": "$name", "size": $size}
            < 201
        "#,
            name = name,
            size = size
        );
        service.advance(Duration::from_millis(1));
    }
}

on_both_services! {
    async fn lists_page_and_filter(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 1, "external_id": "x", "metadata": {"colour": "red", "n": 1}}
            < 201 {"asset": {"id": "$a", "metadata": {"colour": "red", "n": 1}}}
        "#);
        service.advance(Duration::from_millis(1));
        let b = transcript!(service, r#"
            > POST /v1/uploads {"filename": "b", "size": 1, "metadata": {"colour": "blue"}}
            < 201 {"asset": {"id": "$b"}}
        "#);
        service.advance(Duration::from_millis(1));
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "c", "size": 1, "content_type": "image/png"}
            < 201 {"asset": {"id": "$c", "created_at": "$time"}}
            > GET /v1/assets?limit=2
            < 200 {"assets": [{"id": "$c"}, {"id": "$b"}], "next": "$next"}
            > GET /v1/assets?limit=2&cursor=$next
            < 200 {"assets": [{"id": "$a"}], "next": null}
            > GET /v1/assets?external_id=x
            < 200 {"assets": [{"id": "$a"}]}
            > GET /v1/assets?metadata.colour=blue
            < 200 {"assets": [{"id": "$b"}]}
            > GET /v1/assets?content_type=image/png&state=awaiting
            < 200 {"assets": [{"id": "$c"}]}
            > GET /v1/assets?state=ready
            < 200 {"assets": [], "next": null}
            > GET /v1/assets?created_after=$time
            < 200 {"assets": [{"id": "$c"}]}
            > GET /v1/assets?created_after=2099-01-01T00:00:00Z
            < 200 {"assets": []}
            > GET /v1/assets?state=rotten
            < 422 {"code": "invalid", "field": "state"}
            > GET /v1/assets?limit=1001
            < 422 {"field": "limit"}
            > GET /v1/assets?cursor=gc_AAAA.AAAA
            < 422 {"field": "cursor"}
            > GET /v1/assets?colour=red
            < 422 {"field": "query"}
        "#, a = names["a"], b = b["b"]);
    }

    async fn lists_are_searched_and_ordered(service) {
        create_three(service).await;
        transcript!(service, r#"
            > GET /v1/assets?name=INVOICE
            < 200 {"assets": [{"filename": "invoice 2.pdf"}, {"filename": "Invoice 1.pdf"}], "next": null}
            > GET /v1/assets?name=invoice&sort=name
            < 200 {"assets": [{"filename": "Invoice 1.pdf"}, {"filename": "invoice 2.pdf"}]}
            > GET /v1/assets?sort=size&order=desc&limit=1
            < 200 {"assets": [{"filename": "holiday.jpg"}], "next": "$next"}
            > GET /v1/assets?sort=size&order=desc&limit=1&cursor=$next
            < 200 {"assets": [{"filename": "invoice 2.pdf"}], "next": "$last"}
            > GET /v1/assets?sort=size&order=desc&limit=1&cursor=$last
            < 200 {"assets": [{"filename": "Invoice 1.pdf"}], "next": null}
            > GET /v1/assets?sort=name&cursor=$next
            < 422 {"field": "cursor"}
            > GET /v1/assets?cursor=$next
            < 422 {"field": "cursor"}
        "#);
    }

    async fn lists_are_narrowed_by_time_and_size(service) {
        create_three(service).await;
        transcript!(service, r#"
            > GET /v1/assets?order=asc&limit=1
            < 200 {"assets": [{"filename": "Invoice 1.pdf", "created_at": "$oldest"}]}
            > GET /v1/assets?created_before=$oldest
            < 200 {"assets": []}
            > GET /v1/assets?size_from=4&size_to=9
            < 200 {"assets": [{"filename": "holiday.jpg"}]}
            > GET /v1/assets?size_from=many
            < 422 {"field": "size_from"}
            > GET /v1/assets?sort=colour
            < 422 {"field": "sort"}
            > GET /v1/assets?order=up
            < 422 {"field": "order"}
            > GET /v1/assets?name=
            < 422 {"field": "name"}
            > GET /v1/assets?tenant=*&sort=name
            < 422 {"field": "sort"}
        "#);
    }

    async fn operators_list_the_assets_of_all_tenants(service) {
        let foreign = service.foreign_key("acme").await;
        create_three(service).await;
        transcript!(service, r#"
            @ $foreign
            > POST /v1/uploads {"filename": "theirs.txt", "size": 1}
            < 201
            > GET /v1/assets?tenant=default
            < 404
            > GET /v1/assets?tenant=*
            < 403
            @ $admin
            > GET /v1/assets?tenant=*&limit=3
            < 200 {"assets": [{"filename": "theirs.txt"}, {}, {}], "next": "$all"}
            > GET /v1/assets?tenant=*&cursor=$all
            < 200 {"assets": [{"filename": "Invoice 1.pdf"}], "next": null}
            > GET /v1/assets?cursor=$all
            < 422 {"field": "cursor"}
            > GET /v1/assets?tenant=acme&name=theirs
            < 200 {"assets": [{"filename": "theirs.txt"}]}
        "#, foreign = foreign);
    }

    async fn many_at_once_with_an_answer_each(service) {
        let names = ready(service, "a.txt", "a").await;
        let foreign = service.foreign_key("other").await;
        transcript!(service, r#"
            > POST /v1/assets/batch {"ids": ["$asset", "00000000-0000-7000-8000-000000000000", "nonsense"]}
            < 200 {"results": [{"id": "$asset", "asset": {"id": "$asset", "state": "ready"}},
                               {"error": {"code": "not_found"}}, {"id": "nonsense", "error": {"code": "not_found"}}]}
            @ $foreign
            > POST /v1/assets/batch {"ids": ["$asset"]}
            < 200 {"results": [{"id": "$asset", "error": {"code": "not_found"}}]}
        "#, asset = names["asset"], foreign = foreign);
    }

    async fn properties_change_and_bytes_do_not(service) {
        let names = ready(service, "a.txt", "abc").await;
        transcript!(service, r#"
            > PATCH /v1/assets/$asset {"filename": "б.txt", "metadata": {"a": 1, "b": [true]}}
            < 200 {"filename": "б.txt", "metadata": {"a": 1, "b": [true]}}
            > PATCH /v1/assets/$asset {"metadata": {"a": null, "c": "d"}}
            < 200 {"filename": "б.txt", "metadata": {"b": [true], "c": "d"}}
            > PATCH /v1/assets/$asset {"size": 9}
            < 422 {"code": "invalid"}
            > PATCH /v1/assets/$asset {"filename": "../x"}
            < 422 {"field": "filename"}
            > GET /v1/assets/$asset/content?delivery=stream
            < 200 [abc]
            | content-disposition: attachment; filename="_.txt"; filename*=UTF-8''%D0%B1.txt
        "#, asset = names["asset"]);
    }

    async fn a_deleted_asset_is_gone_for_every_reader(service) {
        let names = ready(service, "a.txt", "abc").await;
        transcript!(service, r#"
            > POST /v1/assets/$asset/links {}
            < 201 {"url": "$link"}
            > GET /v1/assets/$asset/content
            < 302
            | location: $there
            > DELETE /v1/assets/$asset
            < 204
            > DELETE /v1/assets/$asset
            < 204
            > GET /v1/assets/$asset
            < 200 {"state": "deleted"}
            > GET /v1/assets/$asset/content
            < 410 {"code": "gone", "state": "deleted"}
            > GET $link
            < 410
            > PATCH /v1/assets/$asset {"filename": "b"}
            < 410
            > POST /v1/assets/$asset/links {}
            < 410
        "#, asset = names["asset"]);
        // The object goes too, right after the answer.
        eventually("the object is gone", async || {
            use gantry::blob::{BlobKey, BlobStore};
            service.blobs.list(BlobKey::ORIGINALS_PREFIX, None).await.unwrap().items.is_empty()
        })
        .await;
    }

    async fn deleting_what_is_on_its_way_aborts_it(service) {
        transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 10485760, "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}}
            > DELETE /v1/assets/$asset
            < 204
            > GET /v1/uploads/$upload
            < 200 {"state": "aborted"}
            > GET /v1/assets/$asset
            < 200 {"state": "abandoned"}
        "#);
    }

    async fn waiting_ends_with_the_state_or_the_time(service) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "a", "size": 3}
            < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
            > GET /v1/assets/$asset?wait=100&until=nonsense
            < 422 {"field": "until"}
        "#);
        let started = std::time::Instant::now();
        transcript!(service, r#"
            > GET /v1/assets/$asset?wait=1s&until=ready
            < 200 {"state": "awaiting"}
        "#, asset = names["asset"]);
        assert!(started.elapsed() >= Duration::from_secs(1));
        let waiting = async {
            transcript!(service, r#"
                > GET /v1/assets/$asset?wait=30s&until=ready
                < 200 {"state": "ready"}
            "#, asset = names["asset"])
        };
        let completing = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            transcript!(service, r#"
                > PUT $url [abc]
                | if-none-match: *
                < 200
                > POST /v1/uploads/$upload/complete
                < 200
            "#, url = names["url"], upload = names["upload"])
        };
        let started = std::time::Instant::now();
        tokio::join!(waiting, completing);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
