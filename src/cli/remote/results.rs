//! Results of commands for several files or ids: lines as they come, all failures in one summary, and the exit code.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::error::{Error, Result};
use crate::client::format;
use crate::client::progress::{ProgressReporter, error_as_json};
use crate::client::upload::{UploadItem, UploadedFile};
use crate::domain::reason::plain_words;

/// Number of files above which failures are told together at the end.
const MAX_SEPARATE_FAILURES: usize = 8;
/// Number of names that a line of the summary shows.
const MAX_NAMES_PER_REASON: usize = 5;

/// Ends of a command's files.
pub(super) struct ResultLog<'a> {
    reporter: &'a ProgressReporter,
    json: bool,
    quiet: bool,
    /// Number of files, those included that could not be read at all.
    total: usize,
    results: Vec<Value>,
    failures: Vec<(String, Error)>,
    counts: ResultCounts,
}

/// Files by how they ended.
#[derive(Default)]
struct ResultCounts {
    sent: usize,
    bytes: u64,
    before: usize,
    existed: usize,
}

impl<'a> ResultLog<'a> {
    pub(super) fn new(reporter: &'a ProgressReporter, json: bool, quiet: bool, total: usize) -> Self {
        Self {
            reporter,
            json,
            quiet,
            total,
            results: Vec::new(),
            failures: Vec::new(),
            counts: ResultCounts::default(),
        }
    }

    /// Adds a file with its end.
    pub(super) fn add(&mut self, item: &UploadItem, end: Result<UploadedFile>) -> Result<()> {
        self.reporter.count_result();
        match end {
            Ok(done) => self.add_upload(&item.label, &done),
            Err(error) => {
                self.fail(&item.label, error);
                Ok(())
            }
        }
    }

    fn add_upload(&mut self, name: &str, done: &UploadedFile) -> Result<()> {
        let asset = &done.asset;
        match (done.existed, done.already_finished) {
            (true, _) => self.counts.existed += 1,
            (_, true) => self.counts.before += 1,
            _ => {
                self.counts.sent += 1;
                self.counts.bytes += asset.size;
            }
        }
        if self.json {
            self.results.push(json!({
                "file": name, "asset": asset.id, "state": asset.state, "filename": asset.filename, "size": asset.size,
                "sha256": asset.sha256, "before": done.already_finished, "existed": done.existed,
            }));
            return Ok(());
        }
        if done.existed && self.total == 1 {
            self.reporter.note(&format!("{}: not sent, an asset has this name", format::shown(name)));
        }
        self.print_id(&asset.id, name)
    }

    /// Prints an id alone, or with the name of its file if there are several.
    pub(super) fn print_id(&self, id: &str, name: &str) -> Result<()> {
        match (self.json, self.total) {
            (true, _) => Ok(()),
            (_, 1) => self.reporter.print_result(id),
            _ => self.reporter.print_result(&format!("{id}  {}", format::shown(name))),
        }
    }

    /// Adds a result as JSON.
    pub(super) fn push_json(&mut self, result: Value) {
        self.results.push(result);
    }

    /// Adds a failure, and tells it at once if there are few.
    pub(super) fn fail(&mut self, name: &str, error: Error) {
        self.results.push(json!({ "file": name, "error": error_as_json(&error) }));
        let few = self.total <= MAX_SEPARATE_FAILURES;
        if self.total > 1 && few && !matches!(error, Error::Interrupted) {
            self.reporter.print_error_line(&format!("gantry: {}", with_name(name, &error)));
        }
        self.failures.push((name.to_owned(), error));
    }

    /// Tells what is left to be told; the outcome of the command.
    pub(super) fn finish(self) -> Result<()> {
        let many = self.total > MAX_SEPARATE_FAILURES;
        if many {
            for line in summarize_failures(&self.failures) {
                self.reporter.print_error_line(&format!("gantry: {line}"));
            }
            if !self.json && !self.quiet {
                self.reporter.print_error_line(&self.describe_counts());
            }
        }
        let errors = self.failures.into_iter().map(|(_, error)| error).collect();
        let outcome = combine_outcomes(errors, self.total);
        if self.json {
            let code = outcome.as_ref().err().map_or(0, Error::exit_code);
            let line = json!({ "event": "result", "ok": code == 0, "exit_code": code, "files": self.results });
            self.reporter.print_result(&line.to_string())?;
        }
        outcome
    }

    fn describe_counts(&self) -> String {
        let ResultCounts { sent, bytes, before, existed } = self.counts;
        let unfinished = self.failures.iter().filter(|(_, error)| matches!(error, Error::Interrupted)).count();
        let failed = self.failures.len() - unfinished;
        let begun = sent + before + existed + failed;
        let mut words = vec![format!("{sent} of {} files sent ({})", self.total, format::size(bytes))];
        let others = [
            (before, "sent by an earlier run"),
            (existed, "there already"),
            (failed, "failed"),
            (self.total.saturating_sub(begun), "not finished"),
        ];
        words.extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        words.join(", ")
    }
}

/// An error with the name of its file, unless the error names it itself.
pub(super) fn with_name(name: &str, error: &Error) -> String {
    let (name, text) = (format::shown(name), error.to_string());
    if text.contains(&name) { text } else { format!("{name}: {text}") }
}

/// Failures by their reasons, the most frequent first, each with the names in their order: files end in any order.
fn summarize_failures(failures: &[(String, Error)]) -> Vec<String> {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, error) in failures.iter().filter(|(_, error)| !matches!(error, Error::Interrupted)) {
        reasons.entry(reason_of(error)).or_default().push(name);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    let line = |(reason, mut names): (String, Vec<&str>)| {
        names.sort_unstable();
        let shown = names.iter().take(MAX_NAMES_PER_REASON).map(|name| format::shown(name));
        let more = names.len().saturating_sub(MAX_NAMES_PER_REASON);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = if names.len() > 1 { format!("{} files: ", names.len()) } else { String::new() };
        format!("{count}{reason}: {}{more}", shown.collect::<Vec<_>>().join(", "))
    };
    reasons.into_iter().map(line).collect()
}

/// The reason without what differs between files: paths and request ids.
fn reason_of(error: &Error) -> String {
    match (error, error.refusal()) {
        (Error::Local { error, .. }, _) => plain_words(&error.to_string()),
        (_, Some(refusal)) => format!("{} ({})", refusal.detail.trim_end_matches('.'), refusal.code),
        _ => error.to_string(),
    }
}

/// The outcome of the command: the error of a single file, the error that all failed files share, or "partial".
pub(super) fn combine_outcomes(mut errors: Vec<Error>, total: usize) -> Result<()> {
    if let Some(at) = errors.iter().position(|error| matches!(error, Error::Interrupted)) {
        return Err(errors.swap_remove(at));
    }
    let failed = errors.len();
    let Some(first) = errors.pop() else { return Ok(()) };
    let alike = failed == total && errors.iter().all(|error| error.exit_code() == first.exit_code());
    Err(if alike { first } else { Error::Partial { failed, total } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ends_make_one_exit_code() {
        let (network, integrity) = (|| Error::network("x"), || Error::Integrity("x".to_owned()));
        let code =
            |errors: Vec<Error>, total| combine_outcomes(errors, total).err().map_or(0, |error| error.exit_code());
        assert_eq!(code(vec![], 3), 0);
        assert_eq!(code(vec![integrity()], 1), 6);
        assert_eq!(code(vec![network()], 2), 7);
        assert_eq!(code(vec![network(), network()], 2), 8);
        assert_eq!(code(vec![network(), integrity()], 2), 7);
        assert_eq!(code(vec![network(), Error::Interrupted], 2), 130);
    }

    #[test]
    fn failures_are_told_by_reason() {
        let denied = |name: &str| {
            let error = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            (name.to_owned(), Error::local(name.as_ref())(error))
        };
        let mut failures: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(denied).into();
        failures.push(("h".to_owned(), Error::Integrity("digests differ".to_owned())));
        let lines = summarize_failures(&failures);
        assert_eq!(lines[0], "7 files: permission denied: a, b, c, d, e and 2 more");
        assert_eq!(lines[1], "digests differ: h");
        assert_eq!(with_name("a", &denied("a").1), "a: permission denied");
        assert_eq!(with_name("h", &failures[7].1), "h: digests differ");
    }
}
