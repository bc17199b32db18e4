//! Inspection of a file in several steps, each in a child of its own, with checks of what the children return.

use crate::domain::reason::FailureCause;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value};

use super::child_process::{ChildOutput, run_child};
use super::decoder_kind::{DecoderKind, RequiredBytes};
use super::protocol::{
    ChildFindings, ChildLimits, ChildRequest, ChildResponse, ChildTask, ColourCode, DrawnThumbnail, PictureTask,
    ThumbnailSpec,
};
use super::{DerivativeFile, InspectionTask, MediaError, MediaProblem, MediaReport, MediaSandbox};

/// Limits for what a child may return: characters of a string, members of an object, depth.
const MAX_TEXT_CHARS: usize = 255;
const MAX_DETAIL_MEMBERS: usize = 32;
const MAX_DETAIL_DEPTH: usize = 4;

/// An inspection in progress.
pub(super) struct FileInspection<'a> {
    pub(super) sandbox: &'a MediaSandbox,
    pub(super) task: &'a InspectionTask<'a>,
    pub(super) report: MediaReport,
    /// True if the last picture that was drawn is almost black.
    pub(super) is_dark: bool,
    /// True if all bytes of the file are present, not only its ends.
    pub(super) has_whole_file: bool,
    /// True if the file is an ISO base media file and its index is present.
    pub(super) has_boxes: bool,
    pub(super) deadline: Instant,
}

impl<'a> FileInspection<'a> {
    pub(super) fn new(
        sandbox: &'a MediaSandbox,
        task: &'a InspectionTask<'a>,
        wanted: RequiredBytes,
        deadline: Instant,
    ) -> Self {
        let whole = wanted == RequiredBytes::Whole;
        Self {
            sandbox,
            task,
            report: MediaReport::default(),
            is_dark: false,
            has_whole_file: whole,
            has_boxes: false,
            deadline,
        }
    }

    pub(super) async fn examine(mut self, kind: DecoderKind) -> Result<MediaReport, MediaError> {
        match kind {
            DecoderKind::Picture => self.inspect_picture().await?,
            DecoderKind::Heif => self.inspect_heif().await?,
            DecoderKind::Markup => drop(self.inspect_in_child(ChildTask::Markup).await?),
            DecoderKind::Archive => {
                let entries = self.sandbox.limits.max_entries;
                self.inspect_in_child(ChildTask::Archive { entries }).await?;
            }
            DecoderKind::Film => self.inspect_film().await?,
            DecoderKind::Document => self.inspect_document().await?,
        }
        Ok(self.report)
    }

    pub(super) fn add_problem(&mut self, problem: MediaProblem) {
        if !self.report.problems.iter().any(|known| known.code == problem.code) {
            self.report.problems.push(problem);
        }
    }

    pub(super) fn set_detail(&mut self, name: &str, value: impl Into<Value>) {
        self.report.details.insert(name.to_owned(), value.into());
    }

    /// Inspects a picture: facts, and all thumbnails. Pictures that the built-in decoder does not draw go to libvips.
    async fn inspect_picture(&mut self) -> Result<(), MediaError> {
        let picture =
            PictureTask { head_only: !self.has_whole_file, ..self.picture_task(&self.task.media_type.essence()) };
        let Some(found) = self.decode_picture(self.task.file, picture).await? else { return Ok(()) };
        let details = truncate_details(found.details);
        self.report.details.extend(details);
        match found.undrawn {
            Some(problem) => self.draw_by_vips(problem.truncated()).await,
            None => Ok(()),
        }
    }

    /// Task for the built-in decoder, without thumbnails.
    fn picture_task(&self, media_type: &str) -> PictureTask {
        let limits = &self.sandbox.limits;
        PictureTask {
            media_type: media_type.to_owned(),
            pixels: limits.max_pixels,
            frames: limits.max_frames,
            head_only: false,
            orientation: None,
            colour: None,
            judge_darkness: false,
            fallback: self.sandbox.tools.vips.is_some(),
            drawings: Vec::new(),
        }
    }

    /// Decodes a picture and draws all thumbnails.
    async fn decode_picture(&mut self, file: &Path, picture: PictureTask) -> Result<Option<ChildFindings>, MediaError> {
        let drawings: Vec<ThumbnailSpec> =
            self.task.sizes.iter().enumerate().map(|(at, size)| self.thumbnail_spec(at, size.edge)).collect();
        let writes: Vec<PathBuf> = drawings.iter().flat_map(|it| [it.webp.clone(), it.jpeg.clone()]).collect();
        let work = ChildTask::Picture(PictureTask { drawings: drawings.clone(), ..picture });
        let found = self.run_decoder(file, writes.clone(), work).await;
        if let Ok(Some(found)) = &found {
            for drawn in &found.drawn {
                self.keep_thumbnail(&drawings, *drawn);
            }
        }
        for file in writes.iter().filter(|file| !self.report.derivatives.iter().any(|made| made.file == **file)) {
            let _ = std::fs::remove_file(file);
        }
        found
    }

    fn thumbnail_spec(&self, at: usize, edge: u32) -> ThumbnailSpec {
        let file = |ending| self.task.out.join(format!("{at}.{ending}"));
        ThumbnailSpec { edge, webp: file("webp"), jpeg: file("jpg") }
    }

    /// Adds a derivative to the report if its format and size are as requested.
    fn keep_thumbnail(&mut self, drawings: &[ThumbnailSpec], drawn: DrawnThumbnail) {
        let (Some(size), Some(drawing)) = (self.task.sizes.get(drawn.drawing), drawings.get(drawn.drawing)) else {
            return;
        };
        let DrawnThumbnail { width, height, .. } = drawn;
        for (file, media_type) in [(&drawing.webp, "image/webp"), (&drawing.jpeg, "image/jpeg")] {
            let (Ok(about), true) = (file.symlink_metadata(), has_signature(file, media_type)) else { continue };
            if about.is_file() && (1..=size.edge).contains(&width) && (1..=size.edge).contains(&height) {
                let (variant, file, size) = (size.name.clone(), file.clone(), about.len());
                self.report.derivatives.push(DerivativeFile { variant, file, media_type, width, height, size });
            }
        }
    }

    /// Inspects HEIC and AVIF: the header by the built-in decoder, the pixels by libvips, or else by ffmpeg.
    async fn inspect_heif(&mut self) -> Result<(), MediaError> {
        let Some(found) = self.run_decoder(self.task.file, Vec::new(), ChildTask::Heif).await? else { return Ok(()) };
        let (details, colour) = (truncate_details(found.details), found.colour);
        self.report.details.extend(details.clone());
        let number = |name: &str| details.get(name).and_then(Value::as_u64);
        let orientation = number("orientation").and_then(|it| u8::try_from(it).ok());
        let side = |name: &str| number(name).and_then(|it| u32::try_from(it).ok());
        let (Some(width), Some(height)) = (side("width"), side("height")) else { return Ok(()) };
        if u64::from(width) * u64::from(height) > self.sandbox.limits.max_pixels {
            self.add_problem(MediaProblem::too_many_pixels(width, height));
            return Ok(());
        }
        if self.task.sizes.is_empty() {
            return Ok(());
        }
        let drawn = self.has_whole_file && self.draw_heif(orientation.unwrap_or(1), colour).await?;
        if !drawn {
            self.add_problem(MediaProblem::not_decodable());
        }
        Ok(())
    }

    /// Runs a built-in decoder on the file, without derivatives, and reports its facts.
    async fn inspect_in_child(&mut self, work: ChildTask) -> Result<Option<Map<String, Value>>, MediaError> {
        let found = self.run_decoder(self.task.file, Vec::new(), work).await?;
        Ok(found.map(|found| {
            let details = truncate_details(found.details);
            self.report.details.extend(details.clone());
            details
        }))
    }

    /// Runs a built-in decoder and returns its findings; problems go to the report.
    async fn run_decoder(
        &mut self,
        file: &Path,
        writes: Vec<PathBuf>,
        work: ChildTask,
    ) -> Result<Option<ChildFindings>, MediaError> {
        let Some(ended) = self.run_in_child(file, writes, work).await? else { return Ok(None) };
        match serde_json::from_slice(&ended.stdout) {
            Ok(ChildResponse::Found(mut found)) if ended.succeeded => {
                for problem in found.problems.drain(..).take(MAX_DETAIL_MEMBERS) {
                    self.add_problem(problem.truncated());
                }
                Ok(Some(found))
            }
            Ok(ChildResponse::Missing(_)) => Ok(None),
            Ok(ChildResponse::Unable(error)) => Err(MediaError::Internal(clean_text(&error).into())),
            _ => {
                self.add_problem(MediaProblem::decoder_crashed());
                Ok(None)
            }
        }
    }

    /// Runs an external program on the file.
    pub(super) async fn run_tool(
        &mut self,
        program: &Path,
        args: Vec<String>,
        writes: Vec<PathBuf>,
    ) -> Result<Option<ChildOutput>, MediaError> {
        self.run_in_child(self.task.file, writes, ChildTask::Tool { program: program.to_owned(), args }).await
    }

    pub(super) async fn run_in_child(
        &mut self,
        file: &Path,
        writes: Vec<PathBuf>,
        work: ChildTask,
    ) -> Result<Option<ChildOutput>, MediaError> {
        for file in &writes {
            let unable = |error| MediaError::Internal(FailureCause::with("no file for a derivative", error));
            File::create(file).map_err(unable)?;
        }
        let order = ChildRequest { bounds: child_limits(self.sandbox), reads: vec![file.to_owned()], writes, work };
        match run_child(self.sandbox, &order, self.deadline).await? {
            Ok(ended) => Ok(Some(ended)),
            Err(problem) => {
                self.add_problem(problem);
                Ok(None)
            }
        }
    }

    /// Draws the thumbnails from a PNG that a program has written, and removes the PNG. `orientation` and `colour` are
    /// those of the picture if the program has not applied them. Returns true if there are thumbnails.
    pub(super) async fn draw_from_frame(
        &mut self,
        frame: &Path,
        orientation: Option<u8>,
        colour: Option<ColourCode>,
    ) -> Result<bool, MediaError> {
        let drawn = if frame.metadata().is_ok_and(|about| about.len() > 0) {
            self.report.derivatives.clear();
            let picture = PictureTask { orientation, colour, judge_darkness: true, ..self.picture_task("image/png") };
            self.decode_picture(frame, picture).await
        } else {
            Ok(None)
        };
        let _ = std::fs::remove_file(frame);
        if let Some(found) = drawn? {
            self.is_dark = found.details.contains_key("dark");
        }
        Ok(!self.report.derivatives.is_empty())
    }

    /// Longest side of all derivatives in pixels.
    pub(super) fn longest_edge(&self) -> Option<u32> {
        self.task.sizes.iter().map(|size| size.edge).max()
    }
}

fn child_limits(sandbox: &MediaSandbox) -> ChildLimits {
    let limits = &sandbox.limits;
    ChildLimits {
        memory: limits.max_memory_bytes,
        cpu: limits.max_cpu_time.as_secs().max(1),
        output: limits.max_output_bytes,
    }
}

/// Probes how well a child can confine itself.
pub(super) async fn probe_landlock(sandbox: &MediaSandbox, deadline: Instant) -> Result<String, MediaError> {
    let ended = run_child(sandbox, &probe_request(sandbox, ChildTask::Probe), deadline).await?;
    let ended = ended.map_err(|problem| MediaError::Internal(problem.sentence.into()))?;
    let Ok(ChildResponse::Found(found)) = serde_json::from_slice(&ended.stdout) else {
        return Err(MediaError::Internal("a decoder does not answer".into()));
    };
    Ok(found.details.get("landlock").and_then(Value::as_str).unwrap_or("none").to_owned())
}

/// Probes which programs do not run in the sandbox.
pub(super) async fn find_missing_programs(sandbox: &MediaSandbox, deadline: Instant) -> Vec<&'static str> {
    let mut missing = Vec::new();
    for (name, program, version) in sandbox.tools.version_commands() {
        let runs = match program.clone() {
            Some(program) => {
                let request = probe_request(sandbox, ChildTask::Tool { program, args: vec![version.to_owned()] });
                matches!(run_child(sandbox, &request, deadline).await, Ok(Ok(ChildOutput { succeeded: true, .. })))
            }
            None => false,
        };
        if !runs {
            missing.push(name);
        }
    }
    missing
}

/// A request that names no files.
fn probe_request(sandbox: &MediaSandbox, work: ChildTask) -> ChildRequest {
    ChildRequest { bounds: child_limits(sandbox), reads: Vec::new(), writes: Vec::new(), work }
}

/// True if a file begins with the signature of its format. Other files are not passed on under this media type.
fn has_signature(file: &Path, media_type: &str) -> bool {
    let mut head = [0; 12];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok()
        && match media_type {
            "image/webp" => head.starts_with(b"RIFF") && head.ends_with(b"WEBP"),
            _ => head.starts_with(&[0xff, 0xd8, 0xff]),
        }
}

/// Text without control characters, cut to a length that a row can hold.
pub(super) fn clean_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect()
}

/// Details from a child, cut to a size that a row can hold.
fn truncate_details(details: Map<String, Value>) -> Map<String, Value> {
    details
        .into_iter()
        .take(MAX_DETAIL_MEMBERS)
        .filter_map(|(name, value)| Some((clean_text(&name), truncate_value(value, MAX_DETAIL_DEPTH)?)))
        .collect()
}

fn truncate_value(value: Value, depth: usize) -> Option<Value> {
    let inner = depth.checked_sub(1)?;
    Some(match value {
        Value::String(long) => clean_text(&long).into(),
        Value::Array(list) => list.into_iter().filter_map(|it| truncate_value(it, inner)).collect(),
        Value::Object(map) => {
            let members = map.into_iter().take(MAX_DETAIL_MEMBERS);
            Value::Object(
                members.filter_map(|(name, value)| Some((clean_text(&name), truncate_value(value, inner)?))).collect(),
            )
        }
        other => other,
    })
}
