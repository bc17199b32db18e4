//! What a clamd's settings have it report, found out by scanning made-up files.
//!
//! clamd as Debian ships it calls a file clean that it did not look into: `AlertEncrypted` and `AlertExceedsMax` are off,
//! and no command of its protocol tells. So three small files are scanned of which the answer is known: an archive
//! that is encrypted, one that is nested deeper than any setting allows, and, where that is not reported, EICAR's test
//! file in an archive as large as files may be.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::clamd::{ClamdClient, IncompleteScanReason, ScanError, ScanOutcome};
use crate::blob::ByteStream;

/// Archives within archives of the probe: clamd's `MaxRecursion` is at most 100.
const PROBE_ARCHIVE_DEPTH: usize = 120;
/// Bytes of one piece of padding.
const PADDING_BYTES: usize = 64 << 10;
/// Sizes that are tried, each half as large as the one before.
const MAX_PROBED_SIZES: usize = 12;

/// What clamd reports, and how far it looks where it does not report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannerSettings {
    /// It says when something is encrypted (`AlertEncrypted`).
    pub reports_encryption: bool,
    /// It says when it did not look into all of a file (`AlertExceedsMax`).
    pub reports_limits: bool,
    /// Bytes up to which it looks into files at all; all that it may be sent, unless the probe has shown less.
    pub max_scanned_bytes: u64,
}

impl ScannerSettings {
    /// Says in the log what an operator should change.
    pub(super) fn log_warnings(&self, sent: u64) {
        if !self.reports_encryption {
            tracing::warn!(
                "clamd does not report encrypted files and calls them clean: set AlertEncrypted yes in clamd.conf. \
                 Until then, encrypted archives within packed archives are not noticed"
            );
        }
        if !self.reports_limits {
            tracing::warn!(
                "clamd does not report files that it did not scan whole and calls them clean: set AlertExceedsMax yes in \
                 clamd.conf. Until then, what unpacks to more than processing.scan_up_to counts as not scanned"
            );
        }
        if self.max_scanned_bytes < sent {
            tracing::warn!(
                largest = self.max_scanned_bytes,
                "clamd does not look into files as large as processing.scan_up_to: raise MaxFileSize and MaxScanSize in \
                 clamd.conf, or lower processing.scan_up_to. Larger files count as not scanned"
            );
        }
    }
}

/// Asks clamd by scanning. Takes less than a second, and longer only where limits are not reported.
pub(super) async fn probe_clamd(scanner: &ClamdClient) -> Result<ScannerSettings, ScanError> {
    let encrypted = scan_bytes(scanner, zip_archive("a", &[0; 13], true)).await?;
    let mut nested = b"text".to_vec();
    for _ in 0..PROBE_ARCHIVE_DEPTH {
        nested = zip_archive("a.zip", &nested, false);
    }
    let nested = scan_bytes(scanner, nested).await?;
    let reports_limits = matches!(nested, ScanOutcome::Incomplete { why: IncompleteScanReason::Limits(_) });
    Ok(ScannerSettings {
        reports_encryption: matches!(encrypted, ScanOutcome::Incomplete { why: IncompleteScanReason::Encrypted(_) }),
        reports_limits,
        max_scanned_bytes: if reports_limits {
            scanner.max_file_bytes()
        } else {
            find_max_scanned_bytes(scanner).await?
        },
    })
}

async fn scan_bytes(scanner: &ClamdClient, bytes: Vec<u8>) -> Result<ScanOutcome, ScanError> {
    scanner.scan(bytes.len() as u64, stream::iter([Ok(Bytes::from(bytes))]).boxed()).await
}

/// The largest of some sizes in which EICAR's test file is found. A clamd that does not know it cannot be asked.
async fn find_max_scanned_bytes(scanner: &ClamdClient) -> Result<u64, ScanError> {
    let all = scanner.max_file_bytes();
    if !matches!(scan_bytes(scanner, eicar_test_file()).await?, ScanOutcome::Infected { .. }) {
        return Ok(all);
    }
    let smallest = zip_archive("e.com", &eicar_test_file(), false).len() as u64;
    let mut size = all;
    for _ in 0..MAX_PROBED_SIZES {
        // A limit of just this size leaves no room for what the archive holds.
        for size in [size, size - size / 64] {
            if size < smallest
                || matches!(scanner.scan(size, padded_archive(size)).await?, ScanOutcome::Infected { .. })
            {
                return Ok(size);
            }
        }
        size /= 2;
    }
    Ok(size)
}

/// EICAR's test file, which no scanner shall find in this program.
fn eicar_test_file() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// An archive with EICAR's test file that has so many bytes: what is missing stands between the entry and the list.
fn padded_archive(size: u64) -> ByteStream {
    let archive = zip_archive("e.com", &eicar_test_file(), false);
    let list = archive.len() - END_RECORD_BYTES - CENTRAL_HEADER_BYTES - "e.com".len();
    let (first, last) = (Bytes::copy_from_slice(&archive[..list]), archive[list..].to_vec());
    let padding = size.saturating_sub(archive.len() as u64);
    let mut last = last;
    let at = last.len() - 6;
    let offset = u32::try_from(list as u64 + padding).unwrap_or(u32::MAX);
    last[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    let pieces = padding.div_ceil(PADDING_BYTES as u64);
    let piece = move |number: u64| {
        let left = padding - number * PADDING_BYTES as u64;
        Ok(Bytes::from(vec![0; usize::try_from(left).map_or(PADDING_BYTES, |left| left.min(PADDING_BYTES))]))
    };
    let padding = stream::iter((0..pieces).map(piece));
    stream::iter([Ok(first)]).chain(padding).chain(stream::iter([Ok(Bytes::from(last))])).boxed()
}

/// Bytes of a central header without its name, and of the end of the list (PKWARE APPNOTE §4.3.12, §4.3.16).
const CENTRAL_HEADER_BYTES: usize = 46;
const END_RECORD_BYTES: usize = 22;

/// A ZIP archive of one entry that is stored (PKWARE APPNOTE §4.3).
fn zip_archive(name: &str, bytes: &[u8], is_encrypted: bool) -> Vec<u8> {
    let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc);
    crc.update(bytes);
    let crc = u32::try_from(crc.finalize()).unwrap_or_default();
    let (size, name_size) = (u32::try_from(bytes.len()).unwrap_or(u32::MAX), u16::try_from(name.len()).unwrap_or(1));
    // Version, flags, stored, a time and a date.
    let mut fields = vec![20, 0, u8::from(is_encrypted), 0, 0, 0, 0, 0, 0x21, 0];
    fields.extend([crc, size, size].into_iter().flat_map(u32::to_le_bytes));
    fields.extend(name_size.to_le_bytes());
    fields.extend([0, 0]);
    let mut archive = [&b"PK\x03\x04"[..], fields.as_slice(), name.as_bytes(), bytes].concat();
    let (offset, list_size) = (u32::try_from(archive.len()).unwrap_or(u32::MAX), CENTRAL_HEADER_BYTES + name.len());
    archive.extend([&b"PK\x01\x02\x14\0"[..], fields.as_slice(), &[0; 14], name.as_bytes()].concat());
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend(u32::try_from(list_size).unwrap_or(u32::MAX).to_le_bytes());
    archive.extend(offset.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;

    fn opened(archive: &[u8]) -> Vec<u8> {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("a.zip"), archive).unwrap();
        let done = std::process::Command::new("unzip").args(["-p", "a.zip"]).current_dir(dir.path()).output().unwrap();
        done.stdout
    }

    #[tokio::test]
    async fn made_up_archives_are_archives() {
        assert_eq!(opened(&zip_archive("a", b"text", false)), b"text");
        assert_eq!(opened(&zip_archive("a", &[0; 13], true)), b"");
        for size in [1000, 200_000] {
            let archive: Vec<Bytes> = padded_archive(size).try_collect().await.unwrap();
            let archive = archive.concat();
            assert_eq!((archive.len() as u64, opened(&archive)), (size, eicar_test_file()));
        }
    }
}
