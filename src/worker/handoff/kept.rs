//! A connection that is made when it is needed, shared by all who publish, and made again when it broke.
//!
//! Must not know what it is a connection to.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SinkError;

/// The connection, if there is one. `T` is a handle whose clones share it.
pub(super) struct Kept<T> {
    held: std::sync::Mutex<Option<(u64, T)>>,
    /// Held by the one who connects; the others wait for that one.
    connecting: tokio::sync::Mutex<()>,
    made: AtomicU64,
}

impl<T: Clone + Send> Kept<T> {
    pub(super) fn new() -> Self {
        Self { held: std::sync::Mutex::default(), connecting: tokio::sync::Mutex::default(), made: AtomicU64::new(0) }
    }

    fn held(&self) -> Option<(u64, T)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `work` on the connection, which `connect` makes if there is none.
    ///
    /// A connection on which it failed, or on which somebody gave up waiting, is not used again. One that was held
    /// before may have died while nobody looked: then `work` has a second try, on a new one.
    pub(super) async fn with<R, C, W>(&self, connect: impl Fn() -> C, work: impl Fn(T) -> W) -> Result<R, SinkError>
    where
        C: Future<Output = Result<T, SinkError>> + Send,
        W: Future<Output = Result<R, SinkError>> + Send,
    {
        let before = self.made.load(Ordering::SeqCst);
        let (number, connection) = self.get(&connect).await?;
        let first = self.tried(number, work(connection)).await;
        if !matches!(first, Err(SinkError::Away(_))) || number > before {
            return first;
        }
        let (number, connection) = self.get(&connect).await?;
        self.tried(number, work(connection)).await
    }

    async fn get<C>(&self, connect: &impl Fn() -> C) -> Result<(u64, T), SinkError>
    where
        C: Future<Output = Result<T, SinkError>> + Send,
    {
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let _alone = self.connecting.lock().await;
        if let Some(held) = self.held() {
            return Ok(held);
        }
        let connection = connect().await?;
        let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, connection.clone()));
        Ok((number, connection))
    }

    async fn tried<R>(&self, number: u64, work: impl Future<Output = Result<R, SinkError>>) -> Result<R, SinkError> {
        let mut suspicion = Suspicion { kept: self, number, cleared: false };
        let done = work.await;
        suspicion.cleared = done.is_ok();
        done
    }
}

/// Forgets a connection when it is dropped, unless it was cleared: also when the work on it was given up.
struct Suspicion<'a, T> {
    kept: &'a Kept<T>,
    number: u64,
    cleared: bool,
}

impl<T> Drop for Suspicion<'_, T> {
    fn drop(&mut self) {
        let mut held = self.kept.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.cleared && held.as_ref().is_some_and(|(number, _)| *number == self.number) {
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> SinkError {
        SinkError::Away("gone".to_owned())
    }

    #[tokio::test]
    async fn a_connection_is_shared_until_it_fails() {
        let (kept, made) = (Kept::new(), AtomicU64::new(0));
        let connect = || async { Ok(made.fetch_add(1, Ordering::SeqCst)) };
        for _ in 0..3 {
            assert_eq!(kept.with(connect, |number| async move { Ok(number) }).await, Ok(0));
        }
        // Dead since the last time: a second try on a new one.
        let work = |number| async move { if number == 0 { Err(away()) } else { Ok(number) } };
        assert_eq!(kept.with(connect, work).await, Ok(1));
        // Refused: not again on the same one, and not at once.
        let refused = kept.with(connect, |_| async { Err::<(), _>(SinkError::Refused("no".to_owned())) }).await;
        assert!(matches!(refused, Err(SinkError::Refused(_))));
        assert_eq!(kept.with(connect, |number| async move { Ok(number) }).await, Ok(2));
        // A new one that fails is no reason for a third.
        let (fresh, made) = (Kept::new(), AtomicU64::new(0));
        let connect = || async { Ok(made.fetch_add(1, Ordering::SeqCst)) };
        assert_eq!(fresh.with(connect, |_| async { Err::<(), _>(away()) }).await, Err(away()));
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_leaves_no_dead_connection_behind() {
        let (kept, made) = (Kept::new(), AtomicU64::new(0));
        let connect = || async { Ok(made.fetch_add(1, Ordering::SeqCst)) };
        let stuck = kept.with(connect, |_| std::future::pending::<Result<(), _>>());
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), stuck).await.is_err());
        assert_eq!(kept.with(connect, |number| async move { Ok(number) }).await, Ok(1));
    }
}
