//! Looking at files that nobody trusts, with real files made by the tools of others.

mod archives;
mod cell;
mod colour;
pub mod damage;
mod documents;
mod films;
mod heif;
mod odd_pictures;
mod pictures;

use std::path::{Path, PathBuf};
use std::process::Command;

use gantry::domain::name::MediaType;
use gantry::media::{
    DecodeLimits, DerivativeFile, DerivativeSize, InspectionTask, MediaError, MediaReport, MediaSandbox,
};
use tempfile::TempDir;

/// A folder to make files in, and one for what is made of them.
pub struct Bench {
    dir: TempDir,
    pub limits: DecodeLimits,
    pub sizes: Vec<DerivativeSize>,
}

impl Bench {
    pub fn new() -> Self {
        let size = |edge: u32| DerivativeSize { name: format!("thumb-{edge}"), edge };
        Self { dir: TempDir::new().unwrap(), limits: DecodeLimits::default(), sizes: vec![size(64), size(256)] }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command in the folder, which must succeed.
    pub fn make(&self, command: &str) {
        let done = Command::new("sh").args(["-ec", command]).current_dir(self.dir.path()).output().unwrap();
        assert!(done.status.success(), "{command}\n{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn sandbox(&self) -> MediaSandbox {
        MediaSandbox::new(self.limits).with_program(PathBuf::from(env!("CARGO_BIN_EXE_gantry")))
    }

    /// Looks at a file of the folder.
    pub async fn try_look(&self, name: &str, media_type: &str) -> Result<MediaReport, MediaError> {
        let (file, out) = (self.path(name), TempDir::new_in(self.dir.path()).unwrap().keep());
        let media_type: MediaType = media_type.parse().unwrap();
        let size = file.metadata().unwrap().len();
        let task =
            InspectionTask { file: &file, size, media_type: &media_type, sizes: &self.sizes, out: &out, source: None };
        let report = self.sandbox().examine(&task).await;
        // Nothing lies about but what was reported.
        let mut left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
        let mut made: Vec<_> =
            report.iter().flat_map(|it| it.derivatives.iter().map(|made| made.file.clone())).collect();
        left.sort();
        made.sort();
        assert_eq!(left, made);
        report
    }

    pub async fn look(&self, name: &str, media_type: &str) -> MediaReport {
        self.try_look(name, media_type).await.unwrap()
    }
}

pub fn codes(report: &MediaReport) -> Vec<&str> {
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}

/// The one derivative with that name and type.
pub fn made<'a>(report: &'a MediaReport, variant: &str, media_type: &str) -> &'a DerivativeFile {
    let mut found = report.derivatives.iter().filter(|made| made.variant == variant && made.media_type == media_type);
    let made = found.next().unwrap_or_else(|| panic!("no {variant} as {media_type} in {report:?}"));
    assert!(found.next().is_none() && made.size == made.file.metadata().unwrap().len());
    made
}

/// The colour in the middle of the given eighth of a derivative, by ffmpeg rather than by our own decoder.
pub fn colour(file: &Path, across: u32, down: u32) -> [u8; 4] {
    let crop = format!("crop=iw/8:ih/8:iw*{across}/8:ih*{down}/8,scale=1:1:flags=area,format=rgba");
    let args = ["-v", "error", "-i", file.to_str().unwrap(), "-vf", &crop, "-f", "rawvideo", "-"];
    let done = Command::new("ffmpeg").args(args).output().unwrap();
    done.stdout.as_slice().try_into().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// Whether two colours differ by so little that people take them for the same.
pub fn same(a: [u8; 4], b: [u8; 4]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 12)
}

/// Four strong colours that lie within sRGB, one a quarter: 320 by 200.
pub const QUARTERS: &str = "ffmpeg -v error -y -f lavfi -i color=0xdc1e1e:s=320x200,drawbox=160:0:160:100:0x1ea01e:fill,\
    drawbox=0:100:160:100:0x1e3cdc:fill,drawbox=160:100:160:100:0xf0d21e:fill,format=rgb24 -frames:v 1 quarters.png";

/// Whether a derivative shows the quarters in their own colours and places.
pub fn shows_quarters(report: &MediaReport) -> bool {
    let file = &made(report, "thumb-256", "image/webp").file;
    let expected = [(1, 1, [220, 30, 30]), (6, 1, [30, 160, 30]), (1, 6, [30, 60, 220]), (6, 6, [240, 210, 30])];
    let wrong = expected.into_iter().find(|(across, down, [red, green, blue])| {
        let found = colour(file, *across, *down);
        let right = same(found, [*red, *green, *blue, 255]);
        if !right {
            println!("at {across}, {down} is {found:?} instead of {red}, {green}, {blue}");
        }
        !right
    });
    wrong.is_none()
}

pub fn near(a: [u8; 4], b: [u8; 4]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40)
}
