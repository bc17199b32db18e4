//! Protocol between parent and child: a request in a single argument, a response in a line of JSON.
//!
//! The child trusts requests, which the parent writes. The parent does not trust responses: an attacker may control the
//! child.

use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::MediaProblem;

/// Exit code of a child that could not start its work: an internal fault, not a fault of the file. Tools do not use it.
pub(super) const UNABLE_EXIT_CODE: u8 = 125;

/// A task for a child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChildRequest {
    pub(super) bounds: ChildLimits,
    /// Files that the child may read: the untrusted file only. Programs may also read what they need to start.
    pub(super) reads: Vec<PathBuf>,
    /// Existing files that the child may write. The child cannot create files.
    pub(super) writes: Vec<PathBuf>,
    pub(super) work: ChildTask,
}

/// Limits that the kernel enforces on the child.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ChildLimits {
    /// Address space in bytes.
    pub(super) memory: u64,
    /// CPU time in seconds.
    pub(super) cpu: u64,
    /// Size of any written file in bytes.
    pub(super) output: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChildTask {
    /// Probes how well the sandbox works on this kernel.
    Probe,
    Picture(PictureTask),
    /// Dimensions and facts from the header of a HEIC or AVIF, whose pixels other programs decode.
    Heif,
    /// Search for the bytes of a large film that are needed next; `present` are the ranges that its sparse file has.
    FilmIndex {
        present: Vec<Range<u64>>,
    },
    /// Search for scripts in SVG markup.
    Markup,
    /// List of an archive, with at most `entries` entries.
    Archive {
        entries: usize,
    },
    /// Execution of another program, which inherits every limit.
    Tool {
        program: PathBuf,
        args: Vec<String>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PictureTask {
    /// Detected media type.
    pub(super) media_type: String,
    /// Largest number of pixels to decode.
    pub(super) pixels: u64,
    /// Largest number of frames of an animation.
    pub(super) frames: u64,
    /// Set if only the beginning of the file is present: no pixels are decoded.
    pub(super) head_only: bool,
    /// EXIF orientation to apply instead of the file's own.
    pub(super) orientation: Option<u8>,
    /// Colour space of the values, if the file does not contain it.
    pub(super) colour: Option<ColourCode>,
    /// Requests a check for almost black pictures.
    pub(super) judge_darkness: bool,
    /// Set if a general decoder (libvips) is installed for pictures that the built-in decoders draw wrong.
    pub(super) fallback: bool,
    pub(super) drawings: Vec<ThumbnailSpec>,
}

/// Colour space by its code points, ITU-T H.273 tables 2 and 3.
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
    /// Internal fault, such as a full disk.
    Unable(String),
    /// Range of the file that is needed before the work can go on.
    Missing(Range<u64>),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ChildFindings {
    pub(super) details: Map<String, Value>,
    /// Derivatives that were drawn.
    pub(super) drawn: Vec<DrawnThumbnail>,
    pub(super) problems: Vec<MediaProblem>,
    /// Set if the built-in decoder does not draw this file, or not correctly. A general decoder may draw it; this is
    /// the problem to report if none can.
    #[serde(default)]
    pub(super) undrawn: Option<MediaProblem>,
    /// Colour space of a HEIC or AVIF without an ICC profile.
    #[serde(default)]
    pub(super) colour: Option<ColourCode>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct DrawnThumbnail {
    /// Index of the requested derivative.
    pub(super) drawing: usize,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl ChildFindings {
    /// Sets a fact.
    pub(super) fn set_detail(&mut self, name: &str, value: impl Into<Value>) {
        self.details.insert(name.to_owned(), value.into());
    }

    pub(super) fn add_problem(&mut self, code: &str, sentence: &str) {
        self.problems.push(MediaProblem::new(code, sentence));
    }
}
