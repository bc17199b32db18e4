//! Facts of video and audio by ffprobe; for the poster see `poster`.
//!
//! Only the fields below are read from ffprobe's output: no titles, comments or places.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::inspect::FileInspection;
use super::{MediaError, MediaProblem, damaged_problem};

/// Containers that hold their own content, unlike playlists, scripts and devices.
pub(super) const ALLOWED_FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,live_flv,mpeg,mpegts,mpegvideo,m4v,h264,hevc,ivf,\
                       obu,av1,mxf,dv,nut,rm,swf,mp3,aac,ac3,eac3,amr,ape,flac,ogg,wav,w64,aiff,au,caf,dsf,tta,wv";
/// Entries that ffprobe is asked to print.
const FFPROBE_ENTRIES: &str = "format=duration,bit_rate:stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,\
                       avg_frame_rate,duration,channels,sample_rate,color_space,color_transfer,color_primaries:stream_disposition=attached_pic:\
                       stream_side_data=rotation:stream_tags=rotate";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FfprobeOutput {
    format: FfprobeFormat,
    streams: Vec<FfprobeStream>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FfprobeFormat {
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FfprobeStream {
    pub(super) index: u32,
    codec_type: String,
    codec_name: String,
    width: u32,
    pub(super) height: u32,
    pub(super) color_space: String,
    pub(super) color_transfer: String,
    pub(super) color_primaries: String,
    sample_aspect_ratio: String,
    avg_frame_rate: String,
    duration: Option<String>,
    channels: u32,
    sample_rate: Option<String>,
    disposition: FfprobeDisposition,
    side_data_list: Vec<FfprobeSideData>,
    tags: FfprobeTags,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FfprobeDisposition {
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FfprobeSideData {
    rotation: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FfprobeTags {
    rotate: Option<String>,
}

/// Parses a positive number, such as `29.5` or `30000/1001`.
fn parse_positive(text: &str) -> Option<f64> {
    let (above, below) = text.split_once(['/', ':']).unwrap_or((text, "1"));
    let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some((value * 1000.0).round() / 1000.0)
}

impl FfprobeOutput {
    fn video_stream(&self) -> Option<&FfprobeStream> {
        self.streams.iter().find(|it| it.codec_type == "video" && it.disposition.attached_pic == 0)
    }

    fn cover_stream(&self) -> Option<&FfprobeStream> {
        self.streams.iter().find(|it| it.codec_type == "video" && it.disposition.attached_pic == 1)
    }

    fn audio_stream(&self) -> Option<&FfprobeStream> {
        self.streams.iter().find(|it| it.codec_type == "audio")
    }

    /// Duration in seconds.
    pub(super) fn duration_seconds(&self) -> Option<f64> {
        let streams = self.streams.iter().filter_map(|stream| stream.duration.as_deref());
        self.format.duration.as_deref().into_iter().chain(streams).find_map(parse_positive)
    }

    /// Bit rate in bits per second.
    pub(super) fn bits_per_second(&self) -> Option<f64> {
        self.format.bit_rate.as_deref().and_then(parse_positive)
    }

    fn to_details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut tell = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                details.insert(name.to_owned(), value);
            }
        };
        tell("kind", Some(if self.video_stream().is_some() { "video" } else { "audio" }.into()));
        tell("duration_s", self.duration_seconds().map(Value::from));
        tell("bit_rate", self.format.bit_rate.as_deref().and_then(|text| text.parse::<u64>().ok()).map(Value::from));
        if let Some(stream) = self.video_stream() {
            let (width, height) = stream.display_size();
            tell("width", Some(width).filter(|it| *it > 0).map(Value::from));
            tell("height", Some(height).filter(|it| *it > 0).map(Value::from));
            tell("rotation", Some(stream.quarter_turns() * 90).filter(|it| *it > 0).map(Value::from));
            tell("video_codec", stream.sanitized_codec());
            tell("frame_rate", parse_positive(&stream.avg_frame_rate).map(Value::from));
        }
        if let Some(stream) = self.audio_stream() {
            tell("audio_codec", stream.sanitized_codec());
            tell("channels", Some(stream.channels).filter(|it| *it > 0).map(Value::from));
            let rate = stream.sample_rate.as_deref().and_then(|text| text.parse::<u32>().ok());
            tell("sample_rate", rate.map(Value::from));
        }
        details
    }
}

impl FfprobeStream {
    /// True if the stream is a cover picture of an audio file.
    pub(super) fn is_cover(&self) -> bool {
        self.disposition.attached_pic == 1
    }

    fn sanitized_codec(&self) -> Option<Value> {
        let name: String =
            self.codec_name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(32).collect();
        (!name.is_empty()).then(|| name.into())
    }

    /// Clockwise quarter turns that make the picture upright.
    fn quarter_turns(&self) -> u32 {
        let matrix = self.side_data_list.iter().find_map(|data| data.rotation).map(|against| -against);
        let degrees = matrix.or_else(|| self.tags.rotate.as_deref()?.parse().ok()).unwrap_or(0.0);
        let turns = (degrees / 90.0).round().rem_euclid(4.0);
        [0, 1, 2, 3].into_iter().find(|it| (f64::from(*it) - turns).abs() < 0.5).unwrap_or(0)
    }

    /// Width and height as displayed: with square pixels, rotated.
    pub(super) fn display_size(&self) -> (u32, u32) {
        let aspect = parse_positive(&self.sample_aspect_ratio).filter(|it| (0.05..20.0).contains(it)).unwrap_or(1.0);
        let (width, height) = (scale_side(self.width, aspect), self.height);
        if self.quarter_turns() % 2 == 1 { (height, width) } else { (width, height) }
    }
}

pub(super) fn scale_side(side: u32, by: f64) -> u32 {
    let value = (f64::from(side) * by).round().clamp(0.0, f64::from(u32::MAX));
    // Clamped to the range of the type.
    format!("{value:.0}").parse().unwrap_or(side)
}

impl FileInspection<'_> {
    pub(super) async fn inspect_film(&mut self) -> Result<(), MediaError> {
        let Some(ffprobe) = &self.sandbox.tools.ffprobe else { return Ok(()) };
        if !self.fetch_film_parts().await? {
            self.set_detail("kind", "video");
            return Ok(());
        }
        let mut args = restricted_args(ALLOWED_FORMATS);
        args.extend(["-print_format", "json", "-show_entries", FFPROBE_ENTRIES, "-i"].map(str::to_owned));
        args.push(format!("file:{}", self.task.file.display()));
        let Some(ended) = self.run_tool(ffprobe, args, Vec::new()).await? else { return Ok(()) };
        let probed: FfprobeOutput = serde_json::from_slice(&ended.stdout).unwrap_or_default();
        if probed.video_stream().or(probed.audio_stream()).is_none() {
            self.add_problem(damaged_problem("film"));
            return Ok(());
        }
        self.report.details.extend(probed.to_details());
        let Some(stream) = probed.video_stream().or(probed.cover_stream()) else { return Ok(()) };
        if u64::from(stream.width) * u64::from(stream.height) > self.sandbox.limits.max_pixels {
            self.add_problem(MediaProblem::film_too_large(stream.width, stream.height));
            return Ok(());
        }
        self.draw_poster(stream, &probed).await
    }
}

/// First arguments of every call of ffmpeg and ffprobe.
pub(super) fn restricted_args(formats: &str) -> Vec<String> {
    ["-v", "error", "-protocol_whitelist", "file,pipe,subfile", "-format_whitelist", formats].map(str::to_owned).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ffprobe_says_is_read_strictly() {
        let said = r#"{"streams":[{"index":0,"codec_name":"h264\u0007","codec_type":"video","width":720,"height":576,
            "sample_aspect_ratio":"64:45","avg_frame_rate":"25/1","disposition":{"attached_pic":0},
            "side_data_list":[{"rotation":-90}]},{"index":1,"codec_type":"audio","codec_name":"aac","channels":2,
            "sample_rate":"48000"}],"format":{"duration":"12.500000","bit_rate":"nonsense"}}"#;
        let details = Value::Object(serde_json::from_str::<FfprobeOutput>(said).unwrap().to_details());
        let expected = serde_json::json!({"kind": "video", "duration_s": 12.5, "width": 576, "height": 1024,
            "rotation": 90, "video_codec": "h264", "frame_rate": 25.0, "audio_codec": "aac", "channels": 2,
            "sample_rate": 48000});
        assert_eq!(details, expected);
        for odd in ["0/0", "nan", "-1", "1/0", "", "inf"] {
            assert_eq!(parse_positive(odd), None, "{odd}");
        }
    }
}
