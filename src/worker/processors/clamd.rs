//! The virus scan: sends a file's bytes to clamd and interprets clamd's answer.
//!
//! `Clean` is returned only if clamd answered exactly `stream: OK` after it received the whole stream. A file that
//! clamd did not scan completely is `Incomplete`, if clamd reports so (`AlertExceedsMax`, `AlertEncrypted`) or refuses
//! the stream. Everything else is an error, and the file is scanned again later.
//!
//! INSTREAM is implemented here because the crate `clamav-client` loses clamd's answer when clamd refuses a stream in
//! its middle, waits without deadlines, and buffers an answer of any length.
//!
//! Must not decide what happens to a file, nor buffer more of the file than a chunk.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::blob::{BlobError, ByteStream};

/// clamd's default port.
const DEFAULT_CLAMD_PORT: u16 = 3310;
/// Largest file in bytes that clamd can scan, whatever its settings (Cisco-Talos/clamav#1039).
const MAX_CLAMD_FILE_BYTES: u64 = (1 << 31) - 1;
/// Maximum chunk size; each chunk has a length prefix and a deadline.
const MAX_CHUNK_BYTES: usize = 64 << 10;
/// Maximum length of an answer; a longer text is no clamd answer.
const MAX_REPLY_BYTES: u64 = 4 << 10;

/// Address of clamd: `tcp://host:port` (3310 if no port is given) or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClamdAddress {
    /// Host and port. clamd has no authentication: keep its network private.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for ClamdAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not an address of clamd: write tcp://host:port or unix:/path");
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(form()) };
        }
        let authority = text.strip_prefix("tcp://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let authority = authority.filter(|rest| !rest.contains(['/', '@', '?', '#', ' '])).ok_or_else(form)?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| form())?),
            _ => (authority, DEFAULT_CLAMD_PORT),
        };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || port == 0 || (host.contains(':') && !bracketed) {
            return Err(form());
        }
        Ok(Self::Tcp(format!("{host}:{port}")))
    }
}

impl fmt::Display for ClamdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => write!(f, "tcp://{place}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Limits of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// Time limit for the connection to clamd.
    pub connect: Duration,
    /// Time limit for reading a chunk from the store, and for writing a chunk to clamd. Not applied while clamd scans:
    /// clamd may then be silent for minutes.
    pub idle: Duration,
    /// Time limit of the whole scan.
    pub total: Duration,
    /// Largest file in bytes that is sent: clamd's `StreamMaxLength`. clamd itself cannot scan files of 2 GiB or more.
    pub max_file_bytes: u64,
}

impl Default for ScanLimits {
    /// `max_file_bytes` is the default of Debian's clamd.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), idle: seconds(30), total: seconds(600), max_file_bytes: 25 << 20 }
    }
}

/// Result of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanOutcome {
    /// clamd scanned every byte and found nothing.
    Clean {
        /// Versions of clamd and of its signatures, as reported before the scan began.
        engine: String,
    },
    /// clamd found a known signature.
    Infected {
        /// Same as in `Clean`.
        engine: String,
        /// Name of the signature.
        signature: String,
    },
    /// The file was not scanned, or not completely: neither clean nor infected, and a retry gives the same result.
    Incomplete {
        /// The reason.
        why: IncompleteScanReason,
    },
}

/// Reasons why a file was not scanned completely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncompleteScanReason {
    /// The file is larger than [`ScanLimits::max_file_bytes`], and was not sent.
    #[error("it is longer than the {0} bytes that are sent to the scanner")]
    TooLong(u64),
    /// The file is larger than clamd's `StreamMaxLength`, which is below [`ScanLimits::max_file_bytes`].
    #[error("it is longer than the scanner accepts")]
    RefusedAsTooLong,
    /// The file holds more, larger or deeper nested files than clamd scans; clamd's name for that limit.
    #[error("the scanner did not look into all of it ({0})")]
    Limits(String),
    /// The file or part of it is encrypted; clamd's name for that, or the kind of archive.
    #[error("it is encrypted ({0})")]
    Encrypted(String),
    /// The file unpacks to this many bytes, more than the scanner is known to scan.
    #[error("it unpacks to {0} bytes, which is more than the scanner looks into")]
    Unpacked(u64),
    /// The scanner does not report this property, and the file's bytes do not show it.
    #[error("the scanner does not report {0}")]
    Unreported(&'static str),
}

/// Errors without a verdict; a retry may succeed. Texts are for logs.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// clamd cannot be reached, or closed the connection.
    #[error("clamd does not answer")]
    Connection(#[from] std::io::Error),
    /// A time limit passed.
    #[error("{0}")]
    TimedOut(&'static str),
    /// The file could not be read completely from the object store.
    #[error("the file cannot be read")]
    Store(#[from] BlobError),
    /// The number of bytes read differs from the expected size.
    #[error("the file has {sent} bytes and not {size}")]
    LengthMismatch {
        /// Bytes read.
        sent: u64,
        /// Expected size in bytes.
        size: u64,
    },
    /// An answer without a verdict: clamd is out of memory or disk space, or the server is no clamd. The text is
    /// truncated.
    #[error("clamd gives no verdict: {0}")]
    UnexpectedAnswer(String),
}

/// A client of clamd.
#[derive(Clone, Debug)]
pub struct ClamdClient {
    /// Address of clamd.
    pub address: ClamdAddress,
    /// Limits of each scan.
    pub limits: ScanLimits,
}

trait ClamdStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ClamdStream for T {}

impl ClamdClient {
    /// Size in bytes of the largest file that is sent.
    #[must_use]
    pub fn max_file_bytes(&self) -> u64 {
        self.limits.max_file_bytes.min(MAX_CLAMD_FILE_BYTES)
    }

    /// Scans a file of `size` bytes. Empty files are sent as well: clamd decides.
    pub async fn scan(&self, size: u64, bytes: ByteStream) -> Result<ScanOutcome, ScanError> {
        let largest = self.max_file_bytes();
        if size > largest {
            return Ok(ScanOutcome::Incomplete { why: IncompleteScanReason::TooLong(largest) });
        }
        let scanned = timeout(self.limits.total, self.send_and_judge(size, bytes)).await;
        scanned.unwrap_or(Err(ScanError::TimedOut("the scan took too long")))
    }

    /// Version of clamd and of its signatures: `ClamAV 1.4.6/27812/Sat Nov 21 08:12:00 2026`.
    pub async fn fetch_version(&self) -> Result<String, ScanError> {
        let asked = async {
            let mut connection = self.connect().await?;
            connection.write_all(b"zVERSION\0").await?;
            read_answer(&mut connection).await
        };
        let version = timeout(self.limits.idle, asked).await.unwrap_or(Err(ScanError::TimedOut("clamd is silent")))?;
        if version.starts_with("ClamAV ") { Ok(version) } else { Err(ScanError::UnexpectedAnswer(version)) }
    }

    async fn connect(&self) -> Result<Box<dyn ClamdStream>, ScanError> {
        let connected = async {
            Ok(match &self.address {
                ClamdAddress::Tcp(place) => {
                    let stream = TcpStream::connect(place).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream) as Box<dyn ClamdStream>
                }
                ClamdAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
            })
        };
        timeout(self.limits.connect, connected).await.unwrap_or(Err(ScanError::TimedOut("clamd cannot be reached")))
    }

    async fn send_and_judge(&self, size: u64, bytes: ByteStream) -> Result<ScanOutcome, ScanError> {
        // The signatures may be newer by the time of the verdict, never older. Also detects a clamd that hangs.
        let engine = self.fetch_version().await?;
        let (mut reader, writer) = tokio::io::split(self.connect().await?);
        let (sending, answering) = (self.send_chunks(bytes, writer), read_answer(&mut reader));
        tokio::pin!(sending, answering);
        // Sending is polled first: an answer that is seen before sending ends has come too early.
        let sent = tokio::select! {
            biased;
            sent = &mut sending => sent,
            early = &mut answering => return interpret_early_answer(&early?),
        };
        match sent {
            Ok(sent) if sent == size => interpret_answer(&answering.await?, engine),
            Ok(sent) => Err(ScanError::LengthMismatch { sent, size }),
            // clamd sends the reason before it closes the connection.
            Err(ScanError::Connection(broken)) => match timeout(self.limits.idle, answering).await {
                Ok(Ok(why)) => interpret_early_answer(&why),
                Ok(Err(_)) | Err(_) => Err(broken.into()),
            },
            Err(error) => Err(error),
        }
    }

    /// Sends the whole stream. Returns the number of bytes.
    async fn send_chunks(&self, mut bytes: ByteStream, mut to: impl AsyncWrite + Unpin) -> Result<u64, ScanError> {
        let mut sent = 0;
        self.write_with_timeout(&mut to, Bytes::from_static(b"zINSTREAM\0")).await?;
        loop {
            let next = timeout(self.limits.idle, bytes.next()).await;
            let next = next.map_err(|_| ScanError::TimedOut("the store is silent"))?;
            let Some(mut chunk) = next.transpose()? else { break };
            sent += chunk.len() as u64;
            // Empty chunks are skipped: a length of zero would end the stream.
            while !chunk.is_empty() {
                let piece = chunk.split_to(chunk.len().min(MAX_CHUNK_BYTES));
                let length = u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes();
                self.write_with_timeout(&mut to, Bytes::copy_from_slice(&length).chain(piece)).await?;
            }
        }
        self.write_with_timeout(&mut to, Bytes::from_static(&[0; 4])).await?;
        Ok(sent)
    }

    async fn write_with_timeout(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        mut bytes: impl bytes::Buf,
    ) -> Result<(), ScanError> {
        let written = timeout(self.limits.idle, to.write_all_buf(&mut bytes)).await;
        Ok(written.map_err(|_| ScanError::TimedOut("clamd takes no more bytes"))??)
    }
}

/// Reads the answer to a `z` command, up to the zero byte that ends it. An answer without a zero byte is incomplete and
/// an error. The end of the connection is not awaited: clamd resets it if it has not read everything.
async fn read_answer(from: &mut (impl AsyncRead + Unpin)) -> Result<String, ScanError> {
    let mut text = Vec::new();
    BufReader::new(from.take(MAX_REPLY_BYTES)).read_until(0, &mut text).await?;
    match text.split_last() {
        Some((0, line)) => Ok(printable_line(line)),
        _ => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}

/// Converts an answer to text for logs and rows: no control characters, at most 512 characters.
fn printable_line(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(512).collect()
}

const STREAM_TOO_LONG_ANSWER: &str = "INSTREAM size limit exceeded. ERROR";

/// Interprets an answer that came before clamd had received everything: never a verdict, whatever its text.
fn interpret_early_answer(said: &str) -> Result<ScanOutcome, ScanError> {
    match said {
        STREAM_TOO_LONG_ANSWER => Ok(ScanOutcome::Incomplete { why: IncompleteScanReason::RefusedAsTooLong }),
        other => Err(ScanError::UnexpectedAnswer(other.to_owned())),
    }
}

/// Interprets the answer to a stream that clamd received completely.
fn interpret_answer(said: &str, engine: String) -> Result<ScanOutcome, ScanError> {
    if said == "stream: OK" {
        return Ok(ScanOutcome::Clean { engine });
    }
    let Some(signature) = said.strip_prefix("stream: ").and_then(|rest| rest.strip_suffix(" FOUND")) else {
        return interpret_early_answer(said);
    };
    let signature = signature.to_owned();
    Ok(if signature.starts_with("Heuristics.Limits.Exceeded") {
        ScanOutcome::Incomplete { why: IncompleteScanReason::Limits(signature) }
    } else if signature.starts_with("Heuristics.Encrypted.") {
        ScanOutcome::Incomplete { why: IncompleteScanReason::Encrypted(signature) }
    } else {
        ScanOutcome::Infected { engine, signature }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, place) in [
            ("tcp://clamd:3311", "tcp://clamd:3311"),
            ("tcp://clamd", "tcp://clamd:3310"),
            ("tcp://[::1]:7/", "tcp://[::1]:7"),
            ("tcp://[::1]", "tcp://[::1]:3310"),
            ("unix:/run/clamd.sock", "unix:/run/clamd.sock"),
            ("unix:///run/clamd.sock", "unix:/run/clamd.sock"),
        ] {
            assert_eq!(text.parse::<ClamdAddress>().unwrap().to_string(), place);
        }
        let bad = ["", "clamd:3310", "tcp://", "tcp://:3310", "tcp://a:b", "tcp://a:0", "tcp://a:70000", "tcp://::1"];
        for text in bad.into_iter().chain(["tcp://u@h:1", "tcp://h/x", "unix:", "unix:run/x", "http://h", "tcp://a b"])
        {
            let complaint = text.parse::<ClamdAddress>().unwrap_err();
            assert!(complaint.contains("tcp://host:port"), "{text}: {complaint}");
        }
    }

    #[test]
    fn only_one_answer_is_clean() {
        let judge = |said: &str| interpret_answer(said, "ClamAV 1".to_owned());
        assert!(matches!(judge("stream: OK"), Ok(ScanOutcome::Clean { .. })));
        let infected = judge("stream: Win.Test-1 FOUND").unwrap();
        assert!(matches!(infected, ScanOutcome::Infected { signature, .. } if signature == "Win.Test-1"));
        for (said, means) in [
            (
                "Heuristics.Limits.Exceeded.MaxFileSize",
                IncompleteScanReason::Limits as fn(String) -> IncompleteScanReason,
            ),
            ("Heuristics.Limits.Exceeded", IncompleteScanReason::Limits),
            ("Heuristics.Encrypted.PDF", IncompleteScanReason::Encrypted),
        ] {
            let scan = judge(&format!("stream: {said} FOUND")).unwrap();
            assert_eq!(scan, ScanOutcome::Incomplete { why: means(said.to_owned()) });
        }
        assert!(matches!(
            judge(STREAM_TOO_LONG_ANSWER),
            Ok(ScanOutcome::Incomplete { why: IncompleteScanReason::RefusedAsTooLong })
        ));
        let none = ["", "OK", "stream: ok", "stream: OK ", " stream: OK", "stream: OK\nstream: OK", "1: stream: OK"];
        for said in none.into_iter().chain(["stream: Can't allocate memory ERROR", "UNKNOWN COMMAND", "fd[9]: OK"]) {
            assert!(matches!(judge(said), Err(ScanError::UnexpectedAnswer(_))), "{said}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_is_none() {
        assert_eq!(read_answer(&mut &b"stream: OK\0"[..]).await.unwrap(), "stream: OK");
        for cut in [&b""[..], b"stream: OK", b"stream: OK\n"] {
            assert!(matches!(read_answer(&mut { cut }).await, Err(ScanError::Connection(_))));
        }
        let endless = vec![b'a'; 1 << 20];
        assert!(read_answer(&mut endless.as_slice()).await.is_err());
        assert_eq!(printable_line(b"a\x1b[31m\n\xff"), "a\u{fffd}[31m\u{fffd}\u{fffd}");
    }
}
