//! Shapes of the administration API, and their way from domain values. Pure.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::query::{USUAL_PAGE, limit, pairs, parsed, unknown};
use crate::domain::clock::{Timestamp, before};
use crate::domain::event::EventCount;
use crate::domain::job::{Chore, JobEntry, JobKind};
use crate::engine::{Again, Enqueued, Error, ListAssets, ListJobs, Queues};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// `POST /v1/admin/jobs/retry`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetryDead {
    /// Jobs of this kind only.
    kind: Option<String>,
}

impl RetryDead {
    pub(super) fn kind(&self) -> Result<Option<JobKind>, Error> {
        self.kind.as_deref().map(kind).transpose()
    }
}

/// `POST /v1/admin/chores/{name}/run`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RunChore {
    /// Say what it would do, and do nothing.
    pub(super) dry_run: bool,
}

/// `POST /v1/assets/{id}/reprocess`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reprocess {
    /// Scan for viruses only.
    scan_only: bool,
}

impl Reprocess {
    pub(super) fn again(&self) -> Again {
        if self.scan_only { Again::Scan } else { Again::Everything }
    }
}

/// `POST /v1/admin/reprocess`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReprocessMany {
    /// Scan for viruses only.
    scan_only: bool,
    /// Assets in this state only.
    state: Option<String>,
    /// Assets with this id of yours only.
    external_id: Option<String>,
    /// Assets that were made later only.
    created_after: Option<Timestamp>,
    /// Assets of this type only.
    content_type: Option<String>,
    /// Assets with these values in their metadata only.
    metadata: std::collections::BTreeMap<String, String>,
    /// `next_cursor` of the answer before, to go on.
    #[schemars(length(min = 1, max = 512))]
    cursor: Option<String>,
    /// How many to look at; left out, 100.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

impl ReprocessMany {
    pub(super) fn command(self) -> (ListAssets, Again) {
        let again = Reprocess { scan_only: self.scan_only }.again();
        let list = ListAssets {
            state: self.state,
            external_id: self.external_id,
            created_after: self.created_after,
            content_type: self.content_type,
            metadata: self.metadata.into_iter().collect(),
            cursor: self.cursor,
            limit: self.limit.unwrap_or(1000),
        };
        (list, again)
    }
}

pub(super) fn kind(text: &str) -> Result<JobKind, Error> {
    let names = || JobKind::ALL.map(JobKind::name).join(", ");
    text.parse().map_err(|_| Error::invalid("kind", format!("one of {}", names())))
}

pub(super) fn chore(text: &str) -> Result<Chore, Error> {
    match text.parse() {
        Ok(JobKind::Chore(chore)) => Ok(chore),
        _ => Err(Error::Hidden),
    }
}

/// `GET /v1/admin/jobs`.
pub(super) fn list(query: Option<&str>) -> Result<ListJobs, Error> {
    let mut list = ListJobs { limit: USUAL_PAGE, ..ListJobs::default() };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(parsed("state", &value, "ready, running or dead")?),
            "kind" => list.kind = Some(kind(&value)?),
            "after" => list.after = Some(parsed("after", &value, "the id of a job")?),
            "limit" => list.limit = limit(&value)?,
            other => return Err(unknown(other)),
        }
    }
    Ok(list)
}

/// `GET /v1/admin/stats`: the last day unless said otherwise.
pub(super) fn span(query: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let (mut from, mut to) = (before(now, DAY), now);
    let time = |field, value: &str| parsed(field, value, "a time like 2026-01-31T12:00:00Z");
    for (name, value) in pairs(query) {
        match name.as_str() {
            "from" => from = time("from", &value)?,
            "to" => to = time("to", &value)?,
            other => return Err(unknown(other)),
        }
    }
    Ok((from, to))
}

pub(super) fn job(entry: &JobEntry) -> Value {
    json!({
        "id": entry.job.id,
        "kind": entry.job.work.kind().name(),
        "state": entry.state.name(),
        "asset_id": entry.job.work.asset(),
        "attempt": entry.job.attempt,
        "tries": entry.job.tries,
        "due_at": entry.run_at.to_string(),
        "created_at": entry.created_at.to_string(),
        "last_error": entry.last_error,
        "steps_done": entry.job.progress.as_ref().and_then(|kept| kept.get("done")),
    })
}

pub(super) fn chore_view(entry: &JobEntry) -> Value {
    let last = entry.job.progress.as_ref();
    json!({
        "name": entry.job.work.kind().name(),
        "state": entry.state.name(),
        "next_at": entry.run_at.to_string(),
        "last_at": last.and_then(|last| last.get("at")),
        "last_millis": last.and_then(|last| last.get("millis")),
        "last_report": last.and_then(|last| last.get("report")),
        "last_error": entry.last_error,
    })
}

pub(super) fn queues(queues: &Queues) -> Value {
    let kinds: Vec<_> = JobKind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, JobKind::Chore(_)))
        .map(|kind| {
            let of_kind = || queues.counts.iter().filter(move |counted| counted.kind == kind);
            let count = |name: &str| of_kind().find(|c| c.state.name() == name).map_or(0, |c| c.count);
            let oldest = of_kind().filter(|c| c.state.name() == "ready").map(|c| c.oldest.to_string()).next();
            json!({
                "kind": kind.name(),
                "paused": queues.paused.contains(&kind),
                "ready": count("ready"),
                "running": count("running"),
                "dead": count("dead"),
                "oldest_due_at": oldest,
            })
        })
        .collect();
    json!({ "queues": kinds })
}

pub(super) fn enqueued(enqueued: &Enqueued) -> Value {
    json!({ "enqueued": enqueued.enqueued, "skipped": enqueued.skipped, "next_cursor": enqueued.next })
}

pub(super) fn hour(counted: &EventCount) -> Value {
    json!({
        "hour": counted.hour.to_string(),
        "type": counted.kind,
        "count": counted.count,
        "bytes": counted.bytes,
    })
}
