//! Digests that clients declare, of whole files and of parts.
//!
//! The textual form names the algorithm: `sha256:` and then hexadecimal or base64. A bare SHA-256 is accepted too.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The text is not a digest of a supported algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is written like sha256:<hex or base64>; supported are sha256, crc32c and crc64nvme")]
pub struct BadDigest;

/// The SHA-256 of a whole file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let value = match text.split_once(':') {
            Some(("sha256" | "sha-256", value)) => value,
            Some(_) => return Err(BadDigest),
            None => text,
        };
        decode::<32>(value).map(Self)
    }
}

impl Sha256Digest {
    /// Base64, as S3 headers and RFC 9530 fields carry it.
    #[must_use]
    pub fn base64(&self) -> String {
        BASE64.encode(self.0)
    }
}

/// The checksums that S3 verifies while a part arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// Composite only: a digest of the parts' digests.
    Sha256,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME, always of the full object.
    Crc64Nvme,
}

impl ChecksumAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Crc32c, Self::Crc64Nvme];

    /// Our own name for it, in JSON and in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
        }
    }

    /// Request header of S3's UploadPart and PutObject.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
        }
    }
}

impl FromStr for ChecksumAlgorithm {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "crc32c" => Ok(Self::Crc32c),
            "crc64nvme" => Ok(Self::Crc64Nvme),
            _ => Err(BadDigest),
        }
    }
}

/// The checksum of a part, for the store to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartChecksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// Base64, exactly as in the signed header.
    pub base64: String,
}

impl From<Sha256Digest> for PartChecksum {
    fn from(digest: Sha256Digest) -> Self {
        Self { algorithm: ChecksumAlgorithm::Sha256, base64: digest.base64() }
    }
}

impl FromStr for PartChecksum {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let (algorithm, value) = text.split_once(':').unwrap_or(("sha256", text));
        let algorithm: ChecksumAlgorithm = algorithm.parse()?;
        let base64 = match algorithm {
            ChecksumAlgorithm::Sha256 => BASE64.encode(decode::<32>(value)?),
            ChecksumAlgorithm::Crc32c => BASE64.encode(decode::<4>(value)?),
            ChecksumAlgorithm::Crc64Nvme => BASE64.encode(decode::<8>(value)?),
        };
        Ok(Self { algorithm, base64 })
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], BadDigest> {
    let sized = |bytes: Vec<u8>| <[u8; N]>::try_from(bytes).ok();
    let hex = hex::decode(text).ok().and_then(sized);
    hex.or_else(|| BASE64.decode(text).ok().and_then(sized)).ok_or(BadDigest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hex_and_base64_mean_the_same() {
        let hex: Sha256Digest = EMPTY.parse().unwrap();
        assert_eq!(hex, format!("sha256:{}", hex.base64()).parse().unwrap());
        assert_eq!(hex.to_string(), format!("sha256:{EMPTY}"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", &EMPTY[1..], "sha256:zz"] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
            assert!(bad.parse::<PartChecksum>().is_err(), "{bad}");
        }
    }

    #[test]
    fn part_checksums_carry_what_the_header_wants() {
        let crc: PartChecksum = "crc32c:AAAAAA==".parse().unwrap();
        assert_eq!((crc.algorithm.header(), crc.base64.as_str()), ("x-amz-checksum-crc32c", "AAAAAA=="));
        assert_eq!("crc32c:00000000".parse::<PartChecksum>().unwrap(), crc);
        assert!("crc64nvme:AAAAAA==".parse::<PartChecksum>().is_err());
    }
}
