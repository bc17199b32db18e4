//! Limits the memory that an `aws-chunked` body can take.
//!
//! `s3s` buffers a whole chunk before it passes on the first byte, and some SDKs (Go's) send a part as a single chunk.
//! Unsigned chunks are split into the pieces in which they arrive. Signed chunks cannot be split, because the signature
//! covers the chunk; they have a size limit far above what any client sends.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame};
use s3s::StdError;

/// Largest signed chunk in bytes. AWS SDKs send 64 or 128 KiB, MinIO's SDKs 64 KiB.
const MAX_SIGNED_CHUNK_BYTES: u64 = 16 << 20;
/// Longest chunk header line in bytes; that of a signed chunk has 85 bytes and the size.
const MAX_CHUNK_LINE_BYTES: usize = 1024;

/// The body is not `aws-chunked`, or has a signed chunk above the limit.
#[derive(Debug, thiserror::Error)]
#[error("malformed aws-chunked body")]
struct MalformedChunk;

/// Chunk format by `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkSigning {
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, with or without trailers.
    Signed,
}

impl ChunkSigning {
    /// Format from the header's value; `None` if the body is not chunked.
    pub(super) fn from_header(value: &str) -> Option<Self> {
        match value {
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Self::Unsigned),
            _ if value.starts_with("STREAMING-") => Some(Self::Signed),
            _ => None,
        }
    }
}

enum ChunkState {
    /// Inside a chunk header line.
    Line(Vec<u8>),
    /// Inside chunk data, with this many bytes left.
    Data(u64),
    /// Inside the line break after chunk data.
    Break(&'static [u8]),
    /// After the last chunk.
    Trailers,
}

/// Splits chunks while they pass.
struct ChunkSplitter {
    chunks: ChunkSigning,
    state: ChunkState,
    out: VecDeque<Bytes>,
}

impl ChunkSplitter {
    fn new(chunks: ChunkSigning) -> Self {
        Self { chunks, state: ChunkState::Line(Vec::new()), out: VecDeque::new() }
    }

    fn feed(&mut self, mut input: Bytes) -> Result<(), MalformedChunk> {
        while !input.is_empty() {
            match &mut self.state {
                ChunkState::Line(line) => {
                    let end = input.iter().position(|byte| *byte == b'\n').map_or(input.len(), |at| at + 1);
                    line.extend_from_slice(&input.split_to(end));
                    if line.len() > MAX_CHUNK_LINE_BYTES {
                        return Err(MalformedChunk);
                    }
                    if line.ends_with(b"\n") {
                        let line = std::mem::take(line);
                        self.announce(line)?;
                    }
                }
                ChunkState::Data(left) => {
                    let piece = input.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()));
                    *left -= piece.len() as u64;
                    if *left == 0 {
                        self.state = ChunkState::Break(b"\r\n");
                    }
                    self.pass(piece);
                }
                ChunkState::Break([]) => self.state = ChunkState::Line(Vec::new()),
                ChunkState::Break([expected, rest @ ..]) => {
                    if input.get_u8() != *expected {
                        return Err(MalformedChunk);
                    }
                    self.state = ChunkState::Break(rest);
                }
                ChunkState::Trailers => self.out.push_back(std::mem::take(&mut input)),
            }
        }
        Ok(())
    }

    fn announce(&mut self, line: Vec<u8>) -> Result<(), MalformedChunk> {
        let digits = line.split(|byte| matches!(byte, b';' | b'\r' | b'\n')).next().unwrap_or_default();
        let text = std::str::from_utf8(digits).map_err(|_| MalformedChunk)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| MalformedChunk)?;
        if self.chunks == ChunkSigning::Signed && size > MAX_SIGNED_CHUNK_BYTES {
            return Err(MalformedChunk);
        }
        if self.chunks == ChunkSigning::Signed || size == 0 {
            self.out.push_back(line.into());
        }
        self.state = if size == 0 { ChunkState::Trailers } else { ChunkState::Data(size) };
        Ok(())
    }

    fn pass(&mut self, piece: Bytes) {
        let broken = matches!(self.state, ChunkState::Break(_));
        match self.chunks {
            ChunkSigning::Unsigned => {
                self.out.push_back(format!("{:x}\r\n", piece.len()).into());
                self.out.extend([piece, Bytes::from_static(b"\r\n")]);
            }
            ChunkSigning::Signed => {
                self.out.push_back(piece);
                if broken {
                    self.out.push_back(Bytes::from_static(b"\r\n"));
                }
            }
        }
    }
}

/// An `aws-chunked` body with small chunks.
pub(super) struct SplitChunks<B> {
    body: B,
    cutter: ChunkSplitter,
}

impl<B> SplitChunks<B> {
    /// Splits the chunks of `body`.
    pub(super) fn new(body: B, chunks: ChunkSigning) -> Self {
        Self { body, cutter: ChunkSplitter::new(chunks) }
    }
}

impl<B: Body<Data = Bytes, Error = StdError> + Unpin> Body for SplitChunks<B> {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        loop {
            if let Some(bytes) = self.cutter.out.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let Some(frame) = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)?) else {
                return Poll::Ready(None);
            };
            if let Ok(data) = frame.into_data() {
                self.cutter.feed(data)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: ChunkSigning, input: &[u8], step: usize) -> Result<Vec<u8>, MalformedChunk> {
        let mut cutter = ChunkSplitter::new(chunks);
        let mut whole = Vec::new();
        for piece in input.chunks(step) {
            cutter.feed(Bytes::copy_from_slice(piece))?;
            whole.extend(cutter.out.drain(..).flatten());
        }
        Ok(whole)
    }

    /// Data of an unsigned body, its trailers, and the size of its largest chunk.
    fn decode(mut body: &[u8]) -> (Vec<u8>, Vec<u8>, usize) {
        let (mut data, mut largest) = (Vec::new(), 0);
        loop {
            let at = body.windows(2).position(|w| w == b"\r\n").unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
            body = &body[at + 2..];
            if size == 0 {
                return (data, body.to_vec(), largest);
            }
            largest = largest.max(size);
            data.extend_from_slice(&body[..size]);
            assert_eq!(&body[size..size + 2], b"\r\n");
            body = &body[size + 2..];
        }
    }

    #[test]
    fn unsigned_chunks_are_cut_wherever_the_network_cuts_them() {
        let payload: Vec<u8> = (0..1000u32).map(|i| (i % 256) as u8).collect();
        let mut body = format!("{:X}\r\n", payload.len()).into_bytes();
        body.extend(&payload);
        body.extend(b"\r\n5;x=y\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
        for step in [1, 2, 3, 7, 64, 999, 5000] {
            let (data, trailers, largest) = decode(&cut(ChunkSigning::Unsigned, &body, step).unwrap());
            assert_eq!(data, [&payload[..], b"hello"].concat(), "{step}");
            assert_eq!(trailers, b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n");
            assert!(largest <= step.max(5));
        }
    }

    #[test]
    fn signed_chunks_pass_as_they_are_up_to_a_limit() {
        let body = b"5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n";
        for step in [1, 4, 100] {
            assert_eq!(cut(ChunkSigning::Signed, body, step).unwrap(), body);
        }
        assert!(cut(ChunkSigning::Signed, b"10000000;chunk-signature=ab\r\n", 100).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [&b"zz\r\n"[..], b"\r\n", b"5\r\nhelloXX", b"11111111111111111\r\n", &[b'0'; 2000]] {
            assert!(cut(ChunkSigning::Unsigned, bad, 9).is_err(), "{bad:?}");
        }
    }
}
