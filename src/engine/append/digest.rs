//! Checksums of appends: algorithms, expected values and running digests.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Digest algorithm of an append's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendDigestAlgorithm {
    /// SHA-1; mandatory for tus servers.
    Sha1,
    /// SHA-256; recommended.
    Sha256,
    /// SHA-512; like SHA-256 an active algorithm of `Digest` fields in HTTP (RFC 9530).
    Sha512,
    /// MD5; for old clients.
    Md5,
    /// CRC-32 in big-endian order, as tus clients send it.
    Crc32,
}

impl AppendDigestAlgorithm {
    /// All algorithms, in the order in which tus advertises them.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha512, Self::Md5, Self::Crc32];

    /// Name of the algorithm in tus.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Md5 => "md5",
            Self::Crc32 => "crc32",
        }
    }

    /// Size of a value in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Md5 => 16,
            Self::Crc32 => 4,
        }
    }

    pub(super) fn new_digest(self) -> RunningDigest {
        match self {
            Self::Sha1 => RunningDigest::Sha1(Sha1::new()),
            Self::Sha256 => RunningDigest::Sha256(Sha256::new()),
            Self::Sha512 => RunningDigest::Sha512(Sha512::new()),
            Self::Md5 => RunningDigest::Md5(Md5::new()),
            Self::Crc32 => RunningDigest::Crc32(Box::new(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc))),
        }
    }
}

/// Digest that the bytes of an append must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedDigest {
    /// Algorithm of the digest.
    pub algorithm: AppendDigestAlgorithm,
    /// Expected value.
    pub value: Vec<u8>,
}

/// A digest while it is computed.
pub(super) enum RunningDigest {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Md5(Md5),
    Crc32(Box<crc_fast::Digest>),
}

impl RunningDigest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Sha512(digest) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
            Self::Crc32(digest) => digest.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
            Self::Sha512(digest) => digest.finalize().to_vec(),
            Self::Md5(digest) => digest.finalize().to_vec(),
            Self::Crc32(digest) => u32::try_from(digest.finalize()).unwrap_or_default().to_be_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let expected = [
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "900150983cd24fb0d6963f7d28e17f72",
            "352441c2",
        ];
        for (algorithm, expected) in AppendDigestAlgorithm::ALL.into_iter().zip(expected) {
            let mut running = algorithm.new_digest();
            running.update(b"a");
            running.update(b"bc");
            let value = running.finish();
            assert_eq!(value.len(), algorithm.size());
            assert_eq!(hex::encode(value), expected, "{}", algorithm.name());
        }
    }
}
