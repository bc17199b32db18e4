//! `gantry follow`: points of the running embedded instance, one after the other, into a folder on another machine.
//!
//! Each point is a backup of its own ([`super::backup`]), so that `gantry restore` takes over from any of them. A point
//! copies new data files and both databases; nothing is copied while nothing was committed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::backup::{BackupReport, EmbeddedPlaces, create_backup};
use crate::backup::CommitWatch;
use crate::config::ServiceConfig;
use crate::domain::clock::{Clock as _, SystemClock, Timestamp};

/// Pace of the points.
#[derive(Clone, Copy, Debug)]
pub struct FollowPace {
    /// Time from the beginning of a point to the beginning of the next.
    pub every: Duration,
    /// Number of points that stay.
    pub keep: usize,
}

/// Outcome of a step.
#[derive(Clone, Debug)]
pub enum FollowStep {
    /// A point was written.
    Point {
        /// The point.
        report: Box<BackupReport>,
        /// Time that it took.
        took: Duration,
        /// Largest time of which everything is lost if the machine is lost before the next point: from the instant of
        /// this point until the next one is whole, if that takes as long.
        behind: Duration,
    },
    /// Nothing was committed since this point.
    Unchanged {
        /// Instant of the point.
        at: Timestamp,
    },
    /// The point was not written.
    Failed {
        /// Reason.
        why: String,
        /// Age of the last whole point; `None` if there is none.
        behind: Option<Duration>,
    },
}

/// Both databases of an instance.
struct InstanceWatch(CommitWatch, CommitWatch);

impl InstanceWatch {
    fn open(places: &EmbeddedPlaces) -> anyhow::Result<Self> {
        Ok(Self(CommitWatch::open(&places.database)?, CommitWatch::open(&places.place("store.db"))?))
    }

    fn look(&mut self) -> anyhow::Result<bool> {
        let changed = [self.0.look()?, self.1.look()?];
        Ok(changed.contains(&true))
    }
}

/// Writes points until `end`, and tells of each step.
///
/// # Errors
/// The first point cannot be written. Later failures are told and tried again.
pub async fn follow_instance(
    config: &ServiceConfig,
    dir: &Path,
    pace: FollowPace,
    mut told: impl FnMut(&FollowStep) + Send,
    end: CancellationToken,
) -> anyhow::Result<()> {
    let mut watch = None;
    let mut last: Option<Timestamp> = None;
    while !end.is_cancelled() {
        let begun = Instant::now();
        let step = write_point(config, dir.to_owned(), pace, &mut watch, last).await;
        match step {
            Ok(step) => {
                if let FollowStep::Point { report, .. } = &step {
                    last = Some(report.at);
                }
                told(&step);
            }
            Err(error) => {
                let Some(at) = last else { return Err(error) };
                // A look that came to nothing must not hide the change from the next one.
                watch = None;
                let behind = Duration::try_from(SystemClock.now().duration_since(at)).ok();
                told(&FollowStep::Failed { why: format!("{error:#}"), behind });
            }
        }
        let pause = pace.every.saturating_sub(begun.elapsed());
        let _ = end.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

async fn write_point(
    config: &ServiceConfig,
    dir: PathBuf,
    pace: FollowPace,
    watch: &mut Option<InstanceWatch>,
    last: Option<Timestamp>,
) -> anyhow::Result<FollowStep> {
    let places = EmbeddedPlaces::of(config)?;
    let (config, mut looking) = (config.clone(), watch.take());
    let work = move || {
        if looking.is_none() && places.database.is_file() {
            looking = Some(InstanceWatch::open(&places)?);
        }
        let changed = looking.as_mut().map(InstanceWatch::look).transpose()?.unwrap_or(true);
        if let Some(at) = last.filter(|_| !changed) {
            return Ok((FollowStep::Unchanged { at }, looking));
        }
        let begun = Instant::now();
        let report = create_backup(&config, &dir, Some(pace.keep), &mut |_| {})?;
        let took = begun.elapsed();
        let behind = pace.every.max(took) + took;
        anyhow::Ok((FollowStep::Point { report: Box::new(report), took, behind }, looking))
    };
    let (step, looking) = tokio::task::spawn_blocking(work).await??;
    *watch = looking;
    Ok(step)
}
