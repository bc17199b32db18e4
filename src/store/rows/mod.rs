//! Database rows and their conversion to and from domain values.
//!
//! A row that cannot be decoded becomes [`StoreError::Corrupt`] with its table and key; no default is substituted.

use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::{IdempotencyRecord, StoreError};
use crate::domain::checksum::Sha256Digest;
use crate::domain::clock::{Timestamp, micros};
use crate::domain::event::{Event, EventCount, FeedEvent};
use crate::domain::grant::{AssetVariant, Link, LinkTarget};
use crate::domain::ids::{AssetId, GrantId, KeyId, TenantId};
use crate::domain::key::ApiKey;

mod asset;
mod collection;
mod drop_box;
mod job;
mod ledger;
mod tenancy;
mod upload;
mod webhook;

pub(super) use asset::AssetRow;
pub(super) use collection::CollectionRow;
pub(super) use drop_box::DropBoxRow;
pub(super) use job::{AttemptRow, ConcurrencyRow, CountRow, EntryRow, JobRow, MinuteRow};
pub(super) use ledger::{LedgerCells, PartRow};
pub(super) use tenancy::{AuditRow, PolicyRow, QuotaRow, TenantRow, UsageRow};
pub(super) use upload::{UploadEntryRow, UploadRow, transfer_cells};
pub(super) use webhook::{DeliveryRow, WebhookRow};

/// A cell that cannot be decoded: its column and value.
struct InvalidCell(String);

type CellDecode<T> = Result<T, InvalidCell>;

fn bad(column: &str, value: impl std::fmt::Debug) -> InvalidCell {
    InvalidCell(format!("{column} = {value:?}"))
}

fn parse<T: std::str::FromStr>(column: &str, text: &str) -> CellDecode<T> {
    text.parse().map_err(|_| bad(column, text))
}

fn parse_opt<T: std::str::FromStr>(column: &str, text: Option<&str>) -> CellDecode<Option<T>> {
    text.map(|text| parse(column, text)).transpose()
}

fn size(column: &str, value: i64) -> CellDecode<u64> {
    u64::try_from(value).map_err(|_| bad(column, value))
}

/// The cell of a limit; no limit is NULL.
pub(super) fn limit_cell(most: Option<u64>) -> Option<i64> {
    most.map(|most| i64::try_from(most).unwrap_or(i64::MAX))
}

fn digest(column: &str, bytes: Option<Vec<u8>>) -> CellDecode<Option<Sha256Digest>> {
    let fixed = |bytes: Vec<u8>| bytes.try_into().map(Sha256Digest).map_err(|bytes| bad(column, bytes));
    bytes.map(fixed).transpose()
}

fn required<T>(column: &str, value: Option<T>) -> CellDecode<T> {
    value.ok_or_else(|| bad(column, "NULL"))
}

/// Implements the conversion of a row to its domain value; the error names table and row.
macro_rules! decodes {
    ($row:ident in $table:literal as $value:ty) => {
        impl TryFrom<$row> for $value {
            type Error = StoreError;
            fn try_from(row: $row) -> Result<Self, StoreError> {
                let name = row.name();
                row.decode().map_err(|InvalidCell(problem)| StoreError::Corrupt { table: $table, row: name, problem })
            }
        }
    };
}
use decodes;

#[derive(sqlx::FromRow)]
pub(super) struct KeyRow {
    id: Uuid,
    tenant_id: Uuid,
    name: Option<String>,
    scopes: String,
    secret_hash: Vec<u8>,
    old_hash: Option<Vec<u8>>,
    old_until: Option<i64>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl KeyRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn decode(self) -> CellDecode<ApiKey> {
        let hash = |column, bytes: Vec<u8>| bytes.try_into().map_err(|_| bad(column, "wrong length"));
        let old_hash = self.old_hash.map(|bytes| hash("old_hash", bytes)).transpose()?;
        Ok(ApiKey {
            id: KeyId(self.id),
            tenant: TenantId(self.tenant_id),
            name: self.name,
            scopes: parse("scopes", &self.scopes)?,
            secret_hash: hash("secret_hash", self.secret_hash)?,
            old_secret: old_hash.zip(self.old_until.map(micros)),
            created_at: micros(self.created_at),
            expires_at: self.expires_at.map(micros),
            revoked_at: self.revoked_at.map(micros),
            last_used_at: self.last_used_at.map(micros),
        })
    }
}

decodes!(KeyRow in "api_key" as ApiKey);

#[derive(sqlx::FromRow)]
pub(super) struct EventRow {
    asset_id: Uuid,
    seq: i64,
    kind: String,
    at: i64,
    data: Option<Json<Map<String, Value>>>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        let data = row.data.map(|data| data.0).unwrap_or_default();
        Self { asset: AssetId(row.asset_id), seq: row.seq, kind: row.kind, at: micros(row.at), data }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct FeedRow {
    pos: i64,
    #[sqlx(flatten)]
    event: EventRow,
    traceparent: Option<String>,
}

impl From<FeedRow> for FeedEvent {
    fn from(row: FeedRow) -> Self {
        Self { id: row.pos, event: row.event.into(), traceparent: row.traceparent }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct CountedRow {
    hour: i64,
    kind: String,
    count: i64,
    bytes: i64,
}

impl From<CountedRow> for EventCount {
    fn from(row: CountedRow) -> Self {
        let (count, bytes) = (row.count.cast_unsigned(), row.bytes.cast_unsigned());
        Self { hour: micros(row.hour), kind: row.kind, count, bytes }
    }
}

/// The column `data` of an event; NULL if it is empty.
pub(super) fn data_cell(data: &Map<String, Value>) -> Option<Json<Map<String, Value>>> {
    (!data.is_empty()).then(|| Json(data.clone()))
}

#[derive(sqlx::FromRow)]
pub(super) struct LinkRow {
    id: Uuid,
    tenant_id: Uuid,
    kind: String,
    subject_id: Uuid,
    created_by: Uuid,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    disposition: String,
    filename: Option<String>,
    variant: Option<String>,
    format: Option<String>,
    max_uses: Option<i64>,
    used: i64,
    last_used_at: Option<i64>,
    network: Option<String>,
}

impl LinkRow {
    fn name(&self) -> String {
        self.id.to_string()
    }

    fn decode(self) -> CellDecode<Link> {
        let count = |column, value: i64| u32::try_from(value).map_err(|_| bad(column, value));
        Ok(Link {
            id: GrantId(self.id),
            tenant: TenantId(self.tenant_id),
            target: LinkTarget::of(&self.kind, self.subject_id).ok_or_else(|| bad("kind", &self.kind))?,
            created_by: KeyId(self.created_by),
            created_at: micros(self.created_at),
            expires_at: micros(self.expires_at),
            revoked_at: self.revoked_at.map(micros),
            disposition: parse("disposition", &self.disposition)?,
            filename: parse_opt("filename", self.filename.as_deref())?,
            variant: self.variant.map(|name| AssetVariant { name, format: self.format }),
            max_uses: self.max_uses.map(|uses| count("max_uses", uses)).transpose()?,
            used: count("used", self.used)?,
            last_used_at: self.last_used_at.map(micros),
            network: parse_opt("network", self.network.as_deref())?,
        })
    }
}

decodes!(LinkRow in "link" as Link);

#[derive(sqlx::FromRow)]
pub(super) struct ReplayRow {
    key_id: Uuid,
    route: String,
    token: String,
    fingerprint: Vec<u8>,
    result: Json<Value>,
    expires_at: i64,
}

impl ReplayRow {
    fn name(&self) -> String {
        format!("{}/{}", self.key_id, self.route)
    }

    fn decode(self) -> CellDecode<IdempotencyRecord> {
        Ok(IdempotencyRecord {
            key: KeyId(self.key_id),
            route: self.route,
            token: self.token,
            fingerprint: self.fingerprint.try_into().map_err(|_| bad("fingerprint", "wrong length"))?,
            result: self.result.0,
            expires_at: micros(self.expires_at),
        })
    }
}

decodes!(ReplayRow in "replay" as IdempotencyRecord);

/// A timestamp as rows store it: microseconds since the Unix epoch.
pub(super) fn at(instant: Timestamp) -> i64 {
    instant.as_microsecond()
}
