//! Reading an object: a stream over its segments with bounded read-ahead; each piece is read by a `pread` on the
//! blocking pool.
//!
//! A file that is shorter than its row says ends the stream in an error, never in a clean short body.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin as StdPin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use rustix::buffer::spare_capacity;
use rustix::io::ReadWriteFlags;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;

use super::files::DataFiles;
use super::model::{FileId, SegmentManifest};
use super::pins::ContentPin;
use crate::domain::reason::chain;
use crate::sendfile::{self, FileSpan};

/// Size of a `pread` in bytes.
const READ_PIECE_BYTES: u64 = 1 << 20;
/// Number of pieces that are read ahead. With the piece on its way to the socket this bounds the memory of a download,
/// however slow the client is.
const MAX_PIECES_AHEAD: usize = 2;

/// Cursor over the bytes of an object in the order of its segments.
struct SegmentWalk {
    files: Arc<DataFiles>,
    manifest: Arc<SegmentManifest>,
    /// Index of the segment with the next byte, and the offset in it.
    at: usize,
    offset: u64,
    /// Bytes that no piece covers yet.
    left: u64,
    _pin: ContentPin,
}

/// Range of a data file.
struct FileRange {
    files: Arc<DataFiles>,
    id: FileId,
    offset: u64,
    length: u64,
}

impl SegmentWalk {
    /// Walks over `length` bytes from `start`; the pin keeps the files for as long as this lives.
    fn new(files: Arc<DataFiles>, manifest: Arc<SegmentManifest>, pin: ContentPin, start: u64, length: u64) -> Self {
        Self { files, manifest, at: 0, offset: start, left: length, _pin: pin }
    }

    /// Next piece of at most `most` bytes; `None` at the end, and where segments are missing.
    fn next(&mut self, most: u64) -> Option<FileRange> {
        if self.left == 0 {
            return None;
        }
        let segment = loop {
            let segment = self.manifest.0.get(self.at)?;
            if self.offset < segment.size {
                break segment;
            }
            self.offset -= segment.size;
            self.at += 1;
        };
        let length = (segment.size - self.offset).min(self.left).min(most);
        let piece = FileRange { files: Arc::clone(&self.files), id: segment.file, offset: self.offset, length };
        self.offset += length;
        self.left -= length;
        Some(piece)
    }
}

impl FileRange {
    fn read(&self) -> io::Result<Bytes> {
        let file = &self.files.open_read(self.id)?;
        let length = usize::try_from(self.length).map_err(io::Error::other)?;
        // All pooled buffers have the same size.
        if self.length != READ_PIECE_BYTES {
            let mut piece = Vec::with_capacity(length);
            self.fill(file, &mut piece, length)?;
            return Ok(piece.into());
        }
        let mut piece = self.files.buffers.take(length);
        self.fill(file, &mut piece.bytes, length)?;
        Ok(Bytes::from_owner(piece))
    }

    /// Reads into an empty buffer until it has `length` bytes.
    fn fill(&self, file: &File, piece: &mut Vec<u8>, length: usize) -> io::Result<()> {
        while piece.len() < length {
            let at = self.offset + piece.len() as u64;
            // The capacity may exceed `length`, so the buffer is truncated below.
            match rustix::io::pread(file, spare_capacity(piece), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        piece.truncate(length);
        Ok(())
    }

    /// Span for a socket; `None` if the disk must be read first.
    fn at_once(&self) -> io::Result<Option<FileSpan>> {
        let Some(file) = self.files.at_hand(self.id) else { return Ok(None) };
        Ok(self.is_warm(&file)?.then(|| self.span(file)))
    }

    /// Span for a socket, after its bytes were read into the page cache.
    fn warmed(&self) -> io::Result<FileSpan> {
        let file = self.files.open_read(self.id)?;
        if !self.is_warm(&file)? {
            self.read()?;
        }
        Ok(self.span(file))
    }

    /// True if the first and the last byte are in the page cache; then the bytes between them are taken to be there
    /// too.
    fn is_warm(&self, file: &File) -> io::Result<bool> {
        Ok(resident(file, self.offset)? && resident(file, self.offset + self.length - 1)?)
    }

    fn span(&self, file: Arc<File>) -> FileSpan {
        FileSpan { file, offset: self.offset, len: self.length }
    }
}

/// True if a byte is in the page cache (`RWF_NOWAIT`), or if the file system does not support the check.
fn resident(file: &File, offset: u64) -> io::Result<bool> {
    let mut byte = [0];
    match rustix::io::preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        Ok(_) | Err(_) => Ok(true),
    }
}

/// Bytes of an object with read-ahead.
pub(super) struct ObjectReader {
    walk: SegmentWalk,
    /// Bytes not yet returned.
    remaining: u64,
    ahead: VecDeque<JoinHandle<io::Result<Bytes>>>,
}

impl ObjectReader {
    /// Reads `length` bytes from `start`; the pin keeps the files until the stream is dropped.
    pub(super) fn new(
        files: Arc<DataFiles>,
        manifest: Arc<SegmentManifest>,
        pin: ContentPin,
        start: u64,
        length: u64,
    ) -> Self {
        let walk = SegmentWalk::new(files, manifest, pin, start, length);
        Self { walk, remaining: length, ahead: VecDeque::with_capacity(MAX_PIECES_AHEAD) }
    }

    /// Starts to read the next piece; `None` if all pieces were started.
    fn fetch(&mut self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let piece = self.walk.next(READ_PIECE_BYTES)?;
        Some(tokio::task::spawn_blocking(move || piece.read()))
    }
}

/// Same bytes as ranges of files for `sendfile`. Only bytes that are not in the page cache are read here.
pub(super) struct SpanReader {
    walk: SegmentWalk,
    remaining: u64,
    fetching: Option<JoinHandle<io::Result<FileSpan>>>,
}

impl SpanReader {
    /// Returns `length` bytes from `start`; the pin keeps the files until the stream is dropped.
    pub(super) fn new(
        files: Arc<DataFiles>,
        manifest: Arc<SegmentManifest>,
        pin: ContentPin,
        start: u64,
        length: u64,
    ) -> Self {
        Self { walk: SegmentWalk::new(files, manifest, pin, start, length), remaining: length, fetching: None }
    }

    fn poll_span(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<FileSpan>>> {
        let mut fetching = match self.fetching.take() {
            Some(fetching) => fetching,
            None => {
                let Some(piece) = self.walk.next(sendfile::MAX_SPAN_BYTES) else { return Poll::Ready(Ok(None)) };
                if let Some(span) = piece.at_once()? {
                    return Poll::Ready(Ok(Some(span)));
                }
                tokio::task::spawn_blocking(move || piece.warmed())
            }
        };
        let Poll::Ready(span) = StdPin::new(&mut fetching).poll(cx) else {
            self.fetching = Some(fetching);
            return Poll::Pending;
        };
        Poll::Ready(span.unwrap_or_else(|error| Err(io::Error::other(error))).map(Some))
    }
}

impl Stream for SpanReader {
    type Item = io::Result<FileSpan>;

    fn poll_next(mut self: StdPin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let span = match ready!(self.poll_span(cx)) {
            Ok(None) if self.remaining == 0 => return Poll::Ready(None),
            Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Some(span)) => Ok(span),
            Err(error) => Err(error),
        };
        self.remaining = span.as_ref().map_or(0, |span| self.remaining - span.len);
        if let Err(error) = &span {
            tracing::error!(error = %chain(&error), "a data file cannot be read");
        }
        Poll::Ready(Some(span))
    }
}

impl Stream for ObjectReader {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: StdPin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.ahead.len() < MAX_PIECES_AHEAD {
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
                tracing::error!(error = %chain(&error), "a data file cannot be read");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }
}

impl ByteStream for ObjectReader {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.remaining).unwrap_or(usize::MAX))
    }
}
