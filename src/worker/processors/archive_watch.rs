//! Facts that archives state about themselves: encryption, and the unpacked size. They are read while the bytes stream
//! to the scanner. Nothing is unpacked, and only a few kilobytes are kept.
//!
//! Entry headers are recognised at any position, so that archives within stored archives, and archives appended to
//! programs, are found as well. Sources: PKWARE APPNOTE 6.3.10 §4.3.7, §4.3.12 and §4.4.4; RAR 5.0 archive format;
//! unrar's technote for RAR 4; 7-Zip's `7zFormat.txt`; MS-OFFCRYPTO §2.3; RFC 1952 §2.3.1.

use memchr::memmem;

/// Bytes after a position that are needed to inspect it.
const WINDOW_BYTES: usize = 64;
/// Bytes of the file's beginning that are kept.
const START_BYTES: usize = 4 << 10;
/// Maximum number of RAR blocks that are inspected.
const MAX_RAR_BLOCKS: usize = 16;
/// Longest plausible entry name, in bytes; a header with a longer name is taken for chance.
const MAX_NAME_BYTES: u16 = 4096;

/// Facts about an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ArchiveFacts {
    /// The kind of archive that is encrypted or holds encrypted entries.
    pub(super) encrypted: Option<&'static str>,
    /// True if the list of entries is compressed, so that encryption of the entries cannot be seen.
    pub(super) is_opaque: bool,
    /// Unpacked size in bytes, as stated by the archive.
    pub(super) unpacked: u64,
}

/// Inspects a file's bytes, fed in order.
#[derive(Debug, Default)]
pub(super) struct ArchiveWatch {
    start: Vec<u8>,
    /// Bytes not inspected yet; `offset` is their position in the file.
    pending: Vec<u8>,
    offset: u64,
    facts: ArchiveFacts,
}

impl ArchiveWatch {
    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let missing = START_BYTES.saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(&bytes[..missing]);
        self.pending.extend_from_slice(bytes);
        let judged = self.pending.len().saturating_sub(WINDOW_BYTES);
        self.inspect_pending(judged);
    }

    /// Inspects the rest, and returns the facts about the whole file.
    pub(super) fn finish(mut self) -> ArchiveFacts {
        let gzip = self.start.starts_with(&[0x1f, 0x8b]).then(|| self.pending.last_chunk::<4>().copied()).flatten();
        if let Some(size) = gzip {
            self.facts.unpacked = self.facts.unpacked.max(u64::from(u32::from_le_bytes(size)));
        }
        let judged = self.pending.len();
        self.pending.resize(judged + WINDOW_BYTES, 0);
        self.inspect_pending(judged);
        if is_encrypted_rar(&self.start) {
            self.facts.encrypted = Some("RAR");
        }
        self.facts
    }

    /// Inspects structures that begin in the first `count` pending bytes, and drops these bytes.
    fn inspect_pending(&mut self, count: usize) {
        let Self { start, pending, offset, facts } = self;
        for at in memmem::find_iter(pending, b"PK").take_while(|at| *at < count) {
            if let Some(header) = pending.get(at..at + WINDOW_BYTES.min(pending.len() - at)) {
                inspect_zip_header(header, facts);
            }
        }
        let holds = |needle: &[u8]| memmem::find(pending, needle).is_some_and(|at| at < count);
        if start.starts_with(b"7z\xbc\xaf\x27\x1c") {
            // Coder with a 4-byte id and properties: AES-256 with SHA-256.
            if holds(b"\x24\x06\xf1\x07\x01") {
                facts.encrypted = Some("7z");
            }
            let list =
                start.get(12..20).and_then(|at| Some(u64::from_le_bytes(at.try_into().ok()?).saturating_add(32)));
            let list = list.and_then(|list| usize::try_from(list.checked_sub(*offset)?).ok()).filter(|at| *at < count);
            facts.is_opaque |= list.is_some_and(|at| pending[at] == 0x17);
        }
        let is_compound = start.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
        if is_compound && holds(b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0") {
            facts.encrypted = Some("Office");
        }
        pending.drain(..count);
        *offset += count as u64;
    }
}

/// Adds the facts of a ZIP entry header, if `bytes` begins with such a header.
fn inspect_zip_header(bytes: &[u8], facts: &mut ArchiveFacts) {
    let half = |at: usize| bytes.get(at..at + 2).map_or(0, |it| u16::from_le_bytes([it[0], it[1]]));
    let word = |at: usize| u64::from(half(at)) | u64::from(half(at + 2)) << 16;
    // Local and central headers hold the same fields at different offsets.
    let (fields, name) = match bytes {
        [b'P', b'K', 3, 4, ..] => (4, 26),
        [b'P', b'K', 1, 2, ..] => (6, 28),
        _ => return,
    };
    let (version, flags, method) = (half(fields) & 0xff, half(fields + 2), half(fields + 4));
    let is_known = matches!(method, 0..=6 | 8..=10 | 12 | 14 | 16 | 18..=20 | 93..=99);
    if version > 63 || !is_known || half(name) == 0 || half(name) > MAX_NAME_BYTES {
        return;
    }
    // Bit 0: the entry is encrypted. Bit 13: the list of entries is encrypted.
    if flags & 0x2001 != 0 || method == 99 {
        facts.encrypted = Some("ZIP");
    }
    if fields == 6 {
        facts.unpacked = facts.unpacked.saturating_add(word(24));
    }
}

fn is_encrypted_rar(start: &[u8]) -> bool {
    if let Some(blocks) = start.strip_prefix(b"Rar!\x1a\x07\x01\0") {
        return is_encrypted_rar5(blocks).unwrap_or(false);
    }
    start.strip_prefix(b"Rar!\x1a\x07\0").is_some_and(|blocks| is_encrypted_rar4(blocks).unwrap_or(false))
}

/// RAR 4: a flag of the main header marks encrypted headers, a flag of a file header an encrypted file.
fn is_encrypted_rar4(mut blocks: &[u8]) -> Option<bool> {
    for _ in 0..MAX_RAR_BLOCKS {
        let (kind, flags) = (*blocks.get(2)?, u16::from_le_bytes([*blocks.get(3)?, *blocks.get(4)?]));
        let size = usize::from(u16::from_le_bytes([*blocks.get(5)?, *blocks.get(6)?]));
        match kind {
            0x73 if flags & 0x80 != 0 => return Some(true),
            0x74 => return Some(flags & 4 != 0),
            _ => blocks = blocks.get(size.max(7)..)?,
        }
    }
    None
}

/// RAR 5: a separate block marks encrypted headers, a record of a file header an encrypted file.
fn is_encrypted_rar5(mut blocks: &[u8]) -> Option<bool> {
    for _ in 0..MAX_RAR_BLOCKS {
        let rest = blocks.get(4..)?;
        let (size, rest) = parse_varint(rest)?;
        let (header, next) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        let (kind, fields) = parse_varint(header)?;
        let (flags, fields) = parse_varint(fields)?;
        let (extra, _) = if flags & 1 == 0 { (0, fields) } else { parse_varint(fields)? };
        match kind {
            4 => return Some(true),
            2 => {
                let from = header.len().checked_sub(usize::try_from(extra).ok()?)?;
                let mut records = &header[from..];
                while let Some((size, rest)) = parse_varint(records) {
                    let (record, others) = rest.split_at_checked(usize::try_from(size).ok()?)?;
                    if parse_varint(record)?.0 == 1 {
                        return Some(true);
                    }
                    records = others;
                }
                return Some(false);
            }
            _ => blocks = next,
        }
    }
    None
}

/// Parses a variable-length integer with seven bits per byte; returns it and the rest.
fn parse_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn watched(bytes: &[u8]) -> ArchiveFacts {
        let mut watch = ArchiveWatch::default();
        bytes.chunks(37).for_each(|chunk| watch.feed(chunk));
        let mut at_once = ArchiveWatch::default();
        at_once.feed(bytes);
        let facts = watch.finish();
        assert_eq!(facts, at_once.finish(), "it does not matter in which pieces the bytes come");
        facts
    }

    /// What a command makes of the file `a`, a text of 3000 bytes.
    fn made(command: &str, name: &str) -> Vec<u8> {
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("a"), "text\n".repeat(600)).unwrap();
        let done = Command::new("sh").args(["-ec", command]).current_dir(dir.path()).output().unwrap();
        assert!(done.status.success(), "{command}\n{}", String::from_utf8_lossy(&done.stderr));
        std::fs::read(dir.path().join(name)).unwrap()
    }

    #[test]
    fn encrypted_archives_are_seen_wherever_they_stand() {
        for (command, name, kind) in [
            ("zip -q -P x a.zip a", "a.zip", "ZIP"),
            ("7z a -bd -tzip -mem=AES256 -px a.zip a", "a.zip", "ZIP"),
            ("zip -q -P x in.zip a && zip -q -0 a.zip in.zip", "a.zip", "ZIP"),
            ("zip -q -P x in.zip a && head -c 9999 /dev/zero | cat - in.zip > a.exe", "a.exe", "ZIP"),
            ("7z a -bd -px a.7z a", "a.7z", "7z"),
            ("7z a -bd -px -mhe=on a.7z a", "a.7z", "7z"),
        ] {
            assert_eq!(watched(&made(command, name)).encrypted, Some(kind), "{command}");
        }
        let office =
            [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 600], b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"];
        assert_eq!(watched(&office.concat()).encrypted, Some("Office"));
    }

    #[test]
    fn plain_archives_are_not_accused_and_say_what_they_hold() {
        for (command, name, unpacked) in [
            ("zip -q a.zip a", "a.zip", 3000),
            ("7z a -bd a.7z a", "a.7z", 0),
            ("gzip -kc a > a.gz", "a.gz", 3000),
            ("head -c 30000000 /dev/zero > z && zip -q a.zip z a", "a.zip", 30_003_000),
            ("cp a b", "b", 0),
        ] {
            let facts = watched(&made(command, name));
            assert_eq!((facts.encrypted, facts.unpacked), (None, unpacked), "{command}");
        }
        let several = made("for i in $(seq 99); do cp a $i; done; 7z a -bd a.7z [0-9]*", "a.7z");
        assert!(watched(&several).is_opaque && watched(&several).encrypted.is_none());
    }

    #[test]
    fn encrypted_rar_archives_are_seen_in_both_formats() {
        let rar5 = |blocks: &[u8]| [b"Rar!\x1a\x07\x01\0", blocks].concat();
        // A main header of three fields, then a block of the encryption, or a file with a record of extra data.
        let main = [0, 0, 0, 0, 3, 1, 0, 0];
        assert_eq!(watched(&rar5(&[&main[..], &[0, 0, 0, 0, 3, 4, 0, 0]].concat())).encrypted, Some("RAR"));
        let file = |record: u8| [&main[..], &[0, 0, 0, 0, 7, 2, 1, 3, 0, 2, record, 0]].concat();
        assert_eq!(watched(&rar5(&file(1))).encrypted, Some("RAR"));
        assert_eq!(watched(&rar5(&file(3))).encrypted, None);
        let rar4 = |main: u8, file: u8| {
            let blocks = [0, 0, 0x73, main, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x74, file, 0x80, 32, 0];
            [&b"Rar!\x1a\x07\0"[..], &blocks].concat()
        };
        assert_eq!(watched(&rar4(0x80, 0)).encrypted, Some("RAR"));
        assert_eq!(watched(&rar4(0, 4)).encrypted, Some("RAR"));
        assert_eq!(watched(&rar4(0, 0)).encrypted, None);
    }
}
