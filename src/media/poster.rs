//! Frame of a film, or the picture of a HEIC or AVIF, by ffmpeg.
//!
//! Of a large film only parts are present. With the index of an ISO base media file, ffmpeg reads only those parts. Of
//! all other films ffmpeg gets only the beginning, because it would search the hole for later frames.

use super::decoder_kind::FILM_HEAD_BYTES;
use super::ffprobe::{ALLOWED_FORMATS, FfprobeOutput, FfprobeStream, restricted_args, scale_side};
use super::inspect::FileInspection;
use super::{MediaError, MediaProblem};

/// Output arguments of ffmpeg: a single frame, with nothing else of the file.
const SINGLE_FRAME_ARGS: [&str; 18] = [
    "-an",
    "-sn",
    "-dn",
    "-frames:v",
    "1",
    "-threads",
    "1",
    "-filter_threads",
    "1",
    "-map_metadata",
    "-1",
    "-c:v",
    "png",
    "-f",
    "image2",
    "-update",
    "1",
    "-y",
];

/// Frame of a film to extract, and the filter to apply.
pub(super) struct VideoFrameSpec {
    stream: u32,
    /// Position in seconds.
    at: f64,
    filter: String,
}

impl FileInspection<'_> {
    /// Draws the poster: a frame about a second after the start; later frames while they are black; else the very first
    /// frame.
    pub(super) async fn draw_poster(
        &mut self,
        stream: &FfprobeStream,
        probed: &FfprobeOutput,
    ) -> Result<(), MediaError> {
        let (Some(edge), (width, height)) = (self.longest_edge(), stream.display_size()) else { return Ok(()) };
        if width == 0 || height == 0 {
            return Ok(());
        }
        let by = (f64::from(edge) / f64::from(width.max(height))).min(1.0);
        let filter = poster_filter(stream, scale_side(width, by).max(1), scale_side(height, by).max(1));
        let mut drawn = false;
        for at in self.poster_moments(stream, probed) {
            let shot = VideoFrameSpec { stream: stream.index, at, filter: filter.clone() };
            drawn = self.extract_frame(Some(&shot), None).await?;
            if drawn && !self.is_dark {
                break;
            }
        }
        if !drawn && self.sandbox.tools.ffmpeg.is_some() {
            self.add_problem(MediaProblem::new("no_poster", "No picture could be taken from the recording."));
        }
        Ok(())
    }

    /// Positions in seconds to try until a frame is not black; the last is the very first frame.
    fn poster_moments(&self, stream: &FfprobeStream, probed: &FfprobeOutput) -> Vec<f64> {
        let Some(duration) = probed.duration_seconds().filter(|_| !stream.is_cover()) else { return vec![0.0] };
        // Reach of the bytes at the beginning, halved because frames vary in size.
        let reach = match probed.bits_per_second().filter(|_| !self.has_whole_file) {
            Some(rate) => f64::from(FILM_HEAD_BYTES) * 4.0 / rate,
            None => f64::INFINITY,
        };
        let wanted = [(duration / 10.0).min(1.0), (duration / 3.0).min(30.0), (duration / 1.5).min(120.0)];
        let mut moments: Vec<f64> = wanted.into_iter().filter(|at| *at < reach).collect();
        moments.push(0.0);
        moments
    }

    /// Extracts a frame of a film, or the picture of a HEIC or AVIF if `shot` is `None`, by ffmpeg, and draws
    /// thumbnails from it.
    pub(super) async fn extract_frame(
        &mut self,
        shot: Option<&VideoFrameSpec>,
        orientation: Option<u8>,
    ) -> Result<bool, MediaError> {
        let (Some(ffmpeg), Some(_)) = (&self.sandbox.tools.ffmpeg, self.longest_edge()) else { return Ok(false) };
        let frame = self.task.out.join("frame.png");
        let mut args = vec!["-nostdin".to_owned()];
        args.extend(restricted_args(if shot.is_some() { ALLOWED_FORMATS } else { "mov,mp4,m4a,3gp,3g2,mj2" }));
        let pixels = self.sandbox.limits.max_pixels.to_string();
        args.extend(["-threads", "1", "-max_pixels", &pixels].map(str::to_owned));
        if let Some(shot) = shot.filter(|shot| shot.at > 0.0) {
            args.extend(["-ss".to_owned(), format!("{:.3}", shot.at)]);
        }
        args.extend(["-i".to_owned(), self.ffmpeg_input()]);
        if let Some(VideoFrameSpec { stream, filter, .. }) = shot {
            args.extend(["-map".to_owned(), format!("0:{stream}"), "-vf".to_owned(), filter.clone()]);
        }
        args.extend(SINGLE_FRAME_ARGS.map(str::to_owned));
        args.push(format!("file:{}", frame.display()));
        let ended = self.run_tool(&ffmpeg.clone(), args, vec![frame.clone()]).await;
        let drawn = self.draw_from_frame(&frame, orientation, None).await;
        ended?;
        drawn
    }

    /// Input argument of ffmpeg.
    fn ffmpeg_input(&self) -> String {
        let file = self.task.file.display();
        if self.has_whole_file || self.has_boxes {
            format!("file:{file}")
        } else {
            format!("subfile,,start,0,end,{FILM_HEAD_BYTES},,:file:{file}")
        }
    }
}

/// Filters that make a frame small, upright and sRGB.
fn poster_filter(stream: &FfprobeStream, width: u32, height: u32) -> String {
    let known = |text: &str| {
        let known = !matches!(text, "" | "unknown" | "reserved")
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        known.then(|| text.to_owned())
    };
    let primaries = known(&stream.color_primaries);
    let wide = primaries.as_deref().is_some_and(|name| matches!(name, "bt2020" | "smpte431" | "smpte432"));
    let transfer = match stream.color_transfer.as_str() {
        high @ ("smpte2084" | "arib-std-b67") => high,
        _ if wide => "bt709",
        // Untagged films are interpreted as players interpret them.
        _ if stream.height >= 720 && known(&stream.color_space).is_none() => {
            return format!("scale={width}:{height}:in_color_matrix=bt709,setsar=1");
        }
        _ => return format!("scale={width}:{height},setsar=1"),
    };
    let primaries = primaries.unwrap_or_else(|| "bt2020".to_owned());
    let matrix = known(&stream.color_space).unwrap_or_else(|| "bt2020nc".to_owned());
    let source = format!("zscale=w={width}:h={height}:tin={transfer}:pin={primaries}:min={matrix}");
    if transfer == "bt709" {
        return format!("{source}:p=bt709:t=bt709:m=bt709,setsar=1");
    }
    // Paper white is 203 cd/m², ITU-R BT.2408; brighter light is compressed.
    format!(
        "{source}:t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:param=0.6:desat=0,\
         zscale=t=iec61966-2-1,format=gbrp,setsar=1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_of_high_dynamic_range_are_brought_into_that_of_screens() {
        let stream = |transfer: &str, primaries: &str, height: u32| -> FfprobeStream {
            let known = serde_json::json!({"color_transfer": transfer, "color_primaries": primaries, "height": height});
            serde_json::from_value(known).unwrap()
        };
        assert_eq!(poster_filter(&stream("", "", 360), 8, 4), "scale=8:4,setsar=1");
        assert!(poster_filter(&stream("unknown", "unknown", 1080), 8, 4).contains("in_color_matrix=bt709"));
        assert!(poster_filter(&stream("smpte2084", "", 360), 8, 4).contains("pin=bt2020:min=bt2020nc:t=linear"));
        assert!(poster_filter(&stream("arib-std-b67", "smpte432", 360), 8, 4).contains("pin=smpte432"));
        assert!(!poster_filter(&stream("bt709", "bt2020", 360), 8, 4).contains("tonemap"));
        assert!(!poster_filter(&stream("smpte2084", "x:y,z", 360), 8, 4).contains("x:y"));
    }
}
