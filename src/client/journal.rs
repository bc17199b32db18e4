//! The journal of this machine's uploads, by which the same command resumes after a crash.
//!
//! A small file per server, path and wish in `$XDG_STATE_HOME/gantry`, appended line by line: the file that is sent and
//! the `Idempotency-Key` with which its upload is created (written *before* the request leaves), the upload's id, the
//! finished asset, and that the user was told of it. A command that is killed in its last instant cannot know if the
//! user has seen the result: for ten minutes the same command gets the same asset again, and any other command creates
//! a new one. A torn line after a crash is ignored, as is everything after it. The server's state always takes
//! precedence; the journal holds no part maps, no URLs and no keys. A lock keeps two processes from sending the same
//! file at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};
use super::upload::FileFingerprint;
use crate::domain::clock::Clock;

/// Uploads expire after a week; entries older than this are useless.
const MAX_JOURNAL_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Time for which a repeated command gets the asset whose id was already reported to the user.
const REPORTED_RETENTION: Duration = Duration::from_secs(600);

/// The directory of journals, as seen by a command.
#[derive(Clone)]
pub struct UploadJournal {
    dir: PathBuf,
    command: String,
    clock: Arc<dyn Clock>,
}

/// Identity of an upload in the journal.
#[derive(Clone, Copy, Debug)]
pub struct UploadIdentity<'a> {
    /// The server's address.
    pub server: &'a str,
    /// The file's canonical path.
    pub path: &'a Path,
    /// Name, type, external id and metadata: another wish is another upload.
    pub wish: &'a str,
}

/// A line of the journal.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum JournalLine {
    /// An upload is about to be created.
    Begin(BeginRecord),
    /// The upload was created with this id.
    Upload(String),
    /// The upload is finished, with this asset.
    Finished(String),
    /// The asset was reported to the user.
    Told(ReportedRecord),
}

/// Record that a finished upload was reported to the user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct ReportedRecord {
    /// Time in seconds since 1970.
    at: i64,
    /// The command that reported it; see [`UploadJournal::open`].
    command: String,
}

/// Request for an upload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct BeginRecord {
    /// Path of the file, for human readers.
    pub path: String,
    /// Fingerprint of the file at that time.
    pub file: FileFingerprint,
    /// The `Idempotency-Key`.
    pub key: String,
    /// Body of the request, byte for byte.
    pub request: String,
}

/// Known state of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalState {
    /// Request for the upload; `None`: nothing is known.
    pub begin: Option<BeginRecord>,
    /// The upload's id, once the creation was answered.
    pub upload: Option<String>,
    /// The asset's id, once the upload is finished.
    pub finished: Option<String>,
    /// Record that the asset's id was reported to the user.
    reported: Option<ReportedRecord>,
}

impl JournalState {
    /// The finished asset, if the user was not told of it.
    #[must_use]
    pub fn unreported(&self) -> Option<&String> {
        self.finished.as_ref().filter(|_| self.reported.is_none())
    }
}

/// The journal of a file, locked. Without a writable directory, it lives in this process only.
#[derive(Debug)]
pub struct JournalEntry {
    file: Option<(File, PathBuf)>,
    state: JournalState,
}

impl UploadJournal {
    /// The state directory by the environment; `None` without any home directory.
    #[must_use]
    pub fn default_dir() -> Option<PathBuf> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        state.map(|state| state.join("gantry"))
    }

    /// Opens journals in a directory, which is created if missing. `command`: distinguishes command lines that send the
    /// same file with the same wish.
    pub fn open(dir: PathBuf, command: String, clock: Arc<dyn Clock>) -> Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(Error::local(&dir))?;
        Ok(Self { dir, command, clock })
    }

    /// Removes entries that are too old to resume, or that were reported long enough ago.
    pub fn remove_old(&self) {
        let (now, Ok(entries)) = (self.clock.now().as_second(), std::fs::read_dir(&self.dir)) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "upload") {
                // An entry that is unreadable or in use stays.
                let _ = remove_if_old(&path, now);
            }
        }
    }

    /// Records that these finished entries were reported to the user; see [`JournalEntry::release`].
    pub fn mark_reported(&self, entries: &[PathBuf]) {
        let told =
            JournalLine::Told(ReportedRecord { at: self.clock.now().as_second(), command: self.command.clone() });
        for path in entries {
            // An entry that another process has locked meanwhile belongs to that process.
            let Ok(file) = OpenOptions::new().read(true).append(true).open(path) else { continue };
            if file.try_lock().is_ok() && read_state(&file).is_ok_and(|(memory, _)| memory.finished.is_some()) {
                let _ = write_line(&file, &told);
            }
        }
    }

    /// True if a finished upload that was reported to the user no longer answers this command.
    fn is_expired(&self, memory: &JournalState) -> bool {
        let now = self.clock.now().as_second();
        memory.reported.as_ref().is_some_and(|told| told.command != self.command || told.is_old(now))
    }

    fn path_of(&self, identity: UploadIdentity<'_>) -> PathBuf {
        let mut hash = Sha256::new();
        for part in [identity.server.as_bytes(), identity.path.as_os_str().as_encoded_bytes(), identity.wish.as_bytes()]
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        self.dir.join(format!("{}.upload", &hex::encode(hash.finalize())[..40]))
    }

    /// Locks the entry of an upload against other processes and reads its state.
    pub fn lock_entry(&self, identity: UploadIdentity<'_>) -> Result<JournalEntry> {
        let path = self.path_of(identity);
        let local = || Error::local(&path);
        loop {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).mode(0o600).open(&path).map_err(local())?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let busy = format!("{}: another gantry is uploading this file", identity.path.display());
                    return Err(Error::Other(busy.into()));
                }
                Err(TryLockError::Error(error)) => return Err(local()(error)),
            }
            // The previous holder of the lock may have removed the file: then the path names another file.
            if file.metadata().map_err(local())?.nlink() > 0 {
                let (mut memory, mut sound) = read_state(&file).map_err(local())?;
                if self.is_expired(&memory) {
                    (memory, sound) = (JournalState::default(), 0);
                }
                // A torn line must not become the beginning of the next line.
                file.set_len(sound).map_err(local())?;
                return Ok(JournalEntry { file: Some((file, path)), state: memory });
            }
        }
    }
}

impl ReportedRecord {
    fn is_old(&self, now: i64) -> bool {
        now.saturating_sub(self.at) > seconds(REPORTED_RETENTION)
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Removes an entry that is useless at `now`, in seconds since 1970, unless another process has locked it.
fn remove_if_old(path: &Path, now: i64) -> std::io::Result<()> {
    let file = File::open(path)?;
    let age = now.saturating_sub(file.metadata()?.mtime());
    // Only a file that was last written so long ago can have been reported so long ago.
    if age <= seconds(REPORTED_RETENTION) || file.try_lock().is_err() {
        return Ok(());
    }
    let over = age > seconds(MAX_JOURNAL_AGE) || read_state(&file)?.0.reported.is_some_and(|told| told.is_old(now));
    if over { std::fs::remove_file(path) } else { Ok(()) }
}

/// Parses as many lines as are valid; returns the state and their length.
fn read_state(file: &File) -> std::io::Result<(JournalState, u64)> {
    let (mut memory, mut reader) = (JournalState::default(), BufReader::new(file));
    reader.rewind()?;
    let (mut line, mut sound) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        let whole = line.ends_with(b"\n");
        match serde_json::from_slice(&line) {
            Ok(JournalLine::Begin(begin)) if whole => {
                memory = JournalState { begin: Some(begin), ..JournalState::default() }
            }
            Ok(JournalLine::Upload(id)) if whole => memory.upload = Some(id),
            Ok(JournalLine::Finished(id)) if whole => memory.finished = Some(id),
            Ok(JournalLine::Told(told)) if whole => memory.reported = Some(told),
            Ok(_) | Err(_) => break,
        }
        sound += line.len() as u64;
        line.clear();
    }
    Ok((memory, sound))
}

impl JournalEntry {
    /// An entry in memory only.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { file: None, state: JournalState::default() }
    }

    /// Known state.
    #[must_use]
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Records that an upload is about to be created. Forgets the previous state.
    pub fn record_begin(&mut self, begin: BeginRecord) -> Result<()> {
        self.clear()?;
        self.append(&JournalLine::Begin(begin.clone()))?;
        self.state.begin = Some(begin);
        Ok(())
    }

    /// Records that the upload was created with this id.
    pub fn record_created(&mut self, upload: &str) -> Result<()> {
        if self.state.upload.as_deref() != Some(upload) {
            self.append(&JournalLine::Upload(upload.to_owned()))?;
            self.state.upload = Some(upload.to_owned());
        }
        Ok(())
    }

    /// Records that the upload is finished, with this asset.
    pub fn record_finished(&mut self, asset: &str) -> Result<()> {
        if self.state.finished.as_deref() != Some(asset) {
            self.append(&JournalLine::Finished(asset.to_owned()))?;
            self.state.finished = Some(asset.to_owned());
        }
        Ok(())
    }

    /// Forgets the state, but keeps the lock.
    pub fn clear(&mut self) -> Result<()> {
        if let Some((file, path)) = &self.file {
            file.set_len(0).map_err(Error::local(path))?;
        }
        self.state = JournalState::default();
        Ok(())
    }

    /// Unlocks the entry. Returns the file, for [`UploadJournal::mark_reported`].
    #[must_use]
    pub fn release(self) -> Option<PathBuf> {
        self.file.map(|(_, path)| path)
    }

    fn append(&mut self, line: &JournalLine) -> Result<()> {
        let Some((file, path)) = &self.file else { return Ok(()) };
        write_line(file, line).map_err(Error::local(path))
    }
}

/// Writes a line in a single write call: a process that is killed leaves the whole line or none of it.
fn write_line(mut file: &File, line: &JournalLine) -> std::io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{ManualClock, SystemClock};

    fn begin(key: &str) -> BeginRecord {
        let file = FileFingerprint { size: 7, modified_ns: -1 };
        BeginRecord { path: "/a".to_owned(), file, key: key.to_owned(), request: "{}".to_owned() }
    }

    fn identity(wish: &str) -> UploadIdentity<'_> {
        UploadIdentity { server: "http://s", path: Path::new("/a"), wish }
    }

    fn journal() -> (tempfile::TempDir, UploadJournal, Arc<ManualClock>) {
        let dir = tempfile::tempdir().unwrap();
        // Files have the machine's times.
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let journal = UploadJournal::open(dir.path().join("state/gantry"), "one".to_owned(), clock.clone()).unwrap();
        (dir, journal, clock)
    }

    #[test]
    fn what_was_written_is_known_to_the_next_process() {
        let (_dir, journal, _clock) = journal();
        let mut entry = journal.lock_entry(identity("w")).unwrap();
        assert_eq!(entry.state(), &JournalState::default());
        entry.record_begin(begin("k1")).unwrap();
        entry.record_created("u1").unwrap();
        drop(entry);
        let mut entry = journal.lock_entry(identity("w")).unwrap();
        assert_eq!(entry.state().upload.as_deref(), Some("u1"));
        assert_eq!(entry.state().begin.as_ref().unwrap(), &begin("k1"));
        entry.record_begin(begin("k2")).unwrap();
        assert_eq!(entry.state().upload, None, "another beginning has another upload");
        entry.record_created("u2").unwrap();
        entry.record_finished("a2").unwrap();
        drop(entry);
        let entry = journal.lock_entry(identity("w")).unwrap();
        assert_eq!(entry.state().finished.as_deref(), Some("a2"));
        std::fs::remove_file(entry.release().unwrap()).unwrap();
        assert_eq!(journal.lock_entry(identity("w")).unwrap().state(), &JournalState::default());
    }

    #[test]
    fn a_torn_line_is_ignored_with_all_that_follows() {
        let (_dir, journal, _clock) = journal();
        let mut entry = journal.lock_entry(identity("w")).unwrap();
        entry.record_begin(begin("k1")).unwrap();
        let whole = std::fs::read(journal.path_of(identity("w"))).unwrap();
        drop(entry);
        for cut in 0..whole.len() {
            std::fs::write(journal.path_of(identity("w")), &whole[..cut]).unwrap();
            assert_eq!(journal.lock_entry(identity("w")).unwrap().state(), &JournalState::default(), "{cut}");
        }
        let torn = [&whole[..], b"{\"upload\":\"u1\"}\n{\"finished\":\"a", b"\0\0\n{\"finished\":\"a1\"}\n"].concat();
        std::fs::write(journal.path_of(identity("w")), torn).unwrap();
        let mut entry = journal.lock_entry(identity("w")).unwrap();
        assert_eq!((entry.state.upload.as_deref(), entry.state.finished.as_deref()), (Some("u1"), None));
        entry.record_finished("a3").unwrap();
        drop(entry);
        let memory = journal.lock_entry(identity("w")).unwrap().state;
        assert_eq!(memory.finished.as_deref(), Some("a3"), "what is written after a torn line counts");
    }

    #[test]
    fn two_processes_do_not_send_one_file_at_once() {
        let (_dir, journal, _clock) = journal();
        let first = journal.lock_entry(identity("w")).unwrap();
        assert!(journal.lock_entry(identity("w")).unwrap_err().to_string().contains("another gantry"));
        assert!(journal.lock_entry(identity("another wish")).is_ok());
        drop(first);
        assert!(journal.lock_entry(identity("w")).is_ok());
    }

    #[test]
    fn old_entries_go_and_others_stay() {
        let (_dir, journal, clock) = journal();
        journal.lock_entry(identity("w")).unwrap().record_begin(begin("k")).unwrap();
        let stranger = journal.dir.join("notes.txt");
        std::fs::write(&stranger, "x").unwrap();
        let day = Duration::from_secs(24 * 3600);
        clock.advance(day);
        journal.remove_old();
        assert!(journal.path_of(identity("w")).exists());
        clock.advance(30 * day);
        journal.remove_old();
        assert!(!journal.path_of(identity("w")).exists() && stranger.exists());
    }

    #[test]
    fn what_was_told_answers_the_same_command_for_a_while() {
        let (_dir, journal, clock) = journal();
        let finish = || {
            let mut entry = journal.lock_entry(identity("w")).unwrap();
            entry.record_begin(begin("k")).unwrap();
            entry.record_finished("a").unwrap();
            entry.release().unwrap()
        };
        let known = |journal: &UploadJournal| journal.lock_entry(identity("w")).unwrap().state.finished;
        let path = finish();
        clock.advance(Duration::from_secs(24 * 3600));
        assert_eq!(known(&journal).as_deref(), Some("a"), "until it is told");
        journal.mark_reported(&[path]);
        clock.advance(Duration::from_secs(599));
        assert_eq!(known(&journal).as_deref(), Some("a"), "the last instant may not have been seen");
        clock.advance(Duration::from_secs(2));
        assert_eq!(known(&journal), None, "and then it is another upload");
        let path = finish();
        journal.mark_reported(&[path]);
        let other = UploadJournal { command: "other".to_owned(), ..journal.clone() };
        assert_eq!(known(&other), None, "another command makes another asset");
        let path = finish();
        journal.mark_reported(std::slice::from_ref(&path));
        journal.remove_old();
        assert!(path.exists());
        clock.advance(Duration::from_secs(700));
        let held = journal.lock_entry(identity("w")).unwrap();
        journal.mark_reported(std::slice::from_ref(&path));
        journal.remove_old();
        assert!(path.exists(), "what another process has is its own");
        drop(held);
    }

    #[test]
    fn what_was_told_long_ago_is_removed() {
        let (_dir, journal, clock) = journal();
        let mut entry = journal.lock_entry(identity("w")).unwrap();
        entry.record_begin(begin("k")).unwrap();
        entry.record_finished("a").unwrap();
        let path = entry.release().unwrap();
        journal.mark_reported(std::slice::from_ref(&path));
        clock.advance(Duration::from_secs(700));
        journal.remove_old();
        assert!(!path.exists());
    }
}
