//! A connection that is opened on first use, shared by all publishers, and opened again after a failure.
//!
//! Must not know what kind of connection it is.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SinkError;

/// The current connection, if any. `T` is a handle whose clones share the connection.
pub(super) struct SharedConnection<T> {
    current: std::sync::Mutex<Option<(u64, T)>>,
    /// Held while connecting; other callers wait for that connection.
    connecting: tokio::sync::Mutex<()>,
    connect_count: AtomicU64,
}

impl<T: Clone + Send> SharedConnection<T> {
    pub(super) fn new() -> Self {
        Self {
            current: std::sync::Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            connect_count: AtomicU64::new(0),
        }
    }

    fn current_connection(&self) -> Option<(u64, T)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `work` on the connection; opens it with `connect` if there is none.
    ///
    /// A connection on which `work` failed, or whose caller was cancelled, is not reused. A connection from before this
    /// call may have died while idle: then `work` runs a second time, on a new connection.
    pub(super) async fn with_connection<R, C, W>(
        &self,
        connect: impl Fn() -> C,
        work: impl Fn(T) -> W,
    ) -> Result<R, SinkError>
    where
        C: Future<Output = Result<T, SinkError>> + Send,
        W: Future<Output = Result<R, SinkError>> + Send,
    {
        let before = self.connect_count.load(Ordering::SeqCst);
        let (number, connection) = self.get_or_connect(&connect).await?;
        let first = self.discard_on_failure(number, work(connection)).await;
        if !matches!(first, Err(SinkError::Unavailable(_))) || number > before {
            return first;
        }
        let (number, connection) = self.get_or_connect(&connect).await?;
        self.discard_on_failure(number, work(connection)).await
    }

    async fn get_or_connect<C>(&self, connect: &impl Fn() -> C) -> Result<(u64, T), SinkError>
    where
        C: Future<Output = Result<T, SinkError>> + Send,
    {
        if let Some(held) = self.current_connection() {
            return Ok(held);
        }
        let _alone = self.connecting.lock().await;
        if let Some(held) = self.current_connection() {
            return Ok(held);
        }
        let connection = connect().await?;
        let number = self.connect_count.fetch_add(1, Ordering::SeqCst) + 1;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, connection.clone()));
        Ok((number, connection))
    }

    async fn discard_on_failure<R>(
        &self,
        number: u64,
        work: impl Future<Output = Result<R, SinkError>>,
    ) -> Result<R, SinkError> {
        let mut suspicion = ConnectionDiscardGuard { shared: self, number, succeeded: false };
        let done = work.await;
        suspicion.succeeded = done.is_ok();
        done
    }
}

/// Discards the connection when dropped, unless the work succeeded; also when the caller is cancelled.
struct ConnectionDiscardGuard<'a, T> {
    shared: &'a SharedConnection<T>,
    number: u64,
    succeeded: bool,
}

impl<T> Drop for ConnectionDiscardGuard<'_, T> {
    fn drop(&mut self) {
        let mut held = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.succeeded && held.as_ref().is_some_and(|(number, _)| *number == self.number) {
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> SinkError {
        SinkError::Unavailable("gone".to_owned())
    }

    #[tokio::test]
    async fn a_connection_is_shared_until_it_fails() {
        let (kept, made) = (SharedConnection::new(), AtomicU64::new(0));
        let connect = || async { Ok(made.fetch_add(1, Ordering::SeqCst)) };
        for _ in 0..3 {
            assert_eq!(kept.with_connection(connect, |number| async move { Ok(number) }).await, Ok(0));
        }
        // Dead since the last time: a second try on a new one.
        let work = |number| async move { if number == 0 { Err(away()) } else { Ok(number) } };
        assert_eq!(kept.with_connection(connect, work).await, Ok(1));
        // Refused: not again on the same one, and not at once.
        let refused =
            kept.with_connection(connect, |_| async { Err::<(), _>(SinkError::Refused("no".to_owned())) }).await;
        assert!(matches!(refused, Err(SinkError::Refused(_))));
        assert_eq!(kept.with_connection(connect, |number| async move { Ok(number) }).await, Ok(2));
        // A new one that fails is no reason for a third.
        let (fresh, made) = (SharedConnection::new(), AtomicU64::new(0));
        let connect = || async { Ok(made.fetch_add(1, Ordering::SeqCst)) };
        assert_eq!(fresh.with_connection(connect, |_| async { Err::<(), _>(away()) }).await, Err(away()));
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_leaves_no_dead_connection_behind() {
        let (kept, made) = (SharedConnection::new(), AtomicU64::new(0));
        let connect = || async { Ok(made.fetch_add(1, Ordering::SeqCst)) };
        let stuck = kept.with_connection(connect, |_| std::future::pending::<Result<(), _>>());
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), stuck).await.is_err());
        assert_eq!(kept.with_connection(connect, |number| async move { Ok(number) }).await, Ok(1));
    }
}
