//! Rows as text: export of what is there, and import into an empty system that has the objects.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Home, file, report};
use crate::support::bucket::Bucket;
use crate::support::database::Place;
use crate::support::directory::directory;
use crate::support::process::Instance;

fn export(home: &Instance, into: &Path, filters: &[&str]) -> Vec<Value> {
    let text = home.run(&[&["export"], filters].concat());
    std::fs::write(into, &text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter(|line| line["type"] == "asset").map(|line| line["id"].as_str().unwrap()).collect()
}

/// The database is lost and the store is not.
fn lose_database(home: &mut Home) {
    home.instance.kill();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(PathBuf::from(format!("{}{end}", home.data().join("gantry.db").display())));
    }
}

#[tokio::test]
async fn rows_come_back_with_their_ids_when_the_database_is_lost() {
    let mut home = Home::start().await;
    home.json(Method::PUT, "/v1/policies/photos", Some(json!({ "max_size": 50_000_000 }))).await;
    home.instance.run(&["tenant", "quota", "default", "--bytes", "1GiB"]);
    let kept = [home.bring(&file(1)).await, home.bring(&file(2)).await];
    let change = json!({ "metadata": { "who": "Ada, \"the first\"" } });
    home.json(Method::PATCH, &format!("/v1/assets/{}", kept[0]), Some(change)).await;
    let before = home.json(Method::GET, &format!("/v1/assets/{}", kept[0]), None).await;
    let gone = home.bring(&file(3)).await;
    home.open_parts(&file(4), 0).await;
    let dump = home.dir.path().join("rows.ndjson");
    let lines = export(&home.instance, &dump, &[]);
    assert_eq!((&lines[0]["type"], &lines[1]["name"], ids(&lines).len()), (&json!("instance"), &json!("default"), 4));
    home.ask(Method::DELETE, &format!("/v1/assets/{gone}")).send().await.unwrap().error_for_status().unwrap();
    crate::support::patience::eventually("the object is gone", async || {
        home.instance.s3().list_objects_v2().bucket("gantry").prefix("gantry/o/").send().await.unwrap().contents().len()
            == 2
    })
    .await;
    lose_database(&mut home);
    assert!(home.fails(&["serve"]).contains("is missing or empty"));
    let said = home.fails(&["import", dump.to_str().unwrap()]);
    assert!(said.contains(&format!("asset {gone}: not imported: the store has no object")), "{said}");
    assert!(said.contains("2 assets with") && said.contains("1 without bytes"), "{said}");
    // Once more: nothing is there twice.
    let said = home.fails(&["import", dump.to_str().unwrap(), "--json"]);
    let again = report(said.lines().rfind(|line| line.starts_with('{')).unwrap());
    assert_eq!((&again["report"]["assets"], &again["report"]["present"]), (&json!(0), &json!(2)), "{said}");
    let verified = report(&home.instance.run(&["verify", "--digests", "--json"]));
    assert_eq!(verified["report"]["digested"], 2, "{verified}");
    home.key = home.instance.key();
    home.instance.start(None).await;
    for (asset, bytes) in kept.iter().zip([file(1), file(2)]) {
        assert!(home.content(asset).await == bytes);
    }
    let after = home.json(Method::GET, &format!("/v1/assets/{}", kept[0]), None).await;
    for member in ["filename", "size", "sha256", "metadata", "created_at", "state", "policy"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert_eq!(home.json(Method::GET, "/v1/policies/photos", None).await["rules"]["max_size"], 50_000_000);
    let tenant: Value = serde_json::from_str(&home.instance.run(&["tenant", "show", "default"])).unwrap();
    assert_eq!(tenant["quota"]["bytes"], 1 << 30, "{tenant}");
    home.bring(&file(5)).await;
}

#[tokio::test]
async fn an_export_is_filtered_and_made_for_spreadsheets() {
    let home = Home::start().await;
    home.instance.run(&["tenant", "create", "acme"]);
    let first = home.bring(&file(1)).await;
    let between = jiff::Timestamp::now();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let second = home.bring(&file(2)).await;
    let change = json!({ "filename": "=cmd(),\"x\".csv" });
    home.json(Method::PATCH, &format!("/v1/assets/{second}"), Some(change)).await;
    let into = home.dir.path().join("rows");
    let between = between.to_string();
    assert_eq!(ids(&export(&home.instance, &into, &[])), [first.as_str(), &second]);
    assert_eq!(ids(&export(&home.instance, &into, &["--created-before", &between])), [&first]);
    assert_eq!(ids(&export(&home.instance, &into, &["--created-after", &between])), [&second]);
    for none in [&["--tenant", "acme"][..], &["--state", "rejected"]] {
        assert!(ids(&export(&home.instance, &into, none)).is_empty(), "{none:?}");
    }
    let csv = home.instance.run(&["export", "--format", "csv"]);
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].starts_with("id,tenant,state,filename,size,") && rows.len() == 3, "{csv}");
    assert!(rows[2].starts_with(&format!("{second},default,ready,\"'=cmd(),\"\"x\"\".csv\",")), "{csv}");
    assert!(home.fails(&["export", "--state", "lost"]).contains("must be one of"));
    assert!(home.fails(&["export", "--tenant", "nobody"]).contains("there is no tenant"));
    std::fs::write(&into, csv).unwrap();
    assert!(home.fails(&["import", into.to_str().unwrap()]).contains("is no line of an export"));
}

/// The rows move from one database to another; the bucket stays where it is.
#[tokio::test]
async fn rows_move_to_another_database_beside_the_same_bucket() {
    let bucket = Bucket::for_processes().await;
    let settings: Vec<_> = bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut old = Instance::new(Place::fresh_schema().await, &settings);
    old.start(None).await;
    let mut home = Home { key: old.key(), instance: old, dir: directory(), client: crate::support::requests::client() };
    let asset = home.bring(&file(1)).await;
    let dump = home.dir.path().join("rows.ndjson");
    export(&home.instance, &dump, &[]);
    home.instance.kill();
    let new = Instance::new(Place::fresh_schema().await, &settings);
    let said = new.run(&["import", dump.to_str().unwrap()]);
    assert!(said.starts_with("1 assets with"), "{said}");
    assert!(new.run(&["verify", "--digests"]).contains("1 digests compared"));
    home.instance = new;
    home.key = home.instance.key();
    home.instance.start(None).await;
    assert!(home.content(&asset).await == file(1));
}
