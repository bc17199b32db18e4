//! Gives the crate its version with the commit: from git, from an archive that `git archive` made, or neither.

use std::path::Path;
use std::process::Command;

/// Filled in by `git archive`, as `.gitattributes` asks.
const ARCHIVED_COMMIT: &str = "$Format:%h$";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=GANTRY_COMMIT");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    // A debug build does not follow every commit: that would compile the crate once more for each.
    if let (true, Some(log)) = (release, git(&["rev-parse", "--git-path", "logs/HEAD"]))
        && Path::new(&log).exists()
    {
        println!("cargo:rerun-if-changed={log}");
    }
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let version = commit().map_or(version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=BUILD_VERSION={version}");
}

/// The commit, shortened.
fn commit() -> Option<String> {
    let said = std::env::var("GANTRY_COMMIT").ok().filter(|commit| !commit.is_empty());
    let archived = Some(ARCHIVED_COMMIT.to_owned()).filter(|commit| !commit.contains('$'));
    said.or(archived).or_else(|| git(&["rev-parse", "--short=12", "HEAD"])).map(|commit| commit.trim().to_owned())
}

/// Output of git in this folder; `None` without git, and where the folder is none of a repository of its own.
fn git(arguments: &[&str]) -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
