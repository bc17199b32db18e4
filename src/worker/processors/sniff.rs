//! The real type of a file, from its beginning and its end.
//!
//! Containers (zip, mp4, PDF) keep their table of contents at the end; nothing in between decides. Markup that a browser
//! would run is recognised even behind blanks, where signatures do not look (WHATWG MIME Sniffing §7.1).

use std::io::{Read, Result, Seek, SeekFrom};

use file_format::FileFormat;

use crate::domain::name::MediaType;

/// Bytes of the beginning: more than any signature or text probe reads.
pub(super) const HEAD: u64 = 128 << 10;
/// Bytes of the end: the directory of an archive with some ten thousand entries.
pub(super) const TAIL: u64 = 1 << 20;

/// What a file of `size` bytes is, given its first [`HEAD`] and last [`TAIL`] bytes (without what is in the head).
pub(super) fn media_type(size: u64, head: Vec<u8>, tail: Vec<u8>) -> MediaType {
    if let Some(markup) = markup(&head) {
        return named(markup);
    }
    let magic = container(&head);
    let format = FileFormat::from_reader(Windows { size, head, tail, at: 0 }).unwrap_or_default();
    match format {
        FileFormat::Empty => MediaType::octet_stream(),
        // A directory that did not fit into the tail leaves only the magic to go by.
        FileFormat::ArbitraryBinaryData | FileFormat::PlainText => named(magic.unwrap_or(format.media_type())),
        FileFormat::Mpeg4Part14 => named("video/mp4"),
        other => named(other.media_type()),
    }
}

fn named(text: &str) -> MediaType {
    text.parse().unwrap_or_else(|_| MediaType::octet_stream())
}

fn container(head: &[u8]) -> Option<&'static str> {
    match head {
        [b'P', b'K', 3, 4, ..] => Some("application/zip"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("video/mp4"),
        _ => None,
    }
}

/// Markup that a browser might run.
fn markup(head: &[u8]) -> Option<&'static str> {
    const HTML: [&str; 16] = [
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
    ];
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    let starts = |tag: &str| {
        let ended = text.get(tag.len()).is_some_and(|b| matches!(b, b' ' | b'>' | b'\t' | b'\n' | b'\r' | b'/'));
        ended && text[..tag.len()].eq_ignore_ascii_case(tag.as_bytes())
    };
    if starts("<svg") || (text.starts_with(b"<?xml") && contains(text, b"<svg")) {
        return Some("image/svg+xml");
    }
    HTML.into_iter().any(starts).then_some("text/html")
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text[..text.len().min(4096)].windows(needle.len()).any(|window| window == needle)
}

/// A file of which only both ends are at hand; what lies between reads as the end of the file.
struct Windows {
    size: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
    at: u64,
}

impl Read for Windows {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let tail_from = self.size - self.tail.len() as u64;
        let window = if self.at < self.head.len() as u64 {
            &self.head[usize::try_from(self.at).unwrap_or(usize::MAX)..]
        } else if self.at >= tail_from {
            let at = usize::try_from(self.at - tail_from).unwrap_or(usize::MAX);
            self.tail.get(at..).unwrap_or_default()
        } else {
            &[]
        };
        let count = window.len().min(buffer.len());
        buffer[..count].copy_from_slice(&window[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Windows {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| std::io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(bytes: &[u8]) -> String {
        let head = bytes.len().min(usize::try_from(HEAD).unwrap());
        let tail = bytes.len().saturating_sub(usize::try_from(TAIL).unwrap()).max(head);
        media_type(bytes.len() as u64, bytes[..head].to_vec(), bytes[tail..].to_vec()).to_string()
    }

    #[test]
    fn markup_is_found_behind_blanks() {
        for html in ["<!DOCTYPE html><p>", "\n\n  <HTML>", "\u{feff}<script>alert(1)</script>", " <b>x"] {
            assert_eq!(sniff(html.as_bytes()), "text/html", "{html:?}");
        }
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
        assert_eq!(sniff(svg), "image/svg+xml");
        assert_eq!(sniff(&[b"<?xml version=\"1.0\"?>\n<!-- x -->\n", &svg[..]].concat()), "image/svg+xml");
        assert_eq!(sniff(b"<blah>"), "text/plain");
    }

    #[test]
    fn everyday_files() {
        assert_eq!(sniff(b""), "application/octet-stream");
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
        assert_eq!(sniff(b"plain words\n"), "text/plain");
        assert_eq!(sniff(&[0, 1, 2, 3, 200]), "application/octet-stream");
        assert_eq!(sniff(b"\x1f\x8b\x08\0\0\0\0\0"), "application/gzip");
        assert_eq!(sniff(&"é".repeat(200_000).into_bytes()), "text/plain");
    }

    #[test]
    fn a_container_whose_directory_is_out_of_sight_is_still_one() {
        let big = vec![0u8; 3 << 20];
        assert_eq!(sniff(&[b"PK\x03\x04", &big[..]].concat()), "application/zip");
        assert_eq!(sniff(&[b"%PDF-1.7\n", &big[..]].concat()), "application/pdf");
    }
}
