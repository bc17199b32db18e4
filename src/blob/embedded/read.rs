//! Reading an object's bytes: a stream over its segments with a bounded read-ahead, each piece read by one `pread`
//! on the blocking pool.
//!
//! A file that is shorter than its row says ends the stream in an error, never in a clean short body.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin as StdPin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use rustix::buffer::spare_capacity;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;

use super::files::Files;
use super::pins::Pin;
use super::record::{FileId, Manifest, Segment};

/// What one `pread` asks for, in bytes.
const PIECE: u64 = 1 << 20;
/// Pieces that are read before they are wanted. With the one on its way to the socket this bounds the memory of a
/// download, however slow the client.
const AHEAD: usize = 2;

/// A data file that is opened by the first piece that needs it and shared by the others.
struct Source {
    id: FileId,
    file: OnceLock<File>,
}

/// Bytes `start .. start + left` of an object.
pub(super) struct Reader {
    files: Arc<Files>,
    /// Segments still to be read; the first one from `offset`.
    segments: std::vec::IntoIter<Segment>,
    current: Option<(Arc<Source>, Segment)>,
    offset: u64,
    /// Bytes that no piece has been asked for yet.
    left: u64,
    /// Bytes not yet handed out.
    remaining: u64,
    ahead: VecDeque<JoinHandle<io::Result<Bytes>>>,
    _pin: Pin,
}

impl Reader {
    /// Reads `length` bytes from `start`; the pin holds the files until the stream is dropped.
    pub(super) fn new(files: Arc<Files>, manifest: Manifest, pin: Pin, start: u64, length: u64) -> Self {
        let mut reader = Self {
            files,
            segments: manifest.0.into_iter(),
            current: None,
            offset: start,
            left: length,
            remaining: length,
            ahead: VecDeque::with_capacity(AHEAD),
            _pin: pin,
        };
        reader.skip();
        reader
    }

    /// Moves to the segment that holds the next byte.
    fn skip(&mut self) {
        while self.left > 0 {
            match self.current.as_ref() {
                Some((_, segment)) if self.offset < segment.size => return,
                Some((_, segment)) => self.offset -= segment.size,
                None => {}
            }
            self.current = self
                .segments
                .next()
                .map(|segment| (Arc::new(Source { id: segment.file, file: OnceLock::new() }), segment));
            if self.current.is_none() {
                return;
            }
        }
    }

    /// Starts to read the next piece; `None` when all pieces are on their way.
    fn fetch(&mut self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let (source, segment) = self.current.as_ref()?;
        let length = (segment.size - self.offset).min(self.left).min(PIECE);
        if length == 0 {
            return None;
        }
        let (files, source, offset) = (Arc::clone(&self.files), Arc::clone(source), self.offset);
        self.offset += length;
        self.left -= length;
        self.skip();
        Some(tokio::task::spawn_blocking(move || source.read(&files, offset, length)))
    }
}

impl Source {
    fn read(&self, files: &Files, offset: u64, length: u64) -> io::Result<Bytes> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let opened = files.open_read(self.id)?;
                self.file.get_or_init(|| opened)
            }
        };
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut piece = Vec::with_capacity(length);
        while piece.len() < length {
            let at = offset + piece.len() as u64;
            // The capacity may exceed what was asked for, so the end is cut off below.
            match rustix::io::pread(file, spare_capacity(&mut piece), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        piece.truncate(length);
        Ok(piece.into())
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: StdPin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.ahead.len() < AHEAD {
            match self.fetch() {
                Some(piece) => self.ahead.push_back(piece),
                None => break,
            }
        }
        let Some(piece) = self.ahead.front_mut() else {
            let short = self.remaining > 0;
            self.remaining = 0;
            return Poll::Ready(short.then(|| Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())));
        };
        let read = ready!(StdPin::new(piece).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
        self.ahead.pop_front();
        match read {
            Ok(bytes) => {
                self.remaining -= bytes.len() as u64;
                Poll::Ready(Some(Ok(bytes)))
            }
            Err(error) => {
                tracing::error!(%error, "a data file cannot be read");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }
}

impl ByteStream for Reader {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.remaining).unwrap_or(usize::MAX))
    }
}
