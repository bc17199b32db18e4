//! Waiting for what comes about beside a test. The end of patience is there only so that nothing hangs: it is far beyond what
//! a slow machine needs, and says nothing about how quick a service has to be.

use std::fmt::{Debug, Display};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long anything may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// Waits until it is so.
pub async fn eventually(what: impl Display, mut is_so: impl AsyncFnMut() -> bool) {
    eventually_some(what, async || is_so().await.then_some(())).await;
}

/// Waits until there is something.
pub async fn eventually_some<T>(what: impl Display, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_ok(what, async || look().await.ok_or("nothing")).await
}

/// Waits until it goes well; the error of the last look is shown when it never does.
pub async fn eventually_ok<T, E: Debug>(what: impl Display, mut look: impl AsyncFnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > end => {
                // Logs are read line by line.
                panic!("it never came about: {what}; seen last: {}", format!("{seen:#?}").replace("\\n", "\n"))
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// What this comes to, which must have an end.
pub async fn in_time<T>(what: impl Display, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("it has no end: {what}"))
}

/// Waits until the other side of a connection on this machine has read all that was written.
pub async fn all_read(stream: &TcpStream) {
    let ends = [stream.local_addr().unwrap(), stream.peer_addr().unwrap()].map(|end| format!(":{:04X}", end.port()));
    eventually_ok("everything is read", async || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // Local address, remote address, state, and how much waits in which direction.
        let waiting = table.lines().filter_map(|line| {
            let [_, local, remote, _, queues] = line.split_whitespace().take(5).collect::<Vec<_>>()[..] else {
                return None;
            };
            let ours = ends.iter().all(|end| local.ends_with(end) || remote.ends_with(end));
            (ours && queues != "00000000:00000000").then(|| line.to_owned())
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() { Ok(()) } else { Err(waiting) }
    })
    .await;
}
