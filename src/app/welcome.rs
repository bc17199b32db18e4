//! The first start: the tenant `default`, a first key, and what to do next.

use crate::config::{Config, Database, Store};
use crate::domain::key::Scopes;
use crate::domain::tenant::DEFAULT_TENANT;
use crate::engine::Error;

use super::foundations::Rows;

/// Makes the tenant `default` if nobody has. On the embedded database, which has one operator, its first key is shown.
pub(super) async fn first_start(config: &Config, rows: &Rows, public_url: &str) -> anyhow::Result<()> {
    let registry = rows.registry();
    if registry.tenant(DEFAULT_TENANT).await?.is_some() {
        say(&format!("Gantry is at {public_url}"));
        return Ok(());
    }
    let tenant = match registry.create_tenant(DEFAULT_TENANT).await {
        Ok(tenant) => tenant,
        // Another node was faster, and says hello.
        Err(Error::Taken(_)) => return Ok(()),
        Err(other) => return Err(other.into()),
    };
    let key = match &config.database {
        Database::Sqlite(_) => Some(registry.create_key(tenant.id, Scopes::ADMIN, None).await?.reveal()),
        // Whose log this ends up in, nobody knows.
        Database::Postgres(_) => None,
    };
    say(&welcome(config, public_url, key.as_deref()));
    Ok(())
}

fn say(text: &str) {
    use std::io::Write as _;
    // A closed standard output is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn welcome(config: &Config, public_url: &str, key: Option<&str>) -> String {
    let gantry = std::env::args().next().unwrap_or_else(|| "gantry".to_owned());
    let store = match &config.store {
        Store::Embedded { listen, .. } => {
            format!("embedded, an S3 server on {listen} (`{gantry} store-env` prints its keys)")
        }
        Store::S3 { bucket, .. } => format!("bucket {bucket}"),
    };
    let Some(key) = key else {
        return format!(
            "Gantry is at {public_url}, with an empty database.\n\n  Storage  {store}\n\n\
             Make a first key:\n  {gantry} key create --tenant default --scopes admin"
        );
    };
    format!(
        "Gantry is at {public_url}. This is its first start.\n\n\
         \x20 Upload from the browser   {public_url}/#key={key}\n\
         \x20 Admin key, shown once     {key}\n\
         \x20 Storage                   {store}\n\n\
         Upload a first file:\n\
         \x20 export GANTRY_URL={public_url} GANTRY_API_KEY={key}\n\
         \x20 {gantry} put FILE\n\n\
         Make a key for an application:\n\
         \x20 {gantry} key create --tenant default --scopes upload,read"
    )
}
