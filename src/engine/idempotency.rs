//! Idempotency of requests: what a repeated request with the same `Idempotency-Key` gets.
//!
//! The result of a request is remembered in the transaction that carries the request out. So every remembered request was
//! carried out, and there is no state between: of two concurrent requests with the same `Idempotency-Key`, one commits,
//! the other meets a conflict and recalls the result of the first.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result};
use crate::domain::clock::after;
use crate::domain::ids::KeyId;
use crate::store::{IdempotencyRecord, NewRow, Store, StoreError, Tx};

/// An `Idempotency-Key` and the fingerprint of its request.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The key as it was sent.
    pub token: String,
    /// SHA-256 over the request's parameters.
    pub fingerprint: [u8; 32],
}

/// A request that its sender may repeat.
#[derive(Clone, Copy)]
pub(super) struct RepeatableRequest<'a> {
    /// The API key that sent it; keys do not share a namespace.
    pub(super) by: KeyId,
    /// The route; the same `Idempotency-Key` may be used on several routes.
    pub(super) route: &'a str,
    /// Without an `Idempotency-Key`, nothing is remembered or recalled.
    pub(super) idempotency: Option<&'a IdempotencyKey>,
}

/// The remembered results of requests.
#[derive(Clone)]
pub(super) struct IdempotencyRecords {
    store: Arc<dyn Store>,
    /// Time for which a result is remembered.
    ttl: Duration,
}

impl IdempotencyRecords {
    pub(super) fn new(store: Arc<dyn Store>, ttl: Duration) -> Self {
        Self { store, ttl }
    }

    /// Adds the result of a request to the transaction that carries it out. `result`: ids from which the response can
    /// be built again.
    pub(super) fn remember(&self, tx: Tx, request: &RepeatableRequest<'_>, result: &impl Serialize) -> Result<Tx> {
        let Some(IdempotencyKey { token, fingerprint }) = request.idempotency else { return Ok(tx) };
        let record = IdempotencyRecord {
            key: request.by,
            route: request.route.to_owned(),
            token: token.clone(),
            fingerprint: *fingerprint,
            result: serde_json::to_value(result).map_err(Error::internal)?,
            expires_at: after(self.store.now(), self.ttl),
        };
        Ok(tx.with(NewRow::Replay(record)))
    }

    /// Result of the earlier request that this request repeats; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] if the earlier request had other parameters.
    pub(super) async fn recall<T: DeserializeOwned>(&self, request: &RepeatableRequest<'_>) -> Result<Option<T>> {
        let Some(IdempotencyKey { token, fingerprint }) = request.idempotency else { return Ok(None) };
        let Some(record) = self.store.find_idempotency_record(request.by, request.route, token).await? else {
            return Ok(None);
        };
        if record.fingerprint != *fingerprint {
            return Err(Error::IdempotencyKeyReused);
        }
        serde_json::from_value(record.result).map(Some).map_err(Error::internal)
    }

    /// As [`Self::recall`], after the commit of this request met a conflict: a concurrent request with the same
    /// `Idempotency-Key` was faster.
    ///
    /// # Errors
    /// [`Error::Busy`] if its result is remembered no longer, so that this request can be carried out when it is
    /// repeated.
    pub(super) async fn recall_rival<T: DeserializeOwned>(&self, request: &RepeatableRequest<'_>) -> Result<T> {
        self.recall(request).await?.ok_or_else(|| StoreError::Conflict.into())
    }
}
