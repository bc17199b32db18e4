//! The layout of a ZIP archive of uncompressed members (APPNOTE 6.3). The offset of every byte is known before the
//! first byte is read, so that any range of the archive can be made by itself.
//!
//! A member's CRC-32 is in its header if it is known, otherwise in a data descriptor after its bytes. Sizes are always
//! in the header. Sizes and offsets beyond 4 GiB are written as ZIP64. No bytes of members pass through this module.

use std::ops::Range;

use super::clock::Timestamp;
use super::collection::CollectionItem;

const MAX32: u64 = 0xFFFF_FFFF;
/// The CRC is in a data descriptor after the bytes.
const DATA_DESCRIPTOR_FLAG: u16 = 1 << 3;
/// The name is UTF-8.
const UTF8_NAME_FLAG: u16 = 1 << 11;
/// Made on Unix, by version 4.5: attributes are Unix's.
const MADE_BY_UNIX: u16 = (3 << 8) | 45;
/// A plain file that its owner may write and every user may read.
const PLAIN_FILE_MODE: u32 = 0o100_644 << 16;

/// Offsets of all pieces of an archive.
#[derive(Clone, Debug)]
pub struct ArchiveLayout {
    /// Offset of each member's header.
    starts: Vec<u64>,
    /// Offset of the central directory.
    central: u64,
    /// Size of the central directory in bytes, without the end records.
    central_len: u64,
    size: u64,
}

/// A piece of the archive and the requested bytes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePiece {
    /// The content of the piece.
    pub what: PieceContent,
    /// The requested bytes, relative to the beginning of the piece.
    pub range: Range<u64>,
}

/// Content of a piece; the numbers are indexes of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceContent {
    /// A member's header.
    Header(usize),
    /// A member's bytes.
    Bytes(usize),
    /// A member's data descriptor, after its bytes.
    Descriptor(usize),
    /// The central directory and the end records.
    Directory,
}

fn is_large(item: &CollectionItem) -> bool {
    item.size >= MAX32
}

fn header_len(item: &CollectionItem) -> u64 {
    30 + item.name.len() as u64 + if is_large(item) { 20 } else { 0 }
}

fn descriptor_len(item: &CollectionItem) -> u64 {
    match (item.crc, is_large(item)) {
        (Some(_), _) => 0,
        (None, true) => 24,
        (None, false) => 16,
    }
}

/// Size of the ZIP64 field in the central directory: its values, and four bytes of header.
fn central_extra(item: &CollectionItem, start: u64) -> u64 {
    let values = if is_large(item) { 16 } else { 0 } + if start >= MAX32 { 8 } else { 0 };
    if values == 0 { 0 } else { values + 4 }
}

impl ArchiveLayout {
    /// Lays out an archive of these items.
    #[must_use]
    pub fn of(items: &[CollectionItem]) -> Self {
        let (mut at, mut central_len) = (0, 0);
        let mut starts = Vec::with_capacity(items.len());
        for item in items {
            starts.push(at);
            central_len += 46 + item.name.len() as u64 + central_extra(item, at);
            at += header_len(item) + item.size + descriptor_len(item);
        }
        let mut layout = Self { starts, central: at, central_len, size: 0 };
        layout.size = at + central_len + if layout.is_zip64() { 76 } else { 0 } + 22;
        layout
    }

    /// Size of the archive in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn is_zip64(&self) -> bool {
        self.central >= MAX32 || self.central_len >= MAX32 || self.starts.len() >= 0xFFFF
    }

    /// The pieces that a range of the archive is made of, in order.
    pub fn pieces(&self, items: &[CollectionItem], range: Range<u64>) -> Vec<ArchivePiece> {
        let mut pieces = Vec::new();
        let mut add = |what, start: u64, len: u64| {
            let (from, to) = (range.start.max(start), range.end.min(start + len));
            if from < to {
                pieces.push(ArchivePiece { what, range: from - start..to - start });
            }
        };
        // The first member that may overlap the range.
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        for (i, item) in items.iter().enumerate().skip(first) {
            let Some(start) = self.starts.get(i).copied().filter(|start| *start < range.end) else { break };
            let (header, descriptor) = (header_len(item), descriptor_len(item));
            add(PieceContent::Header(i), start, header);
            add(PieceContent::Bytes(i), start + header, item.size);
            add(PieceContent::Descriptor(i), start + header + item.size, descriptor);
        }
        add(PieceContent::Directory, self.central, self.size - self.central);
        pieces
    }

    /// The central directory and the end records. `crcs`: the CRC-32 of every item.
    #[must_use]
    pub fn directory(&self, items: &[CollectionItem], crcs: &[u32]) -> Vec<u8> {
        let mut out = ZipWriter(Vec::with_capacity(usize::try_from(self.size - self.central).unwrap_or(0)));
        for ((item, start), crc) in items.iter().zip(&self.starts).zip(crcs) {
            out.entry(item, *start, *crc);
        }
        let count = self.starts.len() as u64;
        if self.is_zip64() {
            out.four(0x0606_4b50).eight(44).two(MADE_BY_UNIX).two(45).four(0).four(0).eight(count).eight(count);
            out.eight(self.central_len).eight(self.central);
            out.four(0x0706_4b50).four(0).eight(self.central + self.central_len).four(1);
        }
        let short = if self.is_zip64() { u16::MAX } else { u16::try_from(count).unwrap_or(u16::MAX) };
        out.four(0x0605_4b50).two(0).two(0).two(short).two(short);
        if self.is_zip64() {
            out.four(u32::MAX).four(u32::MAX);
        } else {
            out.capped(self.central_len).capped(self.central);
        }
        out.two(0);
        out.0
    }
}

/// A member's header.
#[must_use]
pub fn header(item: &CollectionItem) -> Vec<u8> {
    let mut out = ZipWriter(Vec::with_capacity(64 + item.name.len()));
    out.four(0x0403_4b50).common(item, item.crc.unwrap_or(0)).two(name_len(item));
    out.two(if is_large(item) { 20 } else { 0 }).bytes(item.name.as_bytes());
    if is_large(item) {
        out.two(1).two(16).eight(item.size).eight(item.size);
    }
    out.0
}

/// The data descriptor of a member whose CRC is not in its header.
#[must_use]
pub fn descriptor(item: &CollectionItem, crc: u32) -> Vec<u8> {
    let mut out = ZipWriter(Vec::with_capacity(24));
    out.four(0x0807_4b50).four(crc);
    if is_large(item) {
        out.eight(item.size).eight(item.size);
    } else {
        out.capped(item.size).capped(item.size);
    }
    out.0
}

/// Member names have at most 255 bytes; see [`super::collection::MemberNames`].
fn name_len(item: &CollectionItem) -> u16 {
    u16::try_from(item.name.len()).unwrap_or(u16::MAX)
}

/// Writes little-endian integers.
struct ZipWriter(Vec<u8>);

impl ZipWriter {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn two(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn four(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn eight(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Writes four bytes; all ones mean that the value is in the ZIP64 field.
    fn capped(&mut self, value: u64) -> &mut Self {
        self.four(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// Fields that headers and directory entries share: version needed, flags, method, time, CRC, sizes.
    fn common(&mut self, item: &CollectionItem, crc: u32) -> &mut Self {
        let (date, time) = dos(item.at);
        let flags = UTF8_NAME_FLAG | if item.crc.is_none() { DATA_DESCRIPTOR_FLAG } else { 0 };
        self.two(if is_large(item) { 45 } else { 20 }).two(flags).two(0).two(time).two(date).four(crc);
        self.capped(item.size).capped(item.size)
    }

    fn entry(&mut self, item: &CollectionItem, start: u64, crc: u32) {
        let extra = central_extra(item, start);
        self.four(0x0201_4b50).two(MADE_BY_UNIX).common(item, crc).two(name_len(item));
        self.two(u16::try_from(extra).unwrap_or(0)).two(0).two(0).two(0).four(PLAIN_FILE_MODE).capped(start);
        self.bytes(item.name.as_bytes());
        if extra > 0 {
            self.two(1).two(u16::try_from(extra - 4).unwrap_or(0));
            if is_large(item) {
                self.eight(item.size).eight(item.size);
            }
            if start >= MAX32 {
                self.eight(start);
            }
        }
    }
}

/// Date and time in MS-DOS format, in UTC: from 1980, with a resolution of two seconds.
fn dos(at: Timestamp) -> (u16, u16) {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |value: i8| u16::try_from(value).unwrap_or(0);
    let year = u16::try_from(at.year() - 1980).unwrap_or(0).min(127);
    let date = (year << 9) | (part(at.month()) << 5) | part(at.day());
    (date, (part(at.hour()) << 11) | (part(at.minute()) << 5) | (part(at.second()) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;
    use crate::domain::ids::AssetId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn item(name: &str, size: u64, crc: Option<u32>) -> CollectionItem {
        let at = micros(1_700_000_000_000_000);
        CollectionItem { asset: AssetId(Uuid::nil()), name: name.to_owned(), size, etag: "e".to_owned(), at, crc }
    }

    fn rendered_len(layout: &ArchiveLayout, items: &[CollectionItem], what: PieceContent) -> u64 {
        (match what {
            PieceContent::Header(i) => header(&items[i]).len(),
            PieceContent::Bytes(i) => return items[i].size,
            PieceContent::Descriptor(i) => descriptor(&items[i], 0).len(),
            PieceContent::Directory => layout.directory(items, &vec![0; items.len()]).len(),
        }) as u64
    }

    proptest! {
        #[test]
        fn pieces_are_as_long_as_they_say_and_leave_no_gap(
            sizes in proptest::collection::vec((0u64..6_000_000_000, any::<bool>()), 0..6),
            cut in any::<(u64, u64)>(),
        ) {
            let items: Vec<CollectionItem> =
                sizes.iter().map(|(size, known)| item("ü.bin", *size, known.then_some(7))).collect();
            let layout = ArchiveLayout::of(&items);
            let whole = layout.pieces(&items, 0..layout.size());
            for piece in &whole {
                prop_assert_eq!(piece.range.clone(), 0..rendered_len(&layout, &items, piece.what));
            }
            prop_assert_eq!(whole.iter().map(|piece| piece.range.end).sum::<u64>(), layout.size());
            let (a, b) = (cut.0 % layout.size(), cut.1 % layout.size());
            let range = a.min(b)..a.max(b) + 1;
            let part = layout.pieces(&items, range.clone());
            let sum: u64 = part.iter().map(|piece| piece.range.end - piece.range.start).sum();
            prop_assert_eq!(sum, range.end - range.start);
        }
    }

    #[test]
    fn large_members_and_late_ones_are_written_as_zip64() {
        let items = [item("a", MAX32, None), item("b", 1, Some(1))];
        let layout = ArchiveLayout::of(&items);
        assert!(layout.is_zip64());
        let header = header(&items[0]);
        assert_eq!(&header[18..26], [0xff; 8]);
        assert_eq!(&header[31..35], [1, 0, 16, 0]);
        assert_eq!(descriptor(&items[0], 0).len(), 24);
        assert!(!ArchiveLayout::of(&[item("a", MAX32 - 1000, None)]).is_zip64());
    }
}
