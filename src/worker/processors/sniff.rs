//! Detects a file's type from the bytes of its beginning and its end.
//!
//! Containers (zip, mp4, PDF) keep their table of contents at the end; the bytes in between are not needed. Markup that
//! a browser would run is checked first, then signatures, then text.

use std::io::{Read, Result, Seek, SeekFrom};

use file_format::FileFormat;

use super::markup::{self, MarkupKind};
use super::text_encoding;
use crate::domain::file_type::{ByteType, TypeCertainty, is_program_type, is_text_type};
use crate::domain::media_alias::usual_name;
use crate::domain::name::MediaType;

/// Bytes read from the beginning: more than any signature or text probe needs.
pub(super) const HEAD_BYTES: u64 = 128 << 10;
/// Bytes read from the end: the directory of an archive with some ten thousand entries.
pub(super) const TAIL_BYTES: u64 = 1 << 20;
/// Bytes read after a long ID3 tag.
pub(super) const AFTER_TAG_BYTES: u64 = 64;
/// Bytes before a PDF's header that PDF readers skip (ISO 32000-1, Annex H, implementation note 13).
const MAX_PDF_LEAD_BYTES: usize = 1024;

/// The parts of a file that were read.
pub(super) struct FileSample {
    /// Size of the file in bytes.
    pub(super) size: u64,
    /// The first [`HEAD_BYTES`] bytes.
    pub(super) head: Vec<u8>,
    /// Offset given by [`id3_end_offset`] if it lies beyond the head, and [`AFTER_TAG_BYTES`] bytes from there.
    pub(super) after_tag: Option<(u64, Vec<u8>)>,
    /// The last [`TAIL_BYTES`] bytes, without those in the head.
    pub(super) tail: Vec<u8>,
}

impl FileSample {
    /// The bytes that were read from this offset on; empty if none were.
    fn bytes_at(&self, at: u64) -> &[u8] {
        let behind = self.after_tag.as_ref().map_or((0, &[][..]), |(at, bytes)| (*at, bytes.as_slice()));
        let windows = [(0, self.head.as_slice()), behind, (self.size - self.tail.len() as u64, self.tail.as_slice())];
        let from =
            |(start, bytes): (u64, &[u8])| usize::try_from(at.checked_sub(start)?).ok().filter(|at| *at < bytes.len());
        let window = windows.into_iter().find_map(|window| Some(&window.1[from(window)?..]));
        window.unwrap_or_default()
    }
}

/// The type by the file's bytes.
pub(super) fn detect_byte_type(seen: FileSample) -> ByteType {
    if seen.size == 0 {
        return ByteType { media_type: MediaType::octet_stream(), charset: None, certainty: TypeCertainty::AnyText };
    }
    let text = text_encoding::decode_text(&seen.head, seen.head.len() as u64 == seen.size, &seen.tail);
    let lead = markup::leading_markup(text.as_ref().map_or(&seen.head, |text| text.start.as_bytes()));
    let decoded = text.map(|text| text.charset);
    let (essence, certainty) = match lead {
        Some(MarkupKind::Html) => ("text/html", TypeCertainty::Decided),
        Some(MarkupKind::Fragment) => ("text/html", TypeCertainty::MarkupFragment),
        Some(MarkupKind::Xhtml) => ("application/xhtml+xml", TypeCertainty::Decided),
        Some(MarkupKind::Svg) => ("image/svg+xml", TypeCertainty::Decided),
        Some(MarkupKind::Php) => ("application/x-httpd-php", TypeCertainty::Decided),
        Some(MarkupKind::Xml) | None => {
            let signature = signature_type(seen);
            let xml = lead == Some(MarkupKind::Xml);
            return match decoded {
                Some(charset) => text_byte_type(&signature, xml, charset),
                None => ByteType {
                    media_type: parse_media_type(&signature),
                    charset: None,
                    certainty: TypeCertainty::Decided,
                },
            };
        }
    };
    ByteType { media_type: parse_media_type(essence), charset: decoded, certainty }
}

/// The type of a text with this signature.
fn text_byte_type(signature: &str, xml: bool, charset: String) -> ByteType {
    let usual = usual_name(signature);
    let (essence, certainty) = match signature {
        "application/octet-stream" | "text/plain" if xml => ("text/xml", TypeCertainty::AnyXml),
        // These signatures are words, but real files of these types contain bytes that text does not.
        "application/octet-stream" | "text/plain" | "application/x-dosexec" | "image/gif" | "application/x-id3v2" => {
            ("text/plain", TypeCertainty::AnyText)
        }
        _ if xml || usual == "application/xml" => (signature, TypeCertainty::AnyXml),
        _ if is_text_type(usual) && !is_program_type(usual) => (signature, TypeCertainty::AnyText),
        _ => (signature, TypeCertainty::Decided),
    };
    ByteType { media_type: parse_media_type(essence), charset: Some(charset), certainty }
}

/// The type by signature; `application/octet-stream` or `text/plain` if there is none.
fn signature_type(seen: FileSample) -> String {
    let head = seen.head.as_slice();
    let behind = id3_end_offset(head).map(|at| seen.bytes_at(at)).unwrap_or_default();
    if let Some(known) = extra_signature_type(head, behind) {
        return known.to_owned();
    }
    let container = container_type(head, &seen.tail);
    let format = FileFormat::from_reader(SampleReader { seen, at: 0 }).unwrap_or_default();
    match (format, format.media_type()) {
        (FileFormat::Empty, _) => "application/octet-stream",
        // If the directory did not fit into the tail, only the magic number is known.
        (FileFormat::ArbitraryBinaryData | FileFormat::PlainText, known) => container.unwrap_or(known),
        (FileFormat::Mpeg4Part14, _) => "video/mp4",
        (_, "image/avif-sequence") => "image/avif",
        (_, known) => known,
    }
    .to_owned()
}

fn parse_media_type(text: &str) -> MediaType {
    text.parse().unwrap_or_else(|_| MediaType::octet_stream())
}

/// Types whose signatures the crate `file-format` lacks.
fn extra_signature_type(head: &[u8], behind_tag: &[u8]) -> Option<&'static str> {
    match (head, behind_tag) {
        // WAVE larger than 4 GiB (EBU Tech 3306, ITU-R BS.2088).
        ([b'R', b'F', b'6', b'4', ..] | [b'B', b'W', b'6', b'4', ..], _) if head.get(8..12) == Some(b"WAVE") => {
            Some("audio/vnd.wave")
        }
        ([b'c', b'a', b'f', b'f', 0, 1, ..], _) => Some("audio/x-caf"),
        ([0x89, b'P', b'N', b'G', ..], _) if is_animated(head) => Some("image/apng"),
        // ADTS frames (ISO/IEC 13818-7 §6.2): 12 bits set, and layer 0.
        (_, [0xff, second, ..]) if second & 0xf6 == 0xf0 => Some("audio/aac"),
        ([_, _, _, _, b'f', b't', b'y', b'p', ..], _) => heif_brand_type(head),
        _ => None,
    }
}

/// True if a PNG declares an animation before its image data (PNG third edition §11.3.6.2).
fn is_animated(head: &[u8]) -> bool {
    let mut chunks = head.get(8..).unwrap_or_default();
    while let [a, b, c, d, name @ ..] = chunks {
        let length = u32::from_be_bytes([*a, *b, *c, *d]);
        match name.get(..4) {
            Some(b"acTL") => return true,
            Some(b"IDAT") | None => return false,
            Some(_) => {}
        }
        // The length does not include the chunk's name and checksum.
        let next = usize::try_from(length).ok().and_then(|length| length.checked_add(8));
        chunks = next.and_then(|next| name.get(next..)).unwrap_or_default();
    }
    false
}

/// The type of an image by a brand that the crate `file-format` lacks (ISO/IEC 23008-12, annex B).
fn heif_brand_type(head: &[u8]) -> Option<&'static str> {
    const GENERAL_BRANDS: [&[u8]; 6] = [b"mif1", b"msf1", b"mif2", b"mif3", b"miaf", b"MiHB"];
    // Images coded in VVC, JPEG 2000, JPEG, EVC, or uncompressed.
    const CODED_BRANDS: [&[u8]; 14] = [
        b"vvic", b"vvis", b"vvim", b"j2ki", b"j2is", b"jpeg", b"jpgs", b"evbi", b"evmi", b"evbs", b"evms", b"unif",
        b"j2im", b"mif2",
    ];
    let length = usize::try_from(u32::from_be_bytes(head.get(..4)?.try_into().ok()?)).ok()?;
    let ftyp = head.get(8..length.min(head.len()))?;
    let (major, compatible) = (ftyp.get(..4)?, ftyp.get(8..).unwrap_or_default());
    let named = |brand: &[u8]| major == brand || compatible.chunks_exact(4).any(|other| other == brand);
    let general = GENERAL_BRANDS.contains(&major);
    if matches!(major, b"avif" | b"avis") || (general && (named(b"avif") || named(b"avis"))) {
        return Some("image/avif");
    }
    (CODED_BRANDS.contains(&major) || matches!(major, b"mif2" | b"mif3" | b"miaf")).then_some("image/heif")
}

/// Offset of the first byte after an ID3v2 tag at the beginning (ID3v2.4 §3.1); `None` if there is no tag.
pub(super) fn id3_end_offset(head: &[u8]) -> Option<u64> {
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = head else { return None };
    let size = size.first_chunk::<4>().filter(|size| size.iter().all(|byte| *byte < 0x80))?;
    let length = size.iter().fold(0, |sum, byte| sum << 7 | u64::from(*byte));
    let footer = if flags & 0x10 == 0 { 0 } else { 10 };
    Some(10 + length + footer)
}

fn container_type(head: &[u8], tail: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'K', 3, 4, ..] => Some("application/zip"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("video/mp4"),
        _ if has_pdf(head, tail) => Some("application/pdf"),
        _ => None,
    }
}

/// True if PDF readers would accept the file: a header after a few other bytes, and an end marker.
fn has_pdf(head: &[u8], tail: &[u8]) -> bool {
    let version =
        |at: &[u8]| at.starts_with(b"%PDF-") && at[5].is_ascii_digit() && at[6] == b'.' && at[7].is_ascii_digit();
    let header = head[..head.len().min(MAX_PDF_LEAD_BYTES + 8)].windows(8).any(version);
    let end = |bytes: &[u8]| bytes.windows(5).any(|window| window == b"%%EOF");
    header && (end(tail) || end(head))
}

/// A reader of a file of which only parts were read; the gaps read as the end of the file.
struct SampleReader {
    seen: FileSample,
    at: u64,
}

impl Read for SampleReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let window = self.seen.bytes_at(self.at);
        let count = window.len().min(buffer.len());
        buffer[..count].copy_from_slice(&window[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for SampleReader {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.seen.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| std::io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> ByteType {
        let head = bytes.len().min(usize::try_from(HEAD_BYTES).unwrap());
        let tail = bytes.len().saturating_sub(usize::try_from(TAIL_BYTES).unwrap()).max(head);
        let at = id3_end_offset(bytes).filter(|at| *at >= HEAD_BYTES).and_then(|at| usize::try_from(at).ok());
        let behind_tag = at.filter(|at| *at < tail).map(|at| (at as u64, bytes[at..bytes.len().min(at + 64)].to_vec()));
        let (head, tail) = (bytes[..head].to_vec(), bytes[tail..].to_vec());
        detect_byte_type(FileSample { size: bytes.len() as u64, head, after_tag: behind_tag, tail })
    }

    fn sniff(bytes: &[u8]) -> String {
        seen(bytes).media_type.to_string()
    }

    #[test]
    fn markup_is_found_in_any_encoding() {
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
        assert_eq!(sniff(svg), "image/svg+xml");
        assert_eq!(sniff(&[b"<?xml version=\"1.0\"?>\n<!-- x -->\n", &svg[..]].concat()), "image/svg+xml");
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(sniff(&utf16("\u{feff}<?xml version='1.0'?><svg xmlns='x'/>")), "image/svg+xml");
        assert_eq!(sniff(&utf16("<html><script>")), "text/html");
        assert_eq!(sniff(b"<html>\0\x01binary"), "text/html");
        assert_eq!(sniff(b"<blah>"), "text/plain");
        assert_eq!(seen(b"<p>x").certainty, TypeCertainty::MarkupFragment);
    }

    #[test]
    fn everyday_files() {
        assert_eq!(sniff(b""), "application/octet-stream");
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
        assert_eq!(sniff(b"plain words\n"), "text/plain");
        assert_eq!(sniff(&[0, 1, 2, 3, 200]), "application/octet-stream");
        assert_eq!(sniff(b"\x1f\x8b\x08\0\0\0\0\0"), "application/gzip");
        assert_eq!(sniff(&"é".repeat(200_000).into_bytes()), "text/plain");
        assert_eq!(sniff(b"<?xml version='1.0'?><a/>"), "text/xml");
        assert_eq!(sniff(b"BEGIN:VCARD\r\nEND:VCARD\r\n"), "text/vcard");
        assert_eq!(sniff(b"#!/usr/bin/env python3\nprint(1)\n"), "text/x-python");
        assert_eq!(seen(b"#!/usr/bin/env python3\n").certainty, TypeCertainty::Decided);
        assert_eq!(seen(b"BEGIN:VCARD\r\n").certainty, TypeCertainty::AnyText);
    }

    #[test]
    fn a_container_whose_directory_is_out_of_sight_is_still_one() {
        let big = vec![0u8; 3 << 20];
        assert_eq!(sniff(&[b"PK\x03\x04", &big[..]].concat()), "application/zip");
        assert_eq!(sniff(&[b"%PDF-1.7\n", &big[..]].concat()), "application/pdf");
    }

    #[test]
    fn texts_about_formats_are_texts() {
        for text in [
            "BM is the start of this text\n",
            "MZ and more text\n",
            "ID3 tags are described here in a long sentence.\n",
            "GIF89a is a format. This is a text about it.\n",
            "PK is a name\n",
            "A text that says %PDF-1.4 and no more.\n",
        ] {
            assert_eq!(
                (sniff(text.as_bytes()).as_str(), seen(text.as_bytes()).certainty),
                ("text/plain", TypeCertainty::AnyText),
                "{text}"
            );
        }
    }

    #[test]
    fn a_document_behind_a_few_other_bytes_is_one() {
        for lead in [&b"\n"[..], b"\xef\xbb\xbf", b"X-Header: from a broken proxy\r\n\r\n"] {
            let pdf = [lead, b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"].concat();
            assert_eq!(
                (sniff(&pdf).as_str(), seen(&pdf).certainty),
                ("application/pdf", TypeCertainty::Decided),
                "{lead:?}"
            );
        }
    }

    #[test]
    fn pictures_are_known_by_every_brand() {
        let file = |major: &[u8; 4], compatible: &[u8]| {
            let length = u32::try_from(16 + compatible.len()).unwrap().to_be_bytes();
            [&length[..], b"ftyp", major, b"\0\0\0\0", compatible, &[0; 64]].concat()
        };
        for brand in [b"mif2", b"mif3", b"vvic", b"vvis", b"j2ki", b"j2is", b"jpeg"] {
            assert_eq!(sniff(&file(brand, b"mif1")), "image/heif", "{brand:?}");
        }
        assert_eq!(sniff(&file(b"avis", b"msf1")), "image/avif");
        assert_eq!(sniff(&file(b"mif1", b"avifmiaf")), "image/avif");
        assert_eq!(sniff(&file(b"heic", b"mif1")), "image/heic");
        assert_eq!(sniff(&file(b"isom", b"mp41")), "video/mp4");
    }

    #[test]
    fn sound_is_known_behind_long_tags_and_in_long_files() {
        let tag = |bytes: u32| {
            let size = [bytes >> 21, bytes >> 14, bytes >> 7, bytes].map(|part| u8::try_from(part & 0x7f).unwrap());
            [b"ID3\x04\0\0", &size[..], &vec![0; usize::try_from(bytes).unwrap()]].concat()
        };
        for bytes in [100, 3 << 20, (1 << 17) + 5] {
            let frames = |first: [u8; 2]| [tag(bytes), first.to_vec(), vec![0x50; 2 << 20]].concat();
            assert_eq!(sniff(&frames([0xff, 0xf1])), "audio/aac", "{bytes}");
            assert_eq!(sniff(&frames([0xff, 0xfb])), "audio/mpeg", "{bytes}");
        }
        assert_eq!(sniff(b"RF64\xff\xff\xff\xffWAVEds64"), "audio/vnd.wave");
        // An ordinary picture is not animated, whatever stands behind its pixels.
        let png = |chunk: &[u8; 4]| {
            [&b"\x89PNG\r\n\x1a\n\0\0\0\x01pHYsxCRC-\0\0\0\x08"[..], chunk, &[0; 12], b"acTL"].concat()
        };
        assert_eq!((sniff(&png(b"acTL")).as_str(), sniff(&png(b"IDAT")).as_str()), ("image/apng", "image/png"));
        assert_eq!(sniff(b"caff\0\x01\0\0desc\0\0"), "audio/x-caf");
    }
}
