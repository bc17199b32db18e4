//! Authentication with API keys, and the time of their last use.

use std::sync::Arc;
use std::time::Duration;

use super::CREDENTIAL_CACHE_TTL;
use crate::domain::clock::{Timestamp, after};
use crate::domain::ids::{KeyId, TenantId};
use crate::domain::key::{ApiKey, KeyToken};
use crate::engine::Result;
use crate::engine::note_queue::NoteQueue;
use crate::engine::ttl_cache::TtlCache;
use crate::store::{RowChange, Store};

/// Most cached keys, unknown ids included.
const MAX_CACHED_KEYS: u64 = 10_000;
/// Shortest time between recorded uses of a key.
const USE_NOTE_INTERVAL: Duration = Duration::from_secs(60);

/// API keys with a short-lived cache.
pub(in crate::engine) struct ApiKeyCache {
    store: Arc<dyn Store>,
    known: TtlCache<KeyId, Option<Arc<ApiKey>>>,
    uses: Arc<NoteQueue<KeyId, Timestamp>>,
}

impl ApiKeyCache {
    pub(in crate::engine) fn new(store: Arc<dyn Store>) -> Self {
        let uses = NoteQueue::new(Arc::clone(&store), |first, _| first, RowChange::NoteKeyUses);
        let known = TtlCache::new(MAX_CACHED_KEYS, CREDENTIAL_CACHE_TTL).with_name("api_keys");
        Self { store, known, uses }
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
        if key.last_used_at.is_none_or(|last| now >= after(last, USE_NOTE_INTERVAL)) {
            self.uses.note(key.id, now);
        }
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
