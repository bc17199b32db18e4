//! First stage: merges the sources by precedence. `default.toml` defines which settings exist.

use std::collections::{BTreeSet, HashMap};

use config::{Environment, File, FileFormat, Value, ValueKind};

use super::{ConfigOverrides, DEFAULT_CONFIG_TOML, InvalidSettings, issuers};

/// `GANTRY_` variables that are not settings: those of the client commands, those that `gantry store-env` prints for
/// tools, and those of tests.
const NON_SETTING_VARIABLES: [&str; 7] = [
    "GANTRY_URL",
    "GANTRY_API_KEY",
    "GANTRY_API_KEY_FILE",
    "GANTRY_CLIENT_PROFILE",
    "GANTRY_CONFIG",
    "GANTRY_BUCKET",
    "GANTRY_CRASH_AT",
];

/// The settings file that is read by default.
const DEFAULT_CONFIG_FILE: &str = "gantry.toml";

/// Merged texts by dotted name, and the errors so far.
pub(super) struct MergedSettings {
    pub(super) texts: HashMap<String, String>,
    pub(super) errors: Vec<String>,
}

/// Merges defaults, file, environment and flags.
pub(super) fn merge(
    flags: &ConfigOverrides,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<MergedSettings, InvalidSettings> {
    let fatal = |error: config::ConfigError| InvalidSettings(vec![error.to_string()]);
    let known = names(&flatten(&defaults().build().map_err(fatal)?)?);
    let mut complaints = Vec::new();
    let environment = settings_from_environment(environment, &mut complaints);
    let mut builder = defaults();
    let file = flags.file.as_ref().map(|file| file.display().to_string());
    builder = builder.add_source(match &file {
        Some(file) => File::new(file, FileFormat::Toml).required(true),
        None => File::new(DEFAULT_CONFIG_FILE, FileFormat::Toml).required(false),
    });
    builder = builder
        .add_source(Environment::with_prefix("GANTRY").prefix_separator("_").separator("__").source(Some(environment)));
    for (name, value) in &flags.set {
        builder = builder.set_override(name, value.as_str()).map_err(fatal)?;
    }
    let texts = flatten(&builder.build().map_err(fatal)?)?;
    let unknown = names(&texts);
    let unknown = unknown.difference(&known).filter(|name| !issuers::is_setting(name));
    complaints.extend(unknown.map(|name| format!("{name}: unknown setting")));
    Ok(MergedSettings { texts, errors: complaints })
}

fn defaults() -> config::ConfigBuilder<config::builder::DefaultState> {
    config::Config::builder().add_source(File::from_str(DEFAULT_CONFIG_TOML, FileFormat::Toml))
}

/// Settings from `GANTRY_` variables; variables that name a file are replaced by its content.
fn settings_from_environment(
    environment: impl Iterator<Item = (String, String)>,
    complaints: &mut Vec<String>,
) -> HashMap<String, String> {
    let ours = environment.filter(|(name, _)| {
        name.starts_with("GANTRY_")
            && !name.starts_with("GANTRY_TEST_")
            && !NON_SETTING_VARIABLES.contains(&name.as_str())
    });
    let mut settings = HashMap::new();
    for (name, value) in ours {
        match name.strip_suffix("_FILE") {
            None => drop(settings.insert(name, value)),
            Some(setting) => match std::fs::read_to_string(&value) {
                // An empty secret is refused instead of taken for "not set": an unknown secret would replace it.
                Ok(text) if text.trim().is_empty() => complaints.push(format!("{name}: {value} is empty")),
                Ok(text) => drop(settings.insert(setting.to_owned(), text.trim().to_owned())),
                Err(error) => complaints.push(format!("{name}: {value} cannot be read: {error}")),
            },
        }
    }
    settings
}

fn flatten(config: &config::Config) -> Result<HashMap<String, String>, InvalidSettings> {
    let mut texts = HashMap::new();
    let tables = config.cache.clone().into_table().map_err(|error| InvalidSettings(vec![error.to_string()]))?;
    for (name, value) in tables {
        flatten_value(name, value, &mut texts);
    }
    Ok(texts)
}

fn flatten_value(name: String, value: Value, texts: &mut HashMap<String, String>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (inner, value) in table {
                flatten_value(format!("{name}.{inner}"), value, texts);
            }
        }
        _ => drop(texts.insert(name, text(value))),
    }
}

fn text(value: Value) -> String {
    value.into_string().unwrap_or_default()
}

fn names(texts: &HashMap<String, String>) -> BTreeSet<String> {
    texts.keys().cloned().collect()
}
