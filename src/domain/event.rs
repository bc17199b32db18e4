//! Events: state transitions of an asset, in their order.
//!
//! Every transition appends an event in its own transaction; the sequence per asset has no gaps. After the commit, the
//! event gets its position in the tenant's feed.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::clock::{Timestamp, sortable_text};
use super::ids::{AssetId, TenantId};

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An asset was declared and its upload opened.
    AssetCreated,
    /// A caller began to complete the upload.
    UploadCompleting,
    /// The upload is complete.
    UploadCompleted,
    /// The stored object is provably wrong.
    UploadFailed,
    /// The owner aborted the upload.
    UploadAborted,
    /// The upload expired.
    UploadExpired,
    /// The bytes of the asset are stored.
    AssetStored,
    /// The asset will get no bytes.
    AssetAbandoned,
    /// A worker began to process the asset.
    AssetProcessing,
    /// The asset may be delivered.
    AssetReady,
    /// The asset will never be delivered.
    AssetRejected,
    /// Processing failed for good.
    AssetFailed,
    /// The asset was processed again and is still ready.
    AssetRechecked,
    /// The stored bytes were found to be damaged: changed, missing or truncated. The state is unchanged.
    AssetCorrupt,
    /// The properties of the asset were changed.
    AssetChanged,
    /// The asset is gone for every reader.
    AssetDeleted,
    /// The bytes were removed from the store.
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

impl NewEvent {
    /// Size of the file in bytes, if this kind of event tells it; otherwise 0.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.data.get("size").and_then(Value::as_u64).unwrap_or(0)
    }
}

/// An event to be written; the database assigns the asset's next sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The tenant of the asset.
    pub tenant: TenantId,
    /// The asset.
    pub asset: AssetId,
    /// The kind.
    pub kind: EventKind,
    /// Time of the transition.
    pub at: Timestamp,
    /// Details of the event; may be empty.
    pub data: Map<String, Value>,
    /// Trace context (W3C `traceparent`) of the transition.
    pub traceparent: Option<String>,
}

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The asset.
    pub asset: AssetId,
    /// Number among the asset's events: 1, 2, 3, without gaps.
    pub seq: i64,
    /// The kind; text, because a newer node may have written a kind that this node does not know.
    pub kind: String,
    /// Time of the transition.
    pub at: Timestamp,
    /// Details of the event; may be empty.
    pub data: Map<String, Value>,
}

/// An event in its tenant's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// Position in the tenant's feed: 1, 2, 3, without gaps, and in the order of the asset's events. The id of the
    /// event in every API.
    pub id: i64,
    /// The event.
    pub event: Event,
    /// Trace context (W3C `traceparent`) of the transition; only where the feed was read.
    pub traceparent: Option<String>,
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
        let at = sortable_text(of.event.at).to_string();
        let (asset_id, seq, data) = (of.event.asset, of.event.seq, &of.event.data);
        Self { id: of.id.to_string(), r#type: &of.event.kind, asset_id, seq, at, data }
    }
}

/// Number of events of a kind within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// Beginning of the hour.
    pub hour: Timestamp,
    /// The kind of the events.
    pub kind: String,
    /// Number of events.
    pub count: u64,
    /// Sum of the sizes in the events, in bytes.
    pub bytes: u64,
}

/// First and last position of a tenant's feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedEnds {
    /// Last position whose event is removed.
    pub forgotten: i64,
    /// The last position that was assigned.
    pub last: i64,
}
