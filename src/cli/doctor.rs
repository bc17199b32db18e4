//! `gantry doctor`: what is wrong here, and how it is mended.

use std::process::ExitCode;

use clap::Args;

use super::remote;
use crate::app;
use crate::config::{ConfigOverrides, ServiceConfig};
use crate::domain::diagnosis::{DoctorFinding, FindingLevel};

pub(super) const HELP: &str = "\
Without --url the machine of the service is examined: settings, files, database, store, disk, clock, scanner, decoders,
and the way of clients to the public URL. With --url a service is examined from outside, as its clients see it; with
GANTRY_API_KEY set, a small upload is tried as well and aborted.

The exit code is 0 if nothing fails, 1 otherwise. Warnings do not count.";

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Examine the service at this address from outside.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Page origin for which CORS is tried [default: the origin of the service].
    #[arg(long, value_name = "ORIGIN", requires = "url")]
    pub(super) origin: Option<String>,
    /// Print a JSON object a line instead of text.
    #[arg(long)]
    pub(super) json: bool,
}

/// Examines the machine of the service.
pub(super) async fn examine_here(flags: &ConfigOverrides, as_json: bool) -> ExitCode {
    let findings = match ServiceConfig::load(flags) {
        Ok(config) => app::doctor::examine(&config, remote::examine_with_key).await,
        Err(error) => vec![DoctorFinding::failure("settings", error.to_string(), "Mend these settings first.")],
    };
    print_findings(&findings, as_json)
}

/// Prints the findings; success if none is a failure.
pub(super) fn print_findings(findings: &[DoctorFinding], as_json: bool) -> ExitCode {
    for finding in findings {
        if as_json {
            println!("{}", serde_json::json!(finding));
        } else {
            print_finding(finding);
        }
    }
    let worst = findings.iter().map(|finding| finding.level).max();
    if worst == Some(FindingLevel::Failure) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print_finding(finding: &DoctorFinding) {
    let mark = match finding.level {
        FindingLevel::Ok => "ok  ",
        FindingLevel::Warning => "warn",
        FindingLevel::Failure => "FAIL",
    };
    println!("{mark}  {:16} {}", finding.check, finding.found);
    if let Some(mend) = &finding.mend {
        println!("      {:16} \u{2192} {mend}", "");
    }
}
