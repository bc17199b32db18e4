//! Video and sound.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gantry::domain::name::MediaType;
use gantry::media::{InspectionTask, MediaReport, MediaSandbox, PartSource, RequiredBytes};
use serde_json::json;

use super::{Bench, codes, colour, made, near};

const SOURCE: &str = "-f lavfi -i color=red:s=640x360:r=25:d=3 -f lavfi -i sine=d=3";

#[tokio::test]
async fn films_are_measured_and_shown() {
    let bench = Bench::new();
    bench.make(&format!("ffmpeg -v error {SOURCE} -c:v libx264 -pix_fmt yuv420p -c:a aac -metadata title=SECRET -metadata location=+52.5+013.4/ a.mp4"));
    bench.make(&format!("ffmpeg -v error {SOURCE} -c:v libvpx -c:a libvorbis a.webm && ffmpeg -v error {SOURCE} -c:v mpeg4 -c:a mp3 a.mkv"));
    for (name, media_type, codec) in
        [("a.mp4", "video/mp4", "h264"), ("a.webm", "video/webm", "vp8"), ("a.mkv", "video/x-matroska", "mpeg4")]
    {
        let report = bench.look(name, media_type).await;
        let details = &report.details;
        assert_eq!(
            (&details["kind"], &details["width"], &details["height"]),
            (&json!("video"), &json!(640), &json!(360))
        );
        assert_eq!((&details["video_codec"], &details["frame_rate"]), (&json!(codec), &json!(25.0)));
        assert!((details["duration_s"].as_f64().unwrap() - 3.0).abs() < 0.2, "{details:?}");
        assert!(report.problems.is_empty(), "{report:?}");
        assert!(!serde_json::to_string(details).unwrap().contains("SECRET"));
        let poster = made(&report, "thumb-256", "image/jpeg");
        assert_eq!((poster.width, poster.height), (256, 144));
        assert!(near(colour(&poster.file, 4, 4), [255, 0, 0, 255]));
    }
}

#[tokio::test]
async fn a_film_from_a_turned_phone_is_upright() {
    let bench = Bench::new();
    // Stored lying: red at the top, and to be turned by 90° with the clock, so red is on the right.
    bench.make("ffmpeg -v error -f lavfi -i color=blue:s=640x360:r=25:d=1,drawbox=0:0:640:180:red:fill -c:v libx264 -pix_fmt yuv420p p.mp4 \
                && ffmpeg -v error -i p.mp4 -c copy -metadata:s:v rotate=90 r.mp4 ");
    let report = bench.look("r.mp4", "video/mp4").await;
    assert_eq!((&report.details["width"], &report.details["height"]), (&json!(360), &json!(640)), "{report:?}");
    let rotation = report.details["rotation"].as_u64().unwrap();
    let poster = made(&report, "thumb-256", "image/webp");
    assert_eq!((poster.width, poster.height), (144, 256));
    let (left, right) = (colour(&poster.file, 1, 4), colour(&poster.file, 6, 4));
    let red = if rotation == 90 { right } else { left };
    assert!(near(red, [255, 0, 0, 255]), "{rotation} {left:?} {right:?}");
}

#[tokio::test]
async fn sound_has_facts_and_perhaps_a_cover() {
    let bench = Bench::new();
    bench.make("ffmpeg -v error -f lavfi -i sine=d=2:r=44100 -ac 2 a.mp3 && ffmpeg -v error -f lavfi -i color=lime:s=300x300 -frames:v 1 c.png \
                && ffmpeg -v error -i a.mp3 -i c.png -map 0 -map 1 -c copy -disposition:v attached_pic cover.mp3 && ffmpeg -v error -i a.mp3 a.flac");
    let report = bench.look("a.flac", "audio/flac").await;
    assert_eq!(
        (&report.details["kind"], &report.details["channels"], &report.details["sample_rate"]),
        (&json!("audio"), &json!(2), &json!(44100))
    );
    assert!(report.derivatives.is_empty() && report.problems.is_empty() && !report.details.contains_key("width"));
    let report = bench.look("cover.mp3", "audio/mpeg").await;
    assert_eq!(report.details["kind"], json!("audio"));
    assert!(near(colour(&made(&report, "thumb-64", "image/webp").file, 4, 4), [0, 255, 0, 255]));
}

#[tokio::test]
async fn the_poster_is_not_black_where_the_film_is_not() {
    let bench = Bench::new();
    let fade = "color=red:s=320x180:r=25:d=6,fade=in:st=2:d=0.2";
    bench.make(&format!("ffmpeg -v error -f lavfi -i {fade} -c:v libx264 -pix_fmt yuv420p late.mp4"));
    let report = bench.look("late.mp4", "video/mp4").await;
    assert!(near(colour(&made(&report, "thumb-256", "image/webp").file, 4, 4), [255, 0, 0, 255]), "{report:?}");
    bench.make("ffmpeg -v error -f lavfi -i color=black:s=320x180:r=25:d=6 -c:v libx264 -pix_fmt yuv420p black.mp4");
    let report = bench.look("black.mp4", "video/mp4").await;
    assert!(report.problems.is_empty() && report.derivatives.len() == 4, "{report:?}");
}

/// The same file with a hole where nobody looks.
fn with_hole(bench: &Bench, from: &str, to: &str, media_type: &str) {
    let bytes = std::fs::read(bench.path(from)).unwrap();
    let media_type: MediaType = media_type.parse().unwrap();
    let RequiredBytes::Ends { head, tail } = MediaSandbox::required_bytes(&media_type, bytes.len() as u64) else {
        panic!("{from} is too small")
    };
    let file = File::create(bench.path(to)).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_all_at(&bytes[..usize::try_from(head).unwrap()], 0).unwrap();
    let at = bytes.len() - usize::try_from(tail).unwrap();
    file.write_all_at(&bytes[at..], at as u64).unwrap();
}

#[tokio::test]
async fn of_long_films_both_ends_are_enough() {
    let bench = Bench::new();
    // Noise does not compress: 70 MiB and more in ten seconds.
    let noise = "-f lavfi -i 'nullsrc=s=640x360:r=25:d=10,noise=alls=100:allf=t+u' -c:v mpeg4 -q:v 1";
    bench.make(&format!("ffmpeg -v error {noise} end.mp4 && ffmpeg -v error -i end.mp4 -c copy -movflags +faststart front.mp4 && ffmpeg -v error -i end.mp4 -c copy a.mkv && cp a.mkv a.webm"));
    for (name, media_type) in
        [("end.mp4", "video/mp4"), ("front.mp4", "video/mp4"), ("a.mkv", "video/x-matroska"), ("a.webm", "video/webm")]
    {
        with_hole(&bench, name, "holed", media_type);
        let report = bench.look("holed", media_type).await;
        assert!(report.problems.is_empty(), "{name} {report:?}");
        assert!((report.details["duration_s"].as_f64().unwrap() - 10.0).abs() < 0.2, "{name} {report:?}");
        assert_eq!(made(&report, "thumb-256", "image/webp").width, 256, "{name}");
    }
}

/// Brings parts of one file into another, and counts them.
#[derive(Debug)]
struct Parts {
    from: File,
    to: PathBuf,
    brought: Mutex<Vec<Range<u64>>>,
}

#[async_trait]
impl PartSource for Parts {
    async fn fetch_part(&self, range: Range<u64>) -> Result<(), String> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        self.from.read_exact_at(&mut bytes, range.start).unwrap();
        File::options().write(true).open(&self.to).unwrap().write_all_at(&bytes, range.start).unwrap();
        self.brought.lock().unwrap().push(range);
        Ok(())
    }
}

/// Looks at a large film as the worker does: its ends first, then what is asked for. With the bytes that were.
async fn look_at_parts(bench: &Bench, name: &str, media_type: &str) -> (MediaReport, u64) {
    with_hole(bench, name, "holed", media_type);
    let (from, to) = (File::open(bench.path(name)).unwrap(), bench.path("holed"));
    let source = Parts { from, to: to.clone(), brought: Mutex::default() };
    let out = bench.path("parts");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir(&out).unwrap();
    let (size, parsed): (u64, MediaType) = (to.metadata().unwrap().len(), media_type.parse().unwrap());
    let task =
        InspectionTask { file: &to, size, media_type: &parsed, sizes: &bench.sizes, out: &out, source: Some(&source) };
    let report = bench.sandbox().examine(&task).await.unwrap();
    let brought = source.brought.into_inner().unwrap();
    (report, brought.iter().map(|range| range.end - range.start).sum())
}

/// The film with `bytes` of nothing in a box of its own: within its index, or behind it.
fn grown(film: &Path, to: &Path, bytes: u32, within: bool) {
    let mut film = std::fs::read(film).unwrap();
    let at = film.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    let grown = u32::from_be_bytes(film[at..at + 4].try_into().unwrap()) + if within { bytes } else { 0 };
    film[at..at + 4].copy_from_slice(&grown.to_be_bytes());
    film.extend(bytes.to_be_bytes());
    film.extend(b"free");
    film.resize(film.len() + bytes as usize - 8, 0);
    std::fs::write(to, film).unwrap();
}

#[tokio::test]
async fn the_index_of_a_long_film_is_found_wherever_it_lies() {
    let bench = Bench::new();
    bench.make(
        "ffmpeg -v error -f lavfi -i 'nullsrc=s=640x360:r=25:d=10,noise=alls=100:allf=t+u' -c:v mpeg4 -q:v 1 end.mp4
        ffmpeg -v error -i end.mp4 -c copy -movflags +faststart -moov_size 20971520 far.mp4
        ffmpeg -v error -i end.mp4 -c copy -movflags frag_keyframe+empty_moov+default_base_moof fragments.mp4
        ffmpeg -v error -i end.mp4 -t 9 -c:v mpeg2video -q:v 1 a.ts",
    );
    grown(&bench.path("end.mp4"), &bench.path("within.mp4"), 20 << 20, true);
    grown(&bench.path("end.mp4"), &bench.path("behind.mp4"), 20 << 20, false);
    for (name, media_type, seconds) in [
        ("within.mp4", "video/mp4", 10.0),
        ("behind.mp4", "video/quicktime", 10.0),
        ("far.mp4", "video/mp4", 10.0),
        ("a.ts", "video/mp2t", 9.0),
    ] {
        let begun = Instant::now();
        let (report, brought) = look_at_parts(&bench, name, media_type).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
        assert!(report.problems.is_empty(), "{name} {report:?}");
        assert!((report.details["duration_s"].as_f64().unwrap() - seconds).abs() < 0.3, "{name} {report:?}");
        assert_eq!(made(&report, "thumb-256", "image/webp").width, 256, "{name}");
        assert!(brought < 40 << 20, "{name}: {brought} bytes");
    }
    let (report, _) = look_at_parts(&bench, "fragments.mp4", "video/mp4").await;
    assert!(report.problems.is_empty() && report.derivatives.len() == 4, "{report:?}");
    // Without its index it is damaged, and that is found by few bytes.
    let whole = std::fs::read(bench.path("end.mp4")).unwrap();
    let index = whole.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    std::fs::write(bench.path("cut.mp4"), &whole[..index]).unwrap();
    let (report, brought) = look_at_parts(&bench, "cut.mp4", "video/mp4").await;
    assert!(brought < 1 << 20, "{brought}");
    assert_eq!(codes(&report), ["film_damaged"]);
}

#[tokio::test]
async fn what_is_no_film_is_damaged_and_playlists_are_not_followed() {
    let bench = Bench::new();
    bench.make(&format!("ffmpeg -v error {SOURCE} real.ts"));
    let real = bench.path("real.ts").display().to_string();
    let playlist = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{real}\n#EXTINF:3,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    );
    for (text, media_type) in [
        (playlist, "video/mp2t"),
        (format!("ffconcat version 1.0\nfile '{real}'\n"), "video/mp4"),
        ("nothing".to_owned(), "audio/mpeg"),
    ] {
        std::fs::write(bench.path("list"), text).unwrap();
        let report = bench.look("list", media_type).await;
        assert_eq!(codes(&report), ["film_damaged"], "{report:?}");
        assert!(report.derivatives.is_empty() && report.details.is_empty());
    }
}
