//! What takes up space, by tenant, type and age. Answers come from the last finished pass over all assets, which the chore
//! `rollup` makes a piece at a time: no request scans assets, and no statement reads more than a piece.

use std::time::Duration;

use super::OperationEngine;
use crate::domain::access::Actor;
use crate::domain::clock::after;
use crate::domain::storage::StorageMeasure;
use crate::engine::Result;
use crate::store::PassProgress;

/// Assets that a statement reads.
const ROWS_PER_PIECE: u32 = 10_000;
/// Most pieces per run of the chore: ten million assets are read by ten runs.
const MAX_PIECES: u32 = 100;
/// Shortest pause between two passes.
const MIN_PASS_PAUSE: Duration = Duration::from_secs(60);
/// A pause is so many times as long as the pass before it, so that passes take a tenth of the time at most.
const PAUSE_FACTOR: u32 = 10;

impl OperationEngine {
    /// What the last pass found, of the same tenants as [`Self::overview`] and with the same errors. `None` if none has ended
    /// yet.
    #[tracing::instrument(skip_all)]
    pub async fn read_storage(&self, actor: &Actor, named: Option<&str>) -> Result<Option<StorageMeasure>> {
        let tenant = self.load_overview_tenant(actor, named).await?;
        Ok(self.store.read_storage_measure(tenant).await?)
    }

    /// Begins a pass if it is time for one, and goes on with the pass that is under way.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn measure_storage(&self) -> Result<()> {
        match self.store.read_storage_progress().await? {
            PassProgress::UnderWay => {}
            PassProgress::Never => self.store.begin_storage_pass().await?,
            PassProgress::Finished { started_at, finished_at } => {
                let took = Duration::try_from(finished_at.duration_since(started_at)).unwrap_or_default();
                if self.store.now() < after(finished_at, MIN_PASS_PAUSE.max(took * PAUSE_FACTOR)) {
                    return Ok(());
                }
                self.store.begin_storage_pass().await?;
            }
        }
        for _ in 0..MAX_PIECES {
            if !self.store.advance_storage_pass(ROWS_PER_PIECE).await? {
                break;
            }
        }
        Ok(())
    }
}
