//! Notes on rows: pending facts that are written together a moment later, apart from the requests that cause them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::reason::chain;
use crate::store::{RowChange, Store, Tx};

/// Delay after which notes are written together.
const NOTE_WRITE_DELAY: Duration = Duration::from_secs(1);
/// Most rows with a pending note. If exceeded, the next note is taken.
const MAX_PENDING_NOTES: usize = 10_000;
/// Notes per transaction.
const NOTES_PER_WRITE: usize = 256;

/// Pending notes, a note for each row. Lost if the process dies within the delay.
pub(super) struct NoteQueue<K, V> {
    store: Arc<dyn Store>,
    waiting: Mutex<HashMap<K, V>>,
    merge: fn(V, V) -> V,
    to_change: fn(Vec<(K, V)>) -> RowChange,
}

impl<K, V> NoteQueue<K, V>
where
    K: Copy + Eq + Hash + Ord + Send + Sync + 'static,
    V: Copy + Send + Sync + 'static,
{
    /// A queue whose notes on the same row become one by `merge` (earlier, later), and are written by `to_change`.
    pub(super) fn new(
        store: Arc<dyn Store>,
        merge: fn(V, V) -> V,
        to_change: fn(Vec<(K, V)>) -> RowChange,
    ) -> Arc<Self> {
        Arc::new(Self { store, waiting: Mutex::default(), merge, to_change })
    }

    /// Takes a note.
    pub(super) fn note(self: &Arc<Self>, row: K, note: V) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        if let Some(earlier) = waiting.get_mut(&row) {
            *earlier = (self.merge)(*earlier, note);
        } else if waiting.len() < MAX_PENDING_NOTES {
            waiting.insert(row, note);
        }
        if first {
            tokio::spawn(Arc::clone(self).write_later());
        }
    }

    async fn write_later(self: Arc<Self>) {
        tokio::time::sleep(NOTE_WRITE_DELAY).await;
        self.write().await;
    }

    /// Writes what is pending now.
    pub(super) async fn write(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut notes: Vec<_> = waiting.into_iter().collect();
        // Sorted, so that nodes that write the same rows lock them in the same order and do not deadlock.
        notes.sort_unstable_by_key(|(row, _)| *row);
        for portion in notes.chunks(NOTES_PER_WRITE) {
            if let Err(error) = self.store.commit(Tx::new().with((self.to_change)(portion.to_vec()))).await {
                tracing::warn!(error = %chain(&error), "notes on rows could not be written");
                return;
            }
        }
    }
}
