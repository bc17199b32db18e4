//! One visit to one file: the steps of looking at it, each in a child of its own, and the checks of what they say.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value};

use super::kind::{Kind, Wanted};
use super::order::{Answer, Bounds, ColourCode, Drawing, Drawn, Found, Order, Picture, Work};
use super::run::{Ended, run};
use super::{Hold, Made, Problem, Report, Sandbox, Task, Trouble};

/// Characters of a string, and members of an object, that a child may tell.
const TEXT: usize = 255;
const MEMBERS: usize = 32;
const DEPTH: usize = 4;

/// A visit under way.
pub(super) struct Visit<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) task: &'a Task<'a>,
    pub(super) report: Report,
    /// Whether the picture that was drawn last is as good as black.
    pub(super) dark: bool,
    /// Whether all bytes of the file are there, not only its ends.
    pub(super) whole: bool,
    /// Whether it is an ISO base media file whose index is there.
    pub(super) has_boxes: bool,
    pub(super) deadline: Instant,
}

impl<'a> Visit<'a> {
    pub(super) fn new(sandbox: &'a Sandbox, task: &'a Task<'a>, wanted: Wanted, deadline: Instant) -> Self {
        let whole = wanted == Wanted::Whole;
        Self { sandbox, task, report: Report::default(), dark: false, whole, has_boxes: false, deadline }
    }

    pub(super) async fn examine(mut self, kind: Kind) -> Result<Report, Trouble> {
        match kind {
            Kind::Picture => self.picture().await?,
            Kind::Heif => self.heif().await?,
            Kind::Markup => drop(self.look(Work::Markup).await?),
            Kind::Archive => {
                let entries = self.sandbox.limits.entries;
                self.look(Work::Archive { entries }).await?;
            }
            Kind::Film => self.film().await?,
            Kind::Document => self.document().await?,
        }
        Ok(self.report)
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        if !self.report.problems.iter().any(|known| known.code == problem.code) {
            self.report.problems.push(problem);
        }
    }

    pub(super) fn tell(&mut self, name: &str, value: impl Into<Value>) {
        self.report.details.insert(name.to_owned(), value.into());
    }

    /// The file itself: facts, and every size of it. What the built-in decoder does not draw, libvips may.
    async fn picture(&mut self) -> Result<(), Trouble> {
        let picture = Picture { head_only: !self.whole, ..self.wish(&self.task.media_type.essence()) };
        let Some(found) = self.decode(self.task.file, picture).await? else { return Ok(()) };
        let details = bounded(found.details);
        self.report.details.extend(details);
        match found.undrawn {
            Some(problem) => self.draw_by_vips(problem.bounded()).await,
            None => Ok(()),
        }
    }

    /// What is asked of the built-in decoder, but for the drawings.
    fn wish(&self, media_type: &str) -> Picture {
        let limits = &self.sandbox.limits;
        Picture {
            media_type: media_type.to_owned(),
            pixels: limits.pixels,
            frames: limits.frames,
            head_only: false,
            orientation: None,
            colour: None,
            judge_darkness: false,
            fallback: self.sandbox.tools.vips.is_some(),
            drawings: Vec::new(),
        }
    }

    /// Decodes a picture and draws every size of it.
    async fn decode(&mut self, file: &Path, picture: Picture) -> Result<Option<Found>, Trouble> {
        let drawings: Vec<Drawing> =
            self.task.sizes.iter().enumerate().map(|(at, size)| self.drawing(at, size.edge)).collect();
        let writes: Vec<PathBuf> = drawings.iter().flat_map(|it| [it.webp.clone(), it.jpeg.clone()]).collect();
        let work = Work::Picture(Picture { drawings: drawings.clone(), ..picture });
        let found = self.ask(file, writes.clone(), work).await;
        if let Ok(Some(found)) = &found {
            for drawn in &found.drawn {
                self.keep(&drawings, *drawn);
            }
        }
        for file in writes.iter().filter(|file| !self.report.derivatives.iter().any(|made| made.file == **file)) {
            let _ = std::fs::remove_file(file);
        }
        found
    }

    fn drawing(&self, at: usize, edge: u32) -> Drawing {
        let file = |ending| self.task.out.join(format!("{at}.{ending}"));
        Drawing { edge, webp: file("webp"), jpeg: file("jpg") }
    }

    /// Takes a derivative into the report if it is what it should be.
    fn keep(&mut self, drawings: &[Drawing], drawn: Drawn) {
        let (Some(size), Some(drawing)) = (self.task.sizes.get(drawn.drawing), drawings.get(drawn.drawing)) else {
            return;
        };
        let Drawn { width, height, .. } = drawn;
        for (file, media_type) in [(&drawing.webp, "image/webp"), (&drawing.jpeg, "image/jpeg")] {
            let (Ok(about), true) = (file.symlink_metadata(), begins_as(file, media_type)) else { continue };
            if about.is_file() && (1..=size.edge).contains(&width) && (1..=size.edge).contains(&height) {
                let (variant, file, size) = (size.name.clone(), file.clone(), about.len());
                self.report.derivatives.push(Made { variant, file, media_type, width, height, size });
            }
        }
    }

    /// HEIC and AVIF: the header here, the pixels by libvips, or by ffmpeg if it can.
    async fn heif(&mut self) -> Result<(), Trouble> {
        let Some(found) = self.ask(self.task.file, Vec::new(), Work::Heif).await? else { return Ok(()) };
        let (details, colour) = (bounded(found.details), found.colour);
        self.report.details.extend(details.clone());
        let number = |name: &str| details.get(name).and_then(Value::as_u64);
        let orientation = number("orientation").and_then(|it| u8::try_from(it).ok());
        let side = |name: &str| number(name).and_then(|it| u32::try_from(it).ok());
        let (Some(width), Some(height)) = (side("width"), side("height")) else { return Ok(()) };
        if u64::from(width) * u64::from(height) > self.sandbox.limits.pixels {
            self.problem(Problem::too_many_pixels(width, height));
            return Ok(());
        }
        if self.task.sizes.is_empty() {
            return Ok(());
        }
        let drawn = self.whole && self.draw_heif(orientation.unwrap_or(1), colour).await?;
        if !drawn {
            self.problem(Problem::not_decodable());
        }
        Ok(())
    }

    /// Has a built-in decoder look at the file itself.
    async fn look(&mut self, work: Work) -> Result<Option<Map<String, Value>>, Trouble> {
        let found = self.ask(self.task.file, Vec::new(), work).await?;
        Ok(found.map(|found| {
            let details = bounded(found.details);
            self.report.details.extend(details.clone());
            details
        }))
    }

    /// What a built-in decoder found; problems go to the report.
    async fn ask(&mut self, file: &Path, writes: Vec<PathBuf>, work: Work) -> Result<Option<Found>, Trouble> {
        let Some(ended) = self.child(file, writes, work).await? else { return Ok(None) };
        match serde_json::from_slice(&ended.said) {
            Ok(Answer::Found(mut found)) if ended.well => {
                for problem in found.problems.drain(..).take(MEMBERS) {
                    self.problem(problem.bounded());
                }
                Ok(Some(found))
            }
            Ok(Answer::Missing(_)) => Ok(None),
            Ok(Answer::Unable(error)) => Err(Trouble::Unable(text(&error))),
            _ => {
                self.problem(Problem::crashed());
                Ok(None)
            }
        }
    }

    /// Has a tool look at the file.
    pub(super) async fn tool(
        &mut self,
        program: &Path,
        args: Vec<String>,
        writes: Vec<PathBuf>,
    ) -> Result<Option<Ended>, Trouble> {
        self.child(self.task.file, writes, Work::Tool { program: program.to_owned(), args }).await
    }

    pub(super) async fn child(
        &mut self,
        file: &Path,
        writes: Vec<PathBuf>,
        work: Work,
    ) -> Result<Option<Ended>, Trouble> {
        for file in &writes {
            File::create(file).map_err(|error| Trouble::Unable(format!("no file for a derivative: {error}")))?;
        }
        let order = Order { bounds: bounds(self.sandbox), reads: vec![file.to_owned()], writes, work };
        match run(self.sandbox, &order, self.deadline).await? {
            Ok(ended) => Ok(Some(ended)),
            Err(problem) => {
                self.problem(problem);
                Ok(None)
            }
        }
    }

    /// Draws from a PNG that a tool has left, and removes it. `orientation` and `colour` are those of the picture, where
    /// the tool has not applied them.
    pub(super) async fn draw(
        &mut self,
        frame: &Path,
        orientation: Option<u8>,
        colour: Option<ColourCode>,
    ) -> Result<bool, Trouble> {
        let drawn = if frame.metadata().is_ok_and(|about| about.len() > 0) {
            self.report.derivatives.clear();
            let picture = Picture { orientation, colour, judge_darkness: true, ..self.wish("image/png") };
            self.decode(frame, picture).await
        } else {
            Ok(None)
        };
        let _ = std::fs::remove_file(frame);
        if let Some(found) = drawn? {
            self.dark = found.details.contains_key("dark");
        }
        Ok(!self.report.derivatives.is_empty())
    }

    /// The longest side of any derivative.
    pub(super) fn longest_edge(&self) -> Option<u32> {
        self.task.sizes.iter().map(|size| size.edge).max()
    }
}

fn bounds(sandbox: &Sandbox) -> Bounds {
    let limits = &sandbox.limits;
    Bounds { memory: limits.memory, cpu: limits.cpu.as_secs().max(1), output: limits.output }
}

/// How well a child can lock itself in, and which tools do not run there.
pub(super) async fn probe(sandbox: &Sandbox, deadline: Instant) -> Result<Hold, Trouble> {
    let order = |work| Order { bounds: bounds(sandbox), reads: Vec::new(), writes: Vec::new(), work };
    let ended = run(sandbox, &order(Work::Probe), deadline).await?;
    let ended = ended.map_err(|problem| Trouble::Unable(problem.sentence))?;
    let Ok(Answer::Found(found)) = serde_json::from_slice(&ended.said) else {
        return Err(Trouble::Unable("a decoder does not answer".to_owned()));
    };
    let landlock = found.details.get("landlock").and_then(Value::as_str).unwrap_or("none").to_owned();
    let mut missing = Vec::new();
    for (name, program, version) in sandbox.tools.all() {
        let runs = match program.clone() {
            Some(program) => {
                let work = Work::Tool { program, args: vec![version.to_owned()] };
                matches!(run(sandbox, &order(work), deadline).await, Ok(Ok(Ended { well: true, .. })))
            }
            None => false,
        };
        if !runs {
            missing.push(name);
        }
    }
    Ok(Hold { landlock, missing })
}

/// Whether a file's first bytes are those of its format: nothing else is passed on under its name.
fn begins_as(file: &Path, media_type: &str) -> bool {
    let mut head = [0; 12];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok()
        && match media_type {
            "image/webp" => head.starts_with(b"RIFF") && head.ends_with(b"WEBP"),
            _ => head.starts_with(&[0xff, 0xd8, 0xff]),
        }
}

/// Without control characters, and of a length that a row can hold.
pub(super) fn text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT).collect()
}

/// What a child told, cut to a size that a row can hold.
fn bounded(details: Map<String, Value>) -> Map<String, Value> {
    details.into_iter().take(MEMBERS).filter_map(|(name, value)| Some((text(&name), cut(value, DEPTH)?))).collect()
}

fn cut(value: Value, depth: usize) -> Option<Value> {
    let inner = depth.checked_sub(1)?;
    Some(match value {
        Value::String(long) => text(&long).into(),
        Value::Array(list) => list.into_iter().filter_map(|it| cut(it, inner)).collect(),
        Value::Object(map) => {
            let members = map.into_iter().take(MEMBERS);
            Value::Object(members.filter_map(|(name, value)| Some((text(&name), cut(value, inner)?))).collect())
        }
        other => other,
    })
}
