//! Numbers, times and names in human-readable form. Pure.

use std::time::Duration;

/// `512 B`, `1.5 MiB`, `1.3 GiB`: three digits and a unit.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (scaled(bytes, 1024), 0);
    let mut divisor: u64 = 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        unit += 1;
        divisor = divisor.saturating_mul(1024);
        tenths = scaled(bytes, divisor);
    }
    if tenths >= 1000 {
        format!("{} {}", tenths / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

/// Tenths of `divisor` in `bytes`.
fn scaled(bytes: u64, divisor: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 10 / u128::from(divisor)).unwrap_or(u64::MAX)
}

/// `85 MiB/s`.
#[must_use]
pub fn speed(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// `0:07`, `12:30`, `3:05:00`, `2d 4h`.
#[must_use]
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{:02}", seconds % 60),
        (0, _) => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{days}d {hours}h"),
    }
}

/// A short wait: `0.3 s`, `12 s`.
#[must_use]
pub fn pause(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 9_950 { format!("{}.{} s", millis / 1000, millis % 1000 / 100) } else { format!("{} s", millis / 1000) }
}

/// Progress in percent, `0 %` to `100 %`; 100 only when everything is done.
#[must_use]
pub fn percent(done: u64, of: u64) -> u64 {
    let percent = u128::from(done) * 100 / u128::from(of.max(1));
    if of == 0 { 100 } else { u64::try_from(percent).unwrap_or(100).min(100) }
}

/// A name made safe for a line of a terminal: without characters that move the cursor or reorder text.
#[must_use]
pub fn shown(name: &str) -> String {
    let unfit = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.chars().map(|c| if unfit(c) { '\u{fffd}' } else { c }).collect()
}

/// A name cut to its end, which tells more than its beginning; `most`: columns of a terminal.
#[must_use]
pub fn shortened(name: &str, most: usize) -> String {
    let shown = shown(name);
    let mut surplus = columns(&shown).saturating_sub(most);
    if surplus == 0 {
        return shown;
    }
    // The sign for what was cut takes a column of its own.
    surplus += 1;
    let mut rest = shown.chars();
    while surplus > 0
        && let Some(c) = rest.next()
    {
        surplus = surplus.saturating_sub(columns_of(c));
    }
    let rest = rest.as_str().trim_start_matches(|c| columns_of(c) == 0);
    if most == 0 { String::new() } else { format!("…{rest}") }
}

/// Columns that a text takes on a terminal: two for each ideograph and the like, none for marks over other characters.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' => 2,
        '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' => 2,
        '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// A word quoted for a POSIX shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (102_400, "100 KiB"),
            (1_048_575, "1023 KiB"),
            (5 << 20, "5.0 MiB"),
            (1_333_760_000, "1.2 GiB"),
            (50_000_000_000_000, "45.4 TiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times() {
        for (seconds, text) in [(0, "0:00"), (7, "0:07"), (750, "12:30"), (11_100, "3:05:00"), (187_200, "2d 4h")] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
        assert_eq!(pause(Duration::from_millis(340)), "0.3 s");
        assert_eq!(pause(Duration::from_millis(12_900)), "12 s");
    }

    #[test]
    fn all_is_not_claimed_early() {
        assert_eq!((percent(999, 1000), percent(1000, 1000), percent(0, 0), percent(0, 5)), (99, 100, 100, 0));
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        assert_eq!(shown("a\x1b[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(shortened("漢字漢字漢字", 7), "…字漢字");
        assert_eq!(shortened("漢字漢字漢字", 6), "…漢字");
        assert_eq!(shortened("short", 10), "short");
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("a/b-c.tar"), "a/b-c.tar");
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
