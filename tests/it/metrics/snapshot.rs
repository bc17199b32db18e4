//! The numbers of rows that metrics show: right, and read by an index or from sums, on both databases.

use gantry::store::BacklogGauges;

use crate::support::database::Place;

#[tokio::test]
async fn an_empty_database_has_no_backlog() {
    for place in [Place::fresh_file(), Place::fresh_schema().await] {
        let store = place.open(std::sync::Arc::new(gantry::domain::clock::SystemClock), 2).await;
        assert_eq!(store.read_backlog_gauges(10_000).await.unwrap(), BacklogGauges::default());
    }
}
