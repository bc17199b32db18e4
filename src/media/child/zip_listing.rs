//! Listing of a ZIP archive, from its central directory alone: nothing is extracted.
//!
//! The `zip` crate is not used: it reads the local header of each entry, and these are spread over the file, while of a
//! large file only the ends are present. PKWARE APPNOTE 6.3.10, §4.3.12 to §4.3.16.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;

use serde_json::{Value, json};

use crate::media::damaged_problem;
use crate::media::protocol::{ChildFindings, ChildResponse};

/// Largest plausible ratio of unpacked to packed size; a higher ratio suggests an archive bomb.
const MAX_UNPACK_RATIO: u64 = 1000;
/// Unpacked size in bytes up to which no ratio is dangerous.
const MIN_SUSPICIOUS_BYTES: u64 = 64 << 20;
/// Largest size of the end record and the archive comment, in bytes.
const MAX_END_RECORD_BYTES: u64 = 65_535 + 22;

/// Lists an archive, at most `most` entries of it by name.
pub(super) fn list_archive(file: &Path, most: usize) -> ChildResponse {
    let mut found = ChildFindings::default();
    found.set_detail("kind", "archive");
    let mut input = match File::open(file) {
        Ok(file) => BufReader::new(file),
        Err(error) => return ChildResponse::Unable(error.to_string()),
    };
    let mut list = ZipListing { max_named: most, ..ZipListing::default() };
    let read = read_directory(&mut input).and_then(|directory| list.read_entries(&mut input, &directory));
    if read.is_err() {
        found.problems.push(damaged_problem("archive"));
    }
    if read.is_ok() || list.count > 0 {
        list.add_details(&mut found);
    }
    ChildResponse::Found(found)
}

/// Position, size and entry count of the central directory.
struct ZipDirectory {
    offset: u64,
    size: u64,
    entries: u64,
}

fn invalid_data<T>() -> Result<T> {
    Err(Error::from(ErrorKind::InvalidData))
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 2).map_or(0, |it| u64::from(it[0]) | u64::from(it[1]) << 8)
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}

fn read_directory(input: &mut BufReader<File>) -> Result<ZipDirectory> {
    let size = input.seek(SeekFrom::End(0))?;
    let from = size.saturating_sub(MAX_END_RECORD_BYTES);
    input.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    input.take(MAX_END_RECORD_BYTES).read_to_end(&mut tail)?;
    let Some(at) = tail.windows(4).rposition(|window| window == b"PK\x05\x06") else { return invalid_data() };
    let end = &tail[at..];
    if end.len() < 22 {
        return invalid_data();
    }
    let found = ZipDirectory { offset: u32_at(end, 16), size: u32_at(end, 12), entries: u16_at(end, 10) };
    // The locator of the ZIP64 end record may precede the end record.
    let large = at.checked_sub(20).map(|at| &tail[at..]).filter(|locator| locator.starts_with(b"PK\x06\x07"));
    let Some(locator) = large else {
        // Data before the archive, as in self-extracting archives, shifts all offsets.
        let shift = (from + at as u64).checked_sub(found.offset.saturating_add(found.size));
        return shift.map_or_else(invalid_data, |shift| Ok(ZipDirectory { offset: found.offset + shift, ..found }));
    };
    input.seek(SeekFrom::Start(u64_at(locator, 8)))?;
    let mut end = [0; 56];
    input.read_exact(&mut end)?;
    if !end.starts_with(b"PK\x06\x06") {
        return invalid_data();
    }
    Ok(ZipDirectory { offset: u64_at(&end, 48), size: u64_at(&end, 40), entries: u64_at(&end, 32) })
}

/// Totals and names of the entries.
#[derive(Default)]
struct ZipListing {
    max_named: usize,
    count: u64,
    packed: u64,
    unpacked: u64,
    encrypted: bool,
    named_entries: Vec<Value>,
}

impl ZipListing {
    fn read_entries(&mut self, input: &mut BufReader<File>, directory: &ZipDirectory) -> Result<()> {
        input.seek(SeekFrom::Start(directory.offset))?;
        let mut input = input.take(directory.size);
        while self.count < directory.entries {
            let mut fixed = [0; 46];
            input.read_exact(&mut fixed)?;
            if !fixed.starts_with(b"PK\x01\x02") {
                return invalid_data();
            }
            let mut name = vec![0; usize::try_from(u16_at(&fixed, 28)).unwrap_or_default()];
            input.read_exact(&mut name)?;
            let mut extra = vec![0; usize::try_from(u16_at(&fixed, 30)).unwrap_or_default()];
            input.read_exact(&mut extra)?;
            let comment = u16_at(&fixed, 32);
            if std::io::copy(&mut input.by_ref().take(comment), &mut std::io::sink())? < comment {
                return invalid_data();
            }
            self.add_entry(&fixed, &name, &extra);
        }
        Ok(())
    }

    fn add_entry(&mut self, fixed: &[u8; 46], name: &[u8], extra: &[u8]) {
        let (packed, unpacked) = entry_sizes(fixed, extra);
        self.count += 1;
        self.packed = self.packed.saturating_add(packed);
        self.unpacked = self.unpacked.saturating_add(unpacked);
        self.encrypted |= u16_at(fixed, 8) & 1 == 1;
        if self.named_entries.len() < self.max_named {
            self.named_entries.push(json!({ "name": printable_name(name), "size": unpacked }));
        }
    }

    fn add_details(self, found: &mut ChildFindings) {
        if self.unpacked > MIN_SUSPICIOUS_BYTES && self.unpacked / MAX_UNPACK_RATIO > self.packed {
            let sentence = "The archive's contents are more than a thousand times larger than the archive.";
            found.add_problem("archive_ratio", sentence);
        }
        found.set_detail("truncated", self.count > self.named_entries.len() as u64);
        found.set_detail("encrypted", self.encrypted);
        found.set_detail("entries", self.count);
        found.set_detail("uncompressed_size", self.unpacked);
        found.set_detail("listing", self.named_entries);
    }
}

/// Packed and unpacked size. Sizes above 32 bits are in the ZIP64 extra field, unpacked size first.
fn entry_sizes(fixed: &[u8; 46], extra: &[u8]) -> (u64, u64) {
    const ZIP64_SIZE_MARKER: u64 = 0xffff_ffff;
    let (mut packed, mut unpacked) = (u32_at(fixed, 20), u32_at(fixed, 24));
    let mut rest = extra;
    while rest.len() >= 4 {
        let (id, length) = (u16_at(rest, 0), usize::try_from(u16_at(rest, 2)).unwrap_or_default());
        let field = &rest[4..rest.len().min(4 + length)];
        if id == 1 {
            let mut at = 0;
            for size in [&mut unpacked, &mut packed] {
                if *size == ZIP64_SIZE_MARKER {
                    *size = u64_at(field, at);
                    at += 8;
                }
            }
            break;
        }
        rest = &rest[4 + field.len()..];
    }
    (packed, unpacked)
}

/// Name for display only: without control characters and characters that change the text direction.
fn printable_name(name: &[u8]) -> String {
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    String::from_utf8_lossy(name).chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).take(255).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_play_tricks() {
        assert_eq!(printable_name("bill\u{202e}fdp.exe".as_bytes()), "bill\u{fffd}fdp.exe");
        assert_eq!(printable_name(b"a\r\n\x1b[31mb\0"), "a\u{fffd}\u{fffd}\u{fffd}[31mb\u{fffd}");
        assert_eq!(printable_name(&[b'x'; 70_000]).len(), 255);
    }

    #[test]
    fn sizes_beyond_32_bits_are_read_from_the_extra_field() {
        let mut fixed = [0; 46];
        fixed[20..28].fill(0xff);
        let mut extra = vec![9, 9, 2, 0, 0, 0, 1, 0, 16, 0];
        extra.extend(10_u64.pow(10).to_le_bytes());
        extra.extend(77_u64.to_le_bytes());
        assert_eq!(entry_sizes(&fixed, &extra), (77, 10_u64.pow(10)));
        assert_eq!(entry_sizes(&fixed, &extra[..14]), (0, 10_u64.pow(10) & 0xffff_ffff));
    }
}
