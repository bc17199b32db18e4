//! Files that were cut off or altered at random: always an answer, in time. The seed is printed; `GANTRY_TEST_SEED`
//! repeats a run.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use gantry::media::MediaError;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Bench;

/// Small files of every kind.
pub const SAMPLES: [(&str, &str); 14] = [
    ("a.jpg", "image/jpeg"),
    ("prog.jpg", "image/jpeg"),
    ("a.png", "image/png"),
    ("a.gif", "image/gif"),
    ("a.webp", "image/webp"),
    ("a.bmp", "image/bmp"),
    ("a.tiff", "image/tiff"),
    ("a.avif", "image/avif"),
    ("a.svg", "image/svg+xml"),
    ("a.mp4", "video/mp4"),
    ("a.mkv", "video/x-matroska"),
    ("a.mp3", "audio/mpeg"),
    ("a.pdf", "application/pdf"),
    ("a.zip", "application/zip"),
];
/// Variations of each.
const ROUNDS: usize = 24;

pub fn samples(bench: &Bench) {
    bench.make(
        "ffmpeg -v error -f lavfi -i testsrc=s=120x80 -frames:v 1 a.png; for to in bmp tiff webp; do ffmpeg -v error -i a.png a.$to; done
         vips copy a.png a.jpg; vips jpegsave a.png prog.jpg --interlace; exiftool -q -overwrite_original -Model=x -Orientation=6 -n a.jpg
         ffmpeg -v error -f lavfi -i testsrc=s=120x80:d=1:r=5 a.gif; ffmpeg -v error -i a.png -pix_fmt yuv420p -c:v libaom-av1 -still-picture 1 -cpu-used 8 a.avif
         ffmpeg -v error -f lavfi -i testsrc=s=120x80:d=1 -f lavfi -i sine=d=1 -pix_fmt yuv420p a.mp4; ffmpeg -v error -i a.mp4 -c copy a.mkv; ffmpeg -v error -i a.mp4 a.mp3
         printf '<svg><script>1</script></svg>' > a.svg; zip -q a.zip a.svg a.png
         printf '%%PDF-1.4\\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 90 90]>>endobj\\ntrailer<</Root 1 0 R>>\\n' > raw.pdf
         qpdf raw.pdf a.pdf || [ $? = 3 ]",
    );
}

/// Cut off, with wrong bytes, or with a hole.
pub fn damage(bytes: &mut Vec<u8>, chance: &mut StdRng) {
    match chance.random_range(0..4) {
        0 => bytes.truncate(chance.random_range(1..bytes.len())),
        1 => {
            let (from, length) = (chance.random_range(0..bytes.len()), chance.random_range(1..64));
            bytes.iter_mut().skip(from).take(length).for_each(|byte| *byte = chance.random());
        }
        2 => {
            let from = chance.random_range(0..bytes.len());
            let to = (from + chance.random_range(1..256)).min(bytes.len());
            bytes.drain(from..to);
        }
        _ => {
            for _ in 0..chance.random_range(1..20) {
                // Headers are where numbers are believed.
                let within = if chance.random() { bytes.len() } else { bytes.len().min(200) };
                let at = chance.random_range(0..within);
                bytes[at] = [0, 0x7f, 0x80, 0xff, bytes[at] ^ 1][chance.random_range(0..5)];
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_always_answered_in_time() {
    let seed = std::env::var("GANTRY_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("GANTRY_TEST_SEED={seed}");
    let mut bench = Bench::new();
    bench.limits.max_wall_time = Duration::from_secs(20);
    bench.sizes.truncate(1);
    samples(&bench);
    let mut chance = StdRng::seed_from_u64(seed);
    let mut files = Vec::new();
    for (name, media_type) in SAMPLES {
        let sound = std::fs::read(bench.path(name)).unwrap();
        let report = bench.look(name, media_type).await;
        assert!(report.problems.is_empty() && !report.details.is_empty(), "{name} {report:?}");
        for round in 0..ROUNDS {
            let (mut bytes, name) = (sound.clone(), format!("{round}-{name}"));
            damage(&mut bytes, &mut chance);
            std::fs::write(bench.path(&name), if bytes.is_empty() { b"x" } else { &*bytes }).unwrap();
            files.push((name, media_type));
        }
    }
    let looks = files.into_iter().map(|(name, media_type)| {
        let bench = &bench;
        async move {
            let begun = Instant::now();
            let outcome = bench.try_look(&name, media_type).await;
            assert!(!matches!(outcome, Err(MediaError::Internal(_))), "{name} {outcome:?}");
            assert!(begun.elapsed() < bench.limits.max_wall_time + Duration::from_secs(5), "{name}");
            outcome.map(|report| report.problems.len()).unwrap_or(1)
        }
    });
    let problems: Vec<usize> = futures_util::stream::iter(looks).buffer_unordered(4).collect().await;
    let noticed = problems.iter().filter(|count| **count > 0).count();
    println!("{} of {} were noticed", noticed, problems.len());
    assert!(noticed > problems.len() / 8);
}
