//! Checksums: S3's five algorithms, computed while bytes arrive, and combined when parts become an object.
//!
//! Values are kept in base64, as S3 sends them. Must not touch files or rows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use serde::{Deserialize, Serialize};

use super::crc::CrcPolynomial;
use super::error::{Error, Result};

/// An S3 checksum algorithm, by its S3 name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum S3ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    #[serde(rename = "CRC32")]
    Crc32,
    /// CRC-32C (Castagnoli).
    #[serde(rename = "CRC32C")]
    Crc32c,
    /// CRC-64/NVME; the default if the client names no algorithm, as in S3.
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    /// SHA-1.
    #[serde(rename = "SHA1")]
    Sha1,
    /// SHA-256.
    #[serde(rename = "SHA256")]
    Sha256,
}

/// Relation of the checksum of a multipart object to those of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum S3ChecksumType {
    /// Digest of the parts' digests, with the suffix `-N`.
    #[serde(rename = "COMPOSITE")]
    Composite,
    /// Checksum of the whole object's bytes; only CRCs support it.
    #[serde(rename = "FULL_OBJECT")]
    FullObject,
}

impl S3ChecksumAlgorithm {
    /// All five algorithms.
    pub(super) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Name in `x-amz-checksum-algorithm` and in XML.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Name of the header or trailer with the value.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Parses an S3 name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name));
        known.ok_or(Error::InvalidRequest("the checksum algorithm is unknown"))
    }

    fn polynomial(self) -> Option<CrcPolynomial> {
        match self {
            Self::Crc32 => Some(CrcPolynomial { width: 32, reflected: 0xedb8_8320 }),
            Self::Crc32c => Some(CrcPolynomial { width: 32, reflected: 0x82f6_3b78 }),
            Self::Crc64Nvme => Some(CrcPolynomial { width: 64, reflected: 0x9a6c_9329_ac4b_c9b5 }),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

impl S3ChecksumType {
    /// Name in `x-amz-checksum-type` and in XML.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }

    /// Type for a multipart upload: the requested type, if the algorithm supports it; S3's default without a request.
    pub(super) fn choose(algorithm: S3ChecksumAlgorithm, asked: Option<&str>) -> Result<Self> {
        match (asked, algorithm) {
            (None | Some("FULL_OBJECT"), S3ChecksumAlgorithm::Crc64Nvme) => Ok(Self::FullObject),
            (Some("FULL_OBJECT"), S3ChecksumAlgorithm::Crc32 | S3ChecksumAlgorithm::Crc32c) => Ok(Self::FullObject),
            (
                None | Some("COMPOSITE"),
                S3ChecksumAlgorithm::Crc32
                | S3ChecksumAlgorithm::Crc32c
                | S3ChecksumAlgorithm::Sha1
                | S3ChecksumAlgorithm::Sha256,
            ) => Ok(Self::Composite),
            _ => Err(Error::InvalidRequest("the checksum type cannot be used with this checksum algorithm")),
        }
    }
}

/// Checksums of some bytes in base64, by algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ChecksumSet(BTreeMap<S3ChecksumAlgorithm, String>);

impl ChecksumSet {
    /// Value for an algorithm.
    pub(super) fn get(&self, algorithm: S3ChecksumAlgorithm) -> Option<&String> {
        self.0.get(&algorithm)
    }

    /// Sets or replaces a value.
    pub(super) fn set(&mut self, algorithm: S3ChecksumAlgorithm, value: String) {
        self.0.insert(algorithm, value);
    }

    /// True if there are no values.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Algorithms that have a value.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = S3ChecksumAlgorithm> + '_ {
        self.0.keys().copied()
    }

    /// First algorithm whose wanted value differs from the value here.
    pub(super) fn differs_from(&self, wanted: &Self) -> Option<S3ChecksumAlgorithm> {
        wanted.0.iter().find(|(algorithm, value)| self.get(**algorithm) != Some(value)).map(|(algorithm, _)| *algorithm)
    }
}

/// Digests of a body: always MD5, and the requested checksums.
pub(super) struct BodyHasher {
    md5: Md5,
    sums: ChecksumHasher,
}

impl BodyHasher {
    /// Starts MD5 and `algorithms`.
    pub(super) fn new(algorithms: &[S3ChecksumAlgorithm]) -> Self {
        let on = |algorithm| algorithms.contains(&algorithm);
        let sums = ChecksumHasher {
            crc32: on(S3ChecksumAlgorithm::Crc32).then(Crc32::new),
            crc32c: on(S3ChecksumAlgorithm::Crc32c).then(Crc32c::new),
            crc64nvme: on(S3ChecksumAlgorithm::Crc64Nvme).then(Crc64Nvme::new),
            sha1: on(S3ChecksumAlgorithm::Sha1).then(Sha1::new),
            sha256: on(S3ChecksumAlgorithm::Sha256).then(Sha256::new),
        };
        Self { md5: Md5::new(), sums }
    }

    /// Adds the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sums.update(bytes);
    }

    /// MD5 and checksums of all bytes.
    pub(super) fn finish(self) -> ([u8; 16], ChecksumSet) {
        let computed = self.sums.finalize();
        let pairs = [
            (S3ChecksumAlgorithm::Crc32, computed.checksum_crc32),
            (S3ChecksumAlgorithm::Crc32c, computed.checksum_crc32c),
            (S3ChecksumAlgorithm::Crc64Nvme, computed.checksum_crc64nvme),
            (S3ChecksumAlgorithm::Sha1, computed.checksum_sha1),
            (S3ChecksumAlgorithm::Sha256, computed.checksum_sha256),
        ];
        let known = pairs.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?)));
        (self.md5.finalize().into(), ChecksumSet(known.collect()))
    }
}

/// Combines the checksums of parts into that of the object, part by part in order.
pub(super) struct ChecksumCombiner {
    algorithm: S3ChecksumAlgorithm,
    kind: S3ChecksumType,
    parts: usize,
    crc: Option<u64>,
    /// Size of the previous part and its CRC shift, cached because nearly all parts have the same size.
    shift: Option<(u64, u64)>,
    digests: ChecksumHasher,
}

impl ChecksumCombiner {
    /// Starts without parts.
    pub(super) fn new(algorithm: S3ChecksumAlgorithm, kind: S3ChecksumType) -> Self {
        Self { algorithm, kind, parts: 0, crc: None, shift: None, digests: BodyHasher::new(&[algorithm]).sums }
    }

    /// Adds the next part: its checksum in base64 and its size in bytes. `None` if the value is not a checksum.
    pub(super) fn push(&mut self, sum: &str, size: u64) -> Option<()> {
        let bytes = BASE64.decode(sum).ok()?;
        self.parts += 1;
        match (self.kind, self.algorithm.polynomial()) {
            (S3ChecksumType::Composite, _) => self.digests.update(&bytes),
            (S3ChecksumType::FullObject, Some(polynomial)) if bytes.len() * 8 == polynomial.width as usize => {
                let crc = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
                self.crc = Some(match self.crc {
                    None => crc,
                    Some(sofar) => polynomial.multiply(self.shift(polynomial, size), sofar) ^ crc,
                });
            }
            (S3ChecksumType::FullObject, _) => return None,
        }
        Some(())
    }

    fn shift(&mut self, polynomial: CrcPolynomial, size: u64) -> u64 {
        match self.shift {
            Some((known, shift)) if known == size => shift,
            _ => {
                let shift = polynomial.shift(size);
                self.shift = Some((size, shift));
                shift
            }
        }
    }

    /// Checksum of the object in base64; composite checksums end with the number of parts.
    pub(super) fn finish(self) -> Option<String> {
        match (self.kind, self.algorithm.polynomial()) {
            (S3ChecksumType::FullObject, Some(polynomial)) => {
                let bytes = self.crc?.to_be_bytes();
                Some(BASE64.encode(&bytes[bytes.len() - polynomial.width as usize / 8..]))
            }
            (S3ChecksumType::FullObject, None) => None,
            (S3ChecksumType::Composite, _) => {
                let sums = BodyHasher { md5: Md5::new(), sums: self.digests }.finish().1;
                Some(format!("{}-{}", sums.get(self.algorithm)?, self.parts))
            }
        }
    }
}

/// Parses a `Content-MD5` header: 16 bytes in base64.
pub(super) fn content_md5(text: &str) -> Result<[u8; 16]> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.ok_or(Error::InvalidDigest("Content-MD5"))
}

/// ETag of a multipart object: the MD5 of the parts' MD5s, and their number.
pub(super) fn multipart_etag(md5s: impl Iterator<Item = [u8; 16]>) -> String {
    let (mut hasher, mut parts) = (Md5::new(), 0usize);
    for md5 in md5s {
        hasher.update(md5);
        parts += 1;
    }
    format!("{}-{parts}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: S3ChecksumAlgorithm, bytes: &[u8]) -> String {
        let mut hasher = BodyHasher::new(&[algorithm]);
        hasher.update(bytes);
        hasher.finish().1.get(algorithm).unwrap().clone()
    }

    #[test]
    fn the_full_object_crc_of_parts_is_the_crc_of_the_whole() {
        let whole: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        for algorithm in [S3ChecksumAlgorithm::Crc32, S3ChecksumAlgorithm::Crc32c, S3ChecksumAlgorithm::Crc64Nvme] {
            let mut join = ChecksumCombiner::new(algorithm, S3ChecksumType::FullObject);
            for part in [&whole[..1], &whole[1..65_537], &[], &whole[65_537..]] {
                join.push(&sum(algorithm, part), part.len() as u64).unwrap();
            }
            assert_eq!(join.finish().unwrap(), sum(algorithm, &whole), "{algorithm:?}");
        }
    }

    #[test]
    fn a_composite_is_the_digest_of_the_digests() {
        let mut join = ChecksumCombiner::new(S3ChecksumAlgorithm::Sha256, S3ChecksumType::Composite);
        let (a, b) = (sum(S3ChecksumAlgorithm::Sha256, b"a"), sum(S3ChecksumAlgorithm::Sha256, b"b"));
        join.push(&a, 1).unwrap();
        join.push(&b, 1).unwrap();
        let digests = [BASE64.decode(a).unwrap(), BASE64.decode(b).unwrap()].concat();
        assert_eq!(join.finish().unwrap(), format!("{}-2", sum(S3ChecksumAlgorithm::Sha256, &digests)));
    }

    #[test]
    fn known_values() {
        assert_eq!(sum(S3ChecksumAlgorithm::Crc32, b"123456789"), "y/Q5Jg==");
        assert_eq!(sum(S3ChecksumAlgorithm::Crc32c, b"123456789"), "4waSgw==");
        assert_eq!(sum(S3ChecksumAlgorithm::Crc64Nvme, b"123456789"), "rosUhgp5mIg=");
        assert_eq!(content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").unwrap(), <[u8; 16]>::from(Md5::digest(b"")));
        assert!(content_md5("1B2M2Y8AsgTpgAmY7PhC").is_err());
    }

    #[test]
    fn kinds_follow_s3() {
        assert_eq!(S3ChecksumType::choose(S3ChecksumAlgorithm::Crc64Nvme, None).unwrap(), S3ChecksumType::FullObject);
        assert_eq!(S3ChecksumType::choose(S3ChecksumAlgorithm::Crc32, None).unwrap(), S3ChecksumType::Composite);
        assert!(S3ChecksumType::choose(S3ChecksumAlgorithm::Sha256, Some("FULL_OBJECT")).is_err());
        assert!(S3ChecksumType::choose(S3ChecksumAlgorithm::Crc64Nvme, Some("COMPOSITE")).is_err());
    }
}
