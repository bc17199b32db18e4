//! The list of a ZIP archive, from its central directory alone: nothing is extracted, nothing kept beyond the list.
//!
//! The `zip` crate reads a local header for each entry, which lie all over the file; of a large one only the ends are
//! here. PKWARE APPNOTE 6.3.10, §4.3.12 to §4.3.16.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;

use serde_json::{Value, json};

use crate::media::damaged;
use crate::media::order::{Answer, Found};

/// Contents that are so many times larger than the archive are no coincidence.
const RATIO: u64 = 1000;
/// Below that, no ratio is a danger to anybody.
const HARMLESS: u64 = 64 << 20;
/// An archive's comment and the end of its directory.
const END: u64 = 65_535 + 22;

/// What the archive says it holds, `most` entries of it by name.
pub(super) fn look(file: &Path, most: usize) -> Answer {
    let mut found = Found::default();
    found.tell("kind", "archive");
    let mut input = match File::open(file) {
        Ok(file) => BufReader::new(file),
        Err(error) => return Answer::Unable(error.to_string()),
    };
    let mut list = List { most, ..List::default() };
    let read = directory(&mut input).and_then(|directory| list.read(&mut input, &directory));
    if read.is_err() {
        found.problems.push(damaged("archive"));
    }
    if read.is_ok() || list.count > 0 {
        list.tell(&mut found);
    }
    Answer::Found(found)
}

/// Where the list of entries lies, and how long it says it is.
struct Directory {
    offset: u64,
    size: u64,
    entries: u64,
}

fn wrong<T>() -> Result<T> {
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

fn directory(input: &mut BufReader<File>) -> Result<Directory> {
    let size = input.seek(SeekFrom::End(0))?;
    let from = size.saturating_sub(END);
    input.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    input.take(END).read_to_end(&mut tail)?;
    let Some(at) = tail.windows(4).rposition(|window| window == b"PK\x05\x06") else { return wrong() };
    let end = &tail[at..];
    if end.len() < 22 {
        return wrong();
    }
    let found = Directory { offset: u32_at(end, 16), size: u32_at(end, 12), entries: u16_at(end, 10) };
    // In front of it, perhaps: where the 64-bit version of the same is.
    let large = at.checked_sub(20).map(|at| &tail[at..]).filter(|locator| locator.starts_with(b"PK\x06\x07"));
    let Some(locator) = large else {
        // What was put in front of an archive, as in one that extracts itself, moves everything.
        let shift = (from + at as u64).checked_sub(found.offset.saturating_add(found.size));
        return shift.map_or_else(wrong, |shift| Ok(Directory { offset: found.offset + shift, ..found }));
    };
    input.seek(SeekFrom::Start(u64_at(locator, 8)))?;
    let mut end = [0; 56];
    input.read_exact(&mut end)?;
    if !end.starts_with(b"PK\x06\x06") {
        return wrong();
    }
    Ok(Directory { offset: u64_at(&end, 48), size: u64_at(&end, 40), entries: u64_at(&end, 32) })
}

/// What is known of the entries.
#[derive(Default)]
struct List {
    most: usize,
    count: u64,
    packed: u64,
    unpacked: u64,
    encrypted: bool,
    named: Vec<Value>,
}

impl List {
    fn read(&mut self, input: &mut BufReader<File>, directory: &Directory) -> Result<()> {
        input.seek(SeekFrom::Start(directory.offset))?;
        let mut input = input.take(directory.size);
        while self.count < directory.entries {
            let mut fixed = [0; 46];
            input.read_exact(&mut fixed)?;
            if !fixed.starts_with(b"PK\x01\x02") {
                return wrong();
            }
            let mut name = vec![0; usize::try_from(u16_at(&fixed, 28)).unwrap_or_default()];
            input.read_exact(&mut name)?;
            let mut extra = vec![0; usize::try_from(u16_at(&fixed, 30)).unwrap_or_default()];
            input.read_exact(&mut extra)?;
            let comment = u16_at(&fixed, 32);
            if std::io::copy(&mut input.by_ref().take(comment), &mut std::io::sink())? < comment {
                return wrong();
            }
            self.add(&fixed, &name, &extra);
        }
        Ok(())
    }

    fn add(&mut self, fixed: &[u8; 46], name: &[u8], extra: &[u8]) {
        let (packed, unpacked) = sizes(fixed, extra);
        self.count += 1;
        self.packed = self.packed.saturating_add(packed);
        self.unpacked = self.unpacked.saturating_add(unpacked);
        self.encrypted |= u16_at(fixed, 8) & 1 == 1;
        if self.named.len() < self.most {
            self.named.push(json!({ "name": shown(name), "size": unpacked }));
        }
    }

    fn tell(self, found: &mut Found) {
        if self.unpacked > HARMLESS && self.unpacked / RATIO > self.packed {
            let sentence = "The archive's contents are more than a thousand times larger than the archive.";
            found.problem("archive_ratio", sentence);
        }
        found.tell("truncated", self.count > self.named.len() as u64);
        found.tell("encrypted", self.encrypted);
        found.tell("entries", self.count);
        found.tell("uncompressed_size", self.unpacked);
        found.tell("listing", self.named);
    }
}

/// Packed and unpacked; those that do not fit 32 bits stand in the extra field, in this order.
fn sizes(fixed: &[u8; 46], extra: &[u8]) -> (u64, u64) {
    const ELSEWHERE: u64 = 0xffff_ffff;
    let (mut packed, mut unpacked) = (u32_at(fixed, 20), u32_at(fixed, 24));
    let mut rest = extra;
    while rest.len() >= 4 {
        let (id, length) = (u16_at(rest, 0), usize::try_from(u16_at(rest, 2)).unwrap_or_default());
        let field = &rest[4..rest.len().min(4 + length)];
        if id == 1 {
            let mut at = 0;
            for size in [&mut unpacked, &mut packed] {
                if *size == ELSEWHERE {
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

/// A name to be shown, never to be used: no control characters and none that turn the direction of text.
fn shown(name: &[u8]) -> String {
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
        assert_eq!(shown("bill\u{202e}fdp.exe".as_bytes()), "bill\u{fffd}fdp.exe");
        assert_eq!(shown(b"a\r\n\x1b[31mb\0"), "a\u{fffd}\u{fffd}\u{fffd}[31mb\u{fffd}");
        assert_eq!(shown(&[b'x'; 70_000]).len(), 255);
    }

    #[test]
    fn sizes_beyond_32_bits_are_read_from_the_extra_field() {
        let mut fixed = [0; 46];
        fixed[20..28].fill(0xff);
        let mut extra = vec![9, 9, 2, 0, 0, 0, 1, 0, 16, 0];
        extra.extend(10_u64.pow(10).to_le_bytes());
        extra.extend(77_u64.to_le_bytes());
        assert_eq!(sizes(&fixed, &extra), (77, 10_u64.pow(10)));
        assert_eq!(sizes(&fixed, &extra[..14]), (0, 10_u64.pow(10) & 0xffff_ffff));
    }
}
