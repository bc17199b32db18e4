//! Options of commands that send files: which of them, how fast, and whether at all.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sha2::{Digest as _, Sha256};

use super::duration;
use crate::client::error::Result;
use crate::client::journal::UploadJournal;
use crate::client::progress::ProgressReporter;
use crate::client::throttle::RateLimiter;
use crate::client::tree::PathFilter;
use crate::client::upload::UploadOptions;
use crate::config::units::parse_size;
use crate::domain::clock::SystemClock;

#[derive(Args)]
pub(super) struct TransferArgs {
    /// Only files that match, by name (*.jpg) or path below the folder (2026/**); may be repeated.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No files and folders that match; counts more than --include; may be repeated.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Bytes per second at most, over all files, like 10MiB/s or 500k.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_rate: Option<u64>,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Parts in flight at once, over all files.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: u8,
    /// Start over, and give up what an earlier run has begun.
    #[arg(long)]
    no_resume: bool,
    /// Wait until assets are ready or rejected (the default).
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return as soon as every byte is stored.
    #[arg(long)]
    no_wait: bool,
    /// Send a part again when nothing has moved for this long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    stall_timeout: Duration,
}

/// `10MiB/s`, `500k`, `2M`: a size with or without `/s`; `k`, `M` and `G` alone are powers of 1000.
pub(super) fn rate(text: &str) -> std::result::Result<u64, String> {
    let size = text.trim().trim_end_matches("/s").trim_end_matches("ps");
    let short = || {
        let (digits, unit) = size.split_at(size.len().checked_sub(1)?);
        let factor: u64 = match unit {
            "k" | "K" => 1000,
            "m" | "M" => 1000 * 1000,
            "g" | "G" => 1000 * 1000 * 1000,
            _ => return None,
        };
        digits.trim().parse::<u64>().ok()?.checked_mul(factor)
    };
    let rate = if size.is_ascii() { parse_size(size).or_else(short) } else { None };
    rate.filter(|rate| *rate > 0).ok_or_else(|| "a rate is written like 10MiB/s, 500k or 2MB".to_owned())
}

impl TransferArgs {
    pub(super) fn filter(&self) -> Result<PathFilter> {
        PathFilter::new(&self.include, &self.exclude)
    }

    /// Options for so many files.
    pub(super) fn upload_options(&self, files: usize) -> UploadOptions {
        UploadOptions {
            resume: !self.no_resume,
            wait: !self.no_wait,
            concurrency: usize::from(self.concurrency),
            stall_timeout: self.stall_timeout.max(Duration::from_millis(100)),
            limit: self.limit_rate.map(|rate| Arc::new(RateLimiter::new(rate))),
            files,
            ..UploadOptions::default()
        }
    }
}

/// Opens the journal of unfinished uploads. Without a state directory, uploading works but resuming does not.
pub(super) fn open_journal(reporter: &ProgressReporter) -> Option<UploadJournal> {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let command = hex::encode(&Sha256::digest(words.join("\0"))[..8]);
    let opened = UploadJournal::default_dir().map(|dir| UploadJournal::open(dir, command, Arc::new(SystemClock)));
    match opened {
        Some(Ok(journal)) => {
            journal.remove_old();
            Some(journal)
        }
        Some(Err(error)) => {
            reporter.note(&format!("an interrupted upload cannot be resumed: {error}"));
            None
        }
        None => {
            reporter.note("an interrupted upload cannot be resumed: neither XDG_STATE_HOME nor HOME is set");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, bytes) in
            [("10MiB/s", 10 << 20), ("500k", 500_000), ("2MB", 2_000_000), ("64KiB", 65_536), ("3M/s", 3_000_000)]
        {
            assert_eq!(rate(text), Ok(bytes), "{text}");
        }
        for bad in ["", "k", "0", "fast", "10é", "1.5M"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
