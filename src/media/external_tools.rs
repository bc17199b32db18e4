//! External programs that decode formats without a Rust decoder.

use std::path::{Path, PathBuf};

/// Paths of the programs; `None` if not installed.
#[derive(Clone, Debug, Default)]
pub(super) struct ExternalTools {
    pub(super) ffprobe: Option<PathBuf>,
    pub(super) ffmpeg: Option<PathBuf>,
    pub(super) pdfinfo: Option<PathBuf>,
    pub(super) pdftoppm: Option<PathBuf>,
    /// libvips: HEIC, AVIF, and pictures that the built-in decoders do not draw.
    pub(super) vips: Option<PathBuf>,
    pub(super) vipsheader: Option<PathBuf>,
}

impl ExternalTools {
    /// Finds the programs in `PATH`.
    pub(super) fn find_installed() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| {
            let places = std::env::split_paths(&path).filter(|place| place.is_absolute());
            // The sandbox allows the program itself to be executed, not a link to it.
            places
                .map(|place| place.join(name))
                .find(|file| is_executable(file))
                .and_then(|file| file.canonicalize().ok())
        };
        Self {
            ffprobe: find("ffprobe"),
            ffmpeg: find("ffmpeg"),
            pdfinfo: find("pdfinfo"),
            pdftoppm: find("pdftoppm"),
            vips: find("vips"),
            vipsheader: find("vipsheader"),
        }
    }

    /// Name, path and version argument of each program.
    pub(super) fn version_commands(&self) -> [(&'static str, &Option<PathBuf>, &'static str); 6] {
        [
            ("ffprobe", &self.ffprobe, "-version"),
            ("ffmpeg", &self.ffmpeg, "-version"),
            ("pdfinfo", &self.pdfinfo, "-v"),
            ("pdftoppm", &self.pdftoppm, "-v"),
            ("vips", &self.vips, "--version"),
            ("vipsheader", &self.vipsheader, "--version"),
        ]
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}
