//! The manifest of a point: a header, a line for each file, and a last line that seals the lines before it.
//!
//! Names are sorted, those of the point's own files first, so that manifests are compared in one pass without reading
//! them into memory.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Lines, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::clock::Timestamp;

/// Version of the format.
const MANIFEST_FORMAT: u32 = 1;
/// Files of a point that are no data files.
const POINT_FILES: [&str; 4] = ["gantry.db", "signing.key", "store.db", "store.key"];
/// Beginning of the names of data files.
const DATA_PREFIX: &str = "files/";

/// First line of a manifest: the instance at the instant of the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointHeader {
    /// Version of the format.
    pub gantry_backup: u32,
    /// Name of the point.
    pub point: String,
    /// Instant of the cut.
    pub at: Timestamp,
    /// Version of the program that wrote the point.
    pub version: String,
    /// Id of the instance; `None` before its first start.
    pub instance: Option<String>,
    /// Assets that have bytes.
    pub assets: u64,
    /// Bytes of these assets.
    pub asset_bytes: u64,
    /// Uploads in flight.
    pub uploads: u64,
}

impl PointHeader {
    /// A header of this version's format.
    #[must_use]
    pub fn new(point: String, at: Timestamp) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            gantry_backup: MANIFEST_FORMAT,
            point,
            at,
            version,
            instance: None,
            assets: 0,
            asset_bytes: 0,
            uploads: 0,
        }
    }
}

/// A file of a point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// `gantry.db` for a file of the point, `files/ab/ab12…` for a data file.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// True if the store's own copy differed from its checksum when it was copied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

impl ManifestEntry {
    /// Entry of a data file of the store, by its name there.
    #[must_use]
    pub fn data_name(id: &str) -> String {
        format!("{DATA_PREFIX}{}/{id}", id.get(..2).unwrap_or_default())
    }

    /// True for data files, which points share.
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.name.starts_with(DATA_PREFIX)
    }

    /// Refuses names that no backup writes: a manifest must not lead out of its folder.
    fn check(&self) -> anyhow::Result<()> {
        let id = self.name.rsplit('/').next().unwrap_or_default();
        let hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let ours = POINT_FILES.contains(&self.name.as_str()) || (hex && self.name == Self::data_name(id));
        ensure!(ours, "the manifest names {:?}, which is no file of a backup", self.name);
        Ok(())
    }
}

/// Sums of a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestTotals {
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct ManifestSeal {
    end: ManifestTotals,
    /// SHA-256 of all lines before, in hexadecimal.
    sha256: String,
}

/// A manifest that is being written.
pub struct ManifestWriter {
    out: BufWriter<File>,
    digest: Sha256,
    totals: ManifestTotals,
}

impl ManifestWriter {
    /// Begins a manifest.
    pub fn create(path: &Path, header: &PointHeader) -> anyhow::Result<Self> {
        let out = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut writer = Self { out: BufWriter::new(out), digest: Sha256::new(), totals: ManifestTotals::default() };
        writer.line(header)?;
        Ok(writer)
    }

    fn line(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.out.write_all(&line)?;
        Ok(())
    }

    /// Adds a file.
    pub fn add(&mut self, entry: &ManifestEntry) -> anyhow::Result<()> {
        self.totals.files += 1;
        self.totals.bytes += entry.size;
        self.line(entry)
    }

    /// Seals the manifest and makes it durable.
    pub fn finish(mut self) -> anyhow::Result<ManifestTotals> {
        let sha256 = hex::encode(self.digest.clone().finalize());
        self.line(&ManifestSeal { end: self.totals, sha256 })?;
        self.out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        Ok(self.totals)
    }
}

/// A manifest that is being read: its files in order.
pub struct ManifestReader {
    /// The first line.
    pub header: PointHeader,
    path: String,
    lines: Lines<BufReader<File>>,
    digest: Sha256,
    totals: ManifestTotals,
    sealed: bool,
}

impl ManifestReader {
    /// Opens a manifest of a format that this version knows.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let file = File::open(path).with_context(|| format!("{shown} cannot be read"))?;
        let mut lines = BufReader::new(file).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let header: PointHeader =
            serde_json::from_str(&first).with_context(|| format!("{shown} is no manifest of a backup"))?;
        ensure!(
            header.gantry_backup == MANIFEST_FORMAT,
            "{shown} has format {}, which this version does not know: use the version of gantry that wrote it",
            header.gantry_backup
        );
        let mut digest = Sha256::new();
        digest.update(first.as_bytes());
        digest.update(b"\n");
        Ok(Self { header, path: shown, lines, digest, totals: ManifestTotals::default(), sealed: false })
    }

    /// Reads a whole manifest and checks its seal. Returns header and sums.
    pub fn check(path: &Path) -> anyhow::Result<(PointHeader, ManifestTotals)> {
        let mut reader = Self::open(path)?;
        while reader.next_entry()?.is_some() {}
        Ok((reader.header, reader.totals))
    }

    /// The next file; `None` after the last file of a manifest whose seal is right.
    pub fn next_entry(&mut self) -> anyhow::Result<Option<ManifestEntry>> {
        if self.sealed {
            return Ok(None);
        }
        let Some(line) = self.lines.next().transpose()? else { bail!("{} is cut off", self.path) };
        if line.starts_with("{\"end\"") {
            let seal: ManifestSeal =
                serde_json::from_str(&line).with_context(|| format!("{} is damaged", self.path))?;
            let computed = hex::encode(self.digest.clone().finalize());
            ensure!(seal.sha256 == computed && seal.end == self.totals, "{} is damaged: its seal differs", self.path);
            self.sealed = true;
            return Ok(None);
        }
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        let entry: ManifestEntry = serde_json::from_str(&line).with_context(|| format!("{} is damaged", self.path))?;
        entry.check()?;
        self.totals.files += 1;
        self.totals.bytes += entry.size;
        Ok(Some(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::micros;

    fn entry(name: &str) -> ManifestEntry {
        ManifestEntry { name: name.to_owned(), size: 5, sha256: "ab".repeat(32), damaged: false }
    }

    fn write(path: &Path) -> ManifestTotals {
        let header = PointHeader::new("p".to_owned(), micros(1));
        let mut writer = ManifestWriter::create(path, &header).unwrap();
        writer.add(&entry("gantry.db")).unwrap();
        writer.add(&entry(&ManifestEntry::data_name(&"0f".repeat(16)))).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_manifest_reads_back_and_no_change_of_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.ndjson");
        let totals = write(&path);
        assert_eq!((totals.files, totals.bytes), (2, 10));
        assert_eq!(ManifestReader::check(&path).unwrap().1, totals);
        let text = std::fs::read_to_string(&path).unwrap();
        let cut: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
        for (changed, says) in [
            (cut, "cut off"),
            (text.replace("\"size\":5", "\"size\":6"), "seal differs"),
            (text.replace("gantry.db", "../gantry.db"), "no file of a backup"),
            (text.replace("files/0f", "files/00"), "no file of a backup"),
            (text.replace("\"gantry_backup\":1", "\"gantry_backup\":2"), "format 2"),
        ] {
            std::fs::write(&path, changed).unwrap();
            let error = ManifestReader::check(&path).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
