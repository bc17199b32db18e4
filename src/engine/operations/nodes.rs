//! Nodes: every process writes a row every few seconds, so that each shows the whole cluster.

use std::time::Duration;

use uuid::Uuid;

use super::OperationEngine;
use crate::domain::access::Actor;
use crate::domain::clock::{Timestamp, before};
use crate::domain::node::{NodeIdentity, ServiceNode};
use crate::engine::Result;

/// Delay between the notes of a process.
pub const NODE_NOTE_INTERVAL: Duration = Duration::from_secs(10);
/// Age of the last note after which a process counts as gone.
const NODE_GONE_AFTER: Duration = Duration::from_secs(45);
/// Age after which the row of a process that never said good-bye is deleted.
const NODE_RETENTION: Duration = Duration::from_secs(3600);

impl OperationEngine {
    /// Notes that this process lives. `started_at`: by the database's clock; `own_clock`: the process's time now.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn note_node(&self, who: &NodeIdentity, started_at: Timestamp, own_clock: Timestamp) -> Result<()> {
        let now = self.store.now();
        let minutes = self.rows.minute_counts.last_hour(now);
        // The last entry is the minute that is not over yet.
        let last = minutes.len().checked_sub(2).and_then(|index| minutes.get(index)).copied().unwrap_or_default();
        let node = ServiceNode {
            id: who.id,
            name: who.name.clone(),
            role: who.role.name().to_owned(),
            version: who.version.clone(),
            started_at,
            seen_at: now,
            skew_micros: own_clock.as_microsecond() - now.as_microsecond(),
            bytes_in: last.bytes_in,
            bytes_out: last.bytes_out,
        };
        Ok(self.store.note_node(&node, before(now, NODE_RETENTION)).await?)
    }

    /// Deletes the row of a process that ends.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn forget_node(&self, id: Uuid) -> Result<()> {
        Ok(self.store.forget_node(id).await?)
    }

    /// The processes that live, by name.
    #[tracing::instrument(skip_all)]
    pub async fn list_nodes(&self, actor: &Actor) -> Result<Vec<ServiceNode>> {
        self.tenants.require_operator(actor).await?;
        Ok(self.store.list_nodes(before(self.store.now(), NODE_GONE_AFTER)).await?)
    }
}
