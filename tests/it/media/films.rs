//! Video and sound.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gantry::domain::name::MediaType;
use gantry::media::{Sandbox, Wanted};
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

/// The same file with a hole where nobody looks.
fn with_hole(bench: &Bench, from: &str, to: &str, media_type: &str) {
    let bytes = std::fs::read(bench.path(from)).unwrap();
    let media_type: MediaType = media_type.parse().unwrap();
    let Wanted::Ends { head, tail } = Sandbox::wants(&media_type, bytes.len() as u64) else {
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
