//! What takes up space, as the last pass over all assets found it.

use std::time::Duration;

use super::{TestSteps, bring, idle, settled, work};
use crate::{on_both_services, transcript};

const DAY: Duration = Duration::from_secs(24 * 3600);

on_both_services! {
    async fn what_takes_up_space_is_measured_by_type_age_and_tenant(service, idle()) {
        transcript!(service, r#"
            > GET /v1/admin/storage
            < 200 {"measured_at": null, "files": 0, "bytes": 0, "types": [], "ages": [], "tenants": []}
        "#);
        let old = bring(service, "old.txt", "hello").await;
        let working = work(service, TestSteps::default());
        assert_eq!(settled(service, &old).await.state.name(), "ready");
        service.advance(3 * DAY);
        let new = bring(service, "new.txt", "hello!").await;
        assert_eq!(settled(service, &new).await.state.name(), "ready");
        working.finish().await;
        // A file that has not come yet takes up nothing.
        transcript!(service, "> POST /v1/uploads {\"filename\": \"later.txt\", \"size\": 5}\n< 201");
        service.engine.operations().roll_up_events().await.unwrap();
        let (foreign, reader) = (service.foreign_key("acme").await, service.key("read").await);
        let names = transcript!(service, r#"
            > GET /v1/admin/storage
            < 200 {"measured_at": "$at", "files": 2, "bytes": 11, "types": [{"type": "text", "files": 2, "bytes": 11}],
                "ages": [{"age": "day", "created_before": null, "files": 1, "bytes": 6}, {"age": "week", "created_after": "$from", "created_before": "$to", "files": 1, "bytes": 5},
                    {"age": "month", "files": 0}, {"age": "year", "files": 0}, {"age": "older", "created_after": null, "files": 0, "bytes": 0}],
                "tenants": [{"id": "$tenant", "files": 2, "bytes": 11}]}
            > GET /v1/assets?created_after=$from&created_before=$to
            < 200 {"assets": [{"filename": "old.txt"}], "next": null}
            > GET /v1/assets?content_type=text/*&state=ready
            < 200 {"assets": [{"filename": "new.txt"}, {"filename": "old.txt"}], "next": null}
            > GET /v1/assets?content_type=t%25/*
            < 200 {"assets": [], "next": null}
            > GET /v1/admin/storage?tenant=acme
            < 200 {"measured_at": "$at", "files": 0, "bytes": 0, "types": [], "tenants": []}
            > GET /v1/admin/storage?tenant=nobody
            < 404
            > GET /v1/admin/storage?colour=red
            < 422
            @ $reader
            > GET /v1/admin/storage
            < 200 {"files": 2, "bytes": 11}
            @ $foreign
            > GET /v1/admin/storage
            < 200 {"files": 0, "bytes": 0, "tenants": []}
            > GET /v1/admin/storage?tenant=*
            < 403
            @ nobody
            > GET /v1/admin/storage
            < 401
        "#, foreign = foreign, reader = reader);
        assert_eq!(names["tenant"], service.tenant.to_string());
    }

    async fn a_pass_reads_assets_a_piece_at_a_time_and_rests(service, idle()) {
        let first = bring(service, "a.bin", vec![1; 10]).await;
        for name in ["b.bin", "c.bin"] {
            service.advance(Duration::from_millis(5));
            bring(service, name, vec![1; 10]).await;
        }
        let store = &service.database.store;
        let found = async || store.read_storage_measure(None).await.unwrap().map(|found| found.tenants[0].2);
        store.begin_storage_pass().await.unwrap();
        store.begin_storage_pass().await.unwrap();
        for _ in 0..3 {
            assert!(store.advance_storage_pass(1).await.unwrap());
            assert_eq!(found().await, None, "numbers of a pass show when it has ended");
        }
        assert!(!store.advance_storage_pass(1).await.unwrap());
        let all = found().await.unwrap();
        assert_eq!((all.files, all.bytes), (3, 30));
        transcript!(service, "> DELETE /v1/assets/$first
< 204", first = first);
        service.engine.operations().roll_up_events().await.unwrap();
        assert_eq!(found().await, Some(all), "it is not time yet");
        service.advance(Duration::from_secs(301));
        service.engine.operations().roll_up_events().await.unwrap();
        let left = found().await.unwrap();
        assert_eq!((left.files, left.bytes), (2, 20));
    }
}
