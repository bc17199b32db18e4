//! Looks at files that nobody trusts: facts about them, and derivatives of them.
//!
//! Nothing untrusted is decoded in this process. A child of the same binary (`gantry decode`) locks itself in and then
//! decodes, or becomes ffprobe, ffmpeg, pdfinfo, pdftoppm, vips or vipsheader, which inherit the cell. What comes back
//! is checked again here. A damaged file is an answer like any other, and so is one that is too large to be decoded: what
//! cannot be drawn is a problem of the file, never a verdict on it.
//!
//! Must not know rows, stores or HTTP, and must not read settings.

use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::name::MediaType;

mod child;
mod child_process;
mod decoder_kind;
mod external_tools;
mod ffprobe;
mod film_parts;
mod inspect;
mod pdf;
mod poster;
mod protocol;
mod vips;

use decoder_kind::DecoderKind;
pub use decoder_kind::RequiredBytes;
use external_tools::ExternalTools;
use inspect::FileInspection;

/// A file to look at, and what to make of it.
#[derive(Clone, Copy, Debug)]
pub struct InspectionTask<'a> {
    /// The bytes, as [`MediaSandbox::required_bytes`] asked for them, in a file of this task's own: it may be lengthened. An absolute
    /// path.
    pub file: &'a Path,
    /// Bytes of the original.
    pub size: u64,
    /// The detected type, not the declared one.
    pub media_type: &'a MediaType,
    /// The derivatives to make.
    pub sizes: &'a [DerivativeSize],
    /// An empty folder of this task's own for them. An absolute path.
    pub out: &'a Path,
    /// Brings more of a large file when its index lies elsewhere than at its ends. `None`: the ends have to do.
    pub source: Option<&'a dyn PartSource>,
}

/// The original, of which only parts are in the task's file.
#[async_trait]
pub trait PartSource: Debug + Send + Sync {
    /// Writes a range of the original to the same place of the task's file. An error says why it cannot be had now.
    async fn fetch_part(&self, range: Range<u64>) -> Result<(), String>;
}

/// A size of derivatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivativeSize {
    /// The variant's name, as `thumb-256`.
    pub name: String,
    /// Pixels of the longer side. Smaller pictures keep their size.
    pub edge: u32,
}

/// What one file may cost.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Bytes of address space of a child.
    pub max_memory_bytes: u64,
    /// CPU time of a child, in whole seconds.
    pub max_cpu_time: Duration,
    /// Time for everything about one file.
    pub max_wall_time: Duration,
    /// Bytes of any file that a child writes.
    pub max_output_bytes: u64,
    /// Pixels (width times height) of a picture or film that is decoded at all.
    pub max_pixels: u64,
    /// Frames of an animated picture.
    pub max_frames: u64,
    /// Pages of a document of which a page is drawn.
    pub max_pages: u64,
    /// Entries of an archive that are listed by name.
    pub max_entries: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_memory_bytes: 2 << 30,
            max_cpu_time: Duration::from_secs(30),
            max_wall_time: Duration::from_secs(60),
            max_output_bytes: 256 << 20,
            max_pixels: 1 << 28,
            max_frames: 100_000,
            max_pages: 100_000,
            max_entries: 1000,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct MediaReport {
    /// Facts, by name: bounded in number, depth and length, with nothing that tells of places or serial numbers.
    pub details: Map<String, Value>,
    /// Files in the task's folder.
    pub derivatives: Vec<DerivativeFile>,
    /// What could not be done, and why.
    pub problems: Vec<MediaProblem>,
}

/// A derivative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivativeFile {
    /// The [`DerivativeSize::name`]; each size is made in two formats.
    pub variant: String,
    /// Where it is.
    pub file: PathBuf,
    /// `image/webp` or `image/jpeg`.
    pub media_type: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes.
    pub size: u64,
}

/// Something a person should know about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaProblem {
    /// For programs, as `image_damaged`.
    pub code: String,
    /// For people.
    pub sentence: String,
}

impl MediaProblem {
    fn new(code: &str, sentence: &str) -> Self {
        Self { code: code.to_owned(), sentence: sentence.to_owned() }
    }

    /// The same, cut to what a row can hold and a person can read.
    fn truncated(&self) -> Self {
        Self::new(&inspect::clean_text(&self.code), &inspect::clean_text(&self.sentence))
    }

    fn too_many_pixels(width: u32, height: u32) -> Self {
        let sentence = format!("The picture has {width} × {height} pixels, too many to be decoded here.");
        Self::new("image_too_large", &sentence)
    }

    fn film_too_large(width: u32, height: u32) -> Self {
        let sentence =
            format!("The film has {width} × {height} pixels, too many for a picture to be taken from it here.");
        Self::new("film_too_large", &sentence)
    }

    fn too_many_frames(limit: u64) -> Self {
        let sentence = format!("The animation has more than {limit} frames, too many to be decoded here.");
        Self::new("image_too_large", &sentence)
    }

    fn not_decodable() -> Self {
        Self::new("not_decodable_here", "This kind of picture cannot be decoded here.")
    }

    fn out_of_memory() -> Self {
        Self::new("decoder_memory", "The file needs more memory than it may have to be decoded.")
    }

    fn timed_out() -> Self {
        Self::new("decoder_time", "The file took too long to decode.")
    }

    fn output_too_large() -> Self {
        Self::new("decoder_output", "The file unpacks to more than is allowed.")
    }

    fn decoder_crashed() -> Self {
        Self::new("decoder_crashed", "The file could not be decoded: it ended the decoder.")
    }
}

/// Of which thing it is that it is damaged.
fn damaged_problem(what: &str) -> MediaProblem {
    let name = match what {
        "image" => "picture",
        "film" => "recording",
        other => other,
    };
    MediaProblem::new(&format!("{what}_damaged"), &format!("The {name} is damaged and could not be decoded."))
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Ours, not the file's: no process, a full disk. Try again later.
    #[error("{0}")]
    Internal(String),
}

/// How well files are kept in, on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Whether Landlock holds: `full`, `partial` (an older kernel) or `none`. seccomp and rlimits always do.
    pub landlock: String,
    /// Programs that are not installed or do not run in the cell; what needs them is left out.
    pub missing: Vec<&'static str>,
}

/// Starts children that look at files.
#[derive(Clone, Debug)]
pub struct MediaSandbox {
    program: PathBuf,
    limits: DecodeLimits,
    tools: ExternalTools,
}

impl MediaSandbox {
    /// With this very binary as the child, even after it was replaced on disk, and the tools that are installed.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), limits, tools: ExternalTools::find_installed() }
    }

    /// With another binary as the child, for those who are not the `gantry` binary themselves.
    #[must_use]
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// How much of such a file [`Self::examine`] needs.
    #[must_use]
    pub fn required_bytes(media_type: &MediaType, size: u64) -> RequiredBytes {
        DecoderKind::of_media_type(media_type).map_or(RequiredBytes::Nothing, |kind| kind.required_bytes(size))
    }

    /// Looks at a file within the limits. Dropping the future ends every process it started.
    pub async fn examine(&self, task: &InspectionTask<'_>) -> Result<MediaReport, MediaError> {
        let Some(kind) = DecoderKind::of_media_type(task.media_type) else { return Ok(MediaReport::default()) };
        let wanted = kind.required_bytes(task.size);
        if wanted == RequiredBytes::Nothing {
            return Ok(MediaReport::default());
        }
        FileInspection::new(self, task, wanted, Instant::now() + self.limits.max_wall_time).examine(kind).await
    }

    /// Tries a child and each tool in it, and says in the log what does not hold or does not run.
    pub async fn probe(&self) -> Result<SandboxStatus, MediaError> {
        let hold = inspect::probe_sandbox(self, Instant::now() + self.limits.max_wall_time).await?;
        if hold.landlock != "full" {
            tracing::warn!(
                landlock = hold.landlock,
                "this kernel keeps decoders from other files only in part (Landlock)"
            );
        }
        if !hold.missing.is_empty() {
            tracing::warn!(missing = ?hold.missing, "programs do not run here; what they decode is left out");
        }
        Ok(hold)
    }
}

/// What the child does: `gantry decode ORDER`. Touches nothing but what the order names.
#[must_use]
pub fn run_decode_child(order: &str) -> ExitCode {
    child::run_request(order)
}
