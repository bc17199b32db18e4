//! Steps of the schema as operators meet them: `gantry migrate`, `database.auto_migrate`, and nodes of the version before.

use std::process::Output;

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use crate::support::database::Place;
use crate::support::process::Instance;

/// A step that the tests take back: it only added two columns.
const LATE_STEP: i64 = 20;

async fn run_sql(place: &Place, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    match place {
        Place::Sqlite(dir) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("gantry.db"));
            options.connect().await.unwrap().execute(statement).await.map(drop).unwrap();
        }
        Place::Postgres(url) => {
            let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
            options.connect().await.unwrap().execute(statement).await.map(drop).unwrap();
        }
    }
}

/// Makes the schema one that lacks a step.
async fn take_step_back(place: &Place) {
    for statement in [
        "ALTER TABLE job DROP COLUMN traceparent",
        "ALTER TABLE event DROP COLUMN traceparent",
        &format!("DELETE FROM _sqlx_migrations WHERE version = {LATE_STEP}"),
    ] {
        run_sql(place, statement).await;
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn migrate(instance: &Instance, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = instance.gantry(&[&["migrate"], arguments].concat()).output().unwrap();
    (status.code(), text(&stdout), text(&stderr))
}

/// Steps of `migrate status --json` with this state.
fn steps(status: &str, state: &str) -> Vec<i64> {
    let lines = status.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|step| step["state"] == state).map(|step| step["step"].as_i64().unwrap()).collect()
}

async fn check_status_plan_and_up(place: Place) {
    let instance = Instance::new(place, &[]);
    let (code, status, _) = migrate(&instance, &["status", "--json"]);
    let all = steps(&status, "pending");
    assert_eq!((code, all.first()), (Some(10), Some(&1)), "{status}");
    assert!(all.contains(&LATE_STEP) && steps(&status, "applied").is_empty(), "{status}");
    let (code, plan, _) = migrate(&instance, &["plan"]);
    assert_eq!(code, Some(0));
    assert!(plan.starts_with("-- Step 1: ") && plan.contains("CREATE TABLE asset"), "{plan}");
    if let Place::Sqlite(dir) = &instance.place {
        assert!(!dir.path().join("gantry.db").exists(), "looking creates nothing");
    }

    let (code, applied, errors) = migrate(&instance, &["up"]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(applied.lines().count(), all.len() + 1, "{applied}");
    let (code, status, _) = migrate(&instance, &["status", "--json"]);
    assert_eq!((code, steps(&status, "applied")), (Some(0), all), "{status}");
    let step: Value = serde_json::from_str(status.lines().next().unwrap()).unwrap();
    assert_eq!(step["sha384"].as_str().unwrap().len(), 96, "{step}");
    let age = jiff::Timestamp::now() - step["applied_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(age.get_seconds() < 3600 && age.get_seconds() >= -1, "{step}");
    assert_eq!(migrate(&instance, &["plan"]).1, "");

    take_step_back(&instance.place).await;
    let (code, plan, errors) = migrate(&instance, &["plan"]);
    assert!(code == Some(0) && plan.contains("ALTER TABLE job ADD COLUMN traceparent"), "{plan}");
    assert!(!plan.contains("CREATE TABLE asset ") && errors.contains("gantry migrate up"), "{plan}{errors}");
    assert_eq!(migrate(&instance, &["status"]).0, Some(10));
    // Without a further word, as it was before there were others.
    assert_eq!(migrate(&instance, &[]).0, Some(0));
    assert_eq!(migrate(&instance, &["status"]).0, Some(0));
}

#[tokio::test]
async fn steps_are_told_planned_and_applied_on_sqlite() {
    check_status_plan_and_up(Place::fresh_file()).await;
}

#[tokio::test]
async fn steps_are_told_planned_and_applied_on_postgres() {
    check_status_plan_and_up(Place::fresh_schema().await).await;
}

async fn check_refusal_of_older_schema(place: Place) {
    let mut instance = Instance::new(place, &[("GANTRY_DATABASE__AUTO_MIGRATE", "false")]);
    let start = |instance: &Instance, command: &[&str]| {
        let output = instance.gantry(command).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        text(&output.stderr)
    };
    let refusal = start(&instance, &["serve"]);
    assert!(refusal.contains("gantry migrate up") && refusal.contains("from step 1 on"), "{refusal}");
    if let Place::Sqlite(dir) = &instance.place {
        assert!(!dir.path().join("gantry.db").exists(), "a refused start creates no database");
    }
    assert_eq!(migrate(&instance, &["up"]).0, Some(0));
    instance.start(None).await;
    instance.kill();

    take_step_back(&instance.place).await;
    for command in [&["serve"][..], &["work"], &["tenant", "list"], &["chore", "sweep"]] {
        let refusal = start(&instance, command);
        assert!(refusal.contains("pending steps: 1, from step 20 on"), "{command:?}: {refusal}");
    }
    assert_eq!(migrate(&instance, &["status"]).0, Some(10), "a refused start applies nothing");
    assert_eq!(migrate(&instance, &["up"]).0, Some(0));
    instance.start(None).await;
}

#[tokio::test]
async fn an_older_schema_is_refused_where_starts_may_not_change_it_on_sqlite() {
    check_refusal_of_older_schema(Place::fresh_file()).await;
}

#[tokio::test]
async fn an_older_schema_is_refused_where_starts_may_not_change_it_on_postgres() {
    check_refusal_of_older_schema(Place::fresh_schema().await).await;
}

#[tokio::test]
async fn a_schema_that_does_not_fit_has_an_exit_code_of_its_own() {
    let place = Place::fresh_file();
    let instance = Instance::new(place, &[]);
    assert_eq!(migrate(&instance, &["up"]).0, Some(0));
    run_sql(&instance.place, "UPDATE _sqlx_migrations SET version = 9000 WHERE version = 1").await;
    let (code, status, errors) = migrate(&instance, &["status", "--json"]);
    assert!(code == Some(11) && errors.contains("newer version"), "{errors}");
    assert_eq!((steps(&status, "unknown"), steps(&status, "pending")), (vec![9000], vec![1]));
    assert_eq!((migrate(&instance, &["plan"]).0, migrate(&instance, &["up"]).0), (Some(11), Some(1)));
    run_sql(&instance.place, "UPDATE _sqlx_migrations SET version = 1, checksum = x'00' WHERE version = 9000").await;
    let (code, status, errors) = migrate(&instance, &["status", "--json"]);
    assert!(code == Some(11) && errors.contains("step 1 of its schema differs"), "{errors}");
    assert_eq!(steps(&status, "differs"), [1]);
}

/// The service's own user may be one that cannot change tables.
#[tokio::test]
async fn a_user_without_rights_on_tables_serves_a_current_schema() {
    let place = Place::fresh_schema().await;
    let Place::Postgres(url) = &place else { panic!("PostgreSQL") };
    let schema = url.rsplit_once("search_path%3D").unwrap().1.to_owned();
    let role = format!("r{schema}");
    let owner = Instance::new(place.clone(), &[]);
    assert_eq!(migrate(&owner, &["up"]).0, Some(0));
    for statement in [
        format!("CREATE ROLE {role} LOGIN"),
        format!("GRANT USAGE ON SCHEMA {schema} TO {role}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
    ] {
        run_sql(&place, &statement).await;
    }
    let restricted = Place::Postgres(url.replacen("//gantry@", &format!("//{role}@"), 1));
    let refused = Instance::new(restricted.clone(), &[]).gantry(&["tenant", "list"]).output().unwrap();
    assert!(!refused.status.success(), "the user may change tables: the test shows nothing");
    let mut instance = Instance::new(restricted, &[("GANTRY_DATABASE__AUTO_MIGRATE", "false")]);
    instance.start(None).await;
    assert!(instance.key().starts_with("gk_"));
    instance.kill();
    for statement in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        run_sql(&place, &statement).await;
    }
}
