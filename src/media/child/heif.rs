//! Header of a HEIC or AVIF, whose pixels other programs decode.
//!
//! ISO/IEC 23008-12: the `meta` box names the primary item (`pitm`), lists properties (`ipco`) and assigns properties
//! to items (`ipma`). Sequences without a primary item have a `moov` box, as films do.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::exif;
use super::iso_bmff::{self, child, children, descendant, u16_at, u32_at};
use crate::media::damaged_problem;
use crate::media::protocol::{ChildFindings, ChildResponse, ColourCode};

/// Number of bytes of a `meta` or `moov` box that are read.
const MAX_INDEX_BYTES: u64 = 8 << 20;
/// Number of top-level boxes that are searched.
const MAX_TOP_BOXES: usize = 64;

/// Facts of the header: dimensions of the primary item as displayed, `orientation` (as in EXIF), `alpha`, `frames` of a
/// sequence, the colour space if there is no ICC profile, and the camera's facts.
pub(super) fn inspect_header(file: &Path) -> ChildResponse {
    let mut found = ChildFindings::default();
    found.set_detail("kind", "image");
    let HeifBoxes { meta, moov } = match HeifBoxes::read_file(file) {
        Ok(index) => index,
        Err(error) => return ChildResponse::Unable(error.to_string()),
    };
    let item = meta.as_deref().and_then(HeifItem::primary);
    let track = moov.as_deref().and_then(HeifTrack::first);
    let Some((width, height)) =
        item.as_ref().map(HeifItem::display_size).or_else(|| track.as_ref().map(|it| it.extent))
    else {
        found.problems.push(damaged_problem("image"));
        return ChildResponse::Found(found);
    };
    found.set_detail("width", width);
    found.set_detail("height", height);
    if let Some(item) = &item {
        if item.orientation() > 1 {
            found.set_detail("orientation", item.orientation());
        }
        if item.alpha {
            found.set_detail("alpha", true);
        }
        found.colour = item.colour;
    }
    if let Some(frames) = track.map(|track| track.samples).filter(|frames| *frames > 1) {
        found.set_detail("frames", frames);
    }
    exif::add_from_file(file, &mut found);
    ChildResponse::Found(found)
}

/// Contents of the two boxes that describe the file.
#[derive(Default)]
struct HeifBoxes {
    meta: Option<Vec<u8>>,
    moov: Option<Vec<u8>>,
}

impl HeifBoxes {
    fn read_file(file: &Path) -> std::io::Result<Self> {
        let (mut file, mut index, mut at) = (File::open(file)?, Self::default(), 0);
        for _ in 0..MAX_TOP_BOXES {
            let mut head = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            (&mut file).take(iso_bmff::MAX_HEADER_BYTES).read_to_end(&mut head)?;
            let Some(found) = iso_bmff::parse_header(&head) else { break };
            let wanted = match &found.kind {
                b"meta" => Some(&mut index.meta),
                b"moov" => Some(&mut index.moov),
                _ => None,
            };
            if let Some(content) = wanted {
                file.seek(SeekFrom::Start(at + found.header))?;
                let length = found.size.unwrap_or(u64::MAX) - found.header;
                let mut bytes = Vec::new();
                (&mut file).take(length.min(MAX_INDEX_BYTES)).read_to_end(&mut bytes)?;
                content.get_or_insert(bytes);
            }
            let Some(next) = found.size.and_then(|size| at.checked_add(size)) else { break };
            at = next;
        }
        Ok(index)
    }
}

/// Transformation of an item before display, in the order of its properties.
#[derive(Clone, Copy)]
enum ItemTransform {
    /// Counter-clockwise quarter turns.
    Quarters(u8),
    /// Top and bottom are swapped.
    TopBottom,
    /// Left and right are swapped.
    LeftRight,
}

/// Properties of a picture in the file.
#[derive(Default)]
struct HeifItem {
    extent: (u32, u32),
    clean: Option<(u32, u32)>,
    turns: Vec<ItemTransform>,
    colour: Option<ColourCode>,
    profile: bool,
    alpha: bool,
}

impl HeifItem {
    /// Primary item of a `meta` box.
    fn primary(meta: &[u8]) -> Option<Self> {
        let inside = meta.get(4..)?;
        let pitm = child(inside, b"pitm")?;
        let id = if pitm.first()? == &0 { u32::from(u16_at(pitm, 4)?) } else { u32_at(pitm, 4)? };
        let properties: Vec<_> = children(descendant(inside, &[b"iprp", b"ipco"])?).collect();
        let mut item = Self { alpha: properties.iter().any(is_alpha_property), ..Self::default() };
        for at in property_numbers(descendant(inside, &[b"iprp", b"ipma"])?, id)? {
            let Some((kind, content)) = at.checked_sub(1).and_then(|at| properties.get(at)) else { continue };
            item.apply_property(*kind, content);
        }
        if item.colour.is_none() && !item.profile {
            // An item that consists of tiles may have the colour property only on the tiles.
            for (kind, content) in properties.iter().filter(|(kind, _)| kind == b"colr") {
                item.apply_property(*kind, content);
            }
        }
        item.colour = item.colour.filter(|_| !item.profile);
        (item.extent.0 > 0 && item.extent.1 > 0).then_some(item)
    }

    /// Applies a property; a truncated property is ignored.
    fn apply_property(&mut self, kind: [u8; 4], content: &[u8]) -> Option<()> {
        match &kind {
            b"ispe" => self.extent = (u32_at(content, 4)?, u32_at(content, 8)?),
            b"clap" => {
                let side = |at| Some(u32_at(content, at)?.checked_div(u32_at(content, at + 4)?)?.max(1));
                self.clean = Some((side(0)?, side(8)?));
            }
            b"irot" => self.turns.push(ItemTransform::Quarters(content.first()? & 3)),
            b"imir" => self.turns.push(if content.first()? & 1 == 0 {
                ItemTransform::TopBottom
            } else {
                ItemTransform::LeftRight
            }),
            b"colr" if content.starts_with(b"nclx") => {
                let number = |at| u8::try_from(u16_at(content, at)?).ok();
                self.colour = Some(ColourCode { primaries: number(4)?, transfer: number(6)? });
            }
            b"colr" => self.profile |= content.starts_with(b"prof") || content.starts_with(b"rICC"),
            _ => {}
        }
        Some(())
    }

    /// Width and height as displayed.
    fn display_size(&self) -> (u32, u32) {
        let (width, height) = match self.clean {
            Some((width, height)) => (width.min(self.extent.0), height.min(self.extent.1)),
            None => self.extent,
        };
        if self.orientation() > 4 { (height, width) } else { (width, height) }
    }

    /// All transformations together, as an EXIF orientation.
    fn orientation(&self) -> u8 {
        // Matrices by rows, for points right of and below the centre.
        const ORIENTATION_MATRICES: [[i8; 4]; 8] = [
            [1, 0, 0, 1],
            [-1, 0, 0, 1],
            [-1, 0, 0, -1],
            [1, 0, 0, -1],
            [0, 1, 1, 0],
            [0, -1, 1, 0],
            [0, -1, -1, 0],
            [0, 1, -1, 0],
        ];
        let together = self.turns.iter().fold(ORIENTATION_MATRICES[0], |[a, b, c, d], turn| match turn {
            ItemTransform::Quarters(count) => (0..*count).fold([a, b, c, d], |[a, b, c, d], _| [c, d, -a, -b]),
            ItemTransform::TopBottom => [a, b, -c, -d],
            ItemTransform::LeftRight => [-a, -b, c, d],
        });
        (1..).zip(ORIENTATION_MATRICES).find(|(_, matrix)| *matrix == together).map_or(1, |(number, _)| number)
    }
}

/// True if a property says that its item is the alpha channel of another item.
fn is_alpha_property((kind, content): &([u8; 4], &[u8])) -> bool {
    const ALPHA_AUX_TYPES: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];
    kind == b"auxC" && ALPHA_AUX_TYPES.iter().any(|name| content.get(4..).is_some_and(|text| text.starts_with(name)))
}

/// Property numbers of an item, counted from 1.
fn property_numbers(ipma: &[u8], id: u32) -> Option<Vec<usize>> {
    let (version, wide) = (*ipma.first()?, ipma.get(3)? & 1 == 1);
    let mut at = 8;
    for _ in 0..u32_at(ipma, 4)? {
        let (item, length) = if version == 0 { (u32::from(u16_at(ipma, at)?), 2) } else { (u32_at(ipma, at)?, 4) };
        let (count, first) = (usize::from(*ipma.get(at + length)?), at + length + 1);
        let width = if wide { 2 } else { 1 };
        if item == id {
            let number = |entry: usize| {
                let at = first + entry * width;
                let number = if wide { u16_at(ipma, at)? & 0x7fff } else { u16::from(ipma.get(at)? & 0x7f) };
                Some(usize::from(number))
            };
            return (0..count).map(number).collect();
        }
        at = first + count * width;
    }
    Some(Vec::new())
}

/// First track of a sequence.
struct HeifTrack {
    extent: (u32, u32),
    samples: u32,
}

impl HeifTrack {
    fn first(moov: &[u8]) -> Option<Self> {
        children(moov).filter(|(kind, _)| kind == b"trak").find_map(|(_, track)| {
            let tkhd = child(track, b"tkhd")?;
            // Fixed-point numbers of 16.16 bits at the end of the box, ISO/IEC 14496-12 §8.3.2.
            let side = |back: usize| Some(u32_at(tkhd, tkhd.len().checked_sub(back)?)? >> 16);
            let stsz = descendant(track, &[b"mdia", b"minf", b"stbl", b"stsz"])?;
            let extent = (side(8)?, side(4)?);
            (extent.0 > 0 && extent.1 > 0).then_some(Self { extent, samples: u32_at(stsz, 8)? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, content].concat()
    }

    #[test]
    fn what_counts_is_the_primary_item_and_not_the_largest() {
        let extent = |width: u8, height: u8| boxed(b"ispe", &[0, 0, 0, 0, 0, 0, 0, width, 0, 0, 0, height]);
        let turn = boxed(b"irot", &[1]);
        let colour = boxed(b"colr", b"nclx\0\x0c\0\x0d\0\x06\x80");
        let ipco = boxed(b"ipco", &[extent(200, 100), extent(40, 30), turn, colour].concat());
        // Item 1 has the first property, item 2 the second and third.
        let ipma = boxed(b"ipma", &[0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1, 1, 0, 2, 3, 2, 0x83, 4]);
        let iprp = boxed(b"iprp", &[ipco, ipma].concat());
        let meta = [vec![0; 4], boxed(b"pitm", &[0, 0, 0, 0, 0, 2]), iprp].concat();
        let item = HeifItem::primary(&meta).unwrap();
        assert_eq!((item.display_size(), item.orientation()), ((30, 40), 8));
        assert_eq!(item.colour, Some(ColourCode { primaries: 12, transfer: 13 }));
        for cut in 0..meta.len() {
            let _ = HeifItem::primary(&meta[..cut]);
        }
    }

    #[test]
    fn turns_are_numbered_as_exif_does() {
        let number = |turns: &[ItemTransform]| HeifItem { turns: turns.to_vec(), ..HeifItem::default() }.orientation();
        assert_eq!([0, 1, 2, 3].map(|count| number(&[ItemTransform::Quarters(count)])), [1, 8, 3, 6]);
        assert_eq!((number(&[ItemTransform::LeftRight]), number(&[ItemTransform::TopBottom])), (2, 4));
        // EXIF 5 is a mirror and a turn; 7 is a mirror and a turn the other way.
        assert_eq!(number(&[ItemTransform::Quarters(1), ItemTransform::TopBottom]), 5);
        assert_eq!(number(&[ItemTransform::Quarters(3), ItemTransform::TopBottom]), 7);
        assert_eq!(number(&[ItemTransform::LeftRight, ItemTransform::LeftRight]), 1);
    }
}
