//! How many frames an animation has, by walking over its blocks; nothing is decoded.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use image::ImageFormat;

/// The frames of a GIF, WebP or PNG, as far as its blocks can be followed.
pub(super) fn count(file: &Path, format: ImageFormat) -> Option<u64> {
    let mut blocks = Blocks { input: BufReader::new(File::open(file).ok()?), frames: 0 };
    let walked = match format {
        ImageFormat::Gif => blocks.gif(),
        ImageFormat::WebP => blocks.webp(),
        ImageFormat::Png => blocks.png(),
        _ => None,
    };
    // A walk that ended early has seen what there is.
    walked.or((blocks.frames > 0).then_some(())).map(|()| blocks.frames)
}

struct Blocks {
    input: BufReader<File>,
    frames: u64,
}

impl Blocks {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.input.seek_relative(i64::try_from(bytes).ok()?).ok()
    }

    /// A colour table whose size is in `flags`.
    fn table(&mut self, flags: u8) -> Option<()> {
        if flags & 0x80 == 0 {
            return Some(());
        }
        self.skip(3 << ((flags & 7) + 1))
    }

    fn gif(&mut self) -> Option<()> {
        let screen: [u8; 13] = self.take()?;
        self.table(screen[10])?;
        loop {
            match self.take::<1>()?[0] {
                0x21 => self.skip(1)?,
                0x2c => {
                    let image: [u8; 9] = self.take()?;
                    self.table(image[8])?;
                    self.skip(1)?;
                    self.frames += 1;
                }
                _ => return Some(()),
            }
            loop {
                match self.take::<1>()?[0] {
                    0 => break,
                    length => self.skip(u64::from(length))?,
                }
            }
        }
    }

    fn webp(&mut self) -> Option<()> {
        self.skip(12)?;
        loop {
            let name: [u8; 4] = self.take()?;
            let length = u64::from(u32::from_le_bytes(self.take()?));
            self.frames += u64::from(&name == b"ANMF" || name.starts_with(b"VP8 ") || &name == b"VP8L");
            self.skip(length + (length & 1))?;
        }
    }

    /// `acTL` stands before the pixels and says it.
    fn png(&mut self) -> Option<()> {
        self.skip(8)?;
        loop {
            let length = u64::from(u32::from_be_bytes(self.take()?));
            match &self.take::<4>()? {
                b"acTL" => {
                    self.frames = u64::from(u32::from_be_bytes(self.take()?));
                    return Some(());
                }
                b"IDAT" => return None,
                _ => self.skip(length + 4)?,
            }
        }
    }
}
