//! Kinds of JPEG, PNG and TIFF that are legal and rare.

use serde_json::json;

use super::{Bench, QUARTERS, codes, made, shows_quarters};

#[tokio::test]
async fn rare_jpegs_are_drawn_right() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("ffmpeg -v error -i quarters.png q.ppm && for of in 0 1 2; do echo \"$of;\"; done > scans");
    for (name, options) in [
        ("scans.jpg", "-sample 2x2 -scans scans"),
        ("luma.jpg", "-sample 1x1,2x2,2x2"),
        ("uneven.jpg", "-sample 2x2,2x1,1x1"),
        ("arithmetic.jpg", "-arithmetic"),
        ("progressive.jpg", "-progressive -sample 2x2"),
        ("plain.jpg", "-sample 1x1 -scans scans"),
    ] {
        bench.make(&format!("cjpeg -quality 95 {options} -outfile {name} q.ppm"));
        let report = bench.look(name, "image/jpeg").await;
        assert_eq!((&report.details["width"], &report.details["height"]), (&json!(320), &json!(200)), "{name}");
        assert!(report.problems.is_empty() && shows_quarters(&report), "{name} {report:?}");
    }
}

#[tokio::test]
async fn jpegs_of_12_bits_and_lossless_ones_are_not_called_damaged() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips copy quarters.png q.jpg");
    let sound = std::fs::read(bench.path("q.jpg")).unwrap();
    let frame = sound.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    for (name, offset, value) in [("deep.jpg", 4, 12), ("lossless.jpg", 1, 0xc3)] {
        let mut bytes = sound.clone();
        bytes[frame + offset] = value;
        std::fs::write(bench.path(name), bytes).unwrap();
        let report = bench.look(name, "image/jpeg").await;
        assert_eq!(codes(&report), ["not_decodable_here"], "{name} {report:?}");
    }
}

#[tokio::test]
async fn what_phones_append_to_a_jpeg_does_not_make_it_damaged() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips copy quarters.png q.jpg");
    let sound = std::fs::read(bench.path("q.jpg")).unwrap();
    // A gain map, and a film in which the marker of a scan occurs behind that of an end.
    for appended in [&sound[..], b"\0\0\0\x18ftypmp42\xff\xd9....\xff\xda....", b"\xff\xda"] {
        std::fs::write(bench.path("both.jpg"), [&sound[..], appended].concat()).unwrap();
        let report = bench.look("both.jpg", "image/jpeg").await;
        assert!(report.problems.is_empty() && shows_quarters(&report), "{report:?}");
    }
    // A preview in front has an end; the picture itself has none.
    let cut = [&sound[..2], b"\xff\xe1\0\x06\xff\xd8\xff\xd9", &sound[2..sound.len() - 2]].concat();
    std::fs::write(bench.path("cut.jpg"), cut).unwrap();
    assert_eq!(codes(&bench.look("cut.jpg", "image/jpeg").await), ["image_damaged"]);
}

#[tokio::test]
async fn rare_tiffs_are_drawn() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips tiffsave quarters.png raw.tiff && vips tiffsave quarters.png jpeg.tiff --compression jpeg --Q 95");
    bench.make("tiffcp -p separate raw.tiff planar.tiff && tiffcp -c zstd raw.tiff zstd.tiff && tiffcp -c lzma raw.tiff lzma.tiff");
    bench.make("ffmpeg -v error -i quarters.png -pix_fmt pal8 palette.png && ffmpeg -v error -i palette.png -pix_fmt pal8 palette.tiff");
    for name in ["jpeg.tiff", "planar.tiff", "zstd.tiff", "lzma.tiff", "palette.tiff"] {
        let report = bench.look(name, "image/tiff").await;
        assert_eq!((&report.details["width"], &report.details["height"]), (&json!(320), &json!(200)), "{name}");
        assert!(report.problems.is_empty() && shows_quarters(&report), "{name} {report:?}");
    }
    bench.make(
        "vips colourspace quarters.png grey.v b-w && vips tiffsave grey.v g4.tiff --compression ccittfax4 --bitdepth 1 && tiffcp -c g3 g4.tiff g3.tiff",
    );
    for name in ["g3.tiff", "g4.tiff"] {
        let report = bench.look(name, "image/tiff").await;
        assert!(report.problems.is_empty() && report.derivatives.len() == 4, "{name} {report:?}");
    }
}

#[tokio::test]
async fn a_png_that_was_cut_off_is_shown_as_far_as_it_goes() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips pngsave quarters.png q.png --compression 0 && vips pngsave quarters.png small.png");
    let sound = std::fs::read(bench.path("q.png")).unwrap();
    // Without its last chunk, and within its pixels.
    std::fs::write(bench.path("end.png"), &sound[..sound.len() - 12]).unwrap();
    std::fs::write(bench.path("half.png"), &sound[..sound.len() * 9 / 10]).unwrap();
    let report = bench.look("end.png", "image/png").await;
    assert!(shows_quarters(&report), "{report:?}");
    let report = bench.look("half.png", "image/png").await;
    assert_eq!(codes(&report), ["image_damaged"]);
    let (thumb, red) = (made(&report, "thumb-256", "image/webp"), [220, 30, 30, 255]);
    assert!(super::same(super::colour(&thumb.file, 1, 1), red), "{report:?}");
    // Shorter than what a decoder reads at a time.
    let small = std::fs::read(bench.path("small.png")).unwrap();
    std::fs::write(bench.path("cut.png"), &small[..small.len() * 3 / 4]).unwrap();
    let report = bench.look("cut.png", "image/png").await;
    assert_eq!(codes(&report), ["image_damaged"]);
    assert!(super::same(super::colour(&made(&report, "thumb-256", "image/webp").file, 1, 0), red), "{report:?}");
}
