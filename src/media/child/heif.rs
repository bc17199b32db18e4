//! The header of a HEIC or AVIF: its pixels are decoded by others, if at all.
//!
//! ISO/IEC 23008-12: the item properties `ispe` (extent) and `irot` (rotation) stand in the `meta` box at the start.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exif;
use crate::media::damaged;
use crate::media::order::{Answer, Found};

/// Where properties are looked for.
const LOOK: u64 = 1 << 20;

/// Dimensions, `orientation` (as EXIF numbers it) and the camera's facts.
pub(super) fn look(file: &Path) -> Answer {
    let mut head = Vec::new();
    if let Err(error) = File::open(file).and_then(|file| file.take(LOOK).read_to_end(&mut head)) {
        return Answer::Unable(error.to_string());
    }
    let mut found = Found::default();
    found.tell("kind", "image");
    let quarter = properties(&head, b"irot").find_map(|body| body.first().map(|turns| turns & 3)).unwrap_or(0);
    let extents = properties(&head, b"ispe").filter_map(|body| {
        let side = |at: usize| Some(u32::from_be_bytes(body.get(at..at + 4)?.try_into().ok()?));
        Some((side(4)?, side(8)?))
    });
    // A picture of tiles has their extents too; its own is the largest.
    let Some((width, height)) = extents.max_by_key(|(width, height)| u64::from(*width) * u64::from(*height)) else {
        found.problems.push(damaged("image"));
        return Answer::Found(found);
    };
    let (width, height) = if quarter % 2 == 1 { (height, width) } else { (width, height) };
    found.tell("width", width);
    found.tell("height", height);
    if quarter > 0 {
        // irot counts against the clock, EXIF names turns with it.
        found.tell("orientation", [1, 8, 3, 6][usize::from(quarter)]);
    }
    exif::of_file(file, &mut found);
    Answer::Found(found)
}

/// The bodies of boxes with that name, which are small and lie in one run of boxes.
fn properties<'a>(head: &'a [u8], name: &'a [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    head.windows(4).enumerate().filter(move |(_, window)| window == name).map(|(at, _)| &head[at + 4..])
}
