//! Requests of the administration API and their conversion to commands. Pure. Answers are in `view`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::clock::{Timestamp, before};
use crate::domain::job::{Chore, JobKind, MAX_CONCURRENCY};
use crate::engine::{Error, ListAssets, ListJobs, ReprocessScope};
use crate::http::query::{DEFAULT_PAGE_LIMIT, parse_limit, parse_parameter, query_pairs, unknown_parameter};

const DEFAULT_STATS_SPAN: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// `POST /v1/admin/jobs/retry`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RetryDead")]
pub(super) struct RetryDeadJobsBody {
    /// Jobs of this kind only.
    kind: Option<String>,
}

impl RetryDeadJobsBody {
    pub(super) fn kind(&self) -> Result<Option<JobKind>, Error> {
        self.kind.as_deref().map(parse_job_kind).transpose()
    }
}

/// `DELETE /v1/admin/jobs/{id}`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "DiscardJob")]
pub(super) struct DiscardJobBody {
    /// Why the work is not done; kept in the audit trail and shown in the job's history.
    #[schemars(length(max = 500))]
    pub(super) reason: Option<String>,
}

/// `PUT /v1/admin/queues/{kind}/concurrency`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "QueueConcurrency")]
pub(super) struct QueueConcurrencyBody {
    /// Jobs at once in each worker; null: as many as the worker's setting says.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schemars(required, range(min = 1, max = MAX_CONCURRENCY))]
    pub(super) concurrency: Option<u32>,
}

/// `POST /v1/admin/chores/{name}/run`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "RunChore")]
pub(super) struct RunChoreBody {
    /// Only report what the chore would do; change nothing.
    pub(super) dry_run: bool,
}

/// `PUT /v1/admin/log-level`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetLogLevel")]
pub(super) struct LogLevelBody {
    /// Levels (error, warn, info, debug, trace), alone or for a target, separated by commas; the most specific counts.
    #[schemars(length(min = 1, max = 1000))]
    pub(super) filter: String,
}

/// `POST /v1/admin/assets/{id}/release`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReleaseAsset")]
pub(super) struct ReleaseAssetBody {
    /// Why the asset is delivered although it was rejected; kept in the audit trail.
    #[schemars(length(min = 1, max = 500))]
    pub(super) reason: String,
}

/// `POST /v1/admin/uploads/{id}/extend`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ExtendUpload")]
pub(super) struct ExtendUploadBody {
    /// Seconds from now until the upload expires.
    #[schemars(range(min = 1))]
    pub(super) expires_in: u64,
}

/// `POST /v1/assets/{id}/reprocess`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Reprocess")]
pub(super) struct ReprocessAssetBody {
    /// Scan for viruses only.
    scan_only: bool,
}

impl ReprocessAssetBody {
    pub(super) fn reprocess_scope(&self) -> ReprocessScope {
        if self.scan_only { ReprocessScope::Scan } else { ReprocessScope::Everything }
    }
}

/// `POST /v1/admin/reprocess`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ReprocessMany")]
pub(super) struct ReprocessAssetsBody {
    /// Scan for viruses only.
    scan_only: bool,
    /// Assets in this state only.
    state: Option<String>,
    /// Assets with this external id only.
    external_id: Option<String>,
    /// Assets created later than this only.
    created_after: Option<Timestamp>,
    /// Assets of this type only.
    content_type: Option<String>,
    /// Assets with these values in their metadata only.
    metadata: std::collections::BTreeMap<String, String>,
    /// `next_cursor` of the previous answer, to continue.
    #[schemars(length(min = 1, max = 512))]
    cursor: Option<String>,
    /// Number of assets to check; 100 by default.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

impl ReprocessAssetsBody {
    pub(super) fn into_command(self) -> (ListAssets, ReprocessScope) {
        let again = ReprocessAssetBody { scan_only: self.scan_only }.reprocess_scope();
        let list = ListAssets {
            state: self.state,
            external_id: self.external_id,
            created_after: self.created_after,
            content_type: self.content_type,
            metadata: self.metadata.into_iter().collect(),
            cursor: self.cursor,
            limit: self.limit.unwrap_or(1000),
            ..ListAssets::default()
        };
        (list, again)
    }
}

pub(super) fn parse_job_kind(text: &str) -> Result<JobKind, Error> {
    let names = || JobKind::ALL.map(JobKind::name).join(", ");
    text.parse().map_err(|_| Error::invalid("kind", format!("must be one of {}", names())))
}

pub(super) fn parse_chore(text: &str) -> Result<Chore, Error> {
    match text.parse() {
        Ok(JobKind::Chore(chore)) => Ok(chore),
        _ => Err(Error::NotFound),
    }
}

/// `GET /v1/admin/jobs`.
pub(super) fn parse_jobs_query(query: Option<&str>) -> Result<ListJobs, Error> {
    let mut list = ListJobs { limit: DEFAULT_PAGE_LIMIT, ..ListJobs::default() };
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "state" => list.state = Some(parse_parameter("state", &value, "must be ready, running or dead")?),
            "kind" => list.kind = Some(parse_job_kind(&value)?),
            "tenant" => list.tenant = Some(value),
            "after" => list.after = Some(parse_parameter("after", &value, "must be the id of a job")?),
            "limit" => list.limit = parse_limit(&value)?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok(list)
}

/// `GET /v1/admin/stats`: the last day by default.
pub(super) fn parse_stats_query(query: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let (mut from, mut to) = (before(now, DEFAULT_STATS_SPAN), now);
    let time = |field, value: &str| parse_parameter(field, value, "must be a time like 2026-01-31T12:00:00Z");
    for (name, value) in query_pairs(query) {
        match name.as_str() {
            "from" => from = time("from", &value)?,
            "to" => to = time("to", &value)?,
            other => return Err(unknown_parameter(other)),
        }
    }
    Ok((from, to))
}
