//! What parent and child say to each other: an order in one argument, an answer in one line of JSON.
//!
//! The parent writes orders and trusts them; answers come from whoever has taken over the child, and are treated so.

use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::MediaProblem;

/// The exit code of a child that could not get ready: our fault, not the file's. Tools do not use it.
pub(super) const UNABLE_EXIT_CODE: u8 = 125;

/// One piece of work for one child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChildRequest {
    pub(super) bounds: ChildLimits,
    /// The untrusted file, and nothing else beside what programs need to start.
    pub(super) reads: Vec<PathBuf>,
    /// Files that exist and may be written. No other can be made.
    pub(super) writes: Vec<PathBuf>,
    pub(super) work: ChildTask,
}

/// What the kernel holds the child to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ChildLimits {
    /// Bytes of address space.
    pub(super) memory: u64,
    /// Seconds of CPU.
    pub(super) cpu: u64,
    /// Bytes of any file that is written.
    pub(super) output: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChildTask {
    /// Says how well the sandbox holds on this kernel.
    Probe,
    Picture(PictureTask),
    /// Dimensions and facts from the header of a HEIC or AVIF, which others decode.
    Heif,
    /// Which bytes of a large film are needed next; `present` are those that its sparse file has.
    FilmIndex {
        present: Vec<Range<u64>>,
    },
    /// Whether markup could run.
    Markup,
    /// The list of an archive, `entries` of it at most.
    Archive {
        entries: usize,
    },
    /// Becomes another program, which inherits every bound.
    Tool {
        program: PathBuf,
        args: Vec<String>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PictureTask {
    /// The detected type.
    pub(super) media_type: String,
    /// Pixels that may be decoded.
    pub(super) pixels: u64,
    /// Frames that an animation may have.
    pub(super) frames: u64,
    /// Only the beginning of the file is there: no pixels.
    pub(super) head_only: bool,
    /// The EXIF orientation to apply instead of the file's own.
    pub(super) orientation: Option<u8>,
    /// The colour space of the values, where the file itself does not tell.
    pub(super) colour: Option<ColourCode>,
    /// Whether to tell that the picture is as good as black.
    pub(super) judge_darkness: bool,
    /// Whether a general decoder is installed that takes what the built-in decoders draw wrong.
    pub(super) fallback: bool,
    pub(super) drawings: Vec<ThumbnailSpec>,
}

/// A colour space by its code points, ITU-T H.273 tables 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ColourCode {
    pub(super) primaries: u8,
    pub(super) transfer: u8,
}

/// A derivative to draw, in two formats.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ThumbnailSpec {
    pub(super) edge: u32,
    pub(super) webp: PathBuf,
    pub(super) jpeg: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChildResponse {
    Found(ChildFindings),
    /// Ours: a full disk.
    Unable(String),
    /// These bytes of the file are needed before anything else can be said.
    Missing(Range<u64>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ChildFindings {
    pub(super) details: Map<String, Value>,
    /// The drawings that were made.
    pub(super) drawn: Vec<DrawnThumbnail>,
    pub(super) problems: Vec<MediaProblem>,
    /// The built-in decoder does not draw this file, or not as it should. A general decoder may; this is the problem
    /// to report if none can.
    #[serde(default)]
    pub(super) undrawn: Option<MediaProblem>,
    /// The colour space of a HEIC or AVIF that has no ICC profile.
    #[serde(default)]
    pub(super) colour: Option<ColourCode>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct DrawnThumbnail {
    /// Which of the ordered drawings.
    pub(super) drawing: usize,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl ChildFindings {
    /// A fact.
    pub(super) fn set_detail(&mut self, name: &str, value: impl Into<Value>) {
        self.details.insert(name.to_owned(), value.into());
    }

    pub(super) fn add_problem(&mut self, code: &str, sentence: &str) {
        self.problems.push(MediaProblem::new(code, sentence));
    }
}
