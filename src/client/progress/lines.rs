//! Plain lines on standard error: a start, a line now and then, an end.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{Direction, Event, Render, Snapshot, Transfer, lock};
use crate::client::text;

const EVERY: Duration = Duration::from_secs(5);

/// Lines, or none of them.
pub(super) struct Lines {
    show: bool,
    told: Told,
}

/// Which failures were told lately: an outage hits every part at once and is told once.
#[derive(Default)]
pub(super) struct Told(Mutex<HashMap<String, Instant>>);

impl Told {
    /// Whether this reason is worth a line again.
    pub(super) fn is_news(&self, why: &str) -> bool {
        let (mut told, now) = (lock(&self.0), Instant::now());
        told.retain(|_, at| now.duration_since(*at) < EVERY);
        let news = !told.contains_key(why);
        if news {
            told.insert(why.to_owned(), now);
        }
        news
    }
}

impl Lines {
    pub(super) fn new(show: bool) -> Self {
        Self { show, told: Told::default() }
    }
}

/// A line on standard error. A closed one is no reason to fail.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// An event as one line, if it is worth one.
pub(super) fn line(file: Option<&Transfer>, event: &Event<'_>, told: &Told) -> Option<String> {
    let text = match event {
        Event::Started { there: 0, .. } => return None,
        Event::Started { there, .. } => {
            let size = file.map_or(0, |file| file.size);
            format!("going on: {} of {} are there already", text::size(*there), text::size(size))
        }
        Event::Retrying { what, why, pause } => {
            let why = why.to_string();
            if !told.is_news(&why) {
                return None;
            }
            format!("{what}: {why}; trying again in {}", text::pause(*pause))
        }
        Event::Note(note) => (*note).to_owned(),
        Event::Completed { .. } | Event::Failed(_) => return None,
        Event::Settled { asset, state } => format!("{state} as {asset}{}", file.map(pace).unwrap_or_default()),
        Event::Saved { path } => format!("saved as {path}{}", file.map(pace).unwrap_or_default()),
    };
    Some(match file {
        Some(file) => format!("{}: {text}", text::shown(&file.name)),
        None => text,
    })
}

fn pace(file: &Transfer) -> String {
    let (size, speed) = (text::size(file.size), text::speed(file.overall_speed()));
    format!(" ({size} in {}, {speed})", text::time(file.begun.elapsed()))
}

/// How far a transfer is, in words.
pub(super) fn standing(file: &Transfer, now: &Snapshot) -> String {
    let mut line = format!("{} % of {}", text::percent(now.done(file.direction), file.size), text::size(file.size));
    match file.direction {
        Direction::Up => {
            let (confirmed, sent) = (text::size(now.confirmed), text::size(now.moved));
            line.push_str(&format!(", {confirmed} confirmed, {sent} sent"));
        }
        Direction::Down => line.push_str(&format!(", {} received", text::size(now.moved))),
    }
    if let Some(speed) = now.speed {
        line.push_str(&format!(", {}", text::speed(speed)));
    }
    match now.eta {
        Some(eta) if now.moved < file.size => line.push_str(&format!(", {} left", text::time(eta))),
        _ => {}
    }
    if !now.doing.is_empty() {
        line.push_str(&format!(", {}", now.doing));
    }
    line
}

impl Render for Lines {
    fn event(&self, file: Option<&Transfer>, event: &Event<'_>) {
        if let Some(line) = self.show.then(|| line(file, event, &self.told)).flatten() {
            say(&line);
        }
    }

    fn tick(&self, active: &[Arc<Transfer>]) {
        for file in active {
            say(&format!("{}: {}", text::shown(&file.name), standing(file, &file.snapshot())));
        }
    }

    fn every(&self) -> Option<Duration> {
        self.show.then_some(EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Error;

    #[test]
    fn an_outage_is_told_once_although_every_part_suffers() {
        let told = Told::default();
        let why = Error::network("no connection: refused");
        let event = |what| Event::Retrying { what, why: &why, pause: Duration::from_millis(500) };
        let first = line(None, &event("part 1"), &told);
        assert_eq!(first.unwrap(), "part 1: no connection: refused; trying again in 0.5 s");
        assert_eq!(line(None, &event("part 2"), &told), None);
    }
}
