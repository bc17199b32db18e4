//! Results of processing: facts about an asset's bytes, and derivatives made from them.
//!
//! Stored with the asset as a single value, which reprocessing replaces as a whole.

use serde::{Deserialize, Serialize};

use super::asset::AssetMetadata;
use super::checksum::Sha256Digest;
use super::clock::Timestamp;
use super::name::MediaType;

/// Intermediate result of an inspection.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectionState {
    /// The type found in the bytes.
    pub detected: MediaType,
    /// The digest computed from the bytes, if all were read.
    pub sha256: Option<Sha256Digest>,
    /// Further results.
    pub findings: AssetFindings,
}

impl InspectionState {
    /// Only the type and the digest, without findings.
    #[must_use]
    pub fn of(detected: MediaType, sha256: Option<Sha256Digest>) -> Self {
        Self { detected, sha256, findings: AssetFindings::default() }
    }
}

/// Further results of an inspection. Every caller that may read the asset may read all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetFindings {
    /// The result of the virus scan; `None`: no scanner is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanNote>,
    /// The encoding of a text, as an IANA charset name in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// CRC-32 (ISO-HDLC) of the bytes, if all were read: the header of an archive member needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
    /// Facts: dimensions, duration, pages, entries.
    #[serde(skip_serializing_if = "AssetMetadata::is_empty")]
    pub details: AssetMetadata,
    /// Problems that prevented facts or derivatives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<AssetProblem>,
    /// Smaller or other forms of the asset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub derivatives: Vec<Derivative>,
}

/// A difference between the stored bytes and the bytes that arrived. Damage is a problem of the asset, never a verdict:
/// the asset stays in its state, and its bytes are kept for recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoredDamage {
    /// The SHA-256 of the bytes differs from the established digest.
    Corrupt,
    /// The store has no object under the asset's key, another object, or fewer bytes than the asset.
    BytesMissing,
}

impl StoredDamage {
    /// Every kind of damage.
    pub const ALL: [Self; 2] = [Self::Corrupt, Self::BytesMissing];

    /// The code of the problem, as in JSON, rows and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::BytesMissing => "bytes_missing",
        }
    }

    /// Description of the problem.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Corrupt => "The stored bytes have changed: their SHA-256 differs from the established digest.",
            Self::BytesMissing => "The store no longer has all bytes of this file.",
        }
    }
}

impl std::str::FromStr for StoredDamage {
    type Err = UnknownDamage;
    fn from_str(text: &str) -> Result<Self, UnknownDamage> {
        Self::ALL.into_iter().find(|damage| damage.code() == text).ok_or(UnknownDamage)
    }
}

/// The text is not the code of a [`StoredDamage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDamage;

impl AssetFindings {
    /// The damage that was found in the stored bytes; `None`: none was found, or a later check cleared it.
    #[must_use]
    pub fn damage(&self) -> Option<StoredDamage> {
        self.problems.iter().find_map(|problem| problem.code.parse().ok())
    }

    /// Replaces the recorded damage; `None`: the bytes were read and are intact.
    pub fn set_damage(&mut self, damage: Option<StoredDamage>) {
        self.problems.retain(|problem| problem.code.parse::<StoredDamage>().is_err());
        let problem =
            |it: StoredDamage| AssetProblem { code: it.code().to_owned(), sentence: it.sentence().to_owned() };
        self.problems.extend(damage.map(problem));
    }

    /// True if there are no findings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Finds a derivative by its name, in the requested format, or else in the format with the smallest file.
    #[must_use]
    pub fn derivative(&self, variant: &str, format: Option<&str>) -> Option<&Derivative> {
        let named = || self.derivatives.iter().filter(|made| made.variant == variant);
        match format {
            Some(format) => named().find(|made| made.format() == format),
            None => named().min_by_key(|made| made.size),
        }
    }
}

/// Record of a virus scan that covered every byte and found nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanNote {
    /// Name of the scanner, its version and that of its signatures.
    pub engine: String,
    /// Time of the scan.
    pub at: Timestamp,
}

/// Code of the problem, or of the failure, of a file that the scanner did not read completely. Such a file never counts
/// as scanned.
pub const SCAN_INCOMPLETE: &str = "scan_incomplete";

/// Something that was not possible with these bytes: a stable code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetProblem {
    /// For programs.
    pub code: String,
    /// For people.
    pub sentence: String,
}

/// A smaller or other form of an asset, stored as an object of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivative {
    /// Name, such as `thumb-256`; derivatives in different formats may share it.
    pub variant: String,
    /// Media type.
    pub media_type: String,
    /// Object key, generated by the service; see [`crate::blob::BlobKey`].
    pub key: String,
    /// The store's entity tag, without quotes.
    pub etag: String,
    /// Size in bytes.
    pub size: u64,
    /// In pixels, for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// In pixels, for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

impl Derivative {
    /// The subtype of the media type: `webp`, `jpeg`.
    #[must_use]
    pub fn format(&self) -> &str {
        self.media_type.split_once('/').map_or(self.media_type.as_str(), |(_, format)| format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(variant: &str, media_type: &str, size: u64) -> Derivative {
        let (variant, media_type) = (variant.to_owned(), media_type.to_owned());
        let (key, etag) = (String::new(), String::new());
        Derivative { variant, media_type, key, etag, size, width: None, height: None }
    }

    #[test]
    fn the_smaller_format_goes_unless_one_is_asked_for() {
        let derivatives = vec![made("s", "image/jpeg", 20), made("s", "image/webp", 10), made("m", "image/webp", 40)];
        let findings = AssetFindings { derivatives, ..AssetFindings::default() };
        assert_eq!(findings.derivative("s", None).unwrap().format(), "webp");
        assert_eq!(findings.derivative("s", Some("jpeg")).unwrap().size, 20);
        assert_eq!(findings.derivative("s", Some("avif")), None);
        assert_eq!(findings.derivative("x", None), None);
    }
}
