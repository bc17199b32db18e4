//! A proxy before the store that knows requests: it counts what is sent, slows it down, and does harm on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What is done to the body of a request, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// One of its bits changes.
    Flip,
    /// The connection breaks in its middle.
    Cut,
    /// Nothing moves any more.
    Stall,
    /// It arrives, but the answer does not.
    LoseAnswer,
}

/// A request that passed.
#[derive(Clone, Debug)]
pub struct Seen {
    pub part: Option<u64>,
    pub range: Option<u64>,
    /// Bytes of its body that passed.
    pub body: usize,
    pub whole: bool,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    harm: Option<Harm>,
    /// For every 64 KiB.
    pause: Duration,
    /// Parts from this number on stop in their middle.
    held_from: Option<u64>,
    downloaded: u64,
}

/// The proxy; it runs for as long as the test.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    cut: Arc<Notify>,
}

const CHUNK: usize = 64 << 10;

impl Proxy {
    pub async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::default(), cut: Arc::default() };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let proxy = serving.clone();
                tokio::spawn(async move {
                    // No upstream: the connection just ends.
                    let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    let lost = Arc::new(Mutex::new(false));
                    tokio::select! {
                        () = proxy.requests(from_client, to_server, Arc::clone(&lost)) => {}
                        () = proxy.answers(from_server, to_client, lost) => {}
                        () = proxy.cut.notified() => {}
                    }
                });
            }
        });
        proxy
    }

    /// At most so many bytes a second, on each connection.
    pub fn slow_down(&self, bytes_per_second: usize) {
        let pause = Duration::from_secs_f64(CHUNK as f64 / bytes_per_second as f64);
        self.state.lock().unwrap().pause = pause;
    }

    /// Bodies of this part and of later ones stop in their middle until there is full speed again: what a test does meanwhile
    /// is done while they are under way, however slow the machine.
    pub fn hold_from(&self, part: u64) {
        self.state.lock().unwrap().held_from = Some(part);
    }

    pub fn full_speed(&self) {
        let mut state = self.state.lock().unwrap();
        (state.pause, state.held_from) = (Duration::ZERO, None);
    }

    /// Full speed for whoever connects from now on; what was under way never arrives. The rest of it would, even when its
    /// sender is dead: the kernel has it.
    pub fn cut(&self) {
        self.cut.notify_waiters();
        self.full_speed();
    }

    /// The next PUT with a body suffers.
    pub fn harm(&self, harm: Harm) {
        self.state.lock().unwrap().harm = Some(harm);
    }

    pub fn harmed(&self) -> bool {
        self.state.lock().unwrap().harm.is_none()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// How often each part's PUT was begun.
    pub fn puts(&self) -> Vec<u64> {
        self.seen().iter().filter_map(|seen| seen.part).collect()
    }

    pub fn downloaded(&self) -> u64 {
        self.state.lock().unwrap().downloaded
    }

    pub fn forget(&self) {
        let mut state = self.state.lock().unwrap();
        state.seen.clear();
        state.downloaded = 0;
    }

    async fn release(&self, part: Option<u64>) {
        let is_held = || part.zip(self.state.lock().unwrap().held_from).is_some_and(|(part, from)| part >= from);
        while is_held() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn throttle(&self) {
        let pause = self.state.lock().unwrap().pause;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Client to server, request by request.
    async fn requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost: Arc<Mutex<bool>>) {
        let mut buffer = Vec::new();
        loop {
            let Some(head) = head(&mut from, &mut buffer).await else { return };
            let (at, len) = self.note(&head);
            let harm = if len > 0 { self.state.lock().unwrap().harm.take() } else { None };
            if harm == Some(Harm::LoseAnswer) {
                *lost.lock().unwrap() = true;
            }
            if to.write_all(&head).await.is_err()
                || self.body(&mut from, &mut to, &mut buffer, (at, len), harm).await.is_none()
            {
                return;
            }
        }
    }

    /// Takes note of a request: where, and how long its body is.
    fn note(&self, head: &[u8]) -> (usize, usize) {
        let text = String::from_utf8_lossy(head);
        let header = |name: &str| {
            let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            Some(line[name.len()..].trim().to_owned())
        };
        let part =
            text.split_once("partNumber=").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
        let part = part.and_then(|digits: String| digits.parse().ok());
        let range =
            header("range:").and_then(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().ok());
        let len = header("content-length:").and_then(|len| len.parse().ok()).unwrap_or(0);
        let mut state = self.state.lock().unwrap();
        state.seen.push(Seen { part, range, body: 0, whole: len == 0 });
        (state.seen.len() - 1, len)
    }

    async fn body(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        buffer: &mut Vec<u8>,
        (at, len): (usize, usize),
        harm: Option<Harm>,
    ) -> Option<()> {
        let mut left = len;
        let part = self.state.lock().unwrap().seen.get(at).and_then(|seen| seen.part);
        while left > 0 {
            if buffer.is_empty() {
                *buffer = vec![0; CHUNK];
                let read = from.read(buffer).await.ok().filter(|read| *read > 0)?;
                buffer.truncate(read);
            }
            let rest = buffer.split_off(buffer.len().min(left));
            let mut piece = std::mem::replace(buffer, rest);
            match harm {
                Some(Harm::Cut) if left < len / 2 => return None,
                Some(Harm::Stall) if left < len / 2 => std::future::pending().await,
                Some(Harm::Flip) if left == len => piece[0] ^= 1,
                _ => {}
            }
            if left <= len / 2 {
                self.release(part).await;
            }
            self.throttle().await;
            to.write_all(&piece).await.ok()?;
            left -= piece.len();
            let mut state = self.state.lock().unwrap();
            if let Some(seen) = state.seen.get_mut(at) {
                seen.body += piece.len();
                seen.whole = left == 0;
            }
        }
        Some(())
    }

    /// Server to client, as it comes.
    async fn answers(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lost: Arc<Mutex<bool>>) {
        let mut buffer = vec![0; CHUNK];
        while let Ok(read) = from.read(&mut buffer).await
            && read > 0
            && !*lost.lock().unwrap()
        {
            if read > 4096 {
                self.throttle().await;
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            self.state.lock().unwrap().downloaded += read as u64;
        }
    }
}

/// A request's head; what came after it stays in the buffer.
async fn head(from: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(buffer.drain(..end + 4).collect());
        }
        let mut piece = vec![0; 16 << 10];
        let read = from.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&piece[..read]);
    }
}
