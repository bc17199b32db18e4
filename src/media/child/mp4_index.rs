//! Search for the needed bytes of a large film: over its boxes to `moov`, and from there to the first pictures.
//!
//! The file is sparse. If the search needs bytes in a hole, it returns their range; the parent fetches it and starts
//! the search again. Films other than ISO base media files (14496-12) need only their ends.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::iso_bmff::{self, BoxHeader, child, children, descendant, u32_at, u64_at};
use crate::media::damaged_problem;
use crate::media::protocol::{ChildFindings, ChildResponse};

/// Number of bytes that are requested where a box begins.
const STEP_BYTES: u64 = 64 << 10;
/// Largest `moov` box that is fetched, in bytes. 16 MiB describe some hundred hours.
const MAX_MOOV_BYTES: u64 = 128 << 20;
/// Number of bytes from the first picture on that are fetched: seconds of any film.
const FIRST_PICTURES_BYTES: u64 = 16 << 20;
/// Types that the first box of an ISO base media file may have.
const FIRST_BOX_TYPES: [&[u8; 4]; 10] =
    [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid", b"junk"];

/// Returns the next missing range, or the findings: `boxes` if the film consists of boxes, and the offset
/// `first_picture`.
pub(super) fn find_index(file: &Path, present: &[Range<u64>]) -> ChildResponse {
    let walk = File::open(file).and_then(|file| IndexSearch { size: file.metadata()?.len(), file, present }.search());
    match walk {
        Ok(IndexSearchOutcome::Found(found)) => ChildResponse::Found(found),
        Ok(IndexSearchOutcome::Missing(range)) => ChildResponse::Missing(range),
        Err(error) => ChildResponse::Unable(error.to_string()),
    }
}

enum IndexSearchOutcome {
    Found(ChildFindings),
    Missing(Range<u64>),
}

struct IndexSearch<'a> {
    file: File,
    size: u64,
    present: &'a [Range<u64>],
}

impl IndexSearch<'_> {
    fn search(&mut self) -> Result<IndexSearchOutcome> {
        let (mut at, mut found) = (0, ChildFindings::default());
        let mut fragments = false;
        while at < self.size {
            let wanted = at..self.size.min(at + STEP_BYTES);
            if let Some(missing) = self.first_hole(at..self.size.min(at + iso_bmff::MAX_HEADER_BYTES)) {
                return Ok(IndexSearchOutcome::Missing(missing.start..wanted.end));
            }
            let Some(header) =
                iso_bmff::parse_header(&self.read_range(at..self.size.min(at + iso_bmff::MAX_HEADER_BYTES))?)
            else {
                break;
            };
            if at == 0 && !FIRST_BOX_TYPES.contains(&&header.kind) {
                return Ok(IndexSearchOutcome::Found(found));
            }
            found.set_detail("boxes", true);
            match &header.kind {
                b"moof" if fragments => return self.request_first_picture(at, found),
                b"moov" => match self.search_moov(at, header, &mut found)? {
                    MoovOutcome::Fragments => fragments = true,
                    MoovOutcome::FirstPicture(picture) => return self.request_first_picture(picture, found),
                    MoovOutcome::Missing(missing) => return Ok(IndexSearchOutcome::Missing(missing)),
                    MoovOutcome::Done => return Ok(IndexSearchOutcome::Found(found)),
                },
                _ => {}
            }
            let Some(next) = header.size.and_then(|size| at.checked_add(size)) else { break };
            at = next;
        }
        // Without `moov`, the contents of `mdat` are unknown.
        if found.details.contains_key("boxes") && !fragments {
            found.problems.push(damaged_problem("film"));
        }
        Ok(IndexSearchOutcome::Found(found))
    }

    fn search_moov(&mut self, at: u64, header: BoxHeader, found: &mut ChildFindings) -> Result<MoovOutcome> {
        let end = header.size.map_or(self.size, |size| at.saturating_add(size)).min(self.size);
        if end - at > MAX_MOOV_BYTES {
            found.add_problem("film_too_large", "The recording's index is too large to be read here.");
            return Ok(MoovOutcome::Done);
        }
        if let Some(missing) = self.first_hole(at..end) {
            return Ok(MoovOutcome::Missing(missing));
        }
        let content = self.read_range(at + header.header..end)?;
        let fragments = child(&content, b"mvex").is_some();
        Ok(match first_chunk_offset(&content) {
            Some(picture) => MoovOutcome::FirstPicture(picture),
            None if fragments => MoovOutcome::Fragments,
            None => MoovOutcome::Done,
        })
    }

    /// Requests the bytes of the first pictures, or ends the search if they are present.
    fn request_first_picture(&self, at: u64, mut found: ChildFindings) -> Result<IndexSearchOutcome> {
        let wanted = at.min(self.size)..at.saturating_add(FIRST_PICTURES_BYTES).min(self.size);
        if let Some(missing) = self.first_hole(wanted) {
            return Ok(IndexSearchOutcome::Missing(missing));
        }
        found.set_detail("first_picture", at);
        Ok(IndexSearchOutcome::Found(found))
    }

    /// First part of a range that is a hole.
    fn first_hole(&self, wanted: Range<u64>) -> Option<Range<u64>> {
        let mut from = wanted.start;
        while let Some(here) = self.present.iter().find(|it| it.contains(&from) && it.start < it.end) {
            from = here.end;
        }
        if from >= wanted.end {
            return None;
        }
        let next = self.present.iter().map(|it| it.start).filter(|start| *start > from).min();
        Some(from..next.map_or(wanted.end, |next| next.min(wanted.end)))
    }

    fn read_range(&mut self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(range.start))?;
        (&mut self.file).take(range.end - range.start).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Next step of the search after `moov`.
enum MoovOutcome {
    /// On to the first fragment.
    Fragments,
    FirstPicture(u64),
    Missing(Range<u64>),
    Done,
}

/// Offset of the first chunk of the first video track; of any track if there is no video track.
fn first_chunk_offset(moov: &[u8]) -> Option<u64> {
    let tracks = || children(moov).filter(|(kind, _)| kind == b"trak").map(|(_, track)| track);
    let chunk = |track| {
        let table = descendant(track, &[b"mdia", b"minf", b"stbl"])?;
        match child(table, b"stco") {
            Some(short) => Some(u64::from(u32_at(short, 8)?)).filter(|_| u32_at(short, 4) > Some(0)),
            None => child(table, b"co64").filter(|long| u32_at(long, 4) > Some(0)).and_then(|long| u64_at(long, 8)),
        }
    };
    let pictures = |track: &&[u8]| {
        descendant(track, &[b"mdia", b"hdlr"]).and_then(|handler| handler.get(8..12)) == Some(&b"vide"[..])
    };
    tracks().filter(pictures).find_map(chunk).or_else(|| tracks().find_map(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk<'a>(present: &'a [Range<u64>], bytes: &[u8]) -> IndexSearch<'a> {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        IndexSearch { size: bytes.len() as u64, file, present }
    }

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, content].concat()
    }

    #[test]
    fn holes_are_found() {
        let present = [0..10, 20..30, 30..40];
        let missing = |range| walk(&present, b"").first_hole(range);
        assert_eq!((missing(0..10), missing(20..40), missing(5..8)), (None, None, None));
        assert_eq!((missing(5..15), missing(5..50), missing(35..50)), (Some(10..15), Some(10..20), Some(40..50)));
    }

    #[test]
    fn the_way_leads_over_holes_to_the_first_picture() {
        let table = boxed(b"stbl", &boxed(b"stco", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 16]));
        let media = [boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide"), boxed(b"minf", &table)].concat();
        let moov = boxed(b"moov", &boxed(b"trak", &boxed(b"mdia", &media)));
        let film = [boxed(b"ftyp", b""), boxed(b"mdat", &[7; 300_000]), moov].concat();
        let size = film.len() as u64;
        let at = 8 + 300_008;
        let mut present = Vec::from([0..50, 50..100]);
        let step = |present: &[Range<u64>]| walk(present, &film).search().unwrap();
        let IndexSearchOutcome::Missing(range) = step(&present) else { panic!("there is a hole") };
        assert_eq!(range, at..size);
        present.push(range);
        let IndexSearchOutcome::Missing(range) = step(&present) else { panic!("the pictures are missing") };
        assert_eq!(range, 100..at);
        present.push(range);
        let IndexSearchOutcome::Found(found) = step(&present) else { panic!("all is there") };
        assert_eq!((found.details["first_picture"].as_u64(), found.problems.len()), (Some(16), 0));
    }

    #[test]
    fn a_film_without_its_index_is_damaged_and_others_are_left_alone() {
        let cut = [boxed(b"ftyp", b""), boxed(b"mdat", b"1234")].concat();
        let IndexSearchOutcome::Found(found) = walk(&[0..9, 9..100], &cut).search().unwrap() else {
            panic!("nothing is missing")
        };
        assert_eq!(found.problems[0].code, "film_damaged");
        let IndexSearchOutcome::Found(found) = walk(&[0..4, 4..8], b"\x1a\x45\xdf\xa3....").search().unwrap() else {
            panic!("it is there")
        };
        assert!(found.details.is_empty());
    }
}
