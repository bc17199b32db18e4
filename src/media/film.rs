//! Video and sound: facts by ffprobe, a picture out of it by ffmpeg.
//!
//! Of what ffprobe prints only what is named here is read: no titles, comments or places.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::visit::Visit;
use super::{Problem, Trouble, damaged};

/// Containers that hold their own content. Playlists, scripts and devices are none.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,live_flv,mpeg,mpegts,mpegvideo,m4v,h264,hevc,ivf,\
                       obu,av1,mxf,dv,nut,rm,swf,mp3,aac,ac3,eac3,amr,ape,flac,ogg,wav,w64,aiff,au,caf,dsf,tta,wv";
/// What is asked of ffprobe.
const ENTRIES: &str = "format=duration,bit_rate:stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,\
                       avg_frame_rate,duration,channels,sample_rate:stream_disposition=attached_pic:\
                       stream_side_data=rotation:stream_tags=rotate";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probed {
    format: Format,
    streams: Vec<Stream>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    duration: Option<String>,
    bit_rate: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stream {
    index: u32,
    codec_type: String,
    codec_name: String,
    width: u32,
    height: u32,
    sample_aspect_ratio: String,
    avg_frame_rate: String,
    duration: Option<String>,
    channels: u32,
    sample_rate: Option<String>,
    disposition: Disposition,
    side_data_list: Vec<SideData>,
    tags: Tags,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disposition {
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SideData {
    rotation: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tags {
    rotate: Option<String>,
}

/// A positive number out of text, such as `29.5` or `30000/1001`.
fn number(text: &str) -> Option<f64> {
    let (above, below) = text.split_once(['/', ':']).unwrap_or((text, "1"));
    let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (value.is_finite() && value > 0.0).then_some((value * 1000.0).round() / 1000.0)
}

impl Probed {
    fn pictures(&self) -> Option<&Stream> {
        self.streams.iter().find(|it| it.codec_type == "video" && it.disposition.attached_pic == 0)
    }

    fn cover(&self) -> Option<&Stream> {
        self.streams.iter().find(|it| it.codec_type == "video" && it.disposition.attached_pic == 1)
    }

    fn sound(&self) -> Option<&Stream> {
        self.streams.iter().find(|it| it.codec_type == "audio")
    }

    fn duration(&self) -> Option<f64> {
        let streams = self.streams.iter().filter_map(|stream| stream.duration.as_deref());
        self.format.duration.as_deref().into_iter().chain(streams).find_map(number)
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut tell = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                details.insert(name.to_owned(), value);
            }
        };
        tell("kind", Some(if self.pictures().is_some() { "video" } else { "audio" }.into()));
        tell("duration_s", self.duration().map(Value::from));
        tell("bit_rate", self.format.bit_rate.as_deref().and_then(|text| text.parse::<u64>().ok()).map(Value::from));
        if let Some(stream) = self.pictures() {
            let (width, height) = stream.upright();
            tell("width", Some(width.into()));
            tell("height", Some(height.into()));
            tell("rotation", Some(stream.quarters() * 90).filter(|it| *it > 0).map(Value::from));
            tell("video_codec", stream.codec());
            tell("frame_rate", number(&stream.avg_frame_rate).map(Value::from));
        }
        if let Some(stream) = self.sound() {
            tell("audio_codec", stream.codec());
            tell("channels", Some(stream.channels).filter(|it| *it > 0).map(Value::from));
            let rate = stream.sample_rate.as_deref().and_then(|text| text.parse::<u32>().ok());
            tell("sample_rate", rate.map(Value::from));
        }
        details
    }
}

impl Stream {
    fn codec(&self) -> Option<Value> {
        let name: String =
            self.codec_name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(32).collect();
        (!name.is_empty()).then(|| name.into())
    }

    /// Quarter turns with the clock that make it upright.
    fn quarters(&self) -> u32 {
        let matrix = self.side_data_list.iter().find_map(|data| data.rotation).map(|against| -against);
        let degrees = matrix.or_else(|| self.tags.rotate.as_deref()?.parse().ok()).unwrap_or(0.0);
        let turns = (degrees / 90.0).round().rem_euclid(4.0);
        [0, 1, 2, 3].into_iter().find(|it| (f64::from(*it) - turns).abs() < 0.5).unwrap_or(0)
    }

    /// As it is shown: with square pixels, turned.
    fn upright(&self) -> (u32, u32) {
        let aspect = number(&self.sample_aspect_ratio).filter(|it| (0.05..20.0).contains(it)).unwrap_or(1.0);
        let (width, height) = (scaled(self.width, aspect), self.height);
        if self.quarters() % 2 == 1 { (height, width) } else { (width, height) }
    }
}

fn scaled(side: u32, by: f64) -> u32 {
    let value = (f64::from(side) * by).round().clamp(0.0, f64::from(u32::MAX));
    // Clamped to what the type holds.
    format!("{value:.0}").parse().unwrap_or(side)
}

/// Where in a film a picture is taken, and how large.
pub(super) struct Shot {
    stream: u32,
    /// Seconds.
    at: f64,
    width: u32,
    height: u32,
}

impl Visit<'_> {
    pub(super) async fn film(&mut self) -> Result<(), Trouble> {
        let Some(ffprobe) = &self.sandbox.tools.ffprobe else { return Ok(()) };
        let mut args = guarded(FORMATS);
        args.extend(["-print_format", "json", "-show_entries", ENTRIES, "-i"].map(str::to_owned));
        args.push(format!("file:{}", self.task.file.display()));
        let Some(ended) = self.tool(ffprobe, args, Vec::new()).await? else { return Ok(()) };
        let probed: Probed = serde_json::from_slice(&ended.said).unwrap_or_default();
        if probed.pictures().or(probed.sound()).is_none() {
            self.problem(damaged("film"));
            return Ok(());
        }
        self.report.details.extend(probed.details());
        let Some(stream) = probed.pictures().or(probed.cover()) else { return Ok(()) };
        if u64::from(stream.width) * u64::from(stream.height) > self.sandbox.limits.pixels {
            self.problem(Problem::film_too_large(stream.width, stream.height));
            return Ok(());
        }
        self.poster(stream, probed.duration()).await
    }

    /// About a second in, where films no longer begin; else the very first picture.
    async fn poster(&mut self, stream: &Stream, duration: Option<f64>) -> Result<(), Trouble> {
        let (Some(edge), (width, height)) = (self.longest_edge(), stream.upright()) else { return Ok(()) };
        if width == 0 || height == 0 {
            return Ok(());
        }
        let by = (f64::from(edge) / f64::from(width.max(height))).min(1.0);
        let (width, height) = (scaled(width, by).max(1), scaled(height, by).max(1));
        let still = stream.disposition.attached_pic == 1;
        let at = if still { 0.0 } else { duration.map_or(0.0, |whole| (whole / 10.0).min(1.0)) };
        let shot = |at| Shot { stream: stream.index, at, width, height };
        let drawn =
            self.frame(Some(&shot(at)), None).await? || (at > 0.0 && self.frame(Some(&shot(0.0)), None).await?);
        if !drawn && self.sandbox.tools.ffmpeg.is_some() {
            self.problem(Problem::new("no_poster", "No picture could be taken from the recording."));
        }
        Ok(())
    }

    /// Has ffmpeg leave one picture, of a shot or of the file as a picture, and draws from it.
    pub(super) async fn frame(&mut self, shot: Option<&Shot>, orientation: Option<u8>) -> Result<bool, Trouble> {
        let (Some(ffmpeg), Some(_)) = (&self.sandbox.tools.ffmpeg, self.longest_edge()) else { return Ok(false) };
        let frame = self.task.out.join("frame.png");
        let mut args = vec!["-nostdin".to_owned()];
        args.extend(guarded(if shot.is_some() { FORMATS } else { "mov,mp4,m4a,3gp,3g2,mj2" }));
        let pixels = self.sandbox.limits.pixels.to_string();
        args.extend(["-threads", "1", "-max_pixels", &pixels].map(str::to_owned));
        if let Some(shot) = shot.filter(|shot| shot.at > 0.0) {
            args.extend(["-ss".to_owned(), format!("{:.3}", shot.at)]);
        }
        args.extend(["-i".to_owned(), format!("file:{}", self.task.file.display())]);
        if let Some(Shot { stream, width, height, .. }) = shot {
            args.extend(["-map".to_owned(), format!("0:{stream}")]);
            args.extend(["-vf".to_owned(), format!("scale={width}:{height},setsar=1")]);
        }
        const TAKE: [&str; 18] = [
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
        args.extend(TAKE.map(str::to_owned));
        args.push(format!("file:{}", frame.display()));
        let ended = self.tool(ffmpeg, args, vec![frame.clone()]).await;
        let drawn = self.draw(&frame, orientation).await;
        ended?;
        drawn
    }
}

/// What every call of ffmpeg and ffprobe begins with.
fn guarded(formats: &str) -> Vec<String> {
    ["-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", formats].map(str::to_owned).into()
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
        let details = Value::Object(serde_json::from_str::<Probed>(said).unwrap().details());
        let expected = serde_json::json!({"kind": "video", "duration_s": 12.5, "width": 576, "height": 1024,
            "rotation": 90, "video_codec": "h264", "frame_rate": 25.0, "audio_codec": "aac", "channels": 2,
            "sample_rate": 48000});
        assert_eq!(details, expected);
        for odd in ["0/0", "nan", "-1", "1/0", "", "inf"] {
            assert_eq!(number(odd), None, "{odd}");
        }
    }
}
