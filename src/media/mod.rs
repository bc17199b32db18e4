//! Inspects untrusted files: facts about them, and derivatives of them.
//!
//! This process decodes nothing untrusted. A child of the same binary (`gantry decode`) confines itself and then
//! decodes, or executes ffprobe, ffmpeg, pdfinfo, pdftoppm, vips or vipsheader, which inherit the sandbox. Results are
//! checked again in this process. A damaged file is a normal result, and so is a file that is too large to be decoded:
//! a file that cannot be drawn gets a problem in its report, never a verdict.
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
use crate::domain::reason::FailureCause;

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

/// A file to inspect, and the derivatives to make.
#[derive(Clone, Copy, Debug)]
pub struct InspectionTask<'a> {
    /// Absolute path of a file with the bytes that [`MediaSandbox::required_bytes`] asked for. The file must belong to
    /// this task: it may be lengthened.
    pub file: &'a Path,
    /// Size of the original in bytes.
    pub size: u64,
    /// Detected media type, not the declared media type.
    pub media_type: &'a MediaType,
    /// Derivatives to make.
    pub sizes: &'a [DerivativeSize],
    /// Absolute path of an empty folder for the derivatives, which must belong to this task.
    pub out: &'a Path,
    /// Source of further parts of a large file, if its index is not at its ends. `None`: only the ends are available.
    pub source: Option<&'a dyn PartSource>,
}

/// Access to the original, of which the task's file has only parts.
#[async_trait]
pub trait PartSource: Debug + Send + Sync {
    /// Writes a range of the original to the same place in the task's file. An error says why that is not possible now.
    async fn fetch_part(&self, range: Range<u64>) -> Result<(), String>;
}

/// A size of derivatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivativeSize {
    /// Name of the variant, such as `thumb-256`.
    pub name: String,
    /// Length of the longer side in pixels. Smaller pictures keep their size.
    pub edge: u32,
}

/// Limits for the inspection of a file.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Address space of a child in bytes.
    pub max_memory_bytes: u64,
    /// CPU time of a child, in whole seconds.
    pub max_cpu_time: Duration,
    /// Wall-clock time for all steps.
    pub max_wall_time: Duration,
    /// Size of any file that a child writes, in bytes.
    pub max_output_bytes: u64,
    /// Pixels (width times height) of a picture or film; larger files are not decoded.
    pub max_pixels: u64,
    /// Frames of an animated picture.
    pub max_frames: u64,
    /// Pages of a document; longer documents are not drawn.
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

/// Result of an inspection.
#[derive(Clone, Debug, Default)]
pub struct MediaReport {
    /// Facts by name: limited in number, depth and length, without places or serial numbers.
    pub details: Map<String, Value>,
    /// Derivatives in the task's folder.
    pub derivatives: Vec<DerivativeFile>,
    /// Problems: what could not be done, and why.
    pub problems: Vec<MediaProblem>,
}

/// A derivative of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivativeFile {
    /// Variant, the [`DerivativeSize::name`]; each size is made in two formats.
    pub variant: String,
    /// Path of the file.
    pub file: PathBuf,
    /// `image/webp` or `image/jpeg`.
    pub media_type: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Size in bytes.
    pub size: u64,
}

/// A problem with a file, to be shown to its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaProblem {
    /// Code for programs, such as `image_damaged`.
    pub code: String,
    /// Sentence for people.
    pub sentence: String,
}

impl MediaProblem {
    fn new(code: &str, sentence: &str) -> Self {
        Self { code: code.to_owned(), sentence: sentence.to_owned() }
    }

    /// Same problem, cut to a length that a row can hold and a person can read.
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
        Self::new("decoder_crashed", "The file could not be decoded: it crashed the decoder.")
    }
}

/// Problem for a damaged file; `what` names its kind.
fn damaged_problem(what: &str) -> MediaProblem {
    let name = match what {
        "image" => "picture",
        "film" => "recording",
        other => other,
    };
    MediaProblem::new(&format!("{what}_damaged"), &format!("The {name} is damaged and could not be decoded."))
}

/// Errors of an inspection, without a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Internal fault, not a fault of the file: no process, a full disk. Try again later.
    #[error(transparent)]
    Internal(FailureCause),
}

/// Runs inspections in confined child processes.
#[derive(Clone, Debug)]
pub struct MediaSandbox {
    program: PathBuf,
    limits: DecodeLimits,
    tools: ExternalTools,
}

impl MediaSandbox {
    /// Uses the running binary as the child, even after it was replaced on disk, and the installed programs.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), limits, tools: ExternalTools::find_installed() }
    }

    /// Uses another binary as the child, for processes other than `gantry` itself.
    #[must_use]
    pub fn with_program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// Bytes that [`Self::examine`] needs of a file of this type and size.
    #[must_use]
    pub fn required_bytes(media_type: &MediaType, size: u64) -> RequiredBytes {
        DecoderKind::of_media_type(media_type).map_or(RequiredBytes::Nothing, |kind| kind.required_bytes(size))
    }

    /// Inspects a file within the limits. Dropping the future kills every process that it started.
    pub async fn examine(&self, task: &InspectionTask<'_>) -> Result<MediaReport, MediaError> {
        let Some(kind) = DecoderKind::of_media_type(task.media_type) else { return Ok(MediaReport::default()) };
        let wanted = kind.required_bytes(task.size);
        if wanted == RequiredBytes::Nothing {
            return Ok(MediaReport::default());
        }
        FileInspection::new(self, task, wanted, Instant::now() + self.limits.max_wall_time).examine(kind).await
    }

    /// Probes a child in the sandbox, and logs what the kernel does not enforce. The answer is how far Landlock holds:
    /// `full`, `partial` (an older kernel) or `none`; seccomp and rlimits always apply.
    pub async fn probe_child(&self) -> Result<String, MediaError> {
        let landlock = inspect::probe_landlock(self, Instant::now() + self.limits.max_wall_time).await?;
        if landlock != "full" {
            tracing::warn!(landlock, "this kernel keeps decoders from other files only in part (Landlock)");
        }
        Ok(landlock)
    }

    /// Starts each program in the sandbox, and logs which are not installed or do not run: what they decode is left out.
    pub async fn find_missing_programs(&self) -> Vec<&'static str> {
        let missing = inspect::find_missing_programs(self, Instant::now() + self.limits.max_wall_time).await;
        if !missing.is_empty() {
            tracing::warn!(missing = missing.join(", "), "programs do not run here; what they decode is left out");
        }
        missing
    }
}

/// Entry point of the child: `gantry decode ORDER`. Uses only the files that the order names.
#[must_use]
pub fn run_decode_child(order: &str) -> ExitCode {
    child::run_request(order)
}
