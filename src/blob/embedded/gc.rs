//! Maintenance in the background: removes trash, expired tombstones, and files that no row names.
//!
//! Crash safety comes from the order: files are removed before the rows that name them, and a row whose file is already
//! gone is simply removed again.

use crate::domain::reason::chain;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::core::StoreCore;
use super::error::Result;
use super::files::DataFiles;
use super::meta::{closed_keys, contents, trash};
use super::model::{ContentId, FileId};
use super::removal_lock::RemovalLock;

/// Number of contents that are read at a time.
const MAX_CONTENTS_PER_ROUND: usize = 256;
/// Largest number of rows that a transaction removes, so that uploads do not wait long for the writer.
const MAX_ROWS_PER_ROUND: usize = 512;

/// Retention times and interval of maintenance.
#[derive(Clone, Copy, Debug)]
pub(super) struct GcSchedule {
    /// Retention of trash after it became unreferenced.
    pub(super) trash_grace: Duration,
    /// Retention of completed uploads.
    pub(super) tombstone_ttl: Duration,
    /// Pause between two rounds.
    pub(super) every: Duration,
}

/// Counts of what a round of maintenance removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Contents whose files were removed because no object names them any more.
    pub trash: usize,
    /// Tombstones of completed uploads that expired.
    pub tombstones: usize,
    /// Closed keys that expired long ago.
    pub closed_keys: usize,
    /// Data files that no row named: leftovers of a crash.
    pub orphans: usize,
}

/// Runs maintenance until `shutdown`.
pub(super) async fn run(core: Arc<StoreCore>, schedule: GcSchedule, shutdown: CancellationToken) {
    let mut orphans = true;
    loop {
        let round = async {
            let swept = run_round(&core, schedule, orphans).await;
            tokio::time::sleep(schedule.every).await;
            swept
        };
        match shutdown.run_until_cancelled(round).await {
            None => return,
            Some(Ok(swept)) => {
                orphans = false;
                if swept != GcReport::default() {
                    tracing::debug!(
                        trash = swept.trash,
                        tombstones = swept.tombstones,
                        closed_keys = swept.closed_keys,
                        orphans = swept.orphans,
                        "embedded store maintenance"
                    );
                }
            }
            Some(Err(error)) => {
                tracing::warn!(error = %chain(&error), "embedded store maintenance failed and will be tried again");
            }
        }
    }
}

/// Runs a round. The orphan sweep is worth its reads only after a start.
pub(super) async fn run_round(core: &StoreCore, schedule: GcSchedule, orphans: bool) -> Result<GcReport> {
    // In a poisoned store, the rows on disk are unknown.
    core.health.check()?;
    Ok(GcReport {
        orphans: if orphans { sweep(core).await? } else { 0 },
        trash: collect(core, schedule.trash_grace).await?,
        tombstones: expire(core, schedule.tombstone_ttl).await?,
        closed_keys: open_keys(core).await?,
    })
}

fn before(core: &StoreCore, age: Duration) -> i64 {
    core.now().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX))
}

async fn expire(core: &StoreCore, ttl: Duration) -> Result<usize> {
    let (before, mut expired) = (before(core, ttl), 0);
    // Read first, so that an idle store does not write.
    while core.meta.read(move |db| trash::any_finished(db, before)).await? {
        expired += core.meta.write(move |db| trash::expire_finished(db, before, MAX_ROWS_PER_ROUND)).await?;
    }
    Ok(expired)
}

/// Removes closed keys for which no URL is valid any more.
async fn open_keys(core: &StoreCore) -> Result<usize> {
    let (now, mut opened) = (core.now(), 0);
    while core.meta.read(move |db| closed_keys::any_over(db, now)).await? {
        opened += core.meta.write(move |db| closed_keys::forget_over(db, now, MAX_ROWS_PER_ROUND)).await?;
    }
    Ok(opened)
}

/// Removes the files of all contents without references and readers.
async fn collect(core: &StoreCore, grace: Duration) -> Result<usize> {
    let (before, mut kept, mut collected) = (before(core, grace), 0, 0);
    let mut turn = None;
    loop {
        let skip = kept;
        let due = core.meta.read(move |db| trash::due(db, before, skip, MAX_CONTENTS_PER_ROUND)).await?;
        if due.is_empty() {
            return Ok(collected);
        }
        if turn.is_none() {
            turn = RemovalLock::try_remove(core.files.store_dir())?;
        }
        // A backup copies files: a later round removes them.
        if turn.is_none() {
            return Ok(collected);
        }
        for content in due {
            match take_out(core, content).await {
                Ok(true) => collected += 1,
                Ok(false) => kept += 1,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "some trash stays until the next round");
                    kept += 1;
                }
            }
        }
    }
}

/// Removes a content, files first; false while it is read.
async fn take_out(core: &StoreCore, content: ContentId) -> Result<bool> {
    if !core.pins.condemn(content) {
        return Ok(false);
    }
    let removed = remove(core, content).await;
    core.pins.forget(content);
    removed.map(|()| true)
}

async fn remove(core: &StoreCore, content: ContentId) -> Result<()> {
    loop {
        let files = Arc::clone(&core.files);
        let unlink = move |db: &Connection| {
            for part in contents::parts(db, content, 0, MAX_ROWS_PER_ROUND)? {
                files.remove(part.segment.file)?;
            }
            Ok(())
        };
        core.meta.read(unlink).await?;
        if core.meta.write(move |db| trash::forget(db, content, MAX_ROWS_PER_ROUND)).await? {
            return Ok(());
        }
    }
}

async fn sweep(core: &StoreCore) -> Result<usize> {
    let mut orphans = 0;
    for shard in 0..=u8::MAX {
        let files = Arc::clone(&core.files);
        orphans += core.meta.read(move |db| sweep_shard(db, &files, shard)).await?;
    }
    Ok(orphans)
}

/// Removes the files of a shard that no row names. A file being written is unnamed first and named later: with the
/// checks in this order, no file is missed by both.
fn sweep_shard(db: &Connection, files: &DataFiles, shard: u8) -> Result<usize> {
    let mut orphans = 0;
    for name in files.read_shard(shard)? {
        let name = name?;
        let Some(id) = FileId::from_name(&name) else {
            tracing::warn!(name, "a file that is none of ours lies among the data files");
            continue;
        };
        if !files.is_unnamed(id) && !contents::is_named(db, id)? {
            files.remove(id)?;
            orphans += 1;
        }
    }
    Ok(orphans)
}
