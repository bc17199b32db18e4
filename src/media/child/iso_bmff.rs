//! Boxes of the ISO base media file format, which MP4, MOV, HEIC and AVIF share.
//!
//! ISO/IEC 14496-12 §4.2: a box is its size, its type and its content. Size 1 means that a 64-bit size follows the
//! type, size 0 that the box extends to the end of the file.

/// Longest header of a box in bytes.
pub(super) const MAX_HEADER_BYTES: u64 = 16;

/// Header of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    /// Size of the header in bytes.
    pub(super) header: u64,
    /// Size of header and content in bytes; `None`: to the end of the file.
    pub(super) size: Option<u64>,
}

/// Header at the beginning of `bytes`; `None` if it is invalid or truncated.
pub(super) fn parse_header(bytes: &[u8]) -> Option<BoxHeader> {
    let (short, kind) = (u32_at(bytes, 0)?, bytes.get(4..8)?.try_into().ok()?);
    let (header, size) = match short {
        0 => (8, None),
        1 => (16, Some(u64_at(bytes, 8)?)),
        size => (8, Some(u64::from(size))),
    };
    size.is_none_or(|size| size >= header).then_some(BoxHeader { kind, header, size })
}

/// Boxes in the content of another box, as type and content. Ends before the first box that does not fit.
pub(super) fn children(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let found = parse_header(rest)?;
        let size = found.size.map_or(Some(rest.len()), |size| usize::try_from(size).ok())?;
        let content = rest.get(usize::try_from(found.header).ok()?..size)?;
        rest = &rest[size..];
        Some((found.kind, content))
    })
}

/// Content of the first box with this type.
pub(super) fn child<'a>(content: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    children(content).find(|(found, _)| found == kind).map(|(_, content)| content)
}

/// Content of the box at the end of a path of types.
pub(super) fn descendant<'a>(content: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(content, |content, kind| child(content, kind))
}

/// Big-endian number of two bytes.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Big-endian number of four bytes.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Big-endian number of eight bytes.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_walked_and_false_sizes_end_the_walk() {
        let bytes = b"\0\0\0\x0cabcd1234\0\0\0\x01large\0\0\0\0\0\0\0\x11x\0\0\0\x09shrtxx";
        // A 64-bit size of 17 whose type is `larg` would begin a byte early: the walk ends there.
        assert_eq!(children(bytes).count(), 1);
        let bytes = b"\0\0\0\x01larg\0\0\0\0\0\0\0\x11x\0\0\0\0last..";
        let found: Vec<_> = children(bytes).collect();
        assert_eq!(found, [(*b"larg", &b"x"[..]), (*b"last", &b".."[..])]);
        for wrong in [&b"\0\0\0\x07abcd"[..], b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x0f", b"\0\0\0\x09abcd", b"\0\0"] {
            assert_eq!(children(wrong).count(), 0, "{wrong:?}");
        }
        assert_eq!(descendant(b"\0\0\0\x11moov\0\0\0\x09trakx", &[b"moov", b"trak"]), Some(&b"x"[..]));
    }
}
