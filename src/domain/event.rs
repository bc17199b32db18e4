//! Events: what happened to an asset, in the order in which it happened.
//!
//! Every transition appends one, in the transaction that made it; the sequence per asset has no gaps. Once committed, it
//! gets its place in its tenant's feed.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::clock::Timestamp;
use super::ids::{AssetId, TenantId};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An asset was declared and its upload opened.
    AssetCreated,
    /// Somebody began to assemble the upload.
    UploadCompleting,
    /// The upload brought every byte.
    UploadCompleted,
    /// The store's object is provably wrong.
    UploadFailed,
    /// The owner gave up.
    UploadAborted,
    /// The upload's time passed.
    UploadExpired,
    /// The asset has its bytes.
    AssetStored,
    /// The asset will get no bytes.
    AssetAbandoned,
    /// A worker has begun.
    AssetProcessing,
    /// It may be delivered.
    AssetReady,
    /// It will never be delivered.
    AssetRejected,
    /// Processing gave up.
    AssetFailed,
    /// It is ready still, and was looked at again.
    AssetRechecked,
    /// Its stored bytes were found to be damaged: changed, missing or cut short. Its state is as before.
    AssetCorrupt,
    /// Its properties were changed.
    AssetChanged,
    /// It is gone for every reader.
    AssetDeleted,
    /// Its bytes were removed from the store.
    AssetPurged,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::AssetCreated,
        Self::UploadCompleting,
        Self::UploadCompleted,
        Self::UploadFailed,
        Self::UploadAborted,
        Self::UploadExpired,
        Self::AssetStored,
        Self::AssetAbandoned,
        Self::AssetProcessing,
        Self::AssetReady,
        Self::AssetRejected,
        Self::AssetFailed,
        Self::AssetRechecked,
        Self::AssetCorrupt,
        Self::AssetChanged,
        Self::AssetDeleted,
        Self::AssetPurged,
    ];

    /// The name, as in JSON and rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AssetCreated => "asset.created",
            Self::UploadCompleting => "upload.completing",
            Self::UploadCompleted => "upload.completed",
            Self::UploadFailed => "upload.failed",
            Self::UploadAborted => "upload.aborted",
            Self::UploadExpired => "upload.expired",
            Self::AssetStored => "asset.stored",
            Self::AssetAbandoned => "asset.abandoned",
            Self::AssetProcessing => "asset.processing",
            Self::AssetReady => "asset.ready",
            Self::AssetRejected => "asset.rejected",
            Self::AssetFailed => "asset.failed",
            Self::AssetRechecked => "asset.rechecked",
            Self::AssetCorrupt => "asset.corrupt",
            Self::AssetChanged => "asset.changed",
            Self::AssetDeleted => "asset.deleted",
            Self::AssetPurged => "asset.purged",
        }
    }
}

/// An event as it is written; the database gives it the asset's next sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub asset: AssetId,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// What is worth knowing about it; may be empty.
    pub data: Map<String, Value>,
}

/// An event as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Of what.
    pub asset: AssetId,
    /// Its place among the asset's events: 1, 2, 3, without gaps.
    pub seq: i64,
    /// What happened; text, because a newer node may have written a kind that this one does not know.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// What is worth knowing about it; may be empty.
    pub data: Map<String, Value>,
}

/// An event in its tenant's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// Its place among the tenant's events: 1, 2, 3, without gaps, and in an asset's order of events. Everywhere its id.
    pub id: i64,
    /// The event.
    pub event: Event,
}

/// An event as it is told, the same in every way to hear of it: pages, streams, sockets, webhooks.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct EventView<'a> {
    /// Number of the event in the tenant's feed: the cursor of every way to read. A text, because JavaScript's numbers
    /// end at 53 bits.
    #[schemars(example = &"6")]
    pub id: String,
    /// Type of the event, like `asset.ready`.
    #[schemars(example = &"asset.ready")]
    pub r#type: &'a str,
    /// Asset of the event.
    pub asset_id: AssetId,
    /// Number of the event among the asset's own events, from 1.
    #[schemars(example = 6)]
    pub seq: i64,
    /// Time of the event, to the microsecond.
    #[schemars(with = "Timestamp")]
    pub at: String,
    /// The asset or upload as it was then.
    pub data: &'a Map<String, Value>,
}

impl<'a> EventView<'a> {
    /// The view of an event.
    #[must_use]
    pub fn of(of: &'a FeedEvent) -> Self {
        let at = of.event.at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let (asset_id, seq, data) = (of.event.asset, of.event.seq, &of.event.data);
        Self { id: of.id.to_string(), r#type: &of.event.kind, asset_id, seq, at, data }
    }
}

/// How often something happened within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// When the hour began.
    pub hour: Timestamp,
    /// What happened.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The sizes that were told of, added up.
    pub bytes: u64,
}

/// Where a tenant's feed begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedEnds {
    /// Events up to this place are forgotten.
    pub forgotten: i64,
    /// The last place given away.
    pub last: i64,
}
