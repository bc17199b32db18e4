//! Structure of a JPEG: the frame header, and the check for the end of the image.
//!
//! ITU-T T.81, annex B. The built-in decoder draws some legal files wrong without an error; these are detected here.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::media::MediaProblem;

/// Largest number of bytes before the first marker that are skipped.
const MAX_JUNK_BYTES: u64 = 64 << 10;

/// Fields of the frame header and the first scan header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct JpegFrame {
    /// Marker of the frame: C0 is baseline, C2 progressive, C3 lossless, C9 and above arithmetic.
    marker: u8,
    /// Bits per sample.
    precision: u8,
    pub(super) width: u16,
    pub(super) height: u16,
    /// Horizontal and vertical sampling factors of each component.
    sampling: Vec<(u8, u8)>,
    /// Number of components in the first scan.
    scanned: u8,
}

impl JpegFrame {
    /// Number of colour components.
    pub(super) fn components(&self) -> usize {
        self.sampling.len()
    }

    /// Problem to report if the built-in decoder cannot draw this kind of JPEG.
    pub(super) fn unsupported_problem(&self) -> Option<MediaProblem> {
        let known = matches!(self.marker, 0xc0..=0xc2) && self.precision == 8;
        let interleaved =
            self.marker == 0xc2 || usize::from(self.scanned) == self.components() || self.has_uniform_sampling();
        let drawable = known && interleaved && self.has_common_sampling();
        (!drawable).then(|| MediaProblem::new("not_decodable_here", "This kind of JPEG cannot be decoded here."))
    }

    /// True if all components have the same resolution.
    fn has_uniform_sampling(&self) -> bool {
        self.sampling.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// True if luma has the full resolution, and both chroma components the same whole fraction of it.
    fn has_common_sampling(&self) -> bool {
        let fraction = |(across, down): (u8, u8)| {
            let (wide, high) = self.sampling[0];
            across > 0 && down > 0 && wide.is_multiple_of(across) && high.is_multiple_of(down)
        };
        match self.sampling.as_slice() {
            [_] => true,
            [_, blue, red] => blue == red && fraction(*blue),
            [luma, blue, red, black] => luma == black && blue == red && fraction(*blue),
            _ => false,
        }
    }
}

/// Headers before the pixels; `None` without a frame or a scan.
pub(super) fn read_frame(file: &Path) -> Option<JpegFrame> {
    let mut segments = JpegSegments::open(file)?;
    let mut frame = JpegFrame::default();
    loop {
        let marker = segments.next_marker()?;
        match marker {
            // Tables for Huffman and arithmetic coding share the marker range with frames.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let content = segments.read_content()?;
                let number = |at: usize| Some(u16::from_be_bytes(content.get(at..at + 2)?.try_into().ok()?));
                let components = content.get(6..)?.chunks_exact(3).take(usize::from(*content.get(5)?));
                let sampling = components.map(|it| (it[1] >> 4, it[1] & 15)).collect();
                let (height, width) = (number(1)?, number(3)?);
                frame = JpegFrame { marker, precision: *content.first()?, width, height, sampling, scanned: 0 };
            }
            0xda => {
                frame.scanned = *segments.read_content()?.first()?;
                return Some(frame).filter(|frame| frame.components() > 0);
            }
            0xd9 => return None,
            _ => segments.skip_content()?,
        }
    }
}

/// True if the end marker of the picture exists. Data after it (a gain map, a preview, a film) is not checked.
pub(super) fn has_end(file: &Path) -> bool {
    let walk = || {
        let mut segments = JpegSegments::open(file)?;
        loop {
            match segments.next_marker()? {
                0xd9 => return Some(()),
                _ => segments.skip_content()?,
            }
        }
    };
    walk().is_some()
}

/// Reader of the segments of a file.
struct JpegSegments {
    input: BufReader<File>,
}

impl JpegSegments {
    /// Starts after the first SOI marker.
    fn open(file: &Path) -> Option<Self> {
        let mut segments = Self { input: BufReader::with_capacity(64 << 10, File::open(file).ok()?) };
        let mut skipped = 0;
        loop {
            skipped += segments.input.skip_until(0xff).ok()? as u64;
            let next = *segments.input.fill_buf().ok()?.first()?;
            if next == 0xd8 {
                segments.input.consume(1);
                return Some(segments);
            }
            if skipped > MAX_JUNK_BYTES {
                return None;
            }
        }
    }

    fn read_byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte).ok()?;
        Some(byte[0])
    }

    /// Next marker except restart markers, after any coded data, in which 00 follows FF.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            if self.input.skip_until(0xff).ok()? == 0 {
                return None;
            }
            let mut code = self.read_byte()?;
            while code == 0xff {
                code = self.read_byte()?;
            }
            if !matches!(code, 0x00 | 0x01 | 0xd0..=0xd8) {
                return Some(code);
            }
        }
    }

    fn read_length(&mut self) -> Option<u64> {
        u64::from(u16::from_be_bytes([self.read_byte()?, self.read_byte()?])).checked_sub(2)
    }

    fn read_content(&mut self) -> Option<Vec<u8>> {
        let (length, mut content) = (self.read_length()?, Vec::new());
        let read = (&mut self.input).take(length).read_to_end(&mut content).ok()?;
        (read as u64 == length).then_some(content)
    }

    fn skip_content(&mut self) -> Option<()> {
        let length = self.read_length()?;
        self.input.seek_relative(i64::try_from(length).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(marker: u8, precision: u8, sampling: &[(u8, u8)], scanned: u8) -> JpegFrame {
        JpegFrame { marker, precision, sampling: sampling.to_vec(), scanned, ..JpegFrame::default() }
    }

    #[test]
    fn frames_that_the_decoder_draws_wrong_are_told_apart() {
        let (full, half) = ((1, 1), (2, 2));
        for sound in [
            frame(0xc0, 8, &[half, full, full], 3),
            frame(0xc0, 8, &[full, full, full], 1),
            frame(0xc2, 8, &[half, full, full], 1),
            frame(0xc1, 8, &[half], 1),
            frame(0xc0, 8, &[half, full, full, half], 4),
        ] {
            assert_eq!(sound.unsupported_problem(), None, "{sound:?}");
        }
        for odd in [
            frame(0xc0, 8, &[half, full, full], 1),
            frame(0xc0, 8, &[full, half, half], 3),
            frame(0xc0, 8, &[half, half, full], 3),
            frame(0xc0, 8, &[(3, 1), (2, 1), (2, 1)], 3),
            frame(0xc1, 12, &[full, full, full], 3),
            frame(0xc3, 8, &[full, full, full], 3),
            frame(0xc9, 8, &[half, full, full], 3),
            frame(0xc0, 8, &[full, full], 2),
        ] {
            assert_eq!(odd.unsupported_problem().map(|it| it.code).as_deref(), Some("not_decodable_here"), "{odd:?}");
        }
    }
}
