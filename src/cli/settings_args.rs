//! `--config` and `--set`: options of the commands that read the service's settings, and of no other.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

use super::assignment;
use crate::config::ConfigOverrides;

#[derive(Args)]
struct ConfigArgs {
    /// A settings file [default: gantry.toml, if it exists].
    #[arg(long, global = true, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, which overrides file and environment; may be repeated.
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// Adds the options before the command, and behind each command that reads settings.
pub(super) fn add_to(command: Command, without: &[String]) -> Command {
    let names = command.get_subcommands().map(|sub| sub.get_name().to_owned());
    let names: Vec<String> = names.filter(|name| !without.contains(name)).collect();
    // Before the command they are no part of every command.
    let command = ConfigArgs::augment_args(command).mut_args(|arg| {
        let own = matches!(arg.get_id().as_str(), "config" | "set");
        if own { arg.global(false) } else { arg }
    });
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, ConfigArgs::augment_args))
}

/// Settings from the options, wherever they stood.
pub(super) fn read_overrides(matches: &ArgMatches) -> ConfigOverrides {
    let mut overrides = overrides_at(matches).unwrap_or_else(none);
    let mut level = matches;
    let mut behind = None;
    // What stands at a command stands also at the commands below it: the last level has all of it.
    while let Some((_, below)) = level.subcommand() {
        level = below;
        behind = overrides_at(level).or(behind);
    }
    let behind = behind.unwrap_or_else(none);
    overrides.file = behind.file.or(overrides.file);
    overrides.set.extend(behind.set);
    overrides
}

fn none() -> ConfigOverrides {
    ConfigOverrides { file: None, set: Vec::new() }
}

/// The options of a level; `None` where there are none.
fn overrides_at(level: &ArgMatches) -> Option<ConfigOverrides> {
    let file = level.try_get_one::<PathBuf>("config").ok()?.cloned();
    let set = level.try_get_many::<(String, String)>("set").ok()?;
    Some(ConfigOverrides { file, set: set.into_iter().flatten().cloned().collect() })
}

/// Refuses the options before a command that reads no settings.
pub(super) fn refuse_before(command: &mut Command, matches: &ArgMatches, without: &[String]) {
    let given = ["config", "set"].into_iter().find(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
    if let (Some(option), Some(name)) = (given, matches.subcommand_name())
        && without.iter().any(|other| other == name)
    {
        let why = format!("--{option} is for commands of the service; '{name}' reads no settings");
        command.error(ErrorKind::ArgumentConflict, why).exit();
    }
}
