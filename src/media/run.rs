//! One child: started with nothing, watched, and ended for certain.
//!
//! A dropped future takes its child with it. Whatever the child does, the outcome is an answer, a problem with the file
//! or trouble of ours.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::order::{Order, UNABLE};
use super::{Problem, Sandbox, Trouble};

/// Bytes that a child may say.
const MOST_SAID: u64 = 4 << 20;
/// Bytes of its complaints that are kept.
const MOST_COMPLAINED: u64 = 16 << 10;

/// How a child ended that was not stopped.
pub(super) struct Ended {
    /// Whether it says that it did its work.
    pub(super) well: bool,
    pub(super) said: Vec<u8>,
    pub(super) complaints: String,
}

/// A child and its process group, which end with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Until it has been waited for, its number is nobody else's.
        let id = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(id) = id {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// Has a child carry out the order before `deadline`. `Ok(Err)` is a problem with the file.
pub(super) async fn run(
    sandbox: &Sandbox,
    order: &Order,
    deadline: Instant,
) -> Result<Result<Ended, Problem>, Trouble> {
    let begun = Instant::now();
    let mut running = Running(spawn(sandbox, order)?);
    let (Some(out), Some(err)) = (running.0.stdout.take(), running.0.stderr.take()) else {
        return Err(Trouble::Unable("a decoder has no pipes".to_owned()));
    };
    let work = async {
        let (said, complaints) = tokio::join!(said(out), complained(err));
        let Ok(said) = said? else { return Ok(Err(Problem::output())) };
        Ok::<_, std::io::Error>(Ok((running.0.wait().await?, said, complaints?)))
    };
    let Ok(ended) = tokio::time::timeout_at(deadline.into(), work).await else { return Ok(Err(Problem::time())) };
    let (status, said, complaints) = match ended.map_err(|error| Trouble::Unable(error.to_string()))? {
        Ok(ended) => ended,
        Err(problem) => return Ok(Err(problem)),
    };
    let complaints = String::from_utf8_lossy(&complaints).into_owned();
    if !complaints.is_empty() {
        tracing::debug!(%status, complaints, "a decoder complained");
    }
    // A tool may use two threads, and catch the signal that says its time is up.
    let spent = begun.elapsed() * 2 >= Duration::from_secs(order.bounds.cpu);
    judge(status, &complaints, spent).map(|judged| judged.map(|well| Ended { well, said, complaints }))
}

fn spawn(sandbox: &Sandbox, order: &Order) -> Result<Child, Trouble> {
    let unable = |error: &dyn std::fmt::Display| Trouble::Unable(format!("no decoder could be started: {error}"));
    let order = serde_json::to_string(order).map_err(|error| unable(&error))?;
    let mut command = Command::new(&sandbox.program);
    command.args(["decode", &order]).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| unable(&error))
}

/// Everything, unless it is too much.
async fn said(pipe: impl AsyncRead + Unpin) -> std::io::Result<Result<Vec<u8>, ()>> {
    let mut bytes = Vec::new();
    pipe.take(MOST_SAID + 1).read_to_end(&mut bytes).await?;
    Ok(if bytes.len() as u64 > MOST_SAID { Err(()) } else { Ok(bytes) })
}

/// The beginning; the rest is read so that nobody waits, and forgotten.
async fn complained(mut pipe: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(MOST_COMPLAINED).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// Whether it ended well; a problem when it hit a limit or crashed; trouble when it could not begin or the disk is full.
fn judge(status: ExitStatus, complaints: &str, spent: bool) -> Result<Result<bool, Problem>, Trouble> {
    const MEMORY: [&str; 5] =
        ["memory allocation of", "Cannot allocate memory", "Out of memory", "bad_alloc", "alloc failed"];
    if status.success() {
        return Ok(Ok(true));
    }
    if complaints.contains("No space left on device") {
        return Err(Trouble::Unable("the disk is full".to_owned()));
    }
    if status.code() == Some(i32::from(UNABLE)) {
        return Err(Trouble::Unable(complaints.trim().to_owned()));
    }
    let spent = spent && (status.signal() == Some(libc::SIGKILL) || status.code().is_some());
    if spent || status.signal() == Some(libc::SIGXCPU) {
        return Ok(Err(Problem::time()));
    }
    // The kernel ends who has more than there is, should the limits be larger than the machine.
    if status.signal() == Some(libc::SIGKILL) || MEMORY.iter().any(|word| complaints.contains(word)) {
        return Ok(Err(Problem::memory()));
    }
    Ok(match (status.signal(), status.code()) {
        (Some(libc::SIGXFSZ), _) => Err(Problem::output()),
        // 101 is a panic of our own.
        (Some(_), _) | (_, Some(101)) => Err(Problem::crashed()),
        _ => Ok(false),
    })
}
