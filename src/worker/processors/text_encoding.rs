//! Detects text and its encoding.
//!
//! Bytes are text if they decode without an error to characters that occur in text: the control bytes that WHATWG MIME
//! Sniffing §3 calls binary do not. Legacy encodings are told apart by `chardetng`, the detector of Firefox.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};

/// Minimum size in bytes at which a file without whitespace counts as text of a legacy encoding.
const MIN_BLANKLESS_BYTES: usize = 16;

/// A decoded text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodedText {
    /// The encoding's IANA charset name, in lower case.
    pub(super) charset: String,
    /// The beginning, decoded.
    pub(super) start: String,
}

/// Decodes the bytes if they are text. `whole`: `head` is the whole file; otherwise a character may be cut at the end
/// of `head`, and `tail` is the end of the file.
pub(super) fn decode_text(head: &[u8], whole: bool, tail: &[u8]) -> Option<DecodedText> {
    if let Some((encoding, length)) = byte_order_mark(head) {
        return encoding.decode(&head[length..], whole);
    }
    let has_binary = || head.iter().chain(tail).any(|byte| is_binary(*byte));
    if head.contains(&0) {
        return guess_utf16(head)?.decode(head, whole);
    }
    if has_binary() {
        return None;
    }
    let escapes = head.contains(&0x1b);
    if let Some(start) = decode_utf8(head, whole).filter(|_| !escapes) {
        return Some(DecodedText { charset: "utf-8".to_owned(), start });
    }
    decode_legacy(head, whole, escapes)
}

/// True for a byte that does not occur in text (WHATWG MIME Sniffing §3, binary data byte).
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

fn decode_utf8(bytes: &[u8], whole: bool) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(error) if !whole && error.error_len().is_none() => {
            Some(String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned())
        }
        Err(_) => None,
    }
}

/// A Unicode encoding.
#[derive(Clone, Copy)]
enum UnicodeEncoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

/// The byte order mark at the beginning, and its length (Unicode Standard §23.8).
fn byte_order_mark(head: &[u8]) -> Option<(UnicodeEncoding, usize)> {
    Some(match head {
        [0xef, 0xbb, 0xbf, ..] => (UnicodeEncoding::Utf8, 3),
        [0xff, 0xfe, 0, 0, ..] => (UnicodeEncoding::Utf32Le, 4),
        [0, 0, 0xfe, 0xff, ..] => (UnicodeEncoding::Utf32Be, 4),
        [0xff, 0xfe, ..] => (UnicodeEncoding::Utf16Le, 2),
        [0xfe, 0xff, ..] => (UnicodeEncoding::Utf16Be, 2),
        _ => return None,
    })
}

/// Detects UTF-16 without a byte order mark: every second byte of most texts is zero.
fn guess_utf16(head: &[u8]) -> Option<UnicodeEncoding> {
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let is_most = |count: usize, other: usize| count * 4 >= head.len() && count > other;
    if is_most(odd, even) {
        Some(UnicodeEncoding::Utf16Le)
    } else if is_most(even, odd) {
        Some(UnicodeEncoding::Utf16Be)
    } else {
        None
    }
}

impl UnicodeEncoding {
    fn decode(self, bytes: &[u8], whole: bool) -> Option<DecodedText> {
        let (charset, start) = match self {
            Self::Utf8 => ("utf-8", decode_utf8(bytes, whole)?),
            Self::Utf16Le => ("utf-16le", decode_strictly(UTF_16LE, bytes, whole)?),
            Self::Utf16Be => ("utf-16be", decode_strictly(UTF_16BE, bytes, whole)?),
            Self::Utf32Le => ("utf-32le", decode_utf32(bytes, u32::from_le_bytes)?),
            Self::Utf32Be => ("utf-32be", decode_utf32(bytes, u32::from_be_bytes)?),
        };
        let sound = start.chars().all(|c| !is_noncharacter(c) && !u8::try_from(c).is_ok_and(is_binary));
        sound.then(|| DecodedText { charset: charset.to_owned(), start })
    }
}

/// True for code points that do not occur in text; binary numbers decoded as text are full of them.
fn is_noncharacter(c: char) -> bool {
    matches!(u32::from(c), 0x7f..=0x84 | 0x86..=0x9f | 0xe000..=0xf8ff | 0xfdd0..=0xfdef)
        || u32::from(c) & 0xfffe == 0xfffe
}

fn decode_utf32(bytes: &[u8], number: fn([u8; 4]) -> u32) -> Option<String> {
    bytes.chunks_exact(4).map(|four| char::from_u32(number(four.try_into().ok()?))).collect()
}

/// Decodes the text; `None` if any byte does not belong to a character.
fn decode_strictly(encoding: &'static Encoding, bytes: &[u8], whole: bool) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(bytes.len())?);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, whole) {
        (DecoderResult::InputEmpty, _) => Some(text),
        (DecoderResult::OutputFull | DecoderResult::Malformed(..), _) => None,
    }
}

/// Decodes text of a legacy (non-Unicode) encoding.
fn decode_legacy(head: &[u8], whole: bool, escapes: bool) -> Option<DecodedText> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(head, whole);
    let encoding = detector.guess(None, Utf8Detection::Allow);
    if escapes && encoding != ISO_2022_JP {
        // Escape sequences that colour a terminal's text.
        return decode_utf8(head, whole).map(|start| DecodedText { charset: "utf-8".to_owned(), start });
    }
    let start = decode_strictly(encoding, head, whole)?;
    let blank = head.iter().any(u8::is_ascii_whitespace) || head.len() >= MIN_BLANKLESS_BYTES;
    let sound = blank && encoding != UTF_8 && !start.chars().any(is_noncharacter);
    sound.then(|| DecodedText { charset: encoding.name().to_ascii_lowercase(), start })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(bytes: &[u8]) -> Option<String> {
        decode_text(bytes, true, &[]).map(|text| text.charset)
    }

    fn encoded(encoding: &'static Encoding, text: &str) -> Vec<u8> {
        encoding.encode(text).0.into_owned()
    }

    #[test]
    fn text_is_text_in_every_encoding() {
        let korean = "이름,나이\n홍길동,20\n".repeat(20);
        let japanese = "日本語のテキストです。\n".repeat(20);
        for (bytes, expected) in [
            (b"plain, old\n".to_vec(), "utf-8"),
            ("\u{feff}a,b\n".into(), "utf-8"),
            (encoded(encoding_rs::WINDOWS_1252, "Grüße aus Köln, naïve café\n"), "windows-1252"),
            (encoded(encoding_rs::EUC_KR, &korean), "euc-kr"),
            (encoded(encoding_rs::SHIFT_JIS, &japanese), "shift_jis"),
            (encoded(encoding_rs::EUC_JP, &japanese), "euc-jp"),
            (encoded(ISO_2022_JP, &japanese), "iso-2022-jp"),
            (b"\x1b[31mred\x1b[0m\n".to_vec(), "utf-8"),
            ("\u{feff}hello wörld\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect(), "utf-16le"),
            ("\u{feff}이름,나이\n".encode_utf16().flat_map(u16::to_be_bytes).collect(), "utf-16be"),
            ("a,b\r\n1,2\r\n".encode_utf16().flat_map(u16::to_be_bytes).collect(), "utf-16be"),
            ("\u{feff}text\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "utf-32le"),
        ] {
            assert_eq!(charset(&bytes).as_deref(), Some(expected), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_and_noise_are_no_text() {
        let noise: Vec<u8> = (0..4096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let samples: [&[u8]; 7] = [
            &[0, 1, 2, 3, 200],
            &[1, 0, 2, 0, 3, 0],
            b"\xff\xfe\x01\0",
            &noise,
            b"log\0line",
            &[0xde, 0xad, 0xbe, 0xef],
            &[7; 99],
        ];
        for bytes in samples {
            assert_eq!(charset(bytes), None, "{bytes:?}");
        }
        assert_eq!(decode_text(b"text\n", false, b"\x01"), None);
    }

    #[test]
    fn a_character_may_be_cut_at_the_end_of_what_was_seen() {
        let text = "é".repeat(10);
        assert_eq!(decode_text(&text.as_bytes()[..19], false, &[]).unwrap().charset, "utf-8");
        assert_ne!(decode_text(&text.as_bytes()[..19], true, &[]).map(|text| text.charset).as_deref(), Some("utf-8"));
        let korean = encoded(encoding_rs::EUC_KR, &"이름 나이\n".repeat(50));
        assert_eq!(decode_text(&korean[..korean.len() - 2], false, &[]).unwrap().charset, "euc-kr");
    }
}
