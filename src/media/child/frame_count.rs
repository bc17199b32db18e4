//! Frame count of an animation, by a walk over its blocks; nothing is decoded.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use image::ImageFormat;

/// Number of frames of a GIF, WebP or PNG, as far as its blocks can be followed.
pub(super) fn count_frames(file: &Path, format: ImageFormat) -> Option<u64> {
    let mut blocks = FrameCounter { input: BufReader::new(File::open(file).ok()?), frames: 0 };
    let walked = match format {
        ImageFormat::Gif => blocks.count_gif(),
        ImageFormat::WebP => blocks.count_webp(),
        ImageFormat::Png => blocks.count_png(),
        _ => None,
    };
    // A walk that ended early has counted the frames before.
    walked.or((blocks.frames > 0).then_some(())).map(|()| blocks.frames)
}

struct FrameCounter {
    input: BufReader<File>,
    frames: u64,
}

impl FrameCounter {
    fn read_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn skip_bytes(&mut self, bytes: u64) -> Option<()> {
        self.input.seek_relative(i64::try_from(bytes).ok()?).ok()
    }

    /// Skips a colour table, whose size is in `flags`.
    fn skip_colour_table(&mut self, flags: u8) -> Option<()> {
        if flags & 0x80 == 0 {
            return Some(());
        }
        self.skip_bytes(3 << ((flags & 7) + 1))
    }

    fn count_gif(&mut self) -> Option<()> {
        let screen: [u8; 13] = self.read_array()?;
        self.skip_colour_table(screen[10])?;
        loop {
            match self.read_array::<1>()?[0] {
                0x21 => self.skip_bytes(1)?,
                0x2c => {
                    let image: [u8; 9] = self.read_array()?;
                    self.skip_colour_table(image[8])?;
                    self.skip_bytes(1)?;
                    self.frames += 1;
                }
                _ => return Some(()),
            }
            loop {
                match self.read_array::<1>()?[0] {
                    0 => break,
                    length => self.skip_bytes(u64::from(length))?,
                }
            }
        }
    }

    fn count_webp(&mut self) -> Option<()> {
        self.skip_bytes(12)?;
        loop {
            let name: [u8; 4] = self.read_array()?;
            let length = u64::from(u32::from_le_bytes(self.read_array()?));
            self.frames += u64::from(&name == b"ANMF" || name.starts_with(b"VP8 ") || &name == b"VP8L");
            self.skip_bytes(length + (length & 1))?;
        }
    }

    /// Frame count in the `acTL` chunk, which precedes the pixels.
    fn count_png(&mut self) -> Option<()> {
        self.skip_bytes(8)?;
        loop {
            let length = u64::from(u32::from_be_bytes(self.read_array()?));
            match &self.read_array::<4>()? {
                b"acTL" => {
                    self.frames = u64::from(u32::from_be_bytes(self.read_array()?));
                    return Some(());
                }
                b"IDAT" => return None,
                _ => self.skip_bytes(length + 4)?,
            }
        }
    }
}
