//! Child process of the decoder: started with an empty environment, limited by a deadline, and always killed at the
//! end.
//!
//! Dropping the future kills the child. Whatever the child does, the result is its output, a problem with the file, or
//! an internal error.

use crate::domain::reason::FailureCause;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::protocol::{ChildRequest, UNABLE_EXIT_CODE};
use super::{MediaError, MediaProblem, MediaSandbox};

/// Largest standard output of a child in bytes.
const MAX_STDOUT_BYTES: u64 = 4 << 20;
/// Number of bytes of its standard error that are kept.
const MAX_STDERR_BYTES: u64 = 16 << 10;

/// Output of a child that ended by itself.
pub(super) struct ChildOutput {
    /// True if the exit code says success.
    pub(super) succeeded: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

/// A child and its process group, which are killed when this value is dropped.
struct ProcessGroupGuard(Child);

impl Drop for ProcessGroupGuard {
    fn drop(&mut self) {
        // Until the child has been waited for, its process id is not reused.
        let id = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// Runs a child with this request before `deadline`. `Ok(Err)` is a problem with the file.
pub(super) async fn run_child(
    sandbox: &MediaSandbox,
    order: &ChildRequest,
    deadline: Instant,
) -> Result<Result<ChildOutput, MediaProblem>, MediaError> {
    let begun = Instant::now();
    let mut running = ProcessGroupGuard(spawn_child(sandbox, order)?);
    let (Some(out), Some(err)) = (running.0.stdout.take(), running.0.stderr.take()) else {
        return Err(MediaError::Internal("a decoder has no pipes".into()));
    };
    let work = async {
        let (said, complaints) = tokio::join!(read_stdout(out), read_stderr(err));
        let Ok(said) = said? else { return Ok(Err(MediaProblem::output_too_large())) };
        Ok::<_, std::io::Error>(Ok((running.0.wait().await?, said, complaints?)))
    };
    let Ok(ended) = tokio::time::timeout_at(deadline.into(), work).await else {
        return Ok(Err(MediaProblem::timed_out()));
    };
    let (status, said, complaints) = match ended.map_err(|error| MediaError::Internal(FailureCause::of(error)))? {
        Ok(ended) => ended,
        Err(problem) => return Ok(Err(problem)),
    };
    let complaints = String::from_utf8_lossy(&complaints).into_owned();
    if !complaints.is_empty() {
        tracing::debug!(%status, complaints, "a decoder complained");
    }
    // A tool may use two threads, and may catch the signal of the CPU limit.
    let spent = begun.elapsed() * 2 >= Duration::from_secs(order.bounds.cpu);
    judge_exit(status, &complaints, spent)
        .map(|judged| judged.map(|well| ChildOutput { succeeded: well, stdout: said, stderr: complaints }))
}

fn spawn_child(sandbox: &MediaSandbox, order: &ChildRequest) -> Result<Child, MediaError> {
    let unable = |error: std::io::Error| MediaError::Internal(FailureCause::with("no decoder could be started", error));
    let order = serde_json::to_string(order).map_err(|error| unable(error.into()))?;
    let mut command = Command::new(&sandbox.program);
    command.args(["decode", &order]).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(unable)
}

/// Whole standard output, or an error if it is too large.
async fn read_stdout(pipe: impl AsyncRead + Unpin) -> std::io::Result<Result<Vec<u8>, ()>> {
    let mut bytes = Vec::new();
    pipe.take(MAX_STDOUT_BYTES + 1).read_to_end(&mut bytes).await?;
    Ok(if bytes.len() as u64 > MAX_STDOUT_BYTES { Err(()) } else { Ok(bytes) })
}

/// Beginning of standard error. The rest is read and discarded, so that the child does not block.
async fn read_stderr(mut pipe: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(MAX_STDERR_BYTES).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// Result of a child: true if it succeeded; a problem if it hit a limit or crashed; an error if it could not start or
/// the disk is full.
fn judge_exit(status: ExitStatus, complaints: &str, spent: bool) -> Result<Result<bool, MediaProblem>, MediaError> {
    const OUT_OF_MEMORY_MESSAGES: [&str; 5] =
        ["memory allocation of", "Cannot allocate memory", "Out of memory", "bad_alloc", "alloc failed"];
    if status.success() {
        return Ok(Ok(true));
    }
    if complaints.contains("No space left on device") {
        return Err(MediaError::Internal("the disk is full".into()));
    }
    if status.code() == Some(i32::from(UNABLE_EXIT_CODE)) {
        return Err(MediaError::Internal(complaints.trim().to_owned().into()));
    }
    let spent = spent && (status.signal() == Some(libc::SIGKILL) || status.code().is_some());
    if spent || status.signal() == Some(libc::SIGXCPU) {
        return Ok(Err(MediaProblem::timed_out()));
    }
    // If the limits exceed the machine's memory, the kernel kills the child.
    if status.signal() == Some(libc::SIGKILL) || OUT_OF_MEMORY_MESSAGES.iter().any(|word| complaints.contains(word)) {
        return Ok(Err(MediaProblem::out_of_memory()));
    }
    Ok(match (status.signal(), status.code()) {
        (Some(libc::SIGXFSZ), _) => Err(MediaProblem::output_too_large()),
        // Exit code 101 is a panic of our own code.
        (Some(_), _) | (_, Some(101)) => Err(MediaProblem::decoder_crashed()),
        _ => Ok(false),
    })
}
