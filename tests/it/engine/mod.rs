//! The engine when its stores fail, when time passes, and when rows are lost.

mod doubt;
mod orphans;
mod processing;
mod sweep;

use crate::support::service::{Service, Shape};
use crate::support::transcript::Names;
use crate::transcript;

/// Nobody works on jobs.
fn idle() -> Shape {
    Shape { works: false, ..Shape::default() }
}

/// An open multipart upload of five bytes whose one part is in the store.
async fn filled(service: &Service) -> Names {
    transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a.bin", "size": 5, "method": "multipart"}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "multipart": {"urls": [{"url": "$one"}]}}
        > PUT $one [hello]
        < 200
    "#
    )
}

/// An asset's events by name.
async fn told(service: &Service, asset: &str) -> Vec<String> {
    let events = service.database.store.list_events(asset.parse().unwrap(), 0, 100).await.unwrap();
    assert!(events.iter().zip(1..).all(|(event, n)| event.seq == n), "{events:?}");
    events.into_iter().map(|event| event.kind).collect()
}
