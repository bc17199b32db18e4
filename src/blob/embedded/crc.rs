//! CRC arithmetic: the CRC of a concatenation from the CRCs of its two pieces, as in zlib's `crc32_combine`.
//!
//! `crc(a ++ b) = crc(a) · x^(8·|b|) + crc(b)` modulo the polynomial. With the power cached this is a single
//! multiplication, a fraction of a microsecond; `crc_fast::checksum_combine` computes the power each time, which took
//! seconds for an object of 10 000 parts.

/// Polynomial of a CRC in the reflected form that all of S3's CRCs use, without its highest term.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrcPolynomial {
    /// Width in bits: 32 or 64.
    pub(super) width: u32,
    /// Coefficients, lowest power in the highest bit.
    pub(super) reflected: u64,
}

impl CrcPolynomial {
    fn one(self) -> u64 {
        1 << (self.width - 1)
    }

    /// Product `a · b` modulo the polynomial.
    pub(super) fn multiply(self, a: u64, mut b: u64) -> u64 {
        let (mut power, mut product) = (self.one(), 0);
        while power != 0 {
            if a & power != 0 {
                product ^= b;
            }
            power >>= 1;
            b = if b & 1 == 1 { (b >> 1) ^ self.reflected } else { b >> 1 };
        }
        product
    }

    /// Factor `x^(8·bytes)`, by which a CRC is multiplied when `bytes` more bytes follow.
    pub(super) fn shift(self, mut bytes: u64) -> u64 {
        let (mut result, mut square) = (self.one(), self.one() >> 8);
        while bytes != 0 {
            if bytes & 1 == 1 {
                result = self.multiply(result, square);
            }
            square = self.multiply(square, square);
            bytes >>= 1;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_slower_way() {
        use crc_fast::{CrcAlgorithm, checksum_combine};
        let kinds = [
            (CrcAlgorithm::Crc32IsoHdlc, CrcPolynomial { width: 32, reflected: 0xedb8_8320 }),
            (CrcAlgorithm::Crc32Iscsi, CrcPolynomial { width: 32, reflected: 0x82f6_3b78 }),
            (CrcAlgorithm::Crc64Nvme, CrcPolynomial { width: 64, reflected: 0x9a6c_9329_ac4b_c9b5 }),
        ];
        for (algorithm, polynomial) in kinds {
            let mask = u64::MAX >> (64 - polynomial.width);
            for (a, b, bytes) in [(0, 0, 0), (1, 2, 1), (0xdead_beef, 0x1234_5678, 5 << 20), (u64::MAX, 7, 5 << 30)] {
                let (a, b) = (a & mask, b & mask);
                let ours = polynomial.multiply(polynomial.shift(bytes), a) ^ b;
                assert_eq!(ours, checksum_combine(algorithm, a, b, bytes), "{algorithm:?} {bytes}");
            }
        }
    }
}
