//! Raster pictures, and drawings that are not drawn.

use serde_json::json;

use super::{Bench, codes, colour, made, near};
use crate::support::patience::PATIENCE;

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];

/// 480 by 320, red in the upper left corner, green in the upper right one, white elsewhere.
const CORNERS: &str = "ffmpeg -v error -y -f lavfi -i color=white:s=480x320,drawbox=0:0:120:120:red:fill,drawbox=360:0:120:120:lime:fill \
                       -frames:v 1 corners.png";

#[tokio::test]
async fn photos_are_upright_whichever_way_the_camera_was_held() {
    let bench = Bench::new();
    bench.make(CORNERS);
    // What a camera would store so that each orientation shows the same picture.
    let turns = ["null", "hflip", "hflip,vflip", "vflip", "transpose=0", "transpose=2", "transpose=3", "transpose=1"];
    for (at, turn) in turns.iter().enumerate() {
        let number = at + 1;
        bench.make(&format!("ffmpeg -v error -y -i corners.png -vf {turn} -q:v 2 p.jpg && exiftool -q -overwrite_original -n -Orientation={number} p.jpg"));
        let report = bench.look("p.jpg", "image/jpeg").await;
        assert_eq!((&report.details["width"], &report.details["height"]), (&json!(480), &json!(320)), "{number}");
        assert_eq!(report.details.get("orientation"), (number > 1).then(|| json!(number)).as_ref());
        assert!(report.problems.is_empty() && report.derivatives.len() == 4, "{report:?}");
        for media_type in ["image/webp", "image/jpeg"] {
            let thumb = made(&report, "thumb-256", media_type);
            assert_eq!((thumb.width, thumb.height), (256, 171));
            let (left, right) = (colour(&thumb.file, 0, 0), colour(&thumb.file, 7, 0));
            assert!(near(left, RED) && near(right, GREEN), "orientation {number}: {left:?} {right:?}");
        }
        assert_eq!(made(&report, "thumb-64", "image/webp").width, 64);
    }
}

#[tokio::test]
async fn cameras_tell_of_exposures_but_not_of_places() {
    let bench = Bench::new();
    bench.make(CORNERS);
    bench.make(
        "ffmpeg -v error -i corners.png p.jpg && exiftool -q -overwrite_original -Make=Canon -Model='EOS R5' -LensModel='RF 50mm' \
         -DateTimeOriginal='2024:03:01 12:30:05' -OffsetTimeOriginal=+02:00 -ExposureTime=1/125 -FNumber=2.8 -ISO=400 -FocalLength=50 \
         -GPSLatitude=52.5 -GPSLatitudeRef=N -GPSLongitude=13.4 -GPSLongitudeRef=E -SerialNumber=SECRET1 -LensSerialNumber=SECRET2 \
         -OwnerName=SECRET3 -UserComment=SECRET4 -Comment=SECRET5 -Artist=SECRET6 p.jpg",
    );
    let report = bench.look("p.jpg", "image/jpeg").await;
    let expected = json!({"kind": "image", "width": 480, "height": 320, "taken_at": "2024-03-01T12:30:05+02:00",
        "camera": {"make": "Canon", "model": "EOS R5", "lens": "RF 50mm"},
        "exposure": {"seconds": 0.008, "f_number": 2.8, "iso": 400.0, "focal_length_mm": 50.0}});
    assert_eq!(serde_json::Value::Object(report.details.clone()), expected);
    for made in &report.derivatives {
        let bytes = std::fs::read(&made.file).unwrap();
        for leak in ["Exif", "Canon", "SECRET", "http"] {
            assert!(!bytes.windows(leak.len()).any(|window| window == leak.as_bytes()), "{leak} in {made:?}");
        }
    }
}

#[tokio::test]
async fn transparency_stays_in_webp_and_is_white_in_jpeg() {
    let bench = Bench::new();
    // Red on the left, nothing (but a black nothing) on the right.
    bench.make("ffmpeg -v error -f lavfi -i color=black:s=400x400,format=rgba,geq='r=if(lt(X\\,200)\\,255\\,0):g=0:b=0:a=if(lt(X\\,200)\\,255\\,0)' -frames:v 1 a.png");
    let report = bench.look("a.png", "image/png").await;
    assert_eq!(report.details["alpha"], json!(true));
    let webp = &made(&report, "thumb-64", "image/webp").file;
    assert!(near(colour(webp, 1, 4), RED) && colour(webp, 6, 4)[3] == 0, "{:?}", colour(webp, 6, 4));
    let jpeg = &made(&report, "thumb-64", "image/jpeg").file;
    assert!(near(colour(jpeg, 1, 4), RED) && near(colour(jpeg, 6, 4), [255; 4]));
}

#[tokio::test]
async fn every_raster_format_is_known_and_small_ones_are_not_enlarged() {
    let bench = Bench::new();
    bench.make("ffmpeg -v error -f lavfi -i testsrc=s=100x50 -frames:v 1 s.png && for to in jpg gif webp bmp tiff; do ffmpeg -v error -i s.png s.$to; done");
    bench.make("vips copy s.png deep.png && ffmpeg -v error -i s.png -pix_fmt rgba64be 16.png && ffmpeg -v error -i s.png -pix_fmt gray g.jpg");
    let formats = [
        ("s.jpg", "jpeg"),
        ("s.gif", "gif"),
        ("s.webp", "webp"),
        ("s.bmp", "bmp"),
        ("s.tiff", "tiff"),
        ("16.png", "png"),
        ("g.jpg", "jpeg"),
    ];
    for (name, format) in formats {
        let report = bench.look(name, &format!("image/{format}")).await;
        assert!(report.problems.is_empty(), "{name} {report:?}");
        let (small, own) = (made(&report, "thumb-64", "image/jpeg"), made(&report, "thumb-256", "image/webp"));
        assert_eq!((small.width, small.height, own.width, own.height), (64, 32, 100, 50), "{name}");
    }
}

#[tokio::test]
async fn animations_are_counted_and_their_first_frame_is_shown() {
    let bench = Bench::new();
    bench.make("ffmpeg -v error -f lavfi -i testsrc=s=90x60:r=5:d=2 a.gif && ffmpeg -v error -i a.gif -c:v libwebp_anim -loop 0 a.webp && ffmpeg -v error -i a.gif -f apng a.png");
    for (name, format) in [("a.gif", "gif"), ("a.webp", "webp"), ("a.png", "png"), ("a.png", "apng")] {
        let report = bench.look(name, &format!("image/{format}")).await;
        assert_eq!(report.details["frames"], json!(10), "{name}");
        assert!(report.problems.is_empty() && report.derivatives.len() == 4, "{name} {report:?}");
    }
}

#[tokio::test]
async fn svg_is_read_and_never_drawn() {
    let bench = Bench::new();
    for (text, script) in
        [("<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>", false), ("<svg onload='x()'/>", true)]
    {
        std::fs::write(bench.path("a.svg"), text).unwrap();
        let report = bench.look("a.svg", "image/svg+xml").await;
        assert_eq!(report.details["script"], json!(script));
        assert!(report.derivatives.is_empty() && report.problems.is_empty());
    }
}

fn too_large(report: &gantry::media::MediaReport, width: u32) {
    assert_eq!((codes(report), &report.details["width"]), (vec!["image_too_large"], &json!(width)));
    assert!(report.derivatives.is_empty());
}

#[tokio::test]
async fn pictures_that_are_too_large_have_facts_and_a_problem_and_are_not_decoded() {
    let mut bench = Bench::new();
    bench.make("vips black bomb.png 50000 50000 --bands 1");
    assert!(bench.path("bomb.png").metadata().unwrap().len() < 20 << 20);
    let begun = std::time::Instant::now();
    too_large(&bench.look("bomb.png", "image/png").await, 50_000);
    assert!(begun.elapsed().as_secs() < 5, "it was decoded");
    // A GIF of a few bytes with a huge screen.
    let gif = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x02\x00\x01\0;";
    std::fs::write(bench.path("bomb.gif"), gif).unwrap();
    too_large(&bench.look("bomb.gif", "image/gif").await, 65_535);
    // Frames without end, 12 bytes each.
    let mut gif = b"GIF89a\x01\0\x01\0\0\0\0".to_vec();
    for _ in 0..2000 {
        gif.extend(b",\0\0\0\0\x01\0\x01\0\0\x08\0");
    }
    std::fs::write(bench.path("frames.gif"), gif).unwrap();
    bench.limits.max_frames = 1000;
    let report = bench.look("frames.gif", "image/gif").await;
    too_large(&report, 1);
    assert_eq!(report.details["frames"], json!(2000));
}

#[tokio::test]
async fn ordinary_files_beyond_the_limit_of_pixels_keep_their_facts() {
    let mut bench = Bench::new();
    // As people have them: a photograph, a scan in G4, a picture in AVIF, a film. The limit is small, so that they are.
    bench.make(CORNERS);
    bench.make(
        "ffmpeg -v error -i corners.png a.jpg && vips colourspace corners.png grey.v b-w && vips tiffsave grey.v a.tif --compression ccittfax4 --bitdepth 1
        ffmpeg -v error -i corners.png -pix_fmt yuv420p -c:v libaom-av1 -still-picture 1 -cpu-used 8 a.avif
        ffmpeg -v error -f lavfi -i testsrc=s=480x320:d=1:r=5 -pix_fmt yuv420p a.mp4",
    );
    bench.limits.max_pixels = 480 * 320 - 1;
    for (name, media_type) in [("a.jpg", "image/jpeg"), ("a.tif", "image/tiff"), ("a.avif", "image/avif")] {
        too_large(&bench.look(name, media_type).await, 480);
    }
    let report = bench.look("a.mp4", "video/mp4").await;
    assert_eq!((codes(&report), &report.details["width"]), (vec!["film_too_large"], &json!(480)));
    assert!(report.details["duration_s"].as_f64().is_some() && report.derivatives.is_empty());
}

#[tokio::test]
async fn a_picture_that_needs_more_memory_than_there_is_is_a_problem() {
    let mut bench = Bench::new();
    bench.make("vips black large.png 12000 12000 --bands 3 && ffmpeg -v error -i large.png large.jpg");
    bench.limits.max_memory_bytes = 300 << 20;
    // However long it takes on a busy machine: it is memory that ends first.
    (bench.limits.max_wall_time, bench.limits.max_cpu_time) = (PATIENCE, PATIENCE);
    for (name, format) in [("large.png", "image/png"), ("large.jpg", "image/jpeg")] {
        let report = bench.look(name, format).await;
        assert_eq!(codes(&report), ["decoder_memory"], "{name}");
    }
}

#[tokio::test]
async fn of_huge_files_the_header_is_read() {
    let bench = Bench::new();
    bench.make(CORNERS);
    bench.make("ffmpeg -v error -i corners.png p.jpg && truncate -s 5G p.jpg corners.png");
    for (name, media_type) in [("p.jpg", "image/jpeg"), ("corners.png", "image/png")] {
        let report = bench.look(name, media_type).await;
        assert_eq!((codes(&report), &report.details["width"]), (vec!["image_too_large"], &json!(480)), "{name}");
    }
}

#[tokio::test]
async fn a_photo_that_was_cut_off_is_shown_as_far_as_it_goes() {
    let bench = Bench::new();
    bench.make(CORNERS);
    bench.make("ffmpeg -v error -i corners.png -q:v 1 p.jpg && truncate -s -400 p.jpg && head -c 400 corners.png > p.png && printf x > x.jpg");
    let report = bench.look("p.jpg", "image/jpeg").await;
    assert_eq!(codes(&report), ["image_damaged"]);
    assert!(near(colour(&made(&report, "thumb-256", "image/webp").file, 0, 0), RED));
    let report = bench.look("p.png", "image/png").await;
    assert_eq!((codes(&report), &report.details["width"]), (vec!["image_damaged"], &json!(480)));
    assert_eq!(codes(&bench.look("x.jpg", "image/jpeg").await), ["image_damaged"]);
}
