//! Pictures by libvips in the sandbox, if the built-in decoders do not draw them, or not correctly: HEIC and AVIF, rare
//! kinds of JPEG and TIFF, CMYK values, and damaged files as far as they can be read.

use crate::domain::reason::FailureCause;
use std::fs::File;
use std::io::Write;

use super::inspect::FileInspection;
use super::protocol::ColourCode;
use super::{MediaError, MediaProblem};

/// Threshold above which libvips decodes to temporary files: more than its memory limit, so never.
const DISC_THRESHOLD_ARG: &str = "--vips-disc-threshold=1t";
/// Zeros to append to a truncated PNG. libpng reads blocks of this size, and drops all rows of a block that it cannot
/// read completely.
const PNG_PADDING: [u8; 16 << 10] = [0; 16 << 10];
const CONCURRENCY_ARG: &str = "--vips-concurrency=1";

/// Fields of vipsheader's output, before rotation.
#[derive(Debug, Default, PartialEq, Eq)]
struct VipsHeader {
    width: u32,
    height: u32,
    orientation: u8,
    /// True for CMYK values.
    inks: bool,
}

impl VipsHeader {
    /// Parses lines of `name: value`; `None` without a size.
    fn parse(said: &str) -> Option<Self> {
        let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let side = |name| value(name)?.trim().parse::<u32>().ok().filter(|side| *side > 0);
        let orientation = value("orientation").and_then(|text| text.trim().parse().ok());
        let orientation = orientation.filter(|number| (1..=8).contains(number)).unwrap_or(1);
        let inks = value("interpretation").is_some_and(|text| text.trim() == "cmyk");
        Some(Self { width: side("width")?, height: side("height")?, orientation, inks })
    }
}

impl FileInspection<'_> {
    /// Draws the file by libvips. `otherwise` is the problem to report if that fails; a problem that says that the file
    /// is damaged is reported in any case.
    pub(super) async fn draw_by_vips(&mut self, otherwise: MediaProblem) -> Result<(), MediaError> {
        let before = self.report.problems.len();
        let damaged = otherwise.code.ends_with("_damaged");
        if damaged && self.has_whole_file && self.task.media_type.essence().ends_with("png") {
            let padded = File::options().append(true).open(self.task.file);
            padded
                .and_then(|mut file| file.write_all(&PNG_PADDING))
                .map_err(|error| MediaError::Internal(FailureCause::of(error)))?;
        }
        let drawn = match self.measure_by_vips().await? {
            Some(header) if self.has_whole_file && header.inks => self.convert_inks(&header).await?,
            Some(_) if self.has_whole_file => self.thumbnail_by_vips(None).await?,
            _ => false,
        };
        // A limit that was hit is a more precise problem than `otherwise`.
        let said = self.report.problems.len() > before;
        if damaged || !(drawn || said) {
            self.add_problem(otherwise);
        }
        Ok(())
    }

    /// Header of the file as libvips reads it; `None` if that fails or there are too many pixels. Adds facts that are
    /// missing in the report.
    async fn measure_by_vips(&mut self) -> Result<Option<VipsHeader>, MediaError> {
        let Some(program) = &self.sandbox.tools.vipsheader else { return Ok(None) };
        let args = vec!["-a".to_owned(), self.task.file.display().to_string()];
        let Some(ended) = self.run_tool(program, args, Vec::new()).await? else { return Ok(None) };
        let said = String::from_utf8_lossy(&ended.stdout);
        let Some(header) = VipsHeader::parse(&said).filter(|_| ended.succeeded) else { return Ok(None) };
        let VipsHeader { width, height, orientation, .. } = header;
        if !self.report.details.contains_key("width") {
            let (width, height) = if orientation > 4 { (height, width) } else { (width, height) };
            self.set_detail("width", width);
            self.set_detail("height", height);
            if orientation > 1 {
                self.set_detail("orientation", orientation);
            }
        }
        if u64::from(width) * u64::from(height) > self.sandbox.limits.max_pixels {
            self.add_problem(MediaProblem::too_many_pixels(width, height));
            return Ok(None);
        }
        Ok(Some(header))
    }

    /// Converts a CMYK picture to sRGB in full size, then draws: the thumbnails of libvips have wrong colours for CMYK.
    async fn convert_inks(&mut self, header: &VipsHeader) -> Result<bool, MediaError> {
        let Some(program) = &self.sandbox.tools.vips else { return Ok(false) };
        let frame = self.task.out.join("frame.png");
        let (from, to) = (self.task.file.display().to_string(), format!("{}[strip,compression=1]", frame.display()));
        let mut args = vec!["icc_transform".to_owned(), from, to, "srgb".to_owned(), "--embedded".to_owned()];
        args.extend(["--input-profile", "cmyk", CONCURRENCY_ARG, DISC_THRESHOLD_ARG].map(str::to_owned));
        let ended = self.run_tool(program, args, vec![frame.clone()]).await;
        let drawn = self.draw_from_frame(&frame, Some(header.orientation), None).await;
        ended?;
        drawn
    }

    /// Draws HEIC and AVIF by libvips, which shows the primary item upright; else by ffmpeg, which reads sequences
    /// without a primary item.
    pub(super) async fn draw_heif(&mut self, orientation: u8, colour: Option<ColourCode>) -> Result<bool, MediaError> {
        let before = self.report.problems.len();
        let drawn = self.thumbnail_by_vips(colour).await?;
        let limited = self.report.problems.len() > before;
        Ok(drawn || (!limited && self.extract_frame(None, Some(orientation)).await?))
    }

    /// Makes a small upright picture by libvips, with its colour profile, and draws from it. `colour` is the colour
    /// space of a picture without a profile.
    async fn thumbnail_by_vips(&mut self, colour: Option<ColourCode>) -> Result<bool, MediaError> {
        let (Some(program), Some(edge)) = (&self.sandbox.tools.vips, self.longest_edge()) else { return Ok(false) };
        let (frame, edge) = (self.task.out.join("frame.png"), edge.to_string());
        let (from, to) = (self.task.file.display().to_string(), format!("{}[compression=1]", frame.display()));
        let mut args = vec!["thumbnail".to_owned(), from, to, edge.clone(), "--height".to_owned(), edge];
        args.extend(["--size", "down", CONCURRENCY_ARG, DISC_THRESHOLD_ARG].map(str::to_owned));
        let ended = self.run_tool(program, args, vec![frame.clone()]).await;
        let drawn = self.draw_from_frame(&frame, Some(1), colour).await;
        ended?;
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_needs_a_size() {
        let said = "a.tif: 64x40 uchar, 3 bands, srgb, tiffload\nwidth: 64\nheight: 40\norientation: 6\n";
        assert_eq!(VipsHeader::parse(said), Some(VipsHeader { width: 64, height: 40, orientation: 6, inks: false }));
        let odd = VipsHeader { width: 1, height: 2, orientation: 1, inks: true };
        assert_eq!(VipsHeader::parse("width: 1\nheight: 2\ninterpretation: cmyk\norientation: 99\n"), Some(odd));
        for wrong in ["", "width: 0\nheight: 4\n", "width: 4\n", "width: -1\nheight: 3\n"] {
            assert_eq!(VipsHeader::parse(wrong), None, "{wrong}");
        }
    }
}
