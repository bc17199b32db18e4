//! Zero-copy responses on plain connections: file bytes go from the page cache to the socket by `sendfile(2)`, without
//! passing through this process.
//!
//! HTTP servers write memory. Therefore a response body consists of *stand-ins*, slices of a static memory block with
//! the length of the bytes that they represent, while the [`FileSpan`]s wait in the connection's [`SpanOutlet`]. The
//! connection ([`SpanConnection`]) recognises stand-ins by their address and sends the spans instead. The layers
//! between only count and pass slices on; if a layer copies a stand-in, the connection is closed before the copy is
//! sent.
//!
//! Must not know where files come from, nor about access rights. Not for TLS and HTTP/2, which have to process the
//! bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use http::Extensions;
use rustix::io::ReadWriteFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::domain::clock::{Entropy, OsEntropy};

/// Smallest body in bytes for which `sendfile` pays off; smaller bodies are read and written.
const MIN_SPAN_BYTES: u64 = 16 << 10;
/// Longest [`FileSpan`] in bytes.
pub const MAX_SPAN_BYTES: u64 = 512 << 10;
/// Time for a span below which a client counts as fast: 512 KiB in 20 ms, 25 MiB a second.
const QUICK_SPAN_DURATION: Duration = Duration::from_millis(20);

/// Memory block that stand-ins are slices of: a random mark, repeated.
static STAND_IN_BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let mut mark = [0; STAND_IN_MARK_BYTES];
    OsEntropy.fill(&mut mark);
    mark.repeat(MAX_SPAN_BYTES as usize / STAND_IN_MARK_BYTES).into()
});
const STAND_IN_MARK_BYTES: usize = 32;

/// Range of a file: not empty, at most [`MAX_SPAN_BYTES`] bytes.
#[derive(Debug)]
pub struct FileSpan {
    /// Open file; stays readable even if its name is removed.
    pub file: Arc<File>,
    /// Offset of the first byte.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

impl FileSpan {
    /// Bytes of the span, if all of them are in the page cache.
    fn read_at_once(&self) -> Option<Bytes> {
        let mut bytes = vec![0; usize::try_from(self.len).ok()?];
        let mut into = [IoSliceMut::new(&mut bytes)];
        let read = rustix::io::preadv2(&self.file, &mut into, self.offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == bytes.len()).then(|| bytes.into())
    }
}

/// A body as ranges of files, in order. An error means that the rest cannot be read.
pub type FileSpans = BoxStream<'static, io::Result<FileSpan>>;

/// Queue of spans to send on a connection. The server puts it into the extensions of every request on a plain
/// connection.
#[derive(Clone, Debug, Default)]
pub struct SpanOutlet(Arc<Mutex<VecDeque<FileSpan>>>);

impl SpanOutlet {
    /// Outlet of the request's connection; `None` if the connection is not plain, or `len` bytes are too few for
    /// `sendfile`.
    #[must_use]
    pub fn of(extensions: &Extensions, len: u64) -> Option<Self> {
        extensions.get().filter(|_| len >= MIN_SPAN_BYTES).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<FileSpan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Response body whose bytes on the wire are these spans. Valid only as the response to a request of this
    /// connection, and only unchanged: not compressed, not copied into another buffer.
    ///
    /// A long body to a fast client is read and written after the first span: this costs two thirds of the time of
    /// `sendfile` with its many small pages (measured on loopback). For slow clients no bytes are held in memory.
    pub fn body<S>(self, spans: S) -> impl Stream<Item = io::Result<Bytes>> + use<S>
    where
        S: Stream<Item = io::Result<FileSpan>>,
    {
        let mut given: Option<Instant> = None;
        spans.map(move |span| {
            let span = span?;
            let now = Instant::now();
            let quick = given.replace(now).is_some_and(|given| now - given < QUICK_SPAN_DURATION);
            if let Some(bytes) = quick.then(|| span.read_at_once()).flatten() {
                return Ok(bytes);
            }
            let len = usize::try_from(span.len.min(MAX_SPAN_BYTES)).map_err(io::Error::other)?;
            self.lock().push_back(span);
            Ok(STAND_IN_BLOCK.slice(..len))
        })
    }
}

fn is_stand_in(bytes: &[u8]) -> bool {
    let first = STAND_IN_BLOCK.as_ptr().addr();
    !bytes.is_empty() && (first..first + STAND_IN_BLOCK.len()).contains(&bytes.as_ptr().addr())
}

/// A connection that sends spans in place of their stand-ins.
#[derive(Debug)]
pub struct SpanConnection {
    stream: TcpStream,
    outlet: SpanOutlet,
}

impl SpanConnection {
    /// Wraps `stream`; the spans to send come from `outlet`.
    #[must_use]
    pub fn new(stream: TcpStream, outlet: SpanOutlet) -> Self {
        Self { stream, outlet }
    }

    /// Sends at most `wanted` bytes of the first span in the queue.
    fn poll_send(&self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let mut waiting = self.outlet.lock();
        let Some(span) = waiting.front_mut() else { return Poll::Ready(Err(io::ErrorKind::InvalidData.into())) };
        let most = wanted.min(usize::try_from(span.len).unwrap_or(usize::MAX));
        let sent = loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                Ok(rustix::fs::sendfile(&self.stream, &span.file, Some(&mut span.offset), most)?)
            });
            match sent {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                sent => break sent?,
            }
        };
        if sent == 0 {
            // The file is shorter than its span: the client must not take half a file for the whole.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        span.len -= sent as u64;
        if span.len == 0 {
            waiting.pop_front();
        }
        Poll::Ready(Ok(sent))
    }

    /// True if memory that is about to be written contains a copy of a stand-in.
    fn is_copy(&self, bytes: &[u8]) -> bool {
        !self.outlet.lock().is_empty()
            && bytes.windows(STAND_IN_MARK_BYTES).any(|window| window == &STAND_IN_BLOCK[..STAND_IN_MARK_BYTES])
    }
}

impl AsyncRead for SpanConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SpanConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let memory = bufs.iter().position(|buf| is_stand_in(buf)).unwrap_or(bufs.len());
        let (head, rest) = bufs.split_at(memory);
        if head.iter().all(|buf| buf.is_empty()) && !rest.is_empty() {
            let wanted = rest.iter().take_while(|buf| is_stand_in(buf)).map(|buf| buf.len()).sum();
            return self.poll_send(cx, wanted);
        }
        if head.iter().any(|buf| self.is_copy(buf)) {
            tracing::error!("a stand-in for a file was copied: the connection is cut");
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        // The head is written alone, although a span follows: with MSG_MORE a head and 64 KiB become two packets, of
        // which the second waits for a timer if congestion control paces (BBR); this costs more than the saved packet.
        Pin::new(&mut self.stream).poll_write_vectored(cx, head)
    }

    fn is_write_vectored(&self) -> bool {
        // Otherwise hyper would copy the slices together before they are written.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures_util::{FutureExt as _, stream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn connected(outlet: SpanOutlet) -> (SpanConnection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (SpanConnection::new(listener.accept().await.unwrap().0, outlet), client)
    }

    fn file(len: usize) -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (Arc::new(file), bytes)
    }

    fn spans(file: &Arc<File>, ranges: &[(u64, u64)]) -> FileSpans {
        let span = |&(offset, len): &(u64, u64)| Ok(FileSpan { file: Arc::clone(file), offset, len });
        stream::iter(ranges.iter().map(span).collect::<Vec<_>>()).boxed()
    }

    #[tokio::test]
    async fn what_arrives_are_the_spans_between_what_was_written() {
        let ((file, bytes), outlet) = (file(3 << 20), SpanOutlet::default());
        let (mut server, mut client) = connected(outlet.clone()).await;
        let mut body = Box::pin(outlet.body(spans(&file, &[(5, MAX_SPAN_BYTES), (2 << 20, 100_000), (1, 1)])));
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.map(|_| all)
        });
        server.write_all(b"head").await.unwrap();
        while let Some(piece) = body.next().await {
            server.write_all(&piece.unwrap()).await.unwrap();
        }
        server.write_all(b"tail").await.unwrap();
        drop(server);
        let wanted =
            [b"head", &bytes[5..5 + MAX_SPAN_BYTES as usize], &bytes[2 << 20..][..100_000], &bytes[1..2], b"tail"]
                .concat();
        assert!(reading.await.unwrap().unwrap() == wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_quick_gets_memory_and_who_is_slow_takes_none() {
        let ((file, bytes), outlet) = (file(3 << 20), SpanOutlet::default());
        let places = [
            (0, MAX_SPAN_BYTES),
            (MAX_SPAN_BYTES, MAX_SPAN_BYTES),
            (2 * MAX_SPAN_BYTES, MAX_SPAN_BYTES),
            (3 * MAX_SPAN_BYTES, MAX_SPAN_BYTES),
        ];
        let mut body = Box::pin(outlet.body(spans(&file, &places)));
        let mut kinds = Vec::new();
        for pause in [QUICK_SPAN_DURATION / 2, QUICK_SPAN_DURATION / 2, QUICK_SPAN_DURATION, QUICK_SPAN_DURATION] {
            let piece = body.next().await.unwrap().unwrap();
            kinds.push(is_stand_in(&piece));
            let at = kinds.len() - 1;
            assert!(kinds[at] || piece == bytes[at * MAX_SPAN_BYTES as usize..][..MAX_SPAN_BYTES as usize]);
            tokio::time::advance(pause).await;
        }
        assert_eq!(kinds, [true, false, false, true]);
    }

    #[tokio::test]
    async fn a_head_and_stand_ins_in_one_write_are_told_apart() {
        let ((file, bytes), outlet) = (file(70_000), SpanOutlet::default());
        let (mut server, mut client) = connected(outlet.clone()).await;
        let pieces: Vec<Bytes> = [outlet.clone(), outlet]
            .into_iter()
            .zip([(0, 40_000), (40_000, 30_000)])
            .map(|(outlet, place)| {
                Box::pin(outlet.body(spans(&file, &[place]))).next().now_or_never().unwrap().unwrap()
            })
            .collect::<io::Result<_>>()
            .unwrap();
        let mut left = b"head".len() + 70_000;
        let (mut head, mut first, mut second) = (&b"head"[..], &pieces[0][..], &pieces[1][..]);
        while left > 0 {
            let mut written = server.write_vectored(&[head, first, second].map(IoSlice::new)).await.unwrap();
            left -= written;
            for part in [&mut head, &mut first, &mut second] {
                let some = written.min(part.len());
                (*part, written) = (&part[some..], written - some);
            }
        }
        let mut all = vec![0; 70_004];
        client.read_exact(&mut all).await.unwrap();
        assert!(all == [b"head", &bytes[..]].concat());
    }

    #[tokio::test]
    async fn a_copy_of_a_stand_in_is_never_sent() {
        let ((file, _), outlet) = (file(70_000), SpanOutlet::default());
        let (mut server, mut client) = connected(outlet.clone()).await;
        let piece = Box::pin(outlet.body(spans(&file, &[(0, 70_000)]))).next().await.unwrap().unwrap();
        let copied = [b"head", &piece[1..]].concat();
        assert_eq!(server.write(&copied).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(server);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error() {
        let ((file, _), outlet) = (file(70_000), SpanOutlet::default());
        let (mut server, mut client) = connected(outlet.clone()).await;
        let piece = Box::pin(outlet.body(spans(&file, &[(0, 70_000)]))).next().await.unwrap().unwrap();
        file.set_len(60_000).unwrap();
        assert_eq!(server.write_all(&piece).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        drop(server);
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 60_000);
    }
}
