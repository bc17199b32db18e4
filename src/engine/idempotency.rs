//! Idempotency of requests: what a repeated request with the same `Idempotency-Key` gets.

/// An `Idempotency-Key` and the fingerprint of its request.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The key as it was sent.
    pub token: String,
    /// SHA-256 over the request's parameters.
    pub fingerprint: [u8; 32],
}
