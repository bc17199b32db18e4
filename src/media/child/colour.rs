//! Conversion of decoded pictures to sRGB, the colour space of derivatives, which screens expect.
//!
//! Supports ICC.1:2022 profiles of RGB and grey values, and the code points of ITU-T H.273. Pictures of high dynamic
//! range (ITU-R BT.2100) are mapped to the range of a screen. Profiles that cannot be used are ignored, as in browsers.

use image::{DynamicImage, GenericImageView, ImageBuffer, Rgba};
use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients, TransferCharacteristics,
    TransformOptions,
};

use crate::media::protocol::ColourCode;

/// Luminance of white paper in a picture of high dynamic range, in candela per square metre, ITU-R BT.2408 §2.
const PAPER_WHITE_NITS: f32 = 203.0;
/// Peak luminance of the display for HLG in candela per square metre, ITU-R BT.2100 table 5.
const HLG_PEAK_NITS: f32 = 1000.0;
/// Light level up to which values stay unchanged, where paper white is 1; brighter values are compressed into the rest.
const TONE_KNEE: f32 = 0.6;

/// A colour space other than sRGB.
pub(super) struct SourceColour {
    profile: Box<ColorProfile>,
    range: DynamicRange,
}

/// Transfer function from values to light.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DynamicRange {
    Standard,
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// Colour space in the header of an ICC profile, such as `RGB `, `GRAY` or `CMYK`.
pub(super) fn icc_colour_space(icc: &[u8]) -> Option<[u8; 4]> {
    icc.get(16..20)?.try_into().ok()
}

impl SourceColour {
    /// Colour space of an ICC profile; `None` if the profile is unusable or does not match the picture's values.
    pub(super) fn from_icc_profile(icc: &[u8], grey: bool) -> Option<Self> {
        let profile = Box::new(ColorProfile::new_from_slice(icc).ok()?);
        let fits = profile.color_space == if grey { DataColorSpace::Gray } else { DataColorSpace::Rgb };
        fits.then_some(Self { profile, range: DynamicRange::Standard })
    }

    /// Colour space of code points; `None` for sRGB and for unspecified or unknown code points.
    pub(super) fn from_code_points(code: ColourCode) -> Option<Self> {
        let range = match code.transfer {
            16 => DynamicRange::Pq,
            18 => DynamicRange::Hlg,
            _ => DynamicRange::Standard,
        };
        let primaries = match CicpColorPrimaries::try_from(code.primaries).ok()? {
            CicpColorPrimaries::Reserved | CicpColorPrimaries::Unspecified => CicpColorPrimaries::Bt709,
            known => known,
        };
        if range == DynamicRange::Standard && primaries == CicpColorPrimaries::Bt709 {
            return None;
        }
        // Screens show the transfer functions of television as their own.
        let profile = Box::new(ColorProfile::new_from_cicp(CicpProfile {
            color_primaries: primaries,
            transfer_characteristics: TransferCharacteristics::Srgb,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        }));
        Some(Self { profile, range })
    }

    /// Same picture in sRGB, with the same transparency; `None` if the profile cannot be used.
    pub(super) fn to_srgb(&self, picture: &DynamicImage) -> Option<DynamicImage> {
        if self.range != DynamicRange::Standard {
            return self.convert_16bit(&self.tone_mapped(picture).into());
        }
        let shallow = picture.color().bytes_per_pixel() == picture.color().channel_count();
        if shallow { self.convert_8bit(picture) } else { self.convert_16bit(picture) }
    }

    /// Converts with 8 bits per value.
    fn convert_8bit(&self, picture: &DynamicImage) -> Option<DynamicImage> {
        let (width, height) = picture.dimensions();
        let mut converted = ImageBuffer::<Rgba<u8>, _>::new(width, height);
        let (values, layout) = if picture.color().has_color() {
            (picture.to_rgba8().into_raw(), Layout::Rgba)
        } else {
            (picture.to_luma_alpha8().into_raw(), Layout::GrayAlpha)
        };
        let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
        let transform = self.profile.create_transform_8bit(layout, &srgb, Layout::Rgba, options).ok()?;
        transform.transform(&values, &mut converted).ok()?;
        Some(converted.into())
    }

    /// Converts with 16 bits per value.
    fn convert_16bit(&self, picture: &DynamicImage) -> Option<DynamicImage> {
        let (width, height) = picture.dimensions();
        let mut converted = ImageBuffer::<Rgba<u16>, _>::new(width, height);
        let (values, layout) = if picture.color().has_color() {
            (picture.to_rgba16().into_raw(), Layout::Rgba)
        } else {
            (picture.to_luma_alpha16().into_raw(), Layout::GrayAlpha)
        };
        let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
        let transform = self.profile.create_transform_16bit(layout, &srgb, Layout::Rgba, options).ok()?;
        transform.transform(&values, &mut converted).ok()?;
        Some(converted.into())
    }

    /// Maps the light of a picture of high dynamic range to the range of a screen, with the sRGB transfer function.
    fn tone_mapped(&self, picture: &DynamicImage) -> ImageBuffer<Rgba<u16>, Vec<u16>> {
        let mut pixels = picture.to_rgba16();
        for pixel in pixels.pixels_mut() {
            let [red, green, blue, _] = pixel.0;
            let signal = [red, green, blue].map(|value| f32::from(value) / f32::from(u16::MAX));
            let light = match self.range {
                DynamicRange::Hlg => hlg_light(signal),
                DynamicRange::Pq | DynamicRange::Standard => signal.map(pq_light),
            };
            let brightest = light.into_iter().fold(0.0_f32, f32::max);
            let by = if brightest > 0.0 { compress_highlights(brightest) / brightest } else { 0.0 };
            for (value, light) in pixel.0.iter_mut().zip(light) {
                *value = quantize(srgb_signal(light * by));
            }
        }
        pixels
    }
}

/// Light of a PQ value, where paper white is 1, ITU-R BT.2100 table 4.
fn pq_light(signal: f32) -> f32 {
    const PQ_M1: f32 = 2610.0 / 16384.0;
    const PQ_M2: f32 = 2523.0 / 4096.0 * 128.0;
    const PQ_C1: f32 = 3424.0 / 4096.0;
    const PQ_C2: f32 = 2413.0 / 4096.0 * 32.0;
    const PQ_C3: f32 = 2392.0 / 4096.0 * 32.0;
    let root = signal.powf(1.0 / PQ_M2);
    ((root - PQ_C1).max(0.0) / (PQ_C2 - PQ_C3 * root)).powf(1.0 / PQ_M1) * 10_000.0 / PAPER_WHITE_NITS
}

/// Light of HLG values, where paper white is 1, ITU-R BT.2100 table 5.
fn hlg_light(signal: [f32; 3]) -> [f32; 3] {
    const HLG_A: f32 = 0.178_832_77;
    const HLG_B: f32 = 0.284_668_92;
    const HLG_C: f32 = 0.559_910_7;
    let scene = signal.map(|it| if it <= 0.5 { it * it / 3.0 } else { (((it - HLG_C) / HLG_A).exp() + HLG_B) / 12.0 });
    let luminance = 0.2627 * scene[0] + 0.678 * scene[1] + 0.0593 * scene[2];
    let gain = luminance.max(0.0).powf(0.2) * HLG_PEAK_NITS / PAPER_WHITE_NITS;
    scene.map(|it| it * gain)
}

/// Compresses light above [`TONE_KNEE`] to values below 1; darker light is unchanged.
fn compress_highlights(light: f32) -> f32 {
    const TONE_HEADROOM: f32 = 1.0 - TONE_KNEE;
    if light <= TONE_KNEE {
        light
    } else {
        TONE_KNEE + TONE_HEADROOM * (1.0 - (-(light - TONE_KNEE) / TONE_HEADROOM).exp())
    }
}

/// Transfer function of sRGB, IEC 61966-2-1.
fn srgb_signal(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

fn quantize(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * f32::from(u16::MAX)).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_of_high_dynamic_range_fits_a_screen() {
        // BT.2408: paper white is 58 % of PQ and 75 % of HLG.
        assert!((pq_light(0.5807) - 1.0).abs() < 0.01, "{}", pq_light(0.5807));
        let paper = hlg_light([0.75; 3]);
        assert!((paper[0] - 1.0).abs() < 0.02, "{paper:?}");
        assert!(
            (compress_highlights(0.5) - 0.5).abs() < f32::EPSILON
                && compress_highlights(1.0) > 0.8
                && compress_highlights(50.0) <= 1.0
        );
        assert_eq!((quantize(1.2), quantize(-0.1), quantize(0.5)), (65535, 0, 32768));
    }

    #[test]
    fn code_points_of_srgb_change_nothing() {
        for (primaries, transfer) in [(1, 13), (1, 1), (2, 2), (1, 6)] {
            assert!(SourceColour::from_code_points(ColourCode { primaries, transfer }).is_none());
        }
        assert!(SourceColour::from_code_points(ColourCode { primaries: 12, transfer: 13 }).is_some());
        assert!(SourceColour::from_code_points(ColourCode { primaries: 9, transfer: 16 }).is_some());
    }
}
