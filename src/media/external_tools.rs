//! The programs of others that decode what no Rust crate does.

use std::path::{Path, PathBuf};

/// Where they are, if they are installed.
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
    /// What the search path has.
    pub(super) fn find_installed() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| {
            let places = std::env::split_paths(&path).filter(|place| place.is_absolute());
            // The cell lets the program itself be executed, not a link to it.
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

    /// Each with its name and how it is asked for its version.
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
