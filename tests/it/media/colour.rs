//! Colours: values mean what their profile says, and derivatives show them in sRGB.

use serde_json::json;

use super::{Bench, QUARTERS, codes, colour, made, shows_quarters};

/// Primaries, adapted to the illuminant of profiles (D50), as red, green and blue.
type Primaries = [[f64; 3]; 3];

const ADOBE: Primaries = [[0.6097, 0.3111, 0.0195], [0.2053, 0.6257, 0.0609], [0.1492, 0.0632, 0.7446]];
const PROPHOTO: Primaries = [[0.7977, 0.2880, 0.0], [0.1352, 0.7119, 0.0], [0.0313, 0.0001, 0.8249]];
/// The primaries of sRGB, each in the place of another: stored red is green.
const SWAPPED: Primaries = [[0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141], [0.4361, 0.2225, 0.0139]];

/// A profile of three primaries and one power for all curves, ICC.1:2001-04.
fn profile(primaries: Primaries, power: f64) -> Vec<u8> {
    let fixed = |value: f64| ((value * 65536.0).round() as i32).to_be_bytes();
    let xyz = |values: [f64; 3]| [&b"XYZ \0\0\0\0"[..], &values.map(fixed).concat()].concat();
    let power = ((power * 256.0).round() as u16).to_be_bytes();
    let curve = [&b"curv\0\0\0\0\0\0\0\x01"[..], &power, b"\0\0"].concat();
    let white = [0.9642, 1.0, 0.8249];
    let mut tags = vec![(b"wtpt", xyz(white)), (b"cprt", b"text\0\0\0\0none\0\0\0\0".to_vec())];
    tags.push((b"desc", [&b"desc\0\0\0\0\0\0\0\x05test\0"[..], &[0; 79]].concat()));
    tags.extend([b"rXYZ", b"gXYZ", b"bXYZ"].into_iter().zip(primaries.map(xyz)));
    tags.extend([b"rTRC", b"gTRC", b"bTRC"].map(|name| (name, curve.clone())));
    let number = |value: usize| u32::try_from(value).unwrap().to_be_bytes();
    let (mut table, mut data) = (number(tags.len()).to_vec(), Vec::new());
    for (name, content) in &tags {
        table.extend([&name[..], &number(132 + 12 * tags.len() + data.len()), &number(content.len())].concat());
        data.extend(content);
    }
    let size = number(128 + table.len() + data.len());
    let about = [&size[..], b"test\x02\x40\0\0mntrRGB XYZ ", &[0; 12], b"acsp", &[0; 28]].concat();
    [about, white.map(fixed).concat(), vec![0; 48], table, data].concat()
}

/// Makes `name.EXTENSION` of the quarters with that profile, in every format that carries one.
fn save_with_profile(bench: &Bench, name: &str) {
    bench.make(&format!(
        "vips icc_transform quarters.png {name}.v {name}.icc --input-profile srgb --intent relative
         vips jpegsave {name}.v {name}.jpg --Q 95 && vips pngsave {name}.v {name}.png && vips webpsave {name}.v {name}.webp --Q 95
         vips tiffsave {name}.v {name}.tiff"
    ));
}

#[tokio::test]
async fn profiles_are_converted_to_srgb() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    for (name, bytes) in
        [("adobe", profile(ADOBE, 2.2)), ("prophoto", profile(PROPHOTO, 1.8)), ("swapped", profile(SWAPPED, 2.2))]
    {
        std::fs::write(bench.path(&format!("{name}.icc")), bytes).unwrap();
        save_with_profile(&bench, name);
        for extension in ["jpg", "png", "webp", "tiff"] {
            let media_type = format!("image/{}", if extension == "jpg" { "jpeg" } else { extension });
            let report = bench.look(&format!("{name}.{extension}"), &media_type).await;
            assert!(report.problems.is_empty() && shows_quarters(&report), "{name}.{extension} {report:?}");
        }
    }
}

#[tokio::test]
async fn display_p3_is_converted_in_every_format_and_in_every_size() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips icc_transform quarters.png p3.v p3 --input-profile srgb && vips jpegsave p3.v p3.jpg --Q 95 && vips copy p3.v p3.heic");
    bench.make("vips heifsave p3.v p3.avif --compression av1 --speed 8 && vips icc_transform quarters.png deep.png p3 --input-profile srgb --depth 16");
    for (name, media_type) in
        [("p3.jpg", "image/jpeg"), ("deep.png", "image/png"), ("p3.heic", "image/heic"), ("p3.avif", "image/avif")]
    {
        let report = bench.look(name, media_type).await;
        assert!(report.problems.is_empty() && shows_quarters(&report), "{name} {report:?}");
        let (large, small) = (made(&report, "thumb-256", "image/webp"), made(&report, "thumb-64", "image/webp"));
        let (large, small) = (colour(&large.file, 1, 1), colour(&small.file, 1, 1));
        assert!(super::same(large, small), "{name}: converted once, not twice: {large:?} {small:?}");
    }
}

#[tokio::test]
async fn inks_are_converted_by_their_profile() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips icc_transform quarters.png c.jpg[Q=95] cmyk --input-profile srgb && vips icc_transform quarters.png c.tiff cmyk --input-profile srgb");
    bench.make("vips icc_transform c.tiff expected.png srgb --embedded");
    for (name, media_type) in [("c.jpg", "image/jpeg"), ("c.tiff", "image/tiff")] {
        let report = bench.look(name, media_type).await;
        assert!(report.problems.is_empty(), "{name} {report:?}");
        assert_eq!((&report.details["width"], &report.details["height"]), (&json!(320), &json!(200)));
        for (across, down) in [(1, 1), (6, 1), (1, 6), (6, 6)] {
            let found = colour(&made(&report, "thumb-256", "image/webp").file, across, down);
            let expected = colour(&bench.path("expected.png"), across, down);
            assert!(super::same(found, expected), "{name} at {across}, {down}: {found:?}, not {expected:?}");
        }
    }
}

/// The JPEG with a profile, ICC.1:2022 annex B.4.
fn with_segment(bench: &Bench, from: &str, to: &str, profile: &[u8]) {
    let mut jpeg = std::fs::read(bench.path(from)).unwrap();
    let content = [b"ICC_PROFILE\0\x01\x01", profile].concat();
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    jpeg.splice(2..2, [b"\xff\xe2", &length[..], &content].concat());
    std::fs::write(bench.path(to), jpeg).unwrap();
}

#[tokio::test]
async fn profiles_that_are_none_or_of_other_values_are_ignored() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    bench.make("vips copy quarters.png q.jpg[Q=95] && vips colourspace quarters.png grey.jpg b-w");
    with_segment(&bench, "q.jpg", "plain.jpg", &b"not a profile".repeat(20));
    with_segment(&bench, "grey.jpg", "profiled.jpg", &profile(ADOBE, 2.2));
    let report = bench.look("plain.jpg", "image/jpeg").await;
    assert!(report.problems.is_empty() && shows_quarters(&report), "{report:?}");
    let (plain, profiled) =
        (bench.look("grey.jpg", "image/jpeg").await, bench.look("profiled.jpg", "image/jpeg").await);
    let at = |report| colour(&made(report, "thumb-256", "image/webp").file, 1, 1);
    assert_eq!((at(&plain), codes(&profiled)), (at(&profiled), vec![]));
}

#[tokio::test]
async fn films_of_high_dynamic_range_are_shown_as_screens_do() {
    let bench = Bench::new();
    bench.make(QUARTERS);
    // The quarters with paper at 203 candela.
    const INTO: &str = "scale=in_range=pc:out_color_matrix=bt709:out_range=tv,format=yuv444p,\
        setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv,zscale=t=linear:npl=203,format=gbrpf32le,\
        zscale=p=bt2020:t=TRANSFER:m=bt2020nc:r=tv:npl=203,format=yuv420p10le";
    for (name, transfer) in [("pq", "smpte2084"), ("hlg", "arib-std-b67")] {
        let filter = INTO.replace("TRANSFER", transfer);
        let tags = format!("colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc");
        bench.make(&format!(
            "ffmpeg -v error -loop 1 -framerate 25 -i quarters.png -t 1 -vf '{filter}' -c:v libx265 -preset ultrafast \
             -color_primaries bt2020 -colorspace bt2020nc -color_trc {transfer} -x265-params log-level=none:{tags} {name}.mp4"
        ));
        let report = bench.look(&format!("{name}.mp4"), "video/mp4").await;
        assert!(report.problems.is_empty(), "{report:?}");
        let poster = &made(&report, "thumb-256", "image/webp").file;
        for (across, down, expected) in [
            (1, 1, [220, 30, 30, 255]),
            (6, 1, [30, 160, 30, 255]),
            (1, 6, [30, 60, 220, 255]),
            (6, 6, [240, 210, 30, 255]),
        ] {
            let found = colour(poster, across, down);
            assert!(super::near(found, expected), "{name} at {across}, {down}: {found:?}, not {expected:?}");
        }
    }
}
