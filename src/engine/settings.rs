//! Settings of the engine.

use std::time::Duration;

use super::append::BodyPaceLimits;
use super::delivery::{DeliveryMode, DeliverySettings};
use super::events::FeedSettings;
use super::webhooks::WebhookSettings;
use crate::domain::upload::UploadTimeouts;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Timeouts after which the sweeper acts.
    pub upload_timeouts: UploadTimeouts,
    /// Largest file in bytes; the store's own limit may be lower.
    pub max_size: u64,
    /// Largest file in bytes that is sent as a single PUT unless the client asks otherwise.
    pub max_single_put_bytes: u64,
    /// Default delivery mode.
    pub delivery: DeliveryMode,
    /// Further delivery modes, with the trusted proxy and the content delivery network.
    pub deliveries: DeliverySettings,
    /// Life of the URL to which a download is redirected.
    pub redirect_ttl: Duration,
    /// Longest life of a link.
    pub link_ttl: Duration,
    /// Time without activity after which an upload counts as standing still.
    pub stalled_after: Duration,
    /// Retention of the bytes of a rejected asset.
    pub quarantine_ttl: Duration,
    /// Largest file in bytes that gets a SHA-256 even if none was declared.
    pub max_digest_bytes: u64,
    /// Time that an external processor has to report before the job is offered again.
    pub report_timeout: Duration,
    /// Most offers of a job to an external processor.
    pub max_offers: u32,
    /// Life of idempotency records.
    pub replay_ttl: Duration,
    /// Settings of the feed.
    pub feed: FeedSettings,
    /// Settings of webhooks.
    pub webhooks: WebhookSettings,
    /// Limits on the pace of an append's body.
    pub body_pace: BodyPaceLimits,
    /// Bytes of all appends together that may be in memory.
    pub append_memory: u64,
    /// Largest request body in bytes that proxies in front of this service accept; published to clients. `None`:
    /// without limit.
    pub max_request_body: Option<u64>,
    /// Free bytes on the disk of the data directory below which new uploads are refused.
    pub disk_reserve: u64,
    /// Shortest age of an object or multipart upload that can count as an orphan.
    pub orphan_grace: Duration,
}

impl EngineSettings {
    /// Names of the modes that are offered.
    #[must_use]
    pub fn deliveries_offered(&self) -> Vec<&'static str> {
        DeliveryMode::ALL.into_iter().filter(|mode| self.offers_delivery(*mode)).map(DeliveryMode::name).collect()
    }

    /// True if a request or a policy may choose this mode.
    pub(super) fn offers_delivery(&self, mode: DeliveryMode) -> bool {
        mode == self.delivery || self.deliveries.also.contains(&mode)
    }
}
