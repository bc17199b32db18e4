//! Derivatives of a decoded picture: upright, smaller, in sRGB, as WebP and JPEG, without any metadata.
//!
//! Colours are converted after scaling: this is less work, without a visible difference. Scaling works on the stored
//! (gamma-encoded) values with premultiplied alpha, as in browsers. In JPEGs, transparent areas are white.

use std::cmp::Reverse;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::colour::SourceColour;
use crate::media::protocol::{DrawnThumbnail, ThumbnailSpec};

const WEBP_QUALITY: f32 = 80.0;
const JPEG_QUALITY: u8 = 82;
/// Longest side that both formats support, in pixels.
const MAX_EDGE_PIXELS: u32 = 16_383;

/// Draws all derivatives, the largest first: smaller derivatives are made from it. `colour` is the colour space of the
/// picture; `None`: sRGB.
pub(super) fn draw_thumbnails(
    picture: &DynamicImage,
    turn: Orientation,
    colour: Option<&SourceColour>,
    wishes: &[ThumbnailSpec],
) -> Result<Vec<DrawnThumbnail>, String> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|at| Reverse(wishes[*at].edge));
    let mut made: Vec<DynamicImage> = Vec::with_capacity(wishes.len());
    let (mut resizer, mut drawn) = (Resizer::new(), Vec::new());
    for at in order {
        let edge = wishes[at].edge.clamp(1, MAX_EDGE_PIXELS);
        // Scaling from a picture of at least twice the size has no visible loss.
        let larger = made.iter().rfind(|it| longer_side(it) >= edge.saturating_mul(2));
        let mut small = resize(&mut resizer, larger.unwrap_or(picture), edge)?;
        if let Some(converted) = colour.filter(|_| larger.is_none()).and_then(|colour| colour.to_srgb(&small)) {
            small = converted;
        }
        let mut upright = drop_unused_alpha(&small);
        upright.apply_orientation(turn);
        write_thumbnail(&wishes[at].webp, &encode_webp(&upright)?)?;
        write_thumbnail(&wishes[at].jpeg, &encode_jpeg(&upright)?)?;
        drawn.push(DrawnThumbnail { drawing: at, width: upright.width(), height: upright.height() });
        made.push(small);
    }
    Ok(drawn)
}

/// True if a picture is almost black and therefore not a poster.
pub(super) fn is_dark(picture: &DynamicImage) -> bool {
    /// Largest luma value, of 255, that counts as black: black in television is 16.
    const MAX_BLACK_LUMA: u8 = 24;
    /// Fraction of pixels that may be brighter: less than 1 in 100.
    const BRIGHT_PIXEL_DIVISOR: usize = 100;
    let grey = picture.to_luma8();
    let bright = grey.as_raw().iter().filter(|value| **value > MAX_BLACK_LUMA).count();
    bright * BRIGHT_PIXEL_DIVISOR < grey.as_raw().len()
}

fn longer_side(picture: &DynamicImage) -> u32 {
    picture.width().max(picture.height())
}

/// Picture with `edge` pixels at its longer side; unchanged if that would enlarge it.
fn resize(resizer: &mut Resizer, source: &DynamicImage, edge: u32) -> Result<DynamicImage, String> {
    let (width, height) = (u64::from(source.width()), u64::from(source.height()));
    let long = width.max(height);
    if long <= u64::from(edge) {
        return Ok(source.clone());
    }
    let scaled = |side: u64| u32::try_from((side * u64::from(edge) + long / 2) / long).unwrap_or(edge).max(1);
    let mut small = DynamicImage::new(scaled(width), scaled(height), source.color());
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    resizer.resize(source, &mut small, &options).map_err(|error| format!("not scaled: {error}"))?;
    Ok(small)
}

/// Picture with 8 bits per channel, and with an alpha channel only if it is used.
fn drop_unused_alpha(picture: &DynamicImage) -> DynamicImage {
    if picture.color().has_alpha() {
        let pixels = picture.to_rgba8();
        if pixels.pixels().any(|pixel| pixel.0[3] != u8::MAX) {
            return pixels.into();
        }
    }
    picture.to_rgb8().into()
}

fn encode_webp(picture: &DynamicImage) -> Result<Vec<u8>, String> {
    let (width, height) = (picture.width(), picture.height());
    let encoder = match picture {
        DynamicImage::ImageRgba8(pixels) => webp::Encoder::from_rgba(pixels, width, height),
        DynamicImage::ImageRgb8(pixels) => webp::Encoder::from_rgb(pixels, width, height),
        other => return Err(format!("no WebP of {:?}", other.color())),
    };
    let drawn = encoder.encode_simple(false, WEBP_QUALITY).map_err(|error| format!("{error:?}"));
    // NULL_PARAMETER, too, is a failed allocation: for the encoder's copy of the picture.
    if drawn.as_ref().is_err_and(|error| error.contains("NULL_PARAMETER") || error.contains("OUT_OF_MEMORY")) {
        std::alloc::handle_alloc_error(std::alloc::Layout::for_value(picture.as_bytes()));
    }
    Ok(drawn.map_err(|error| format!("no WebP: {error}"))?.to_vec())
}

fn encode_jpeg(picture: &DynamicImage) -> Result<Vec<u8>, String> {
    let flat = flatten_on_white(picture);
    let side = |side: u32| u16::try_from(side).map_err(|_| "no JPEG is that large".to_owned());
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let (width, height) = (side(flat.width())?, side(flat.height())?);
    encoder.encode(flat.as_raw(), width, height, ColorType::Rgb).map_err(|error| format!("no JPEG: {error}"))?;
    Ok(bytes)
}

fn flatten_on_white(picture: &DynamicImage) -> RgbImage {
    let DynamicImage::ImageRgba8(pixels) = picture else { return picture.to_rgb8() };
    let mut flat = RgbImage::new(pixels.width(), pixels.height());
    for (from, to) in pixels.pixels().zip(flat.pixels_mut()) {
        let alpha = u32::from(from.0[3]);
        for (channel, value) in to.0.iter_mut().zip(from.0) {
            let mixed = (u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255;
            *channel = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
    }
    flat
}

/// Writes into a file that the parent created; the sandbox forbids other files.
fn write_thumbnail(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let written = OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| format!("a derivative could not be written: {error}"))
}
