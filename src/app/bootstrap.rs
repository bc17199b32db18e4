//! First start: the tenant `default`, a first API key, and a hint at the next steps.
//!
//! The key is shown on a terminal only. Any other output is a log, which more people read and which is kept: the key is
//! then written to a file that only the owner of the data directory can read.
//!
//! The page's address on a terminal carries a key of its own, because addresses end up in histories and are passed on: it
//! sends, reads and links files for a day and administers nothing.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::format;
use crate::config::{DatabaseConfig, ServiceConfig, ServiceProfile, StoreConfig};
use crate::domain::ids::TenantId;
use crate::domain::key::{KeyScope, KeyScopes};
use crate::domain::tenant::DEFAULT_TENANT;
use crate::engine::{Error, KeyWish, TenantRegistry};

use super::resources::DatabaseHandle;
use super::secrets;

/// Life of the key in the page's address.
const PAGE_KEY_TTL: Duration = Duration::from_secs(24 * 3600);

/// Creates the tenant `default` if it does not exist. On the embedded database, which has a single operator, its first
/// key is shown.
pub(super) async fn ensure_default_tenant(
    config: &ServiceConfig,
    rows: &DatabaseHandle,
    public_url: &str,
) -> anyhow::Result<()> {
    let registry = rows.registry();
    if registry.tenant(DEFAULT_TENANT).await?.is_some() {
        print_line(&format!("Gantry is at {public_url}"));
        return Ok(());
    }
    let tenant = match registry.create_tenant(DEFAULT_TENANT).await {
        Ok(tenant) => tenant,
        // Another node was faster and shows the welcome text.
        Err(Error::Taken(_)) => return Ok(()),
        Err(other) => return Err(other.into()),
    };
    let shown = match &config.database {
        // A key that is shown or written down is no start for production.
        DatabaseConfig::Sqlite(_) if config.profile == ServiceProfile::Production => FirstKey::None,
        DatabaseConfig::Sqlite(_) => {
            let key = registry.create_key(tenant.id, KeyScopes::ADMIN, None).await?.reveal();
            if std::io::stdout().is_terminal() {
                FirstKey::Shown { key, page_key: create_page_key(&registry, tenant.id).await? }
            } else {
                FirstKey::InFile(secrets::write_admin_key(&config.data_dir, &*rows.entropy, &key)?)
            }
        }
        // It is unknown which node's operator reads this.
        DatabaseConfig::Postgres(_) => FirstKey::None,
    };
    print_line(&welcome_text(config, public_url, &shown));
    Ok(())
}

/// Creates the key in the page's address.
async fn create_page_key(registry: &TenantRegistry, tenant: TenantId) -> anyhow::Result<String> {
    let scopes = [KeyScope::Upload, KeyScope::Read, KeyScope::Link].into_iter().collect();
    let wish = KeyWish { name: Some("start page".to_owned()), scopes, expires_in: Some(PAGE_KEY_TTL) };
    Ok(registry.make_key(tenant, wish).await?.token.reveal())
}

/// Hand-over of the first key to the operator.
enum FirstKey {
    /// Printed on the terminal, once, with the key for the page's address.
    Shown {
        /// The first key.
        key: String,
        /// The key for the page.
        page_key: String,
    },
    /// Written to this file, of mode 600.
    InFile(PathBuf),
    /// No key: the operator creates it.
    None,
}

fn print_line(text: &str) {
    use std::io::Write as _;
    // A closed standard output is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn welcome_text(config: &ServiceConfig, public_url: &str, key: &FirstKey) -> String {
    let gantry = std::env::args().next().unwrap_or_else(|| "gantry".to_owned());
    let store = match &config.store {
        StoreConfig::Embedded { listen, .. } => {
            format!("embedded, an S3 server on {listen} (`{gantry} store-env` prints its keys)")
        }
        StoreConfig::S3 { bucket, .. } => format!("bucket {bucket}"),
    };
    let (page, admin, export) = match key {
        FirstKey::None => {
            return format!(
                "Gantry is at {public_url}, with an empty database.\n\n  Storage  {store}\n\n\
                 Make a first key:\n  {gantry} key create --tenant default --scopes admin"
            );
        }
        FirstKey::Shown { key, page_key } => {
            (format!("{public_url}/#key={page_key} (for 24 hours)"), format!("{key} (shown once)"), key.clone())
        }
        FirstKey::InFile(file) => {
            let quoted = format::quoted(&file.display().to_string());
            (public_url.to_owned(), format!("in {} (move it away)", file.display()), format!("\"$(cat {quoted})\""))
        }
    };
    format!(
        "Gantry is at {public_url}. This is its first start.\n\n\
         \x20 Upload from the browser   {page}\n\
         \x20 Admin key                 {admin}\n\
         \x20 Storage                   {store}\n\n\
         Upload a first file:\n\
         \x20 export GANTRY_URL={public_url} GANTRY_API_KEY={export}\n\
         \x20 {gantry} put FILE\n\n\
         Make a key for an application:\n\
         \x20 {gantry} key create --tenant default --scopes upload,read"
    )
}
