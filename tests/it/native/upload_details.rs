//! An upload as operators see it: its ids in the store, and the parts that the store lists.

use bytes::Bytes;
use gantry::blob::{BlobStore, PutPayload};
use gantry::domain::plan::PartNumber;

use crate::support::service::Shape;
use crate::{on_both_services, transcript};

on_both_services! {
    async fn an_administrator_sees_what_the_store_has(service, Shape { works: false, ..Shape::default() }) {
        let names = transcript!(service, r#"
            > POST /v1/uploads {"filename": "two.bin", "size": 20971520, "method": "multipart", "part_size": 5242880}
            < 201 {"upload": {"id": "$upload"}}
            > POST /v1/uploads {"filename": "one.bin", "size": 5}
            < 201 {"upload": {"id": "$whole"}}
        "#);
        let row = service.database.store.find_upload(names["upload"].parse().unwrap()).await.unwrap().unwrap();
        let store_id = row.store_id().unwrap().to_owned();
        for number in [1, 3] {
            let payload = PutPayload::of(Bytes::from(vec![7; 5 << 20]));
            service.blobs.put_part(&row.key, &store_id, PartNumber::new(number).unwrap(), payload).await.unwrap();
        }
        let foreign = service.foreign_key("acme").await;
        let reader = service.key("read,upload").await;
        transcript!(service, r#"
            > GET /v1/admin/uploads/$upload
            < 200 {"id": "$upload", "state": "open", "method": "multipart", "object_key": "$key", "store_upload_id": "$store_id",
                "parts": [{"part": 1, "size": 5242880, "etag": "$etag"}, {"part": 3, "size": 5242880, "etag": "$etag"}], "next_after": null}
            > GET /v1/admin/uploads/$upload?after=1
            < 200 {"parts": [{"part": 3}], "next_after": null}
            > GET /v1/admin/uploads/$upload?after=0
            < 422
            > GET /v1/admin/uploads/$upload?after=last
            < 422
            > GET /v1/admin/uploads/$upload?limit=1
            < 422
            > GET /v1/admin/uploads/$whole
            < 200 {"method": "put", "store_upload_id": null, "parts": [], "next_after": null}
            @ $foreign
            > GET /v1/admin/uploads/$upload
            < 404
            @ $reader
            > GET /v1/admin/uploads/$upload
            < 403
            @ nobody
            > GET /v1/admin/uploads/$upload
            < 401
        "#, upload = names["upload"], whole = names["whole"], key = row.key, store_id = store_id, foreign = foreign, reader = reader);
        transcript!(service, r#"
            > DELETE /v1/admin/uploads/$upload
            < 204
            > GET /v1/admin/uploads/$upload
            < 200 {"state": "aborted", "parts": []}
        "#, upload = names["upload"]);
    }
}
