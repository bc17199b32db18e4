//! Authentication with API keys, and the time of their last use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::CREDENTIAL_CACHE_TTL;
use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::{ApiKey, KeyToken};
use crate::domain::reason::chain;
use crate::engine::Result;
use crate::engine::ttl_cache::TtlCache;
use crate::store::{RowChange, Store, Tx};

/// Most cached keys, unknown ids included.
const MAX_CACHED_KEYS: u64 = 10_000;
/// Shortest time between recorded uses of a key.
const USE_NOTE_INTERVAL: Duration = Duration::from_secs(60);
/// Delay after which uses are written together.
const USE_WRITE_DELAY: Duration = Duration::from_secs(1);
/// Most keys with a pending use. If exceeded, the next use is recorded.
const MAX_PENDING_USES: usize = 10_000;
/// Keys per transaction.
const USES_PER_WRITE: usize = 256;

/// API keys with a short-lived cache.
pub(in crate::engine) struct ApiKeyCache {
    store: Arc<dyn Store>,
    known: TtlCache<KeyId, Option<Arc<ApiKey>>>,
    uses: Arc<KeyUseCounter>,
}

impl ApiKeyCache {
    pub(in crate::engine) fn new(store: Arc<dyn Store>) -> Self {
        let uses = Arc::new(KeyUseCounter { store: Arc::clone(&store), waiting: Mutex::default() });
        Self { store, known: TtlCache::new(MAX_CACHED_KEYS, CREDENTIAL_CACHE_TTL), uses }
    }

    /// The key that this token authenticates at `now`.
    pub(super) async fn lookup_key(&self, token: &KeyToken, now: Timestamp) -> Result<Option<Arc<ApiKey>>> {
        let Some(mut key) = self.known.get(&token.id, now, self.read(token.id)).await? else { return Ok(None) };
        if !key.knows(&token.secret, now) {
            // The key may have got a new secret on another node a moment ago. However many requests have a wrong
            // secret, `refresh` limits the queries to a few per second.
            let newer = self.known.refresh(&token.id, now, self.read(token.id)).await?;
            match newer.filter(|key| key.knows(&token.secret, now)) {
                Some(newer) => key = newer,
                None => return Ok(None),
            }
        }
        if !key.is_live(now) {
            return Ok(None);
        }
        self.uses.note(&key, now);
        Ok(Some(key))
    }

    /// The tenant of the key with this id, whatever its secret is.
    pub(super) async fn owner(&self, id: KeyId, now: Timestamp) -> Result<Option<TenantId>> {
        Ok(self.known.get(&id, now, self.read(id)).await?.map(|key| key.tenant))
    }

    /// Invalidates the cached key after a change on this node.
    pub(in crate::engine) async fn forget(&self, id: KeyId) {
        self.known.invalidate(&id).await;
    }

    async fn read(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>> {
        Ok(self.store.find_key(id).await?.map(Arc::new))
    }
}

/// Pending uses of keys: written together, apart from the requests. Lost if the process dies within the delay.
struct KeyUseCounter {
    store: Arc<dyn Store>,
    waiting: Mutex<HashMap<KeyId, Timestamp>>,
}

impl KeyUseCounter {
    fn note(self: &Arc<Self>, key: &ApiKey, now: Timestamp) {
        if key.last_used_at.is_some_and(|last| now < after(last, USE_NOTE_INTERVAL)) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        if waiting.len() < MAX_PENDING_USES {
            waiting.entry(key.id).or_insert(now);
        }
        if first {
            tokio::spawn(Arc::clone(self).write());
        }
    }

    async fn write(self: Arc<Self>) {
        tokio::time::sleep(USE_WRITE_DELAY).await;
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut uses: Vec<_> = waiting.into_iter().collect();
        // Sorted, so that nodes that write the same keys lock them in the same order and do not deadlock.
        uses.sort_unstable();
        for portion in uses.chunks(USES_PER_WRITE) {
            if let Err(error) = self.store.commit(Tx::new().with(RowChange::NoteKeyUses(portion.to_vec()))).await {
                tracing::warn!(error = %chain(&error), "the use of keys could not be noted");
                return;
            }
        }
    }
}
