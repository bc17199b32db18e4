//! A line of progress that fits the terminal: what does not fit is left out, the least important first. Pure.

use super::{FileTransfer, TransferDirection, TransferSnapshot};
use crate::client::format;

/// Columns of a name, at least and at most.
const NAME_COLUMNS: (usize, usize) = (8, 28);
/// Columns of a bar, at least and at most.
const BAR_COLUMNS: (usize, usize) = (8, 24);

/// The line of a file for a terminal of `columns`. The last column stays empty: a full line would wrap on some.
pub(super) fn file_line(file: &FileTransfer, now: &TransferSnapshot, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let mut facts = facts(file, now);
    // Amounts go first, then the speed, then the time left; the percentage stays.
    while facts.len() > 1 && NAME_COLUMNS.0 + width_of(&facts) > room {
        let least = if facts.len() > 3 { 1 } else { facts.len() - 1 };
        facts.remove(least);
    }
    let left = room.saturating_sub(width_of(&facts));
    let bar = if left >= NAME_COLUMNS.0 + 2 + BAR_COLUMNS.0 {
        (left - 2 - NAME_COLUMNS.0).min(left / 2).clamp(BAR_COLUMNS.0, BAR_COLUMNS.1)
    } else {
        0
    };
    let name_room = if bar > 0 { left - bar - 1 } else { left }.min(NAME_COLUMNS.1);
    let mut words = vec![padded(&file.name, name_room)];
    if bar > 0 {
        words.push(match file.known_size() {
            Some(size) => drawn_bar(if size == 0 { 1 } else { now.moved }, size.max(1), bar),
            None => "─".repeat(bar),
        });
    }
    words.extend(facts);
    words.join(" ")
}

/// A line of words, separated by two spaces, as many as fit.
pub(super) fn total_line(words: &[String], columns: usize) -> String {
    let mut line = String::new();
    for word in words {
        let longer = if line.is_empty() { word.clone() } else { format!("{line}  {word}") };
        if format::columns(&longer) >= columns {
            break;
        }
        line = longer;
    }
    line
}

/// Columns of facts, each with the space before it.
fn width_of(facts: &[String]) -> usize {
    facts.iter().map(|fact| format::columns(fact) + 1).sum()
}

fn facts(file: &FileTransfer, now: &TransferSnapshot) -> Vec<String> {
    let done = now.done(file.direction);
    let mut facts = match file.known_size() {
        Some(size) => vec![format!("{:>3} %", format::percent(done, size))],
        None => Vec::new(),
    };
    let total = file.known_size().map(|size| format!(" of {}", format::size(size))).unwrap_or_default();
    facts.push(match file.direction {
        TransferDirection::Up if now.moved > done => {
            format!("{}{total} (+{} sent)", format::size(done), format::size(now.moved - done))
        }
        TransferDirection::Up | TransferDirection::Down => format!("{}{total}", format::size(done)),
    });
    if now.activity.is_empty() {
        facts.extend(now.speed.map(format::speed));
        facts.extend(now.eta.map(|eta| format!("{} left", format::time(eta))));
    } else {
        facts.push(now.activity.to_owned());
    }
    facts
}

fn padded(name: &str, columns: usize) -> String {
    let name = format::shortened(name, columns);
    let spaces = columns.saturating_sub(format::columns(&name));
    format!("{name}{}", " ".repeat(spaces))
}

fn drawn_bar(done: u64, of: u64, columns: usize) -> String {
    let wide = u128::try_from(columns).unwrap_or_default();
    let filled = usize::try_from(u128::from(done.min(of)) * wide / u128::from(of)).unwrap_or(columns);
    let head = if filled < columns && filled > 0 { "╸" } else { "" };
    let rest = columns - filled - head.chars().count();
    format!("{}{head}{}", "━".repeat(filled), "─".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::progress::{OutputStyle, ProgressReporter};
    use std::time::Duration;

    fn snapshot(activity: &'static str) -> TransferSnapshot {
        TransferSnapshot {
            moved: 700 << 20,
            confirmed: 650 << 20,
            speed: Some(85 << 20),
            eta: Some(Duration::from_secs(11_100)),
            activity,
        }
    }

    #[test]
    fn a_line_fits_every_terminal() {
        let reporter = ProgressReporter::new(OutputStyle::Quiet, 1);
        for name in ["a", "a name that is longer than any column of it.tar.gz", "漢字漢字漢字漢字漢字漢字漢字漢字漢字"]
        {
            for size in [1 << 30, u64::MAX] {
                let file = reporter.transfer(name, size, TransferDirection::Up);
                for columns in 40..=200 {
                    for activity in ["", "processing"] {
                        let line = file_line(&file, &snapshot(activity), columns);
                        assert!(format::columns(&line) < columns, "{columns}: {line:?}");
                        assert!(size == u64::MAX || line.contains(" %"), "{columns}: {line:?}");
                    }
                }
            }
        }
        let file = reporter.transfer("video.mp4", 1 << 30, TransferDirection::Up);
        let wide = file_line(&file, &snapshot(""), 120);
        assert!(wide.contains("650 MiB of 1.0 GiB (+50.0 MiB sent)") && wide.contains("3:05:00 left"), "{wide}");
        assert!(wide.contains('━') && wide.contains('─'), "{wide}");
        assert!(file_line(&file, &snapshot(""), 40).contains("video.mp4"));
    }

    #[test]
    fn a_total_drops_its_last_words() {
        let words = ["312 of 1000 files", "45.0 MiB of 1.2 GiB", "3.1 MiB/s", "0:12 left"].map(str::to_owned);
        assert_eq!(total_line(&words, 200), "312 of 1000 files  45.0 MiB of 1.2 GiB  3.1 MiB/s  0:12 left");
        assert_eq!(total_line(&words, 40), "312 of 1000 files  45.0 MiB of 1.2 GiB");
        assert_eq!(total_line(&words, 38), "312 of 1000 files");
    }
}
