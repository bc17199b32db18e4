//! Raster pictures: header, pixels, thumbnails.
//!
//! Dimensions are checked before anything is decoded. Of an animation only the first frame is decoded.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::colour::{SourceColour, icc_colour_space};
use super::jpeg::{self, JpegFrame};
use super::{exif, frame_count, thumbnail};
use crate::media::protocol::{ChildFindings, ChildResponse, PictureTask};
use crate::media::{MediaProblem, damaged_problem};

/// Number of bytes that hold a header, as `DecoderKind::required_bytes` requests them.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Facts and thumbnails of a picture, decoded within `memory` bytes.
pub(super) fn inspect_picture(file: &Path, wish: &PictureTask, memory: u64) -> ChildResponse {
    let mut found = ChildFindings::default();
    found.set_detail("kind", "image");
    let Some(format) = format_of(&wish.media_type) else {
        return ChildResponse::Unable(format!("{} is not a supported kind of picture", wish.media_type));
    };
    let frame = if format == ImageFormat::Jpeg && !wish.head_only { jpeg::read_frame(file) } else { None };
    let frames = frame_count::count_frames(file, format).filter(|_| !wish.head_only).unwrap_or(1);
    if frames > 1 {
        found.set_detail("frames", frames);
    }
    let decoder =
        if wish.head_only { open_header_decoder(file, format, memory) } else { open_decoder(file, format, memory) };
    let mut decoder = match decoder {
        Ok(decoder) => decoder,
        Err(_) if wish.head_only => return too_large_response(found),
        Err(error) => {
            let Some((frame, problem)) = frame.and_then(|it| it.unsupported_problem().map(|problem| (it, problem)))
            else {
                return decode_failure(found, &error);
            };
            found.set_detail("width", frame.width);
            found.set_detail("height", frame.height);
            found.undrawn = Some(problem);
            return ChildResponse::Found(found);
        }
    };
    add_header_facts(&mut *decoder, format, file, wish, &mut found);
    if wish.head_only {
        return too_large_response(found);
    }
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > wish.pixels {
        found.problems.push(MediaProblem::too_many_pixels(width, height));
        return ChildResponse::Found(found);
    }
    if frames > wish.frames {
        found.problems.push(MediaProblem::too_many_frames(wish.frames));
        return ChildResponse::Found(found);
    }
    draw_pixels(decoder, file, frame.as_ref(), wish, found)
}

/// Decodes the pixels and draws thumbnails, if this decoder draws the picture correctly.
fn draw_pixels(
    mut decoder: BoxedDecoder,
    file: &Path,
    frame: Option<&JpegFrame>,
    wish: &PictureTask,
    mut found: ChildFindings,
) -> ChildResponse {
    let orientation = wish.orientation.and_then(Orientation::from_exif);
    let orientation = orientation.or_else(|| decoder.orientation().ok()).unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten();
    let named_inks = profile.as_deref().and_then(icc_colour_space).is_some_and(|space| &space == b"CMYK");
    // The profile of a TIFF may be larger than its decoder reads.
    let of_inks = match frame {
        Some(frame) => named_inks && frame.components() == 4,
        None => matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16),
    };
    found.undrawn = frame.and_then(JpegFrame::unsupported_problem);
    if of_inks && wish.fallback {
        found.undrawn.get_or_insert_with(MediaProblem::not_decodable);
    }
    if found.undrawn.is_some() {
        return ChildResponse::Found(found);
    }
    let colour = match (&profile, wish.colour) {
        (Some(profile), _) => SourceColour::from_icc_profile(profile, !decoder.color_type().has_color()),
        (None, Some(code)) => SourceColour::from_code_points(code),
        _ => None,
    };
    let picture = match DynamicImage::from_decoder(decoder) {
        Ok(picture) => picture,
        Err(error) => return decode_failure(found, &error),
    };
    if format_of(&wish.media_type) == Some(ImageFormat::Jpeg) && !jpeg::has_end(file) {
        found.problems.push(damaged_problem("image"));
    }
    if wish.judge_darkness && thumbnail::is_dark(&picture) {
        found.set_detail("dark", true);
    }
    match thumbnail::draw_thumbnails(&picture, orientation, colour.as_ref(), &wish.drawings) {
        Ok(drawn) => found.drawn = drawn,
        Err(error) => return ChildResponse::Unable(error),
    }
    ChildResponse::Found(found)
}

/// Decoder of a media type. For an animated PNG it is that of PNG, which decodes the first frame.
fn format_of(media_type: &str) -> Option<ImageFormat> {
    match media_type {
        "image/apng" | "image/vnd.mozilla.apng" => Some(ImageFormat::Png),
        other => ImageFormat::from_mime_type(other),
    }
}

type BoxedDecoder = Box<dyn ImageDecoder>;

fn open_decoder(file: &Path, format: ImageFormat, memory: u64) -> image::ImageResult<BoxedDecoder> {
    build_decoder(BufReader::new(File::open(file)?), format, memory)
}

/// Decoder for the header of a file whose rest is a hole: some decoders read the whole input.
fn open_header_decoder(file: &Path, format: ImageFormat, memory: u64) -> image::ImageResult<BoxedDecoder> {
    let mut head = Vec::new();
    File::open(file)?.take(MAX_HEADER_BYTES).read_to_end(&mut head)?;
    build_decoder(Cursor::new(head), format, memory)
}

fn build_decoder(
    input: impl BufRead + Seek + 'static,
    format: ImageFormat,
    memory: u64,
) -> image::ImageResult<BoxedDecoder> {
    let mut reader = ImageReader::with_format(input, format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    Ok(Box::new(reader.into_decoder()?))
}

fn too_large_response(mut found: ChildFindings) -> ChildResponse {
    found.add_problem("image_too_large", "The picture's file is too large to be decoded here.");
    ChildResponse::Found(found)
}

/// Adds facts from the header, also for pictures that are too large to be decoded.
fn add_header_facts(
    decoder: &mut dyn ImageDecoder,
    format: ImageFormat,
    file: &Path,
    wish: &PictureTask,
    found: &mut ChildFindings,
) {
    let (width, height) = decoder.dimensions();
    let tags = decoder.exif_metadata().ok().flatten();
    let number = wish.orientation.or_else(|| decoder.orientation().ok().map(Orientation::to_exif)).unwrap_or(1);
    // Orientations 5 to 8 swap width and height.
    let (width, height) = if number > 4 { (height, width) } else { (width, height) };
    found.set_detail("width", width);
    found.set_detail("height", height);
    if number > 1 {
        found.set_detail("orientation", number);
    }
    if decoder.color_type().has_alpha() {
        found.set_detail("alpha", true);
    }
    match tags {
        Some(tags) => exif::add_from_tags(tags, found),
        None if format == ImageFormat::Tiff => exif::add_from_file(file, found),
        None => {}
    }
}

fn decode_failure(mut found: ChildFindings, error: &ImageError) -> ChildResponse {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ChildResponse::Unable(error.to_string())
        }
        ImageError::Limits(_) => {
            found.problems.push(MediaProblem::out_of_memory());
            ChildResponse::Found(found)
        }
        ImageError::Unsupported(_) => {
            found.undrawn = Some(MediaProblem::not_decodable());
            ChildResponse::Found(found)
        }
        _ => {
            found.undrawn = Some(damaged_problem("image"));
            ChildResponse::Found(found)
        }
    }
}
