//! Camera facts from EXIF that are useful to people: time, camera and exposure.
//!
//! An allow-list of tags. Places, serial numbers, names, comments and previews are not on it.

use std::path::Path;

use nom_exif::{EntryValue, Exif, ExifDateTime, ExifTag, MediaParser, MediaSource};
use serde_json::{Map, Value};

use crate::media::protocol::ChildFindings;

/// Adds facts from a TIFF structure that a decoder returned.
pub(super) fn add_from_tags(tags: Vec<u8>, found: &mut ChildFindings) {
    add_camera_facts(
        || MediaParser::new().parse_exif(MediaSource::from_memory(tags).ok()?).ok().map(Exif::from),
        found,
    );
}

/// Adds facts from a file with a structure of its own: TIFF, HEIC, AVIF.
pub(super) fn add_from_file(file: &Path, found: &mut ChildFindings) {
    add_camera_facts(|| MediaParser::new().parse_exif(MediaSource::open(file).ok()?).ok().map(Exif::from), found);
}

fn add_camera_facts(read: impl FnOnce() -> Option<Exif> + std::panic::UnwindSafe, found: &mut ChildFindings) {
    // Facts are less important than the picture: if the parser panics, there are none.
    let Ok(Some(exif)) = std::panic::catch_unwind(read) else { return };
    let text = |tag| exif.get(tag).and_then(EntryValue::as_str).map(str::trim).filter(|text| !text.is_empty());
    let mut camera = Map::new();
    for (name, tag) in [("make", ExifTag::Make), ("model", ExifTag::Model), ("lens", ExifTag::LensModel)] {
        if let Some(text) = text(tag) {
            camera.insert(name.to_owned(), text.chars().take(64).collect::<String>().into());
        }
    }
    if !camera.is_empty() {
        found.set_detail("camera", camera);
    }
    let taken = exif.get(ExifTag::DateTimeOriginal).and_then(EntryValue::as_datetime);
    if let Some(taken) = taken {
        let text = match taken {
            ExifDateTime::Aware(time) => time.format("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            ExifDateTime::Naive(time) => time.format("%Y-%m-%dT%H:%M:%S").to_string(),
        };
        found.set_detail("taken_at", text);
    }
    let exposure = exposure_facts(&exif);
    if !exposure.is_empty() {
        found.set_detail("exposure", exposure);
    }
}

fn exposure_facts(exif: &Exif) -> Map<String, Value> {
    const EXPOSURE_TAGS: [(&str, ExifTag); 4] = [
        ("seconds", ExifTag::ExposureTime),
        ("f_number", ExifTag::FNumber),
        ("iso", ExifTag::ISOSpeedRatings),
        ("focal_length_mm", ExifTag::FocalLength),
    ];
    let number = |value: &EntryValue| {
        let number = value.try_as_float().or_else(|| value.as_urational()?.to_f64());
        let number = number.or_else(|| value.try_as_integer().and_then(|it| u32::try_from(it).ok()).map(f64::from));
        number.filter(|number| number.is_finite() && *number > 0.0)
    };
    let known = EXPOSURE_TAGS.into_iter().filter_map(|(name, tag)| {
        let number = number(exif.get(tag)?)?;
        // Six decimal places are more than any camera's precision.
        let rounded = (number * 1e6).round() / 1e6;
        Some((name.to_owned(), Value::from(rounded)))
    });
    known.collect()
}
