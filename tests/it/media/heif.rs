//! HEIC and AVIF: pictures of phones, turned, mirrored, transparent, in motion.

use std::path::PathBuf;

use serde_json::json;

use super::{Bench, QUARTERS, codes, colour, made, same, shows_quarters};

#[tokio::test]
async fn heic_and_avif_are_drawn() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips copy quarters.png p.heic && vips heifsave quarters.png v.avif --compression av1 --speed 8");
    bench.make("ffmpeg -v error -i quarters.png -pix_fmt yuv420p -c:v libaom-av1 -still-picture 1 -cpu-used 8 f.avif");
    for (name, media_type) in [("p.heic", "image/heic"), ("v.avif", "image/avif"), ("f.avif", "image/avif")] {
        let report = bench.look(name, media_type).await;
        assert_eq!((&report.details["width"], &report.details["height"]), (&json!(320), &json!(200)), "{name}");
        assert!(report.problems.is_empty() && report.derivatives.len() == 4, "{name} {report:?}");
        assert!(shows_quarters(&report), "{name}");
    }
}

#[tokio::test]
async fn their_transparency_is_kept() {
    let bench = Bench::new();
    bench.make("ffmpeg -v error -f lavfi -i color=red:s=320x200,format=rgba,geq='r=255:g=0:b=0:a=if(lt(X\\,160)\\,255\\,0)' -frames:v 1 half.png");
    bench.make("vips copy half.png a.heic && vips heifsave half.png a.avif --compression av1 --speed 8");
    for (name, media_type) in [("a.heic", "image/heic"), ("a.avif", "image/avif")] {
        let report = bench.look(name, media_type).await;
        assert_eq!(report.details["alpha"], json!(true), "{name}");
        let webp = &made(&report, "thumb-256", "image/webp").file;
        assert!(same(colour(webp, 1, 4), [255, 0, 0, 255]) && colour(webp, 6, 4)[3] == 0, "{name}");
    }
}

/// The file with its property of bit depths, which nobody needs, made one that turns or mirrors.
fn with_property(file: PathBuf, kind: &[u8; 4], value: u8) {
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(4).position(|window| window == b"pixi").unwrap();
    bytes[at..at + 4].copy_from_slice(kind);
    bytes[at + 4] = value;
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn turned_and_mirrored_ones_are_upright() {
    let bench = Bench::new();
    // As a camera stores it so that the property shows the quarters upright.
    for (stored, kind, value, orientation) in [
        ("vflip", b"imir", 0, 4),
        ("hflip", b"imir", 1, 2),
        ("transpose=1", b"irot", 1, 8),
        ("transpose=2", b"irot", 3, 6),
    ] {
        bench.make(QUARTERS);
        bench.make(&format!("ffmpeg -v error -y -i quarters.png -vf {stored} s.png && vips copy s.png p.heic"));
        with_property(bench.path("p.heic"), kind, value);
        let report = bench.look("p.heic", "image/heic").await;
        let details = &report.details;
        assert_eq!((&details["width"], &details["height"]), (&json!(320), &json!(200)), "{stored} {report:?}");
        assert_eq!(details["orientation"], json!(orientation), "{stored}");
        let thumb = made(&report, "thumb-256", "image/webp");
        assert_eq!((thumb.width, thumb.height), (256, 160), "{stored}");
        assert!(shows_quarters(&report), "{stored}");
    }
}

#[tokio::test]
async fn of_sequences_the_first_picture_is_shown_and_all_are_counted() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("ffmpeg -v error -loop 1 -framerate 5 -i quarters.png -t 1 -pix_fmt yuv420p -c:v libaom-av1 -cpu-used 8 -f avif moving.avif");
    bench.make(
        "ffmpeg -v error -loop 1 -framerate 5 -i quarters.png -t 1 -pix_fmt yuv420p -c:v libaom-av1 -cpu-used 8 s.mp4",
    );
    let mut bytes = std::fs::read(bench.path("s.mp4")).unwrap();
    // A sequence without a still picture: the brands say what it is, and nothing else differs from a film.
    bytes[8..12].copy_from_slice(b"msf1");
    std::fs::write(bench.path("only.heif"), bytes).unwrap();
    for (name, media_type) in
        [("moving.avif", "image/avif"), ("moving.avif", "image/avif-sequence"), ("only.heif", "image/heif-sequence")]
    {
        let report = bench.look(name, media_type).await;
        let details = &report.details;
        assert_eq!((&details["width"], &details["height"]), (&json!(320), &json!(200)), "{name} {report:?}");
        assert_eq!(details["frames"], json!(5), "{name}");
        assert!(report.problems.is_empty() && shows_quarters(&report), "{name} {report:?}");
    }
}

#[tokio::test]
async fn those_of_other_codecs_are_measured_and_not_called_damaged() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips copy quarters.png p.heic");
    let mut bytes = std::fs::read(bench.path("p.heic")).unwrap();
    // VVC instead of HEVC: the item's type and its configuration.
    for (from, to) in [(b"hvc1", b"vvc1"), (b"hvcC", b"vvcC")] {
        while let Some(at) = bytes.windows(4).position(|window| window == from) {
            bytes[at..at + 4].copy_from_slice(to);
        }
    }
    std::fs::write(bench.path("p.heic"), bytes).unwrap();
    let report = bench.look("p.heic", "image/heif").await;
    assert_eq!((&report.details["width"], codes(&report)), (&json!(320), vec!["not_decodable_here"]));
}
