//! Finds out clamd's settings by scanning generated files.
//!
//! clamd with Debian's default settings calls a file clean that it did not scan: `AlertEncrypted` and `AlertExceedsMax`
//! are off, and no command of its protocol shows these settings. So the probe scans small files with a known result: an
//! encrypted archive, an archive nested deeper than any setting allows, and, if that is not reported, EICAR's test file
//! in an archive of the maximum file size.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::clamd::{ClamdClient, IncompleteScanReason, ScanError, ScanOutcome};
use crate::blob::ByteStream;

/// Nesting depth of the probe's archive; clamd's `MaxRecursion` is at most 100.
const PROBE_ARCHIVE_DEPTH: usize = 120;
/// Bytes per piece of padding.
const PADDING_BYTES: usize = 64 << 10;
/// Maximum number of sizes to try, each half of the previous size.
const MAX_PROBED_SIZES: usize = 12;

/// Settings of clamd as found by the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannerSettings {
    /// True if clamd reports encrypted content (`AlertEncrypted`).
    pub reports_encryption: bool,
    /// True if clamd reports files that it did not scan completely (`AlertExceedsMax`).
    pub reports_limits: bool,
    /// Size in bytes up to which clamd scans files: the maximum that is sent, unless the probe found less.
    pub max_scanned_bytes: u64,
}

impl ScannerSettings {
    /// Logs the settings that an operator should change.
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

/// Probes clamd. Takes less than a second, longer only if clamd does not report limits.
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

/// Largest tried size at which clamd finds EICAR's test file. A clamd without a signature for that file cannot be
/// probed: then the maximum that is sent.
async fn find_max_scanned_bytes(scanner: &ClamdClient) -> Result<u64, ScanError> {
    let all = scanner.max_file_bytes();
    if !matches!(scan_bytes(scanner, eicar_test_file()).await?, ScanOutcome::Infected { .. }) {
        return Ok(all);
    }
    let smallest = zip_archive("e.com", &eicar_test_file(), false).len() as u64;
    let mut size = all;
    for _ in 0..MAX_PROBED_SIZES {
        // A limit of exactly this size leaves no room for the archive's content.
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

/// EICAR's test file, split so that scanners do not find it in this program.
fn eicar_test_file() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// An archive of `size` bytes that holds EICAR's test file; the padding lies between the entry and the central
/// directory.
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

/// Bytes of a central directory header without its name, and of the end of central directory record (PKWARE APPNOTE
/// §4.3.12, §4.3.16).
const CENTRAL_HEADER_BYTES: usize = 46;
const END_RECORD_BYTES: usize = 22;

/// A ZIP archive with a single stored entry (PKWARE APPNOTE §4.3).
fn zip_archive(name: &str, bytes: &[u8], is_encrypted: bool) -> Vec<u8> {
    let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc);
    crc.update(bytes);
    let crc = u32::try_from(crc.finalize()).unwrap_or_default();
    let (size, name_size) = (u32::try_from(bytes.len()).unwrap_or(u32::MAX), u16::try_from(name.len()).unwrap_or(1));
    // Version, flags, method 0 (stored), time and date.
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
