//! Transitions of uploads in a transaction, for metrics: every transition is committed in [`super::RowAccess::commit`],
//! with its event. A transaction whose outcome is unknown is not counted, even if the database has written it.

use std::time::Duration;

use crate::domain::event::EventKind;
use crate::domain::upload::{UploadProtocol, UploadState};
use crate::metrics;
use crate::metrics::AbortReason;
use crate::store::Tx;

/// Action in the audit trail of an upload that an actor aborted.
pub(in crate::engine) const ABORT_ACTION: &str = "upload.abort";

/// Transitions of uploads that a transaction commits.
#[derive(Default)]
pub(super) struct UploadTransitions {
    created: Vec<UploadProtocol>,
    /// Time from creation to completion.
    completed: Vec<Duration>,
    failed: usize,
    aborted: Vec<AbortReason>,
}

impl UploadTransitions {
    pub(super) fn of(tx: &Tx) -> Self {
        let mut found =
            Self { created: tx.created_uploads().map(|upload| upload.protocol).collect(), ..Self::default() };
        for event in tx.next_events() {
            match event.kind {
                EventKind::UploadCompleted => found.completed.extend(time_to_completion(tx)),
                EventKind::UploadFailed => found.failed += 1,
                EventKind::UploadExpired => found.aborted.push(AbortReason::Expired),
                EventKind::UploadAborted => {
                    let asked = tx.audited_actions().any(|action| action == ABORT_ACTION);
                    found.aborted.push(if asked { AbortReason::Client } else { AbortReason::Service });
                }
                _ => {}
            }
        }
        found
    }

    /// Counts the transitions, which are committed now.
    pub(super) fn record(self) {
        let uploads = metrics::uploads();
        self.created.into_iter().for_each(|protocol| uploads.record_created(protocol));
        self.completed.into_iter().for_each(|took| uploads.record_completed(took));
        self.aborted.into_iter().for_each(|reason| uploads.record_aborted(reason));
        (0..self.failed).for_each(|_| uploads.record_failed());
    }
}

/// Time from the creation to the completion of the upload that the transaction completes.
fn time_to_completion(tx: &Tx) -> Option<Duration> {
    let completed = tx.changed_uploads().find(|upload| upload.state == UploadState::Completed)?;
    Some(Duration::try_from(completed.changed_at.duration_since(completed.created_at)).unwrap_or_default())
}
