//! A raster picture: its header, then its pixels, then what is drawn from them.
//!
//! Dimensions are judged before anything is decoded. Of an animation only the first frame is.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::{draw, exif, frames};
use crate::media::order::{Answer, Found, Picture};
use crate::media::{Problem, damaged};

/// Bytes that hold a header, as `kind` has them fetched.
const HEAD: u64 = 1 << 20;

/// What the picture is and what was drawn from it, within `memory` bytes.
pub(super) fn look(file: &Path, wish: &Picture, memory: u64) -> Answer {
    let mut found = Found::default();
    found.tell("kind", "image");
    let Some(format) = ImageFormat::from_mime_type(&wish.media_type) else {
        return Answer::Unable(format!("{} is no picture that is decoded here", wish.media_type));
    };
    let frames = frames::count(file, format).filter(|_| !wish.head_only).unwrap_or(1);
    if frames > 1 {
        found.tell("frames", frames);
    }
    let decoder = if wish.head_only { open_head(file, format, memory) } else { open(file, format, memory) };
    let mut decoder = match decoder {
        Ok(decoder) => decoder,
        Err(_) if wish.head_only => return too_large(found),
        Err(error) => return failed(found, &error),
    };
    header(&mut *decoder, format, file, wish, &mut found);
    if wish.head_only {
        return too_large(found);
    }
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > wish.pixels {
        found.problems.push(Problem::too_many_pixels(width, height));
        return Answer::Found(found);
    }
    if frames > wish.frames {
        found.problems.push(Problem::too_many_frames(wish.frames));
        return Answer::Found(found);
    }
    let orientation = wish.orientation.and_then(Orientation::from_exif);
    let orientation = orientation.or_else(|| decoder.orientation().ok()).unwrap_or(Orientation::NoTransforms);
    let picture = match DynamicImage::from_decoder(decoder) {
        Ok(picture) => picture,
        Err(error) => return failed(found, &error),
    };
    if format == ImageFormat::Jpeg && !ended(file) {
        found.problems.push(damaged("image"));
    }
    match draw::draw(&picture, orientation, &wish.drawings) {
        Ok(drawn) => found.drawn = drawn,
        Err(error) => return Answer::Unable(error),
    }
    Answer::Found(found)
}

type Decoder = Box<dyn ImageDecoder>;

fn open(file: &Path, format: ImageFormat, memory: u64) -> image::ImageResult<Decoder> {
    decoder(BufReader::new(File::open(file)?), format, memory)
}

/// A decoder for headers, of a file whose rest is a hole: some read all that is there.
fn open_head(file: &Path, format: ImageFormat, memory: u64) -> image::ImageResult<Decoder> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    decoder(Cursor::new(head), format, memory)
}

fn decoder(input: impl BufRead + Seek + 'static, format: ImageFormat, memory: u64) -> image::ImageResult<Decoder> {
    let mut reader = ImageReader::with_format(input, format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    Ok(Box::new(reader.into_decoder()?))
}

fn too_large(mut found: Found) -> Answer {
    found.problem("image_too_large", "The picture's file is too large to be decoded here.");
    Answer::Found(found)
}

/// Facts from the header: they are told of a picture that is too large to be decoded, too.
fn header(decoder: &mut dyn ImageDecoder, format: ImageFormat, file: &Path, wish: &Picture, found: &mut Found) {
    let (width, height) = decoder.dimensions();
    let tags = decoder.exif_metadata().ok().flatten();
    let number = wish.orientation.or_else(|| decoder.orientation().ok().map(Orientation::to_exif)).unwrap_or(1);
    // 5 to 8 lie on their side.
    let (width, height) = if number > 4 { (height, width) } else { (width, height) };
    found.tell("width", width);
    found.tell("height", height);
    if number > 1 {
        found.tell("orientation", number);
    }
    if decoder.color_type().has_alpha() {
        found.tell("alpha", true);
    }
    match tags {
        Some(tags) => exif::of_tags(tags, found),
        None if format == ImageFormat::Tiff => exif::of_file(file, found),
        None => {}
    }
}

fn failed(mut found: Found, error: &ImageError) -> Answer {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::NotFound => Answer::Unable(error.to_string()),
        ImageError::Limits(_) => {
            found.problems.push(Problem::memory());
            Answer::Found(found)
        }
        ImageError::Unsupported(_) => {
            found.problem("not_decodable_here", "This kind of picture cannot be decoded here.");
            Answer::Found(found)
        }
        _ => {
            found.problems.push(damaged("image"));
            Answer::Found(found)
        }
    }
}

/// Whether a JPEG has its end: the decoder fills up what is missing and does not say so.
fn ended(file: &Path) -> bool {
    // Cameras append previews and films; an end that far from the end is not looked for.
    const LOOK: u64 = 64 << 20;
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(LOOK)))?;
        let mut tail = Vec::new();
        file.take(LOOK).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let Ok(tail) = tail() else { return false };
    // A preview within the EXIF data has an end of its own, but the picture's scans begin behind that.
    let marker = |code: u8| move |pair: &[u8]| pair == [0xff, code];
    let end = tail.windows(2).rposition(marker(0xd9));
    end.is_some_and(|end| !tail[end..].windows(2).any(marker(0xda)))
}
