//! A lane: steps on one state, in order, on the blocking pool, while the async side fetches the next input.
//!
//! One step runs and none waits, so that memory is bounded by the input of two steps. When a lane is dropped its
//! running step ends, and the state is dropped with it.

use std::io;

use tokio::task::JoinHandle;

/// Ordered blocking work on an `S`.
pub(super) struct Lane<S> {
    step: JoinHandle<io::Result<S>>,
}

impl<S: Send + 'static> Lane<S> {
    /// Makes the state, on the blocking pool.
    pub(super) fn start(make: impl FnOnce() -> io::Result<S> + Send + 'static) -> Self {
        Self { step: tokio::task::spawn_blocking(make) }
    }

    /// Waits for the step before, then starts the next one.
    pub(super) async fn then(self, work: impl FnOnce(&mut S) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let mut state = self.finish().await?;
        Ok(Self::start(move || {
            work(&mut state)?;
            Ok(state)
        }))
    }

    /// Waits for the last step and hands the state over.
    pub(super) async fn finish(self) -> io::Result<S> {
        self.step.await.map_err(io::Error::other)?
    }
}
