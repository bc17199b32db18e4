//! Comparisons of rows with what the store has. Pure: the caller reads both sides.
//!
//! Tests use the same functions to judge an instance after a crash, a restore or a storm of requests.

use std::collections::BTreeMap;

use crate::blob::{BlobKey, ObjectFacts, StoredPart};
use crate::domain::append::{AppendLedger, RelayedPart};
use crate::domain::asset::{Asset, AssetContent};
use crate::domain::event::Event;
use crate::domain::findings::Derivative;
use crate::domain::plan::PartNumber;
use crate::domain::quota::QuotaUsage;
use crate::domain::upload::Upload;

/// Kind of an inconsistency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InconsistencyKind {
    /// The store has no object under the asset's key, or has lost bytes of it.
    ObjectMissing,
    /// The store has another object under the asset's key.
    ObjectDiffers,
    /// The SHA-256 of the stored bytes differs from the established digest.
    Corrupt,
    /// The asset's row names an object that is not its own.
    ForeignKey,
    /// A derivative is missing or differs from its row.
    Derivative,
    /// The asset waits for a job that does not exist.
    JobMissing,
    /// The sequence of the asset's events has a gap.
    EventGap,
    /// The store does not have acknowledged bytes of an open upload.
    PartsMissing,
    /// A tenant's sum of usage is not what its rows come to.
    Quota,
    /// The bucket has an object that no row names.
    Orphan,
    /// The bucket is another instance's, or is not marked as any instance's.
    Bucket,
    /// The structure of the database is damaged.
    Database,
}

impl InconsistencyKind {
    /// The code, as in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ObjectMissing => "object_missing",
            Self::ObjectDiffers => "object_differs",
            Self::Corrupt => "corrupt",
            Self::ForeignKey => "foreign_key",
            Self::Derivative => "derivative",
            Self::JobMissing => "job_missing",
            Self::EventGap => "event_gap",
            Self::PartsMissing => "parts_missing",
            Self::Quota => "quota",
            Self::Orphan => "orphan",
            Self::Bucket => "bucket",
            Self::Database => "database",
        }
    }
}

/// A difference: its kind and a sentence.
pub type Difference = (InconsistencyKind, String);

/// The asset's row names an object of its own: the key has its tenant and its id.
#[must_use]
pub fn check_object_key(asset: &Asset, key: &str) -> Option<Difference> {
    let own = BlobKey::parse_original(key).is_some_and(|(tenant, id, _)| (tenant, id) == (asset.tenant, asset.id));
    (!own).then(|| (InconsistencyKind::ForeignKey, format!("the row names {key}, which is no object of this asset")))
}

/// The store has the object of an asset, with the recorded size and entity tag, written by its upload.
#[must_use]
pub fn check_object(
    asset: &Asset,
    content: &AssetContent,
    upload: Option<&Upload>,
    object: Option<&ObjectFacts>,
) -> Option<Difference> {
    let Some(object) = object else {
        return Some((InconsistencyKind::ObjectMissing, "the store has no object under its key".to_owned()));
    };
    let differs = |what: String| Some((InconsistencyKind::ObjectDiffers, what));
    if object.size != asset.size {
        return differs(format!("the object has {} bytes, the row {}", object.size, asset.size));
    }
    if object.etag != content.etag {
        return differs(format!("the object has the entity tag {}, the row {}", object.etag, content.etag));
    }
    let written_by = |upload: &&Upload| upload.key == content.key;
    match (object.token.as_deref(), upload.filter(written_by)) {
        (Some(token), Some(upload)) if token != upload.write_token => {
            differs("the object was not written by the asset's upload: its write token differs".to_owned())
        }
        _ => None,
    }
}

/// The store has a derivative with the recorded size and entity tag.
#[must_use]
pub fn check_derivative(made: &Derivative, object: Option<&ObjectFacts>) -> Option<Difference> {
    let (name, format) = (&made.variant, made.format());
    let problem = match object {
        None => format!("the store has no object for {name} ({format})"),
        Some(object) if (object.size, object.etag.as_str()) != (made.size, made.etag.as_str()) => {
            format!("the object of {name} ({format}) is not the recorded one")
        }
        Some(_) => return None,
    };
    Some((InconsistencyKind::Derivative, problem))
}

/// An asset's events, all that are kept, are numbered without a gap. `from_first`: none of them can have been deleted for
/// its age.
#[must_use]
pub fn check_events(events: &[Event], from_first: bool) -> Option<Difference> {
    let gap = |text: String| Some((InconsistencyKind::EventGap, text));
    let Some(first) = events.first() else { return gap("it has no event".to_owned()) };
    if from_first && first.seq != 1 {
        return gap(format!("its first event has number {}", first.seq));
    }
    let hole = events.iter().zip(&events[1..]).find(|(before, after)| after.seq != before.seq + 1);
    hole.and_then(|(before, after)| gap(format!("event {} follows event {}", after.seq, before.seq)))
}

/// A tenant's kept sum is what its rows come to.
#[must_use]
pub fn check_usage(kept: QuotaUsage, summed: QuotaUsage) -> Option<Difference> {
    let text =
        |usage: QuotaUsage| format!("{} bytes, {} files and {} open uploads", usage.bytes, usage.files, usage.uploads);
    (kept != summed).then(|| {
        let sentence = format!("the sum is {}, its rows come to {}", text(kept), text(summed));
        (InconsistencyKind::Quota, sentence)
    })
}

/// The ledger of a relayed upload, its recorded parts and the parts of the store agree. `stored`: `None` if the store has
/// no such multipart upload. The store may have more parts than the ledger: of a writer that vanished.
#[must_use]
pub fn check_ledger(
    ledger: &AppendLedger,
    recorded: &[RelayedPart],
    stored: Option<&[StoredPart]>,
) -> Option<Difference> {
    let missing = |text: String| Some((InconsistencyKind::PartsMissing, text));
    let sum: u64 = recorded.iter().map(|part| part.size).sum();
    if sum != ledger.whole() {
        return missing(format!("{} bytes are acknowledged in parts, and {sum} are recorded", ledger.whole()));
    }
    if recorded.is_empty() {
        return None;
    }
    let Some(stored) = stored else { return missing("the store has no such multipart upload".to_owned()) };
    let by_number: BTreeMap<PartNumber, &StoredPart> = stored.iter().map(|part| (part.number, part)).collect();
    let lost = recorded.iter().find(|part| {
        by_number
            .get(&part.number)
            .is_none_or(|held| (held.size, held.etag.as_str()) != (part.size, part.etag.as_str()))
    });
    lost.and_then(|part| missing(format!("the store does not have the recorded part {}", part.number.get())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::append::TailSegment;
    use crate::domain::clock::micros;
    use crate::domain::ids::{AssetId, UploadId};
    use crate::domain::plan::StoreProfile;
    use uuid::Uuid;

    fn events(numbers: &[i64]) -> Vec<Event> {
        let event = |seq: &i64| Event {
            asset: AssetId(Uuid::nil()),
            seq: *seq,
            kind: "asset.created".to_owned(),
            at: micros(0),
            data: serde_json::Map::new(),
        };
        numbers.iter().map(event).collect()
    }

    #[test]
    fn events_have_no_gap() {
        assert_eq!(check_events(&events(&[1, 2, 3]), true), None);
        assert_eq!(check_events(&events(&[7, 8]), false), None, "older ones were deleted");
        for (numbers, from_first) in
            [(&[7, 8][..], true), (&[1, 3], true), (&[1, 3], false), (&[], false), (&[2, 2], false)]
        {
            assert_eq!(
                check_events(&events(numbers), from_first).unwrap().0,
                InconsistencyKind::EventGap,
                "{numbers:?}"
            );
        }
    }

    #[test]
    fn a_ledger_never_runs_ahead_of_the_store() {
        let number = |n: u64| PartNumber::new(n).unwrap();
        let profile = StoreProfile::default();
        let mut ledger = AppendLedger::open(crate::domain::append::UploadLength::Known(30), &profile).unwrap();
        ledger.offset = 25;
        ledger.tail = vec![TailSegment { fence: 1, serial: 0, size: 5, etag: "t".to_owned() }];
        let recorded =
            |n| RelayedPart { upload: UploadId(Uuid::nil()), number: number(n), size: 10, etag: "e".to_owned() };
        let stored = |n, etag: &str| StoredPart { number: number(n), size: 10, etag: etag.to_owned(), checksum: None };
        let recorded = [recorded(1), recorded(3)];
        let all = [stored(1, "e"), stored(2, "other"), stored(3, "e")];
        assert_eq!(check_ledger(&ledger, &recorded, Some(&all)), None);
        for (recorded, stored) in [
            (&recorded[..], None),
            (&recorded[..1], Some(&all[..])),
            (&recorded[..], Some(&all[..2])),
            (&recorded[..], Some(&[stored(1, "e"), stored(3, "f")][..])),
        ] {
            let found = check_ledger(&ledger, recorded, stored);
            assert_eq!(found.unwrap().0, InconsistencyKind::PartsMissing);
        }
    }

    #[test]
    fn sums_are_compared_in_every_column() {
        let usage = QuotaUsage { bytes: 5, files: 1, uploads: 0 };
        assert_eq!(check_usage(usage, usage), None);
        for other in
            [QuotaUsage { bytes: 6, ..usage }, QuotaUsage { files: 2, ..usage }, QuotaUsage { uploads: 1, ..usage }]
        {
            assert_eq!(check_usage(usage, other).unwrap().0, InconsistencyKind::Quota);
        }
    }
}
