//! Metrics as an operator reads them, of the real binary in a process of its own: every family is there from the start, and
//! the numbers move by exactly what was done.

mod exposition;
mod log_level;
mod movement;
mod performance;
mod snapshot;
mod timing;
mod traces;

use std::collections::BTreeMap;

use crate::support::database::Place;
use crate::support::process::Instance;
use crate::support::requests;

/// Values by series, as the classic text has them.
type Series = BTreeMap<String, f64>;

async fn started(settings: &[(&str, &str)]) -> Instance {
    let mut instance = Instance::new(Place::fresh_file(), settings);
    instance.start(None).await;
    instance
}

async fn text(instance: &Instance, accept: &str) -> (String, String) {
    let asked = requests::client().get(format!("{}/metrics", instance.url)).header("accept", accept);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.text().await.unwrap())
}

async fn series(instance: &Instance) -> Series {
    let (_, text) = text(instance, "*/*").await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Series that differ, by how much, among those whose name begins like this.
fn moved(before: &Series, after: &Series, prefix: &str) -> Vec<(String, f64)> {
    let changed = after.iter().filter(|(name, _)| name.starts_with(prefix));
    let by = changed.map(|(name, value)| (name.clone(), value - before.get(name).copied().unwrap_or(0.0)));
    by.filter(|(_, by)| *by != 0.0).collect()
}
