//! The row by which this process is known to operators.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Resources;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::ids;
use crate::domain::node::{NodeIdentity, NodeRole};
use crate::domain::reason::chain;
use crate::engine::{Engine, NODE_NOTE_INTERVAL};
use crate::machine;

/// Time that the end of the process has for deleting its row.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Notes every few seconds that this process lives, until `stop`; then deletes its row.
pub(super) fn spawn_heartbeat(resources: &Resources, role: NodeRole, stop: CancellationToken) {
    let engine = resources.engine.clone();
    let identity = NodeIdentity {
        id: ids::mint(engine.now(), &*resources.database.entropy),
        name: machine::process_name().to_owned(),
        role,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    tokio::spawn(async move { beat(engine, identity, stop).await });
}

async fn beat(engine: Engine, identity: NodeIdentity, stop: CancellationToken) {
    let started_at = engine.now();
    let mut failing = false;
    loop {
        let noted = engine.operations().note_node(&identity, started_at, SystemClock.now()).await;
        if let Err(error) = &noted
            && !failing
        {
            tracing::warn!(error = %chain(error), "operators do not see this process for now");
        }
        failing = noted.is_err();
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(NODE_NOTE_INTERVAL) => {}
        }
    }
    // Best effort: the row becomes old by itself.
    let _ = tokio::time::timeout(FAREWELL_TIMEOUT, engine.operations().forget_node(identity.id)).await;
}
