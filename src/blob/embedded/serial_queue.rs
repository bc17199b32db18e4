//! Serial queue: tasks on a shared state, in order, on the blocking pool, while the async side fetches the next input.
//!
//! A thread is used only while there is work, so that slow clients hold none. The next task is queued before the
//! current task ends, so that hashing does not wait for the scheduler. A single task runs and a single task waits,
//! which bounds memory by their inputs. A dropped queue finishes its tasks, then drops its state.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of tasks that run or wait.
const MAX_QUEUED_TASKS: u32 = 2;

/// Ordered blocking work on an `S`.
pub(super) struct SerialQueue<S> {
    queue: Arc<Mutex<TaskQueue<S>>>,
    slots: Arc<Semaphore>,
}

struct TaskQueue<S> {
    /// State, while no thread uses it; also absent after an error.
    state: Option<S>,
    steps: VecDeque<QueuedTask<S>>,
    failed: Option<io::Error>,
}

type BlockingTask<S> = Box<dyn FnOnce(&mut S) -> io::Result<()> + Send>;

struct QueuedTask<S> {
    work: BlockingTask<S>,
    _slot: OwnedSemaphorePermit,
}

impl<S: Send + 'static> SerialQueue<S> {
    /// An empty queue.
    pub(super) fn new(state: S) -> Self {
        let queue = TaskQueue { state: Some(state), steps: VecDeque::new(), failed: None };
        Self { queue: Arc::new(Mutex::new(queue)), slots: Arc::new(Semaphore::new(MAX_QUEUED_TASKS as usize)) }
    }

    /// Adds a task once there is room. Returns the error of an earlier task.
    pub(super) async fn push(&self, work: impl FnOnce(&mut S) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
        let mut queue = lock(&self.queue);
        if let Some(error) = queue.failed.take() {
            return Err(error);
        }
        let step = QueuedTask { work: Box::new(work), _slot: slot };
        match queue.state.take() {
            Some(state) => {
                let queue = Arc::clone(&self.queue);
                tokio::task::spawn_blocking(move || run(&queue, state, step));
            }
            None => queue.steps.push_back(step),
        }
        Ok(())
    }

    /// Waits for all tasks and returns the state.
    pub(super) async fn finish(self) -> io::Result<S> {
        let _all = self.slots.acquire_many(MAX_QUEUED_TASKS).await.map_err(io::Error::other)?;
        let mut queue = lock(&self.queue);
        let lost = || io::Error::other("a step panicked");
        queue.state.take().ok_or_else(|| queue.failed.take().unwrap_or_else(lost))
    }
}

/// Runs tasks until the queue is empty. A task's slot is released only after the state or the error is stored: a caller
/// that holds all slots finds either of them.
fn run<S>(queue: &Mutex<TaskQueue<S>>, mut state: S, mut step: QueuedTask<S>) {
    loop {
        let QueuedTask { work, _slot } = step;
        let result = work(&mut state);
        let mut queue = lock(queue);
        match result {
            Err(error) => {
                queue.failed = Some(error);
                queue.steps.clear();
                return;
            }
            Ok(()) => match queue.steps.pop_front() {
                Some(next) => step = next,
                None => {
                    queue.state = Some(state);
                    return;
                }
            },
        }
    }
}

fn lock<S>(queue: &Mutex<TaskQueue<S>>) -> MutexGuard<'_, TaskQueue<S>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn steps_run_in_order_and_the_state_comes_back() {
        let lane = SerialQueue::new(Vec::new());
        for step in 0..1000 {
            let work = move |state: &mut Vec<u32>| {
                state.push(step);
                Ok(())
            };
            lane.push(work).await.unwrap();
        }
        assert_eq!(lane.finish().await.unwrap(), (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_error_ends_the_lane() {
        let lane = SerialQueue::new(());
        lane.push(|()| Err(io::ErrorKind::StorageFull.into())).await.unwrap();
        let mut later = Ok(());
        while later.is_ok() {
            later = lane.push(|()| Ok(())).await;
        }
        assert_eq!(later.unwrap_err().kind(), io::ErrorKind::StorageFull);
        let failing = SerialQueue::new(());
        failing.push(|()| Err(io::ErrorKind::StorageFull.into())).await.unwrap();
        assert_eq!(failing.finish().await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn a_dropped_lane_drops_its_state() {
        let state = Arc::new(());
        let lane = SerialQueue::new(Arc::clone(&state));
        lane.push(|_| Ok(())).await.unwrap();
        drop(lane);
        while Arc::strong_count(&state) > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}
