//! The columns of `upload` that hold the ledger of a relayed upload, and the row of `part`.

use uuid::Uuid;

use super::{CellDecode, InvalidCell, bad, decodes, size};
use crate::domain::append::{
    AppendLease, AppendLedger, ConcatRole, EchoedHeaders, RelayedPart, TailSegment, UploadLength,
};
use crate::domain::clock::micros;
use crate::domain::ids::UploadId;
use crate::domain::plan::PartNumber;
use crate::domain::upload::Transfer;
use crate::store::StoreError;

/// The ledger columns of `upload`, as read.
#[derive(sqlx::FromRow)]
pub(super) struct LedgerRow {
    appended: i64,
    tail: String,
    next_part: i64,
    fence: i64,
    leased_until: Option<i64>,
    lease_wanted: i64,
    echoed_metadata: Option<String>,
    echoed_concat: Option<String>,
    concat: Option<String>,
}

impl LedgerRow {
    pub(super) fn decode(
        self,
        length: Option<u64>,
        part_size: u64,
        store_id: Option<String>,
    ) -> CellDecode<AppendLedger> {
        let tail: Vec<TailSegment> = serde_json::from_str(&self.tail).map_err(|_| bad("tail", &self.tail))?;
        let lease = self.leased_until.map(|until| AppendLease { until: micros(until), wanted: self.lease_wanted != 0 });
        let concat = match self.concat.as_deref() {
            None => ConcatRole::Whole,
            Some("partial") => ConcatRole::Partial,
            Some(list) => ConcatRole::Final(serde_json::from_str(list).map_err(|_| bad("concat", list))?),
        };
        Ok(AppendLedger {
            length: length.map_or(UploadLength::Deferred, UploadLength::Known),
            part_size: if part_size == 0 { return Err(bad("part_size", part_size)) } else { part_size },
            store_id,
            offset: size("appended", self.appended)?,
            tail,
            next_part: u16::try_from(self.next_part).map_err(|_| bad("next_part", self.next_part))?,
            fence: size("fence", self.fence)?,
            lease,
            concat,
            echoed: EchoedHeaders { metadata: self.echoed_metadata, concat: self.echoed_concat },
        })
    }
}

/// The ledger columns of `upload`, as written, in column order.
pub(in crate::store) struct LedgerCells {
    pub(in crate::store) appended: i64,
    pub(in crate::store) tail: String,
    pub(in crate::store) next_part: i64,
    pub(in crate::store) fence: i64,
    pub(in crate::store) leased_until: Option<i64>,
    pub(in crate::store) lease_wanted: i64,
    pub(in crate::store) said: EchoedHeaders,
    pub(in crate::store) concat: Option<String>,
}

impl LedgerCells {
    /// The values for this transfer; the column defaults if it is not relayed.
    pub(in crate::store) fn of(transfer: &Transfer) -> Self {
        let Transfer::Relayed(ledger) = transfer else { return Self::none() };
        Self {
            appended: ledger.offset.cast_signed(),
            tail: json(&ledger.tail),
            next_part: i64::from(ledger.next_part),
            fence: ledger.fence.cast_signed(),
            leased_until: ledger.lease.map(|lease| lease.until.as_microsecond()),
            lease_wanted: ledger.lease.map_or(0, |lease| i64::from(lease.wanted)),
            said: ledger.echoed.clone(),
            concat: match &ledger.concat {
                ConcatRole::Whole => None,
                ConcatRole::Partial => Some("partial".to_owned()),
                ConcatRole::Final(of) => Some(json(of)),
            },
        }
    }

    fn none() -> Self {
        Self {
            appended: 0,
            tail: "[]".to_owned(),
            next_part: 1,
            fence: 0,
            leased_until: None,
            lease_wanted: 0,
            said: EchoedHeaders::default(),
            concat: None,
        }
    }
}

/// The list as JSON. Serialising segments and ids cannot fail.
fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

#[derive(sqlx::FromRow)]
pub(in crate::store) struct PartRow {
    upload_id: Uuid,
    number: i64,
    size: i64,
    etag: String,
}

impl PartRow {
    fn name(&self) -> String {
        format!("{}/{}", self.upload_id, self.number)
    }

    fn decode(self) -> CellDecode<RelayedPart> {
        let number = u64::try_from(self.number).ok().and_then(PartNumber::new);
        Ok(RelayedPart {
            upload: UploadId(self.upload_id),
            number: number.ok_or_else(|| bad("number", self.number))?,
            size: size("size", self.size)?,
            etag: self.etag,
        })
    }
}

decodes!(PartRow in "part" as RelayedPart);
