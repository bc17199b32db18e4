//! What frequent requests cost: the calls of database and object store that each makes once caches are warm. A call more is
//! a statement or a round trip more for everybody; whoever needs one changes the list here and says why.

use std::mem::take;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::processing::{TestSteps, settled, work};
use crate::support::database::Database;
use crate::support::faulty::{Gate, Passage};
use crate::support::patience::eventually;
use crate::support::requests;
use crate::support::service::{Service, Shape};
use crate::transcript;

/// Names of calls, in their order.
#[derive(Default)]
struct CallLog(Mutex<Vec<&'static str>>);

/// Calls of tasks beside the requests, which remove what a request left, and those that renew a copy in memory every few
/// seconds, whoever asks.
const BACKGROUND: [&str; 6] =
    ["number_events", "delete", "find_key", "find_tenant", "find_policy", "list_maintenance_modes"];

#[async_trait]
impl Gate for CallLog {
    async fn enter(&self, operation: &'static str, _words: String) -> Passage {
        if !BACKGROUND.contains(&operation) {
            self.0.lock().unwrap().push(operation);
        }
        Passage::default()
    }
}

/// Requests with the calls that they make.
const COSTS: &[(&str, &[&str])] = &[
    ("create, one PUT", &["commit"]),
    // The row is there before the store is asked, so that nothing is left that no row names.
    ("create, in parts", &["commit", "create_multipart", "commit"]),
    ("sign a part", &["find_upload"]),
    ("status of an upload", &["find_upload", "list_parts"]),
    ("complete from parts", &["find_upload", "find_asset", "list_parts", "commit", "complete_multipart", "commit"]),
    ("tus creation", &["commit"]),
    // The lease; the tail before, to which the bytes are added, because a part has 5 MiB at least; the offset.
    ("tus PATCH of 1 KiB", &["find_upload", "commit", "put_object", "get", "commit"]),
    ("an asset", &["find_asset"]),
    ("a page of assets", &["list_assets"]),
];

/// What each request of a round called.
struct Costs<'a> {
    log: &'a CallLog,
    noted: Vec<(&'static str, Vec<&'static str>)>,
}

impl Costs<'_> {
    /// What was called since the last note is the cost of `what`.
    fn note(&mut self, what: &'static str) {
        self.noted.push((what, take(&mut *self.log.0.lock().unwrap())));
    }

    /// What was called since the last note is nobody's cost.
    fn skip(&mut self) {
        self.log.0.lock().unwrap().clear();
    }
}

async fn upload_in_parts(service: &Service, costs: &mut Costs<'_>) {
    let parts = transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "b", "size": 5, "method": "multipart"}
        < 201 {"upload": {"id": "$upload"}, "multipart": {"urls": [{"url": "$url"}]}}
    "#
    );
    costs.note("create, in parts");
    let upload = &parts["upload"];
    transcript!(
        service,
        r#"
        > POST /v1/uploads/$upload/urls {"parts": "1"}
        < 200
    "#,
        upload = upload
    );
    costs.note("sign a part");
    transcript!(
        service,
        r#"
        > GET /v1/uploads/$upload
        < 200
    "#,
        upload = upload
    );
    costs.note("status of an upload");
    requests::client().put(&parts["url"]).body("hello").send().await.unwrap();
    costs.skip();
    transcript!(
        service,
        r#"
        > POST /v1/uploads/$upload/complete {}
        < 200
    "#,
        upload = upload
    );
    costs.note("complete from parts");
}

/// An asset that is ready: brought by a single PUT.
async fn bring_by_put(service: &Service, costs: &mut Costs<'_>) -> String {
    let put = transcript!(
        service,
        r#"
        > POST /v1/uploads {"filename": "a", "size": 5, "method": "put"}
        < 201 {"upload": {"id": "$upload"}, "asset": {"id": "$asset"}, "put": {"url": "$url"}}
    "#
    );
    costs.note("create, one PUT");
    requests::client().put(&put["url"]).header("if-none-match", "*").body("hello").send().await.unwrap();
    transcript!(
        service,
        r#"
        > POST /v1/uploads/$upload/complete {}
        < 200
    "#,
        upload = put["upload"]
    );
    let working = work(service, TestSteps::default());
    settled(service, &put["asset"]).await;
    working.finish().await;
    costs.skip();
    put["asset"].clone()
}

async fn upload_by_tus(service: &Service, costs: &mut Costs<'_>) {
    let tus = |method, path: &str| {
        let request = requests::client().request(method, format!("{}{path}", service.base));
        request.bearer_auth(&service.admin).header("tus-resumable", "1.0.0")
    };
    let opened = tus(reqwest::Method::POST, "/tus").header("upload-length", "4096").send().await.unwrap();
    assert_eq!(opened.status(), 201);
    let place = opened.headers()["location"].to_str().unwrap().to_owned();
    let place = format!("/tus/{}", place.rsplit('/').next().unwrap());
    costs.note("tus creation");
    for offset in [0, 1024] {
        costs.skip();
        let patch = tus(reqwest::Method::PATCH, &place).header("upload-offset", offset);
        let patch = patch.header("content-type", "application/offset+octet-stream").body(vec![0; 1024]);
        assert_eq!(patch.send().await.unwrap().status(), 204);
    }
    costs.note("tus PATCH of 1 KiB");
}

async fn read(service: &Service, asset: &str, costs: &mut Costs<'_>) {
    let redirect = async || {
        transcript!(
            service,
            r#"
            > GET /v1/assets/$asset/content
            < 302
        "#,
            asset = asset
        );
    };
    redirect().await;
    // The first fetch of a file is told to the audit trail, in a task of its own.
    eventually("the audit trail is told", async || costs.log.0.lock().unwrap().contains(&"commit")).await;
    costs.skip();
    redirect().await;
    costs.note("redirect of a download");
    transcript!(
        service,
        r#"
        > GET /v1/assets/$asset
        < 200
    "#,
        asset = asset
    );
    costs.note("an asset");
    transcript!(
        service,
        r#"
        > GET /v1/assets?limit=2
        < 200
    "#
    );
    costs.note("a page of assets");
}

/// `redirect`: the calls of a redirect to a file that was fetched just before.
async fn costs_on(database: Database, redirect: &[&'static str]) {
    let log = Arc::new(CallLog::default());
    let gate: Arc<dyn Gate> = log.clone();
    let service = &Service::start(database, Shape { works: false, gate: Some(gate), ..Shape::default() }).await;
    let mut costs = Costs { log: &log, noted: Vec::new() };
    // The first round warms what is cached. Tasks beside the requests can only add calls: the least of some rounds counts.
    let mut least: Vec<(&str, Vec<&str>)> = Vec::new();
    for round in 0..6 {
        costs.noted.clear();
        costs.skip();
        let asset = bring_by_put(service, &mut costs).await;
        upload_in_parts(service, &mut costs).await;
        upload_by_tus(service, &mut costs).await;
        costs.skip();
        read(service, &asset, &mut costs).await;
        if round == 1 {
            least.clone_from(&costs.noted);
        }
        for (known, now) in least.iter_mut().zip(&costs.noted) {
            if now.1.len() < known.1.len() {
                known.1.clone_from(&now.1);
            }
        }
    }
    let mut expected: Vec<_> = COSTS.iter().map(|(what, calls)| (*what, calls.to_vec())).collect();
    expected.insert(least.len() - 3, ("redirect of a download", redirect.to_vec()));
    assert_eq!(least, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frequent_requests_make_no_call_more_than_is_listed_on_sqlite() {
    costs_on(Database::sqlite().await, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frequent_requests_make_no_call_more_than_is_listed_on_postgres() {
    // Another node may have deleted the file.
    costs_on(Database::postgres().await, &["find_asset"]).await;
}
