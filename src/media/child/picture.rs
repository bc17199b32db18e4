//! A raster picture: its header, then its pixels, then what is drawn from them.
//!
//! Dimensions are judged before anything is decoded. Of an animation only the first frame is.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::colour::{SourceColour, profile_space};
use super::jpeg::{self, JpegFrame};
use super::{draw, exif, frames};
use crate::media::order::{Answer, Found, Picture};
use crate::media::{Problem, damaged};

/// Bytes that hold a header, as `kind` has them fetched.
const HEAD: u64 = 1 << 20;

/// What the picture is and what was drawn from it, within `memory` bytes.
pub(super) fn look(file: &Path, wish: &Picture, memory: u64) -> Answer {
    let mut found = Found::default();
    found.tell("kind", "image");
    let Some(format) = format_of(&wish.media_type) else {
        return Answer::Unable(format!("{} is no picture that is decoded here", wish.media_type));
    };
    let frame = if format == ImageFormat::Jpeg && !wish.head_only { jpeg::read_frame(file) } else { None };
    let frames = frames::count(file, format).filter(|_| !wish.head_only).unwrap_or(1);
    if frames > 1 {
        found.tell("frames", frames);
    }
    let decoder = if wish.head_only { open_head(file, format, memory) } else { open(file, format, memory) };
    let mut decoder = match decoder {
        Ok(decoder) => decoder,
        Err(_) if wish.head_only => return too_large(found),
        Err(error) => {
            let Some((frame, problem)) = frame.and_then(|it| it.undrawable().map(|problem| (it, problem))) else {
                return failed(found, &error);
            };
            found.tell("width", frame.width);
            found.tell("height", frame.height);
            found.undrawn = Some(problem);
            return Answer::Found(found);
        }
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
    draw_from(decoder, file, frame.as_ref(), wish, found)
}

/// Decodes the pixels and draws from them, where this decoder does that right.
fn draw_from(mut decoder: Decoder, file: &Path, frame: Option<&JpegFrame>, wish: &Picture, mut found: Found) -> Answer {
    let orientation = wish.orientation.and_then(Orientation::from_exif);
    let orientation = orientation.or_else(|| decoder.orientation().ok()).unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let named_inks = profile.as_deref().and_then(profile_space).is_some_and(|space| &space == b"CMYK");
    // The profile of a TIFF may be larger than its decoder reads.
    let of_inks = match frame {
        Some(frame) => named_inks && frame.components() == 4,
        None => matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16),
    };
    found.undrawn = frame.and_then(JpegFrame::undrawable);
    if of_inks && wish.fallback {
        found.undrawn.get_or_insert_with(Problem::not_decodable);
    }
    if found.undrawn.is_some() {
        return Answer::Found(found);
    }
    let colour = match (&profile, wish.colour) {
        (Some(profile), _) => SourceColour::of_profile(profile, !decoder.color_type().has_color()),
        (None, Some(code)) => SourceColour::of_code(code),
        _ => None,
    };
    let picture = match DynamicImage::from_decoder(decoder) {
        Ok(picture) => picture,
        Err(error) => return failed(found, &error),
    };
    if format_of(&wish.media_type) == Some(ImageFormat::Jpeg) && !jpeg::has_end(file) {
        found.problems.push(damaged("image"));
    }
    if wish.judge_darkness && draw::is_dark(&picture) {
        found.tell("dark", true);
    }
    match draw::draw(&picture, orientation, colour.as_ref(), &wish.drawings) {
        Ok(drawn) => found.drawn = drawn,
        Err(error) => return Answer::Unable(error),
    }
    Answer::Found(found)
}

/// The decoder of a type. An animated PNG is a PNG; its first frame is drawn.
fn format_of(media_type: &str) -> Option<ImageFormat> {
    match media_type {
        "image/apng" | "image/vnd.mozilla.apng" => Some(ImageFormat::Png),
        other => ImageFormat::from_mime_type(other),
    }
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
            found.undrawn = Some(Problem::not_decodable());
            Answer::Found(found)
        }
        _ => {
            found.undrawn = Some(damaged("image"));
            Answer::Found(found)
        }
    }
}
