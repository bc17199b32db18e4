//! `gantry get`: an asset's bytes to disk, going on where any earlier run stopped.
//!
//! ```text
//! head (size, tag, digest, name) ▶ NAME.part ▶ Range + If-Range until whole ▶ size and SHA-256 ▶ fsync ▶ rename
//! ```
//!
//! Bytes of two versions are never mixed: every request is bound to the entity tag of the first answer.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::error::{Error, Result};
use super::progress::{Direction, Event, Notices, Reporter, Track};
use super::text;
use crate::domain::checksum::Sha256Digest;

mod name;
mod origin;
mod part;
mod sink;

use origin::{Facts, Obstacle, Origin};
use part::Part;
use sink::{Place, Sink};

/// How often the bytes may change under our hands.
const ROUNDS: u32 = 4;

/// How to download.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to; `None`: the server's name, here. `-`: standard output.
    pub output: Option<PathBuf>,
    /// Overwrite what is there, and write to a terminal.
    pub force: bool,
    /// Go on with what an earlier run has begun.
    pub resume: bool,
    /// How long nothing may move before another try.
    pub patience: Duration,
}

/// A file that is here, whole and verified.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Where; `None`: it went to standard output.
    pub path: Option<PathBuf>,
    /// Its size.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256Digest,
    /// Whether the service knew the digest, so that it could be compared.
    pub verified: bool,
}

/// Downloads files.
pub struct Downloader {
    api: Api,
    reporter: Reporter,
    options: Options,
    stop: CancellationToken,
    /// Bytes of a file that is not whole are kept.
    kept_bytes: AtomicBool,
}

/// How fetching ended.
enum Got {
    Whole(Sha256Digest),
    /// It is another file now.
    Changed,
}

impl Downloader {
    /// `stop`: cut everything off, keeping what has arrived.
    #[must_use]
    pub fn new(api: Api, reporter: Reporter, options: Options, stop: CancellationToken) -> Self {
        Self { api, reporter, options, stop, kept_bytes: AtomicBool::default() }
    }

    /// Whether a part of the file is here for the next run to go on with.
    #[must_use]
    pub fn has_kept_bytes(&self) -> bool {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// Fetches an asset by its id, or whatever a link opens.
    pub async fn get(&self, typed: &str) -> Result<Fetched> {
        let to_stdout = self.options.output.as_deref() == Some(Path::new("-"));
        if to_stdout && std::io::stdout().is_terminal() && !self.options.force {
            let why = "standard output is a terminal; redirect it, or use --force";
            return Err(Error::Usage(why.to_owned()));
        }
        let mut origin = Origin::new(self.api.clone(), typed)?;
        for _ in 0..ROUNDS {
            let facts = tokio::select! {
                facts = self.facts(&origin) => facts?,
                () = self.stop.cancelled() => return Err(Error::Interrupted),
            };
            let fetched = if to_stdout {
                self.to_stdout(&mut origin, &facts).await?
            } else {
                self.to_file(&mut origin, &facts).await?
            };
            if let Some(fetched) = fetched {
                return Ok(fetched);
            }
        }
        Err(Error::Integrity("the asset changes faster than it can be fetched".to_owned()))
    }

    /// What is there, once it is ready.
    async fn facts(&self, origin: &Origin) -> Result<Facts> {
        let since = Instant::now();
        let asking = async || origin.facts().await.map_err(|error| error.unready_since(since));
        self.api.persist("asking for the file", &self.reporter, asking).await
    }

    async fn to_file(&self, origin: &mut Origin, facts: &Facts) -> Result<Option<Fetched>> {
        let target = self.target(facts);
        part::may_make(&target, self.options.force)?;
        let label = target.display().to_string();
        let track = self.reporter.track(&label, facts.size, Direction::Down);
        let (mut part, mut resume) = (Part::open(&target)?, self.options.resume);
        loop {
            let there = part.begin(facts, resume)?;
            track.tell(&Event::Started { there, upload: None });
            let sink = Sink::start(Place::File { file: part.handle()?, path: part.path.clone(), there });
            let digest = match self.fetch(origin, facts, there, sink, &track).await {
                Ok(Got::Whole(digest)) => digest,
                Ok(Got::Changed) => return Ok(None),
                Err(error) => {
                    if track.confirmed() > 0 {
                        self.kept_bytes.store(true, Ordering::Relaxed);
                    }
                    return Err(told(&track, error, Some(&part.path)));
                }
            };
            match verified(facts, digest) {
                Ok(verified) => {
                    part.publish(self.options.force)?;
                    track.tell(&Event::Saved { path: &label });
                    return Ok(Some(Fetched { path: Some(target), size: facts.size, sha256: digest, verified }));
                }
                // A crash of the machine can leave holes in what was there; the whole way once more settles it.
                Err(_) if there > 0 => resume = false,
                Err(error) => {
                    part.discard();
                    return Err(told(&track, error, None));
                }
            }
        }
    }

    async fn to_stdout(&self, origin: &mut Origin, facts: &Facts) -> Result<Option<Fetched>> {
        let track = self.reporter.track(&facts.name, facts.size, Direction::Down);
        track.tell(&Event::Started { there: 0, upload: None });
        let fetched = self.fetch(origin, facts, 0, Sink::start(Place::Stdout), &track).await;
        let digest = match fetched.map_err(|error| told(&track, error, None))? {
            Got::Whole(digest) => digest,
            Got::Changed => {
                let why = "the asset changed while it was fetched, and what was written cannot be taken back";
                return Err(Error::Integrity(why.to_owned()));
            }
        };
        let verified = verified(facts, digest)?;
        Ok(Some(Fetched { path: None, size: facts.size, sha256: digest, verified }))
    }

    /// Where the file goes.
    fn target(&self, facts: &Facts) -> PathBuf {
        match &self.options.output {
            None => PathBuf::from(&facts.name),
            Some(output) if output.is_dir() => output.join(&facts.name),
            Some(output) => output.clone(),
        }
    }

    /// Fetches until everything is there.
    async fn fetch(&self, origin: &mut Origin, facts: &Facts, there: u64, sink: Sink, track: &Track) -> Result<Got> {
        let (mut offset, mut backoff, mut refused) = (there, self.api.backoff(), false);
        while offset < facts.size {
            let before = offset;
            let tried = tokio::select! {
                tried = self.try_once(origin, facts, &mut offset, &sink, track) => tried,
                () = self.stop.cancelled() => return Err(Error::Interrupted),
            };
            if offset > before {
                backoff = self.api.backoff();
                refused = false;
            }
            let error = match tried {
                Ok(true) => continue,
                Ok(false) => break,
                Err(Obstacle::Changed) => {
                    // Not a byte of the old one may be written once the new one begins.
                    let _ = sink.finish().await;
                    return Ok(Got::Changed);
                }
                Err(Obstacle::Expired(_)) if !refused => {
                    refused = true;
                    continue;
                }
                Err(Obstacle::Expired(refusal)) => return Err(refusal.into()),
                Err(Obstacle::Failed(error)) => error,
            };
            let next = backoff.next(&error, self.api.entropy(), Instant::now());
            let Some(pause) = next else { return Err(error) };
            track.retrying("fetching", &error, pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return Err(Error::Interrupted),
            }
        }
        track.doing("verifying");
        let digest = sink.finish().await;
        track.doing("");
        digest.map(Got::Whole)
    }

    /// One answer, as far as it goes. `false`: the sink takes no more.
    async fn try_once(
        &self,
        origin: &mut Origin,
        facts: &Facts,
        offset: &mut u64,
        sink: &Sink,
        track: &Track,
    ) -> std::result::Result<bool, Obstacle> {
        let mut response = origin.open(facts, *offset).await?;
        let attempt = track.attempt();
        while *offset < facts.size {
            let piece = tokio::time::timeout(self.options.patience, response.chunk()).await;
            let piece = piece.map_err(|_| Error::network("nothing moved any more"))?.map_err(Error::transport)?;
            let piece: Bytes = piece.ok_or_else(|| Error::network("the answer broke off"))?;
            let len = piece.len() as u64;
            if len > facts.size - *offset {
                return Err(Obstacle::Changed);
            }
            if !sink.take(piece).await {
                return Ok(false);
            }
            *offset += len;
            attempt.confirm(len);
        }
        Ok(true)
    }
}

/// Tells of a failure, and of what is kept.
fn told(track: &Track, error: Error, part: Option<&Path>) -> Error {
    match (&error, part) {
        (Error::Interrupted, Some(part)) => {
            let note = format!("interrupted; {} are kept in {}", text::size(track.confirmed()), part.display());
            track.tell(&Event::Note(&note));
        }
        _ => track.tell(&Event::Failed(&error)),
    }
    error
}

/// Whether the digest is the right one; `false` when nobody knows the right one.
fn verified(facts: &Facts, digest: Sha256Digest) -> Result<bool> {
    match facts.sha256 {
        Some(expected) if expected != digest => {
            Err(Error::Integrity(format!("what arrived is {digest}, but the service says {expected}; it was not kept")))
        }
        known => Ok(known.is_some()),
    }
}
